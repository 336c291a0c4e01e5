#include "shared/runtime/runtime_internal.h"

#include "shared/domain/types.h"
#include "shared/io/system/log.h"
#include "shared/io/system/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)LEDGER_PARTITIONS_MAX == (int)BUS_PARTITIONS_MAX, "positions name every partition of the bus");

enum { BODY_MAX = 1 << 20, SCRATCH_MAX = 1 << 20 };

StoreOptions runtime_store_options(const Service *service, const char *path)
{
	return (StoreOptions){ .path = path, .steps = service->schema, .version = service->schema_version };
}

/* ---- records */

Result record_partition_check(const Runtime *runtime, const Record *record)
{
	return record_is_placed(record, runtime->options.bus->partitions) ?
		       result_ok() : result_fail(ERROR_INPUT, "it belongs into another partition");
}

unsigned record_slot(const Record *record)
{
	unsigned slot;
	Instant opened_at;
	if (id_incident_parse(record->subject, &slot, &opened_at))
		return slot;
	return slot_of(record->key.size ? record->key : record->id);
}

unsigned runtime_partition_of(const Runtime *runtime, TopicId topic, unsigned slot)
{
	return topics[topic].slotted ? slot % runtime->options.bus->partitions : 0;
}

Drafted *drafted_keep(Runtime *runtime, const Record *record)
{
	if (runtime->drafted_count == runtime->drafted_room) {
		runtime->drafted_room = runtime->drafted_room ? runtime->drafted_room * 2 : 64;
		runtime->drafted = realloc(runtime->drafted, runtime->drafted_room * sizeof(*runtime->drafted));
		must(runtime->drafted);
	}
	Drafted *drafted = &runtime->drafted[runtime->drafted_count++];
	*drafted = (Drafted){ .topic = record->topic, .partition = record->partition,
			      .begin = runtime->drafted_bytes.size, .id = record->id.size, .type = record->type.size,
			      .subject = record->subject.size, .key = record->key.size, .cause = record->cause.size,
			      .headers = record->headers.size, .body = record->body.size, .time = record->time };
	const Slice parts[] = { record->id, record->type, record->subject, record->key, record->cause, record->headers,
				record->body };
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		buffer_append(&runtime->drafted_bytes, parts[i]);
	must(!runtime->drafted_bytes.overflowed);
	return drafted;
}

Record drafted_record(const Runtime *runtime, const Drafted *drafted)
{
	const char *at = runtime->drafted_bytes.data + drafted->begin;
	Record record = { .topic = drafted->topic, .partition = drafted->partition, .offset = -1, .time = drafted->time };
	Slice *parts[] = { &record.id, &record.type, &record.subject, &record.key, &record.cause, &record.headers, &record.body };
	const size_t sizes[] = { drafted->id, drafted->type, drafted->subject, drafted->key, drafted->cause,
				 drafted->headers, drafted->body };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		*parts[i] = (Slice){ at, sizes[i] };
		at += sizes[i];
	}
	return record;
}

void runtime_log(const Runtime *runtime, int level, const char *event, const char *detail)
{
	log_line((LogLevel)level, runtime->options.service->name, event,
		 L_INTEGER("partition", runtime->options.partition), L_STRING("detail", detail));
}

void runtime_caught_up(Runtime *runtime, bool caught_up)
{
	const Service *service = runtime->options.service;
	runtime->caught_up = caught_up;
	if (service->caught_up)
		service->caught_up(&runtime->handler, caught_up);
}

Result runtime_bus_older(const Runtime *runtime, TopicId topic)
{
	const Service *service = runtime->options.service;
	return result_fail(ERROR_INTERNAL,
			   "%s ends before what %s has read: this bus is older than the state beside it; to go on with the bus, "
			   "delete %s/%u.db, it is built again",
			   topics[topic].name, service->name, service->name, runtime->options.partition);
}

