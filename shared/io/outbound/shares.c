#include "shared/io/outbound/shares.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
	Outbound outbound; /* must be the first member */
	OutboundShares *shares;
	void (*wake)(void *context);
	void *context;
} Share;

/* A request, from its send until its outcome is taken. */
typedef struct {
	Share *share;
	char key[OUTBOUND_KEY];
	bool done;
	OutboundOutcome outcome; /* valid if `done` */
} Pending;

struct OutboundShares {
	Outbound *outbound;
	pthread_mutex_t mutex; /* not held while outbound is called: its workers call wake_all, which locks the mutex */
	Pending *pending;
	size_t count, capacity, share_count;
	Share shares[];
};

/* ---- pending requests; called with the mutex held */

static Pending *pending_find(OutboundShares *shares, const char *key)
{
	for (size_t i = 0; i < shares->count; i++)
		if (!shares->pending[i].done && strcmp(shares->pending[i].key, key) == 0)
			return &shares->pending[i];
	return NULL;
}

static void pending_add(OutboundShares *shares, Share *share, const char *key)
{
	if (pending_find(shares, key))
		return;
	if (shares->count == shares->capacity) {
		shares->capacity = shares->capacity == 0 ? 16 : shares->capacity * 2;
		shares->pending = realloc(shares->pending, shares->capacity * sizeof *shares->pending);
		must(shares->pending != NULL);
	}
	Pending *added = &shares->pending[shares->count++];
	added->share = share;
	added->done = false;
	must(text_copy(slice_of(key), added->key, sizeof added->key));
}

static void pending_remove(OutboundShares *shares, Pending *pending)
{
	*pending = shares->pending[--shares->count];
}

/* ---- operations of a share */

static Result share_send(Outbound *outbound, const OutboundRequest *request)
{
	Share *share = (Share *)outbound;
	OutboundShares *shares = share->shares;
	bool fits = request->key != NULL && strlen(request->key) < OUTBOUND_KEY;
	/* The request is added before it is sent, because its outcome may arrive before send returns. */
	pthread_mutex_lock(&shares->mutex);
	if (fits)
		pending_add(shares, share, request->key);
	pthread_mutex_unlock(&shares->mutex);
	Result result = shares->outbound->operations->send(shares->outbound, request);
	if (!fits || !result_failed(result))
		return result;
	pthread_mutex_lock(&shares->mutex);
	Pending *added = pending_find(shares, request->key);
	if (added)
		pending_remove(shares, added);
	pthread_mutex_unlock(&shares->mutex);
	return result;
}

/* Assigns all available outcomes to their pending requests; an outcome without a pending request is dropped. */
static void outcomes_assign(OutboundShares *shares)
{
	OutboundOutcome outcome;
	while (shares->outbound->operations->outcome(shares->outbound, &outcome)) {
		pthread_mutex_lock(&shares->mutex);
		Pending *pending = pending_find(shares, outcome.key);
		if (pending) {
			pending->outcome = outcome;
			pending->done = true;
		}
		pthread_mutex_unlock(&shares->mutex);
	}
}

static bool share_outcome(Outbound *outbound, OutboundOutcome *out)
{
	Share *share = (Share *)outbound;
	OutboundShares *shares = share->shares;
	bool found = false;
	outcomes_assign(shares);
	pthread_mutex_lock(&shares->mutex);
	for (size_t i = 0; i < shares->count && !found; i++) {
		Pending *pending = &shares->pending[i];
		found = pending->done && pending->share == share;
		if (found) {
			*out = pending->outcome;
			pending_remove(shares, pending);
		}
	}
	pthread_mutex_unlock(&shares->mutex);
	return found;
}

static void share_notify(Outbound *outbound, void (*wake)(void *context), void *context)
{
	Share *share = (Share *)outbound;
	pthread_mutex_lock(&share->shares->mutex);
	share->wake = wake;
	share->context = context;
	pthread_mutex_unlock(&share->shares->mutex);
}

static const OutboundOperations share_operations = { share_send, share_outcome, share_notify, NULL };

/* ---- all shares */

/* Called after an outcome was added. The share that it belongs to is not known yet, so all shares are woken. */
static void wake_all(void *context)
{
	OutboundShares *shares = context;
	pthread_mutex_lock(&shares->mutex);
	for (size_t i = 0; i < shares->share_count; i++)
		if (shares->shares[i].wake)
			shares->shares[i].wake(shares->shares[i].context);
	pthread_mutex_unlock(&shares->mutex);
}

OutboundShares *outbound_shares_new(Outbound *outbound, size_t count)
{
	OutboundShares *shares = calloc(1, sizeof *shares + count * sizeof shares->shares[0]);
	must(shares != NULL && pthread_mutex_init(&shares->mutex, NULL) == 0);
	shares->outbound = outbound;
	shares->share_count = count;
	for (size_t i = 0; i < count; i++)
		shares->shares[i] = (Share){ .outbound = { &share_operations }, .shares = shares };
	outbound->operations->notify(outbound, wake_all, shares);
	return shares;
}

void outbound_shares_free(OutboundShares *shares)
{
	if (!shares)
		return;
	shares->outbound->operations->notify(shares->outbound, NULL, NULL);
	pthread_mutex_destroy(&shares->mutex);
	free(shares->pending);
	free(shares);
}

Outbound *outbound_share(OutboundShares *shares, size_t index)
{
	if (!shares)
		return NULL;
	must(index < shares->share_count);
	return &shares->shares[index].outbound;
}
