/* The policy in force: replaced as a whole, and freed when the last request that uses it is through. */
#include "services/gateway/publish.h"

#include "services/gateway/gateway_internal.h"
#include "shared/domain/types.h"
#include "shared/edge/clock.h"

#include <stdlib.h>

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

void policy_replace(Gateway *gateway, Policy *policy)
{
	PolicyShare *share = policy ? calloc(1, sizeof *share) : NULL;

	must(!policy || share);
	if (share) {
		share->policy = policy;
		atomic_init(&share->references, 1);
	}
	pthread_mutex_lock(&gateway->policy_mutex);
	PolicyShare *former = gateway->policy;
	gateway->policy = share;
	pthread_mutex_unlock(&gateway->policy_mutex);
	policy_unshare(former);
}

/* ---- publishing ----------------------------------------------------------------------------------------------- */

typedef struct {
	Slice id;
	bool same;
} LastVisit;

static bool last_visit(void *context, const BusRecord *record)
{
	LastVisit *visit = context;

	visit->same = slice_equals(header_get(record->headers, "ce_id"), visit->id);
	return false;
}

/* True when the last message of the topic has this id: the id is made of the version. */
static Result is_last(Bus *bus, Slice id, bool *same)
{
	BusPlace place = { TOPIC_POLICIES, 0, bus->operations->end(bus, TOPIC_POLICIES, 0) - 1 };
	LastVisit visit = { .id = id };
	BusReader *reader;
	int64_t next;

	*same = false;
	if (place.from < 0)
		return result_ok();
	TRY(bus->operations->reader_open(bus, &reader));
	Result result = bus->operations->read(reader, place, 1, false, last_visit, &visit, &next);
	bus->operations->reader_close(reader);
	*same = visit.same;
	return result.kind == ERROR_NOT_FOUND ? result_ok() : result;
}

typedef struct {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool done, failed;
} Durable;

static void durable_done(void *context, bool failed, int64_t offset)
{
	Durable *durable = context;

	(void)offset;
	pthread_mutex_lock(&durable->mutex);
	durable->done = true;
	durable->failed = failed;
	pthread_cond_signal(&durable->changed);
	pthread_mutex_unlock(&durable->mutex);
}

static Result append_and_wait(Bus *bus, const BusRecord *record)
{
	Durable durable = { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

	TRY(bus_append(bus, TOPIC_POLICIES, 0, record, durable_done, &durable));
	pthread_mutex_lock(&durable.mutex);
	while (!durable.done)
		pthread_cond_wait(&durable.changed, &durable.mutex);
	pthread_mutex_unlock(&durable.mutex);
	if (durable.failed)
		return result_fail(ERROR_AGAIN, "the policy could not be made durable");
	return result_ok();
}

static Result publish(Bus *bus, const Policy *policy, Slice id)
{
	json_t *message = policy_message(policy);
	char time[INSTANT_TEXT];
	Buffer headers, body;

	instant_format(clock_now(), time);
	buffer_init(&headers, 4096);
	buffer_init(&body, BUS_RECORD_MAX - 4096);
	header_add(&headers, "ce_id", id);
	header_add(&headers, "ce_type", SLICE(TYPE_POLICY_PUBLISHED));
	header_add(&headers, "ce_time", slice_of(time));
	header_add(&headers, "ce_subject", slice_of(policy_version(policy)));
	json_write(message, &body);
	Result result = result_fail(ERROR_INPUT, "the policy pack is larger than %d bytes", BUS_RECORD_MAX - 4096);
	if (!body.overflowed && !headers.overflowed)
		result = append_and_wait(
			bus, &(BusRecord){ .key = slice_of(json_string_value(json_object_get(message, "id"))),
					   .headers = buffer_slice(&headers),
					   .body = buffer_slice(&body) });
	buffer_release(&headers);
	buffer_release(&body);
	return result;
}

Result gateway_publish_policy(Gateway *gateway, json_t *message)
{
	Bus *bus = gateway->options.bus;
	Policy *policy;
	bool same;

	TRY(policy_compile(message, &policy));
	Id id = id_of_pair("pol_", SLICE("policy"), slice_of(policy_version(policy)));
	Result result = is_last(bus, id_slice(&id), &same);
	if (!result_failed(result) && !same)
		result = publish(bus, policy, id_slice(&id));
	if (result_failed(result)) {
		policy_free(policy);
		return result;
	}
	policy_replace(gateway, policy);
	return result_ok();
}
