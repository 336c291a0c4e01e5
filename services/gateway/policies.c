#include "services/gateway/policies.h"

#include "shared/domain/types.h"
#include "shared/io/system/clock.h"
#include "shared/io/system/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct Policies {
	Bus *bus;
	pthread_mutex_t mutex;
	PolicyShare *in_force; /* the latest message known here; NULL: none yet */
};

Policies *policies_new(Bus *bus)
{
	Policies *policies = calloc(1, sizeof *policies);

	must(policies != NULL && pthread_mutex_init(&policies->mutex, NULL) == 0);
	policies->bus = bus;
	return policies;
}

void policies_free(Policies *policies)
{
	if (!policies)
		return;
	policy_unshare(policies->in_force);
	pthread_mutex_destroy(&policies->mutex);
	free(policies);
}

PolicyShare *policy_share(Policies *policies)
{
	pthread_mutex_lock(&policies->mutex);
	PolicyShare *share = policies->in_force;
	if (share)
		atomic_fetch_add(&share->references, 1);
	pthread_mutex_unlock(&policies->mutex);
	return share;
}

void policy_unshare(PolicyShare *share)
{
	if (!share || atomic_fetch_sub(&share->references, 1) != 1)
		return;
	policy_free(share->policy);
	free(share);
}

/*
 * Compiles a copy of the message. The policy keeps a reference to the message that it was compiled from, and any thread may
 * drop that reference, as the policy's last user, while the caller still uses the original.
 */
static Result compile(const json_t *message, Policy **out)
{
	json_t *own = json_deep_copy(message);

	must(own != NULL);
	Result result = policy_compile(own, out);
	json_decref(own);
	return result;
}

/* Puts the policy of the message at offset in force, unless that of a later message is. Takes ownership of policy. */
static void replace(Policies *policies, Policy *policy, int64_t offset)
{
	PolicyShare *share = calloc(1, sizeof *share);

	must(share != NULL);
	*share = (PolicyShare){ .policy = policy, .offset = offset };
	atomic_init(&share->references, 1);
	pthread_mutex_lock(&policies->mutex);
	PolicyShare *former = policies->in_force;
	bool later = !former || offset >= former->offset;
	if (later)
		policies->in_force = share;
	pthread_mutex_unlock(&policies->mutex);
	policy_unshare(later ? former : share);
}

/* ---- messages of any gateway ---------------------------------------------------------------------------------- */

static bool known(Policies *policies, int64_t offset)
{
	PolicyShare *share = policy_share(policies);
	bool known = share && share->offset >= offset;

	policy_unshare(share);
	return known;
}

Result policies_take(Policies *policies, const Record *record)
{
	json_t *message JSON_AUTO = NULL;
	Policy *policy;

	if (known(policies, record->offset))
		return result_ok();
	TRY(json_read(record->body, &message));
	TRY(compile(message, &policy));
	replace(policies, policy, record->offset);
	return result_ok();
}

/* ---- the last message of the topic ---------------------------------------------------------------------------- */

typedef struct {
	json_t *message; /* owned; NULL: no message, or one that is no policy, which any program may have written */
	int64_t offset;
} LastMessage;

static bool last_visit(void *context, const BusRecord *record)
{
	LastMessage *last = context;
	Policy *policy;

	last->offset = record->offset;
	if (result_failed(json_read(record->body, &last->message)))
		return false;
	if (result_failed(compile(last->message, &policy))) {
		json_decref(last->message);
		last->message = NULL;
		return false;
	}
	policy_free(policy);
	return false;
}

static Result last_read(Bus *bus, LastMessage *last)
{
	BusPosition position = { TOPIC_POLICIES, 0, bus->operations->end(bus, TOPIC_POLICIES, 0) - 1 };
	BusReader *reader;
	int64_t next;

	*last = (LastMessage){ .offset = -1 };
	if (position.from < 0)
		return result_ok();
	TRY(bus->operations->reader_open(bus, &reader));
	Result result = bus->operations->read(reader, position, 1, true, last_visit, last, &next);
	bus->operations->reader_close(reader);
	return result.kind == ERROR_NOT_FOUND ? result_ok() : result;
}

static const char *member(const json_t *message, const char *name)
{
	const char *text = json_string_value(json_object_get(message, name));

	return text ? text : "";
}

static bool is_same_version(const json_t *one, const json_t *other)
{
	return strcmp(member(one, "policy_version"), member(other, "policy_version")) == 0;
}

