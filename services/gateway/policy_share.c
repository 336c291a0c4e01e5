/* The policy in force: replaced as a whole, and freed when the last request that uses it is through. */
#include "services/gateway/publish.h"

#include "services/gateway/gateway_internal.h"
#include "shared/domain/types.h"
#include "shared/io/system/clock.h"
#include "shared/io/system/log.h"

#include <stdlib.h>
#include <string.h>

PolicyShare *policy_share(Gateway *gateway)
{
	pthread_mutex_lock(&gateway->policy_mutex);
	PolicyShare *share = gateway->policy;
	if (share)
		atomic_fetch_add(&share->references, 1);
	pthread_mutex_unlock(&gateway->policy_mutex);
	return share;
}

void policy_unshare(PolicyShare *share)
{
	if (!share || atomic_fetch_sub(&share->references, 1) != 1)
		return;
	policy_free(share->policy);
	free(share);
}

/* A policy that shares nothing with the message: whichever thread uses it last frees it. */
static Result compile(const json_t *message, Policy **out)
{
	json_t *own = json_deep_copy(message);

	must(own != NULL);
	Result result = policy_compile(own, out);
	json_decref(own);
	return result;
}

static void share_take(Gateway *gateway, PolicyShare *share, int64_t offset)
{
	pthread_mutex_lock(&gateway->policy_mutex);
	PolicyShare *former = gateway->policy;
	bool later = !former || offset >= former->offset;
	if (later)
		gateway->policy = share;
	pthread_mutex_unlock(&gateway->policy_mutex);
	policy_unshare(later ? former : share);
}

void policy_replace(Gateway *gateway, Policy *policy, int64_t offset)
{
	PolicyShare *share = policy ? calloc(1, sizeof *share) : NULL;

	must(!policy || share);
	if (share) {
		*share = (PolicyShare){ .policy = policy, .offset = offset };
		atomic_init(&share->references, 1);
	}
	share_take(gateway, share, offset);
}

/* ---- what others publish -------------------------------------------------------------------------------------- */

static bool known(Gateway *gateway, int64_t offset)
{
	PolicyShare *share = policy_share(gateway);
	bool known = share && share->offset >= offset;

	policy_unshare(share);
	return known;
}

Result policy_handle(Handler *handler, const Record *record)
{
	json_t *message JSON_AUTO = NULL;
	Policy *policy;

	if (!handler->environment || known(handler->environment, record->offset))
		return result_ok();
	TRY(json_read(record->body, &message));
	TRY(compile(message, &policy));
	policy_replace(handler->environment, policy, record->offset);
	return result_ok();
}

/* ---- what is in force ----------------------------------------------------------------------------------------- */

/* The last message of the topic. */
typedef struct {
	json_t *message; /* NULL: there is none that can be read; to be released */
	int64_t offset;
} Last;

static bool last_visit(void *context, const BusRecord *record)
{
	Last *last = context;

	last->offset = record->offset;
	(void)json_read(record->body, &last->message);
	return false;
}

static Result last_read(Bus *bus, Last *last)
{
	BusPosition place = { TOPIC_POLICIES, 0, bus->operations->end(bus, TOPIC_POLICIES, 0) - 1 };
	BusReader *reader;
	int64_t next;

	*last = (Last){ .offset = -1 };
	if (place.from < 0)
		return result_ok();
	TRY(bus->operations->reader_open(bus, &reader));
	Result result = bus->operations->read(reader, place, 1, true, last_visit, last, &next);
	bus->operations->reader_close(reader);
	return result.kind == ERROR_NOT_FOUND ? result_ok() : result;
}

static const char *member(const json_t *message, const char *name)
{
	const char *text = json_string_value(json_object_get(message, name));

	return text ? text : "";
}

static bool same(const json_t *one, const json_t *other)
{
	return strcmp(member(one, "policy_version"), member(other, "policy_version")) == 0;
}

/* By its version, as people number things: 9 before 10, 1.9 before 1.10. */
static bool older(const json_t *pack, const json_t *last)
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
} Durable;

static void durable_done(void *context, bool failed, int64_t offset)
{
	Durable *durable = context;

	pthread_mutex_lock(&durable->mutex);
	durable->done = true;
	durable->offset = offset;
	durable->failed = failed;
	pthread_cond_signal(&durable->changed);
	pthread_mutex_unlock(&durable->mutex);
}

static Result append_and_wait(Bus *bus, const BusRecord *record, int64_t *offset)
{
	Durable durable = { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

	TRY(bus_append(bus, TOPIC_POLICIES, 0, record, durable_done, &durable));
	pthread_mutex_lock(&durable.mutex);
	while (!durable.done)
		pthread_cond_wait(&durable.changed, &durable.mutex);
	pthread_mutex_unlock(&durable.mutex);
	if (durable.failed)
		return result_fail(ERROR_AGAIN, "the policy could not be made durable");
	*offset = durable.offset;
	return result_ok();
}

static Result append(Bus *bus, const Policy *policy, int64_t *offset)
{
	json_t *message = policy_message(policy);
	Id id = id_of_pair("pol_", SLICE("policy"), slice_of(policy_version(policy)));
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
	Result result = result_fail(ERROR_INPUT, "the policy pack is larger than %d bytes", BUS_RECORD_MAX - 4096);
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

/* What is there stays in force; this replica works by it. */
static Result keep_last(Gateway *gateway, json_t *pack, const Last *last)
{
	Policy *policy;

	if (!same(pack, last->message))
		log_line(LOG_WARN, "gateway", "older-policy-not-published",
			 L_STRING("policy_version", member(pack, "policy_version")),
			 L_STRING("in_force", member(last->message, "policy_version")));
	TRY(compile(last->message, &policy));
	policy_replace(gateway, policy, last->offset);
	return result_ok();
}

/* Two gateways with different packs: the one that starts last decides for all, which should be seen. */
static void tell_published(const json_t *pack, const Last *last)
{
	const char *version = member(pack, "policy_version"), *before = member(last->message, "policy_version");
	size_t id_size = strcspn(version, "@") + 1; /* id@version+hash */
	bool replaces = *before != '\0' && strncmp(version, before, id_size) != 0;

	log_line(replaces ? LOG_WARN : LOG_INFO, "gateway", replaces ? "other-policy-replaced" : "policy-published",
		 L_STRING("policy_version", version), L_STRING("before", before));
}

static Result publish(Gateway *gateway, json_t *pack, const Last *last)
{
	Policy *policy;
	int64_t offset = -1;

	TRY(compile(pack, &policy));
	Result result = append(gateway->options.bus, policy, &offset);
	if (result_failed(result)) {
		policy_free(policy);
		return result;
	}
	tell_published(pack, last);
	policy_replace(gateway, policy, offset);
	return result;
}

Result gateway_publish_policy(Gateway *gateway, json_t *message, bool always)
{
	Last last;
	Result result = last_read(gateway->options.bus, &last);

	if (!result_failed(result)) {
		bool keep = last.message && (same(message, last.message) || (!always && older(message, last.message)));
		result = keep ? keep_last(gateway, message, &last) : publish(gateway, message, &last);
	}
	json_decref(last.message);
	return result;
}
