#include "shared/io/outbound/shares.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
	Outbound outside; /* first: what the partition sees */
	OutboundShares *parts;
	void (*wake)(void *context);
	void *context;
} Part;

/* A message from its sending until its outcome is taken. */
typedef struct {
	Part *part;
	char key[OUTBOUND_KEY];
	bool done;
	OutboundOutcome outcome; /* where done */
} Message;

struct OutboundShares {
	Outbound *outside;
	pthread_mutex_t mutex; /* never held while the outside is called: its workers call us */
	Message *messages;
	size_t count, room, part_count;
	Part parts[];
};

/* ---- messages; called with the mutex held */

static Message *message_find(OutboundShares *parts, const char *key)
{
	for (size_t i = 0; i < parts->count; i++)
		if (!parts->messages[i].done && strcmp(parts->messages[i].key, key) == 0)
			return &parts->messages[i];
	return NULL;
}

static void message_add(OutboundShares *parts, Part *part, const char *key)
{
	if (message_find(parts, key))
		return;
	if (parts->count == parts->room) {
		parts->room = parts->room == 0 ? 16 : parts->room * 2;
		parts->messages = realloc(parts->messages, parts->room * sizeof *parts->messages);
		must(parts->messages != NULL);
	}
	Message *message = &parts->messages[parts->count++];
	message->part = part;
	message->done = false;
	must(text_copy(slice_of(key), message->key, sizeof message->key));
}

static void message_drop(OutboundShares *parts, Message *message)
{
	*message = parts->messages[--parts->count];
}

/* ---- what a partition calls */

static Result part_send(Outbound *outside, const OutboundRequest *message)
{
	Part *part = (Part *)outside;
	OutboundShares *parts = part->parts;
	bool fits = message->key != NULL && strlen(message->key) < OUTBOUND_KEY;
	/* Before it is sent: its outcome may be there at once. */
	pthread_mutex_lock(&parts->mutex);
	if (fits)
		message_add(parts, part, message->key);
	pthread_mutex_unlock(&parts->mutex);
	Result result = parts->outside->operations->send(parts->outside, message);
	if (!fits || !result_failed(result))
		return result;
	pthread_mutex_lock(&parts->mutex);
	Message *added = message_find(parts, message->key);
	if (added)
		message_drop(parts, added);
	pthread_mutex_unlock(&parts->mutex);
	return result;
}

/* Everything that is there, to those who sent it. */
static void outcomes_sort(OutboundShares *parts)
{
	OutboundOutcome outcome;
	while (parts->outside->operations->outcome(parts->outside, &outcome)) {
		pthread_mutex_lock(&parts->mutex);
		Message *message = message_find(parts, outcome.key);
		if (message) {
			message->outcome = outcome;
			message->done = true;
		}
		pthread_mutex_unlock(&parts->mutex);
	}
}

static bool part_outcome(Outbound *outside, OutboundOutcome *out)
{
	Part *part = (Part *)outside;
	OutboundShares *parts = part->parts;
	bool found = false;
	outcomes_sort(parts);
	pthread_mutex_lock(&parts->mutex);
	for (size_t i = 0; i < parts->count && !found; i++) {
		Message *message = &parts->messages[i];
		found = message->done && message->part == part;
		if (found) {
			*out = message->outcome;
			message_drop(parts, message);
		}
	}
	pthread_mutex_unlock(&parts->mutex);
	return found;
}

static void part_notify(Outbound *outside, void (*wake)(void *context), void *context)
{
	Part *part = (Part *)outside;
	pthread_mutex_lock(&part->parts->mutex);
	part->wake = wake;
	part->context = context;
	pthread_mutex_unlock(&part->parts->mutex);
}

static const OutboundOperations part_operations = { part_send, part_outcome, part_notify, NULL };

/* ---- all of them */

/* An outcome was added: whoever waits for one looks. */
static void wake_all(void *context)
{
	OutboundShares *parts = context;
	pthread_mutex_lock(&parts->mutex);
	for (size_t i = 0; i < parts->part_count; i++)
		if (parts->parts[i].wake)
			parts->parts[i].wake(parts->parts[i].context);
	pthread_mutex_unlock(&parts->mutex);
}

OutboundShares *outbound_shares_new(Outbound *outside, size_t count)
{
	OutboundShares *parts = calloc(1, sizeof *parts + count * sizeof parts->parts[0]);
	must(parts != NULL && pthread_mutex_init(&parts->mutex, NULL) == 0);
	parts->outside = outside;
	parts->part_count = count;
	for (size_t i = 0; i < count; i++)
		parts->parts[i] = (Part){ .outside = { &part_operations }, .parts = parts };
	outside->operations->notify(outside, wake_all, parts);
	return parts;
}

void outbound_shares_free(OutboundShares *parts)
{
	if (!parts)
		return;
	parts->outside->operations->notify(parts->outside, NULL, NULL);
	pthread_mutex_destroy(&parts->mutex);
	free(parts->messages);
	free(parts);
}

Outbound *outbound_share(OutboundShares *parts, size_t index)
{
	if (!parts)
		return NULL;
	must(index < parts->part_count);
	return &parts->parts[index].outside;
}
