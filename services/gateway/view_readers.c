#include "services/gateway/view_readers.h"

#include "services/gateway/answers.h"
#include "services/gateway/gateway.h"
#include "shared/runtime/runtime.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { READERS = 4, CACHE_KIB = 2048 };

struct ViewReaders {
	char *view_path;
	ViewReader readers[READERS];
	atomic_uint next;
	atomic_bool caught_up;
};

ViewReaders *view_readers_new(const char *view_path)
{
	ViewReaders *readers = calloc(1, sizeof *readers);

	must(readers != NULL);
	readers->view_path = slice_copy(slice_of(view_path));
	for (size_t i = 0; i < READERS; i++)
		must(pthread_mutex_init(&readers->readers[i].mutex, NULL) == 0);
	return readers;
}

void view_readers_free(ViewReaders *readers)
{
	if (!readers)
		return;
	for (size_t i = 0; i < READERS; i++) {
		store_close(readers->readers[i].store);
		pthread_mutex_destroy(&readers->readers[i].mutex);
	}
	free(readers->view_path);
	free(readers);
}

static void readers_await(ViewReaders *readers)
{
	for (size_t i = 0; i < READERS; i++) {
		pthread_mutex_lock(&readers->readers[i].mutex);
		pthread_mutex_unlock(&readers->readers[i].mutex);
	}
}

void view_readers_caught_up(ViewReaders *readers, bool caught_up)
{
	atomic_store(&readers->caught_up, caught_up);
	if (!caught_up)
		readers_await(readers);
}

static Result reader_open(const ViewReaders *readers, ViewReader *reader)
{
	if (reader->store)
		return result_ok();
	StoreOptions options = runtime_store_options(&gateway_service, readers->view_path);
	options.read_only = true;
	options.cache_kib = CACHE_KIB;
	Result result = store_open(&options, &reader->store, NULL);
	return result_failed(result) ? result_fail(ERROR_AGAIN, "the view cannot be read yet: %s", result.text)
				     : result;
}

/* Locks a free reader; if none is free, waits for one of them, chosen in rotation. */
static ViewReader *reader_lock(ViewReaders *readers)
{
	unsigned turn = atomic_fetch_add(&readers->next, 1);

	for (unsigned i = 0; i < READERS; i++) {
		ViewReader *reader = &readers->readers[(turn + i) % READERS];
		if (pthread_mutex_trylock(&reader->mutex) == 0)
			return reader;
	}
	ViewReader *reader = &readers->readers[turn % READERS];
	pthread_mutex_lock(&reader->mutex);
	return reader;
}

Result view_borrow(ViewReaders *readers, ViewReader **out)
{
	ViewReader *reader = reader_lock(readers);
	Result result = result_fail(ERROR_AGAIN, "the view has not caught up yet");

	if (atomic_load(&readers->caught_up)) /* checked under the reader's mutex, for which readers_await waits */
		result = reader_open(readers, reader);
	if (result_failed(result))
		pthread_mutex_unlock(&reader->mutex);
	else
		*out = reader;
	return result;
}

bool view_borrow_or_answer(ViewReaders *readers, HttpRequest *request, ViewReader **out)
{
	Result result = view_borrow(readers, out);

	if (!result_failed(result))
		return true;
	if (atomic_load(&readers->caught_up))
		answer_failure(request, result);
	else
		answer_refusal(request, PROBLEM_UNAVAILABLE,
			       "this server is still loading its incidents and commands; try again shortly");
	return false;
}

void view_return(ViewReader *reader)
{
	pthread_mutex_unlock(&reader->mutex);
}
