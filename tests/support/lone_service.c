#include "tests/support/lone_service.h"

#include "shared/domain/types.h"
#include "tests/support/memory_bus.h"
#include "tests/support/memory_timers.h"

#include <stdio.h>
#include <string.h>

enum { STEPS_MAX = 20000, AGAIN_MAX = 50, HEADERS_MAX = 4096, POLICY_MAX = 1 << 20, ANOTHER_OWNER = 77 };

static void headers_write(LoneService *lone, Buffer *headers, TopicId topic, const char *id, const char *type,
			  const char *subject)
{
	char time[INSTANT_TEXT];
	instant_format(lone->now, time);
	header_add(headers, "ce_id", slice_of(id));
	header_add(headers, "ce_type", slice_of(type));
	header_add(headers, "ce_time", slice_of(time));
	if (subject)
		header_add(headers, "ce_subject", slice_of(subject));
	if (topics[topic].kind == TOPIC_LEDGER) {
		LedgerMark mark = { .epoch = 1, .owner = ANOTHER_OWNER, .seq = lone->seq[topic]++ };
		mark.claim = mark.seq == 0;
		ledger_mark_write(headers, &mark);
	}
}

Result lone_append(LoneService *lone, TopicId topic, const BusRecord *record)
{
	TRY(bus_append(lone->bus, topic, 0, record, NULL, NULL));
	memory_bus_deliver_all(lone->bus);
	return result_ok();
}

static void append(LoneService *lone, TopicId topic, const char *id, const char *type, const char *subject, Slice body)
{
	Buffer headers;
	buffer_init(&headers, HEADERS_MAX);
	headers_write(lone, &headers, topic, id, type, subject);
	BusRecord record = { .key = slice_of(subject), .headers = buffer_slice(&headers), .body = body };
	must(!result_failed(bus_append(lone->bus, topic, 0, &record, NULL, NULL)));
	memory_bus_deliver_all(lone->bus);
	buffer_release(&headers);
}

void lone_claim(LoneService *lone, TopicId topic)
{
	append(lone, topic, "led_claim", TYPE_LEDGER_CLAIMED, NULL, SLICE("{}"));
}

void lone_input(LoneService *lone, TopicId topic, const char *id, const char *type, const char *subject,
		const char *body)
{
	if (topics[topic].kind == TOPIC_LEDGER && lone->seq[topic] == 0)
		lone_claim(lone, topic);
	append(lone, topic, id, type, subject, slice_of(body));
}

static void runtime_start(LoneService *lone)
{
	RuntimeOptions options = { .service = lone->service,
				   .bus = lone->handle ? lone->handle : lone->bus,
				   .timers = lone->timers,
				   .store = lone->store,
				   .outbound = lone->outbound,
				   .owner_id = ++lone->owners,
				   .standby = lone->standby,
				   .environment = lone->environment };
	must(!result_failed(runtime_new(&options, &lone->runtime)));
	lone->failure = result_ok();
}

static void store_start(LoneService *lone)
{
	StoreOptions options = runtime_store_options(lone->service, ":memory:");
	must(!result_failed(store_open(&options, &lone->store, NULL)));
}

void lone_start(LoneService *lone, const Service *service, void *environment, Outbound *outbound, const Policy *policy,
		Instant now)
{
	*lone = (LoneService){ .service = service, .environment = environment, .outbound = outbound, .now = now };
	lone->bus = memory_bus_new(TOPICS, 1);
	lone->timers = memory_timers_new();
	if (policy) {
		Buffer body;
		buffer_init(&body, POLICY_MAX);
		json_write(policy_message(policy), &body);
		append(lone, TOPIC_POLICIES, "pol_1", TYPE_POLICY_PUBLISHED, NULL, buffer_slice(&body));
		buffer_release(&body);
	}
	store_start(lone);
	runtime_start(lone);
}

void lone_stop(LoneService *lone)
{
	memory_bus_deliver_all(lone->bus);
	runtime_free(lone->runtime);
	store_close(lone->store);
	lone->timers->operations->close(lone->timers);
	if (lone->handle)
		lone->handle->operations->close(lone->handle);
	lone->bus->operations->close(lone->bus);
}

