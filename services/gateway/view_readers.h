/*
 * Four read-only Stores of the view, for threads other than the service's. One thread at a time borrows a Store. None can be
 * borrowed until the view has caught up, that is, holds everything that the ledgers held when the service started to read
 * (Service.caught_up). Otherwise a request for an incident that the view has not read yet would be answered with 404.
 * Thread-safe.
 */
#ifndef TOCSIN_GATEWAY_VIEW_READERS_H
#define TOCSIN_GATEWAY_VIEW_READERS_H

#include "shared/base/error.h"
#include "shared/io/http/server.h"
#include "shared/io/sqlite/store.h"

#include <pthread.h>

typedef struct ViewReaders ViewReaders;

typedef struct {
	pthread_mutex_t mutex; /* held while the reader is borrowed */
	Store *store;          /* opened at the first use */
} ViewReader;

/* view_path: the gateway's state file; copied. No reader can be borrowed before view_readers_caught_up. */
ViewReaders *view_readers_new(const char *view_path);

/* No reader may be borrowed. Accepts NULL. */
void view_readers_free(ViewReaders *readers);

/*
 * caught_up true: from now on readers can be borrowed. False, called just before the view is dropped: from now on none can be
 * borrowed; waits until all borrowed readers are returned, so that no request finds the view empty.
 */
void view_readers_caught_up(ViewReaders *readers, bool caught_up);

/*
 * Waits for a free reader; return it with view_return. ERROR_AGAIN: the view has not caught up or cannot be opened; then
 * there is nothing to return.
 */
Result view_borrow(ViewReaders *readers, ViewReader **out);

/* view_borrow for a request. False: the request was answered with 503. */
bool view_borrow_or_answer(ViewReaders *readers, HttpRequest *request, ViewReader **out);

void view_return(ViewReader *reader);

#endif