Result runtime_dead_letter(Runtime *runtime, TopicId topic, unsigned partition, int64_t offset, const char *reason)
{
	const Service *service = runtime->options.service;
	char place[128], time[INSTANT_TEXT];
	snprintf(place, sizeof(place), "%s/%u/%" PRId64, topics[topic].name, partition, offset);
	Id id = id_of_pair("dlt_", slice_of(service->name), slice_of(place));
	instant_format(runtime->handler.now, time);
	Buffer headers, body;
	buffer_init(&headers, 4096);
	buffer_init(&body, 4096);
	header_add(&headers, "ce_id", id_slice(&id));
	header_add(&headers, "ce_type", SLICE(TYPE_DEAD_LETTER));
	header_add(&headers, "ce_time", slice_of(time));
	buffer_format(&body, "{\"service\":\"%s\",\"topic\":\"%s\",\"partition\":%u,\"offset\":%" PRId64 ",\"reason\":\"",
		      service->name, topics[topic].name, partition, offset);
	buffer_json_escape(&body, slice_of(reason));
	buffer_text(&body, "\"}");
	BusRecord record = { .key = id_slice(&id), .headers = buffer_slice(&headers), .body = buffer_slice(&body) };
	Wire *wire = runtime->phase == PHASE_OWNING ? runtime->wire : runtime->outputs;
	Result result = wire_append(wire, runtime->options.bus, TOPIC_DEAD_LETTERS, 0, &record);
	if (!result_failed(result)) {
		runtime->lettered = true;
		runtime_log(runtime, LOG_WARN, "dead-letter", reason);
		runtime->figures.dead_letters++;
		metric_add(METRIC_DEAD_LETTERS, service->name, NULL, 1);
	}
	buffer_release(&headers);
	buffer_release(&body);
	return result;
}

/* ---- life */

Result runtime_new(const RuntimeOptions *options, Runtime **out)
{
	Runtime *runtime = calloc(1, sizeof(*runtime));
	must(runtime);
	runtime->options = *options;
	runtime->handler = (Handler){ .service = options->service, .partition = options->partition,
				      .partitions = options->bus->partitions, .store = options->store,
				      .environment = options->environment, .runtime = runtime };
	runtime->wire = wire_new();
	runtime->outputs = wire_new();
	runtime->table.wire = wire_new();
	runtime->assigned = true;
	runtime->settle_at = INSTANT_NONE;
	runtime->not_before = INSTANT_NONE;
	runtime->timers_at = INSTANT_NONE;
	buffer_init(&runtime->drafted_bytes, BATCH_BYTES);
	buffer_init(&runtime->scratch, SCRATCH_MAX);
	buffer_init(&runtime->body, BODY_MAX);
	snprintf(runtime->timers_owner, sizeof(runtime->timers_owner), "%s/%u", options->service->name, options->partition);
	Result result = options->bus->operations->reader_open(options->bus, &runtime->reader);
	if (!result_failed(result) && options->store)
		result = meta_prepare(runtime);
	if (result_failed(result)) {
		runtime_free(runtime);
		return result;
	}
	inputs_prepare(runtime);
	if (options->service->ledger != TOPICS)
		owner_doubt(runtime, NULL, 0);
	*out = runtime;
	return result;
}

void runtime_free(Runtime *runtime)
{
	if (!runtime)
		return;
	const Service *service = runtime->options.service;
	lag_withdraw(runtime);
	if (runtime->in_transaction)
		store_rollback(runtime->options.store);
	if (service->release && runtime->handler.memory)
		service->release(&runtime->handler);
	if (runtime->reader)
		runtime->options.bus->operations->reader_close(runtime->reader);
	if (runtime->body_reader)
		runtime->options.bus->operations->reader_close(runtime->body_reader);
	wire_release(runtime->wire);
	wire_release(runtime->outputs);
	wire_release(runtime->table.wire);
	buffer_release(&runtime->drafted_bytes);
	buffer_release(&runtime->scratch);
	buffer_release(&runtime->body);
	policy_free(runtime->policy);
	free(runtime->drafted);
	free(runtime->timer_changes);
	free(runtime);
}

/* ---- policy: the last message of the topic */

static bool keep_last_body(void *context, const BusRecord *record)
{
	Buffer *body = context;
	buffer_clear(body);
	buffer_append(body, record->body);
	return true;
}