void lone_use_own_handle(LoneService *lone)
{
	must(!lone->handle);
	lone->handle = memory_bus_handle(lone->bus);
	memory_bus_set_chance(lone->bus, 1);
}

void lone_restart(LoneService *lone, bool disk_lost)
{
	runtime_free(lone->runtime);
	memory_bus_deliver_all(lone->bus);
	if (disk_lost) {
		store_close(lone->store);
		store_start(lone);
	}
	runtime_start(lone);
}

/* Waits on the bus. True if the service's handle has learnt of records that it did not know of before. */
static bool lone_wait(LoneService *lone)
{
	BusPosition positions[RUNTIME_POSITIONS_MAX];
	Instant wake_at;
	uint64_t before = memory_bus_learnt(lone->bus);
	size_t count = runtime_positions(lone->runtime, positions, &wake_at);
	lone->bus->operations->wait(runtime_reader(lone->runtime), positions, count, 0);
	return memory_bus_learnt(lone->bus) > before;
}

void lone_settle(LoneService *lone)
{
	bool moved = true;
	/* Consecutive steps that answered ERROR_AGAIN, because records have not arrived at the service's handle. */
	unsigned again = 0;
	for (size_t i = 0; moved && !result_failed(lone->failure); i++) {
		bool progressed = false;
		must(i < STEPS_MAX);
		moved = memory_bus_pending(lone->bus) > 0;
		memory_bus_deliver_all(lone->bus);
		Result result = runtime_step(lone->runtime, lone->now, &progressed);
		if (result.kind == ERROR_INTERNAL)
			lone->failure = result;
		lone->waiting = result.kind == ERROR_AGAIN;
		again = lone->handle && lone->waiting && !progressed ? again + 1 : 0;
		progressed |= again > 0 && again < AGAIN_MAX;
		moved = moved || progressed || memory_bus_pending(lone->bus) > 0 || lone_wait(lone);
	}
}

/* The next time after lone->now at which a timer is due or the runtime is to be stepped; INSTANT_NONE: no such time. */
static Instant next_wake(LoneService *lone)
{
	BusPosition positions[RUNTIME_POSITIONS_MAX];
	char owner[64];
	Instant wake_at;
	snprintf(owner, sizeof(owner), "%s/0", lone->service->name);
	Instant timer_at = lone->timers->operations->next(lone->timers, owner);
	(void)runtime_positions(lone->runtime, positions, &wake_at);
	if (wake_at <= lone->now || (timer_at > lone->now && timer_at < wake_at))
		wake_at = timer_at;
	return wake_at > lone->now ? wake_at : INSTANT_NONE;
}

void lone_until(LoneService *lone, Instant now)
{
	Instant next;
	lone_settle(lone);
	for (size_t i = 0; (next = next_wake(lone)) != INSTANT_NONE && next < now; i++) {
		must(i < STEPS_MAX);
		lone->now = next;
		lone_settle(lone);
	}
	lone->now = now;
	lone_settle(lone);
}

bool lone_output(const LoneService *lone, TopicId topic, const char *type, size_t nth, BusRecord *out)
{
	LedgerCursor cursor = { 0 };
	BusRecord record;
	for (int64_t at = 0; memory_bus_peek(lone->bus, topic, 0, at, &record); at++) {
		LedgerMark mark;
		if (topics[topic].kind == TOPIC_LEDGER) {
			if (ledger_judge(&cursor, record.headers, &mark) != LEDGER_ACCEPT)
				continue;
		}
		if (slice_is(header_get(record.headers, "ce_type"), type) && nth-- == 0) {
			*out = record;
			return true;
		}
	}
	return false;
}

size_t lone_outputs(const LoneService *lone, TopicId topic, const char *type)
{
	BusRecord record;
	size_t count = 0;
	while (lone_output(lone, topic, type, count, &record))
		count++;
	return count;
}