/* True when both packs have the same id and pack has the lower version. Numbers in versions are compared by value: 1.9 < 1.10. */
static bool is_older(const json_t *pack, const json_t *last)
{
	return strcmp(member(pack, "id"), member(last, "id")) == 0 &&
	       strverscmp(member(pack, "version"), member(last, "version")) < 0;
}

/* ---- publishing ----------------------------------------------------------------------------------------------- */

typedef struct {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool done, failed;
	int64_t offset;
} PendingAppend;

static void append_done(void *context, bool failed, int64_t offset)
{
	PendingAppend *pending = context;

	pthread_mutex_lock(&pending->mutex);
	pending->done = true;
	pending->offset = offset;
	pending->failed = failed;
	pthread_cond_signal(&pending->changed);
	pthread_mutex_unlock(&pending->mutex);
}

static Result append_and_wait(Bus *bus, const BusRecord *record, int64_t *offset)
{
	PendingAppend pending = { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

	TRY(bus_append(bus, TOPIC_POLICIES, 0, record, append_done, &pending));
	pthread_mutex_lock(&pending.mutex);
	while (!pending.done)
		pthread_cond_wait(&pending.changed, &pending.mutex);
	pthread_mutex_unlock(&pending.mutex);
	if (pending.failed)
		return result_fail(ERROR_AGAIN, "tocsin.policies has not acknowledged the policy pack: check the bus; after a SIGHUP, send SIGHUP again");
	*offset = pending.offset;
	return result_ok();
}

static Result append(Bus *bus, const Policy *policy, int64_t *offset)
{
	json_t *message = policy_message(policy);
	Id id = id_of_pair(ID_POLICY, SLICE("policy"), slice_of(policy_version(policy)));
	char time[INSTANT_TEXT];
	Buffer headers, body;

	instant_format(clock_now(), time);
	buffer_init(&headers, 4096);
	buffer_init(&body, BUS_RECORD_MAX - 4096);
	header_add(&headers, "ce_id", id_slice(&id));
	header_add(&headers, "ce_type", SLICE(TYPE_POLICY_PUBLISHED));
	header_add(&headers, "ce_time", slice_of(time));
	header_add(&headers, "ce_subject", slice_of(policy_version(policy)));
	json_write(message, &body);
	Result result = result_fail(ERROR_INPUT, "the policy pack is larger than %d bytes: shorten it",
				    BUS_RECORD_MAX - 4096);
	if (!body.overflowed && !headers.overflowed)
		result = append_and_wait(
			bus, &(BusRecord){ .key = slice_of(json_string_value(json_object_get(message, "id"))),
					   .headers = buffer_slice(&headers),
					   .body = buffer_slice(&body) },
			offset);
	buffer_release(&headers);
	buffer_release(&body);
	return result;
}

/* Does not publish the pack; puts the topic's last message in force in this gateway. */
static Result keep_last(Policies *policies, json_t *pack, const LastMessage *last)
{
	Policy *policy;

	if (!is_same_version(pack, last->message))
		log_line(LOG_WARN, "gateway", "older-policy-not-published",
			 L_STRING("policy_version", member(pack, "policy_version")),
			 L_STRING("in_force", member(last->message, "policy_version")));
	TRY(compile(last->message, &policy));
	replace(policies, policy, last->offset);
	return result_ok();
}

/* Warns if the pack replaces one with another id: then gateways have different packs, and the gateway that starts last decides. */
static void log_published(const json_t *pack, const LastMessage *last)
{
	const char *version = member(pack, "policy_version"), *before = member(last->message, "policy_version");
	size_t id_size = strcspn(version, "@") + 1; /* id@version+hash */
	bool replaces = *before != '\0' && strncmp(version, before, id_size) != 0;

	log_line(replaces ? LOG_WARN : LOG_INFO, "gateway", replaces ? "other-policy-replaced" : "policy-published",
		 L_STRING("policy_version", version), L_STRING("before", before));
}

static Result publish(Policies *policies, json_t *pack, const LastMessage *last)
{
	Policy *policy;
	int64_t offset = -1;

	TRY(compile(pack, &policy));
	Result result = append(policies->bus, policy, &offset);
	if (result_failed(result)) {
		policy_free(policy);
		return result;
	}
	log_published(pack, last);
	replace(policies, policy, offset);
	return result;
}

Result policies_publish(Policies *policies, json_t *message, bool always)
{
	LastMessage last;
	Result result = last_read(policies->bus, &last);

	if (!result_failed(result)) {
		bool keep = last.message && (is_same_version(message, last.message) ||
					     (!always && is_older(message, last.message)));
		result = keep ? keep_last(policies, message, &last) : publish(policies, message, &last);
	}
	json_decref(last.message);
	return result;
}