static Result policy_follow(Runtime *runtime)
{
	Bus *bus = runtime->options.bus;
	int64_t end = bus->operations->end(bus, TOPIC_POLICIES, 0);
	if (runtime->policy_next >= end)
		return result_ok();
	/* Only the last message counts, whatever stands before it. */
	BusPosition place = { TOPIC_POLICIES, 0, end - 1 };
	int64_t next;
	buffer_clear(&runtime->body);
	TRY(bus->operations->read(runtime->reader, place, 1, true, keep_last_body, &runtime->body, &next));
	if (next == place.from)
		return result_ok(); /* it has not come yet */
	runtime->policy_next = next;
	json_t *message JSON_AUTO = NULL;
	Policy *policy = NULL;
	Result result = json_read(buffer_slice(&runtime->body), &message);
	if (!result_failed(result))
		result = policy_compile(message, &policy);
	if (result_failed(result)) {
		return runtime_dead_letter(runtime, TOPIC_POLICIES, 0, end - 1, result.text);
	}
	bool other = !runtime->policy || strcmp(policy_version(runtime->policy), policy_version(policy)) != 0;
	if (other && runtime->options.partition == 0) /* once a process, which owns the others by the same */
		runtime_log(runtime, LOG_INFO, "policy-in-force", policy_version(policy));
	policy_free(runtime->policy);
	runtime->policy = policy;
	runtime->handler.policy = policy;
	return result_ok();
}

Result runtime_step(Runtime *runtime, Instant now, bool *progressed)
{
	const Service *service = runtime->options.service;
	*progressed = false;
	runtime->handler.now = now;
	Result result = service->policy ? policy_follow(runtime) : result_ok();
	if (!result_failed(result))
		result = service->ledger == TOPICS ? reader_step(runtime, progressed) : owner_step(runtime, progressed);
	lag_report(runtime);
	return result;
}

/* ---- what it looks like from outside */

size_t runtime_positions(Runtime *runtime, BusPosition out[static RUNTIME_POSITIONS_MAX], Instant *wake_at)
{
	const RuntimeOptions *options = &runtime->options;
	size_t count = 0;
	bool reader = options->service->ledger == TOPICS;
	*wake_at = runtime->settle_at;
	if (options->service->policy)
		out[count++] = (BusPosition){ TOPIC_POLICIES, 0, runtime->policy_next };
	if (!reader && (runtime->phase != PHASE_FOLLOWING || runtime->assigned || options->standby))
		out[count++] = (BusPosition){ options->service->ledger, options->partition, runtime->cursor.next };
	/* The records that an opening still has to observe. */
	for (size_t i = 0; runtime->phase == PHASE_OPENING && i < runtime->place_count; i++) {
		const InputPartition *place = &runtime->places[i];
		if (place->walk.begun && !input_is_observed(place))
			out[count++] = (BusPosition){ place->input->topic, place->partition, place->walk.next };
	}
	bool takes_input = reader ? (options->store || runtime->placed) && !runtime->deriving : runtime->phase == PHASE_OWNING;
	for (size_t i = 0; takes_input && i < runtime->place_count; i++)
		out[count++] = (BusPosition){ runtime->places[i].input->topic, runtime->places[i].partition,
					   input_at(&runtime->places[i]) };
	Instant timers_at = takes_input ? timers_wake_at(runtime) : INSTANT_NONE;
	Instant table_at = INSTANT_NONE;
	if (takes_input && !reader) {
		count += projection_position(runtime, &out[count]);
		table_at = projection_wake_at(runtime);
	}
	*wake_at = instant_earlier(*wake_at, instant_earlier(timers_at, table_at));
	return count;
}

BusReader *runtime_reader(Runtime *runtime)
{
	return runtime->reader;
}

RuntimePhase runtime_phase(const Runtime *runtime)
{
	return runtime->phase;
}

bool runtime_ready(const Runtime *runtime)
{
	const Service *service = runtime->options.service;
	if (service->policy && !runtime->policy)
		return false;
	if (runtime->phase >= PHASE_OWNING)
		return true;
	/* One that is not wanted stands by: ready when it has read all there was, or need not. */
	bool stands_by = !runtime->assigned && runtime->phase == PHASE_FOLLOWING;
	bool reader = service->ledger == TOPICS;
	if (stands_by && (reader ? !runtime->options.store : !runtime->options.standby))
		return true;
	return (reader || stands_by) && runtime->caught_up;
}

bool runtime_at_rest(const Runtime *runtime)
{
	return runtime->phase != PHASE_ACCEPTING && !runtime->deriving &&
	       atomic_load(&runtime->wire->pending) == 0 && atomic_load(&runtime->outputs->pending) == 0;
}

void runtime_pause(Runtime *runtime, bool paused)
{
	runtime->paused = paused;
}

void runtime_assign(Runtime *runtime, bool assigned)
{
	runtime->assigned = assigned;
}

Handler *runtime_handler(Runtime *runtime)
{
	return &runtime->handler;
}

RuntimeFigures runtime_figures(const Runtime *runtime)
{
	return runtime->figures;
}
