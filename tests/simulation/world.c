#include "tests/simulation/world.h"

#include "services/audit/audit.h"
#include "services/classification/classification.h"
#include "services/gateway/gateway.h"
#include "services/intake/intake.h"
#include "services/notification/notification.h"
#include "services/response/response.h"
#include "shared/domain/documents.h"
#include "shared/domain/types.h"
#include "shared/edge/files.h"
#include "tests/support/memory_bus.h"
#include "tests/support/memory_timers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CHAOS_LEAST = 60, /* steps of chaos: from here to CHAOS_MORE further, most worlds short, so that many fit a minute */
	CHAOS_MORE = 460,
	QUIET_ROUNDS = 32, /* with the step: longer than the last level of the pack, and a sweep for lost timers */
	QUIET_STEP_MS = 15000,
	QUIET_LIMIT = 4000,
	STREAM_CLIENT = 40,
	AUDIT_BYTES = 8 << 20,
	PACK_BYTES = 1 << 20,
};

static uint32_t roll(World *world, uint32_t sides)
{
	world->dice = world->dice * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(world->dice >> 33) % sides;
}

/* ---- the policy: read once, published in every world */

static json_t *pack_message;
static Policy *pack;

static void pack_read(void)
{
	static const char *const names[] = { "pack.yaml", "sources.yaml", "categories.yaml", "grading.yaml", "rules.yaml",
					     "contacts.yaml", "escalation.yaml", "channels.yaml", "words/en.yaml" };
	enum { COUNT = sizeof(names) / sizeof(names[0]) };
	PolicyFile files[COUNT];
	Buffer bytes[COUNT];
	static PolicyMistakes mistakes;
	for (size_t i = 0; i < COUNT; i++) {
		char path[256];
		snprintf(path, sizeof(path), "tests/simulation/pack/%s", names[i]);
		buffer_init(&bytes[i], PACK_BYTES);
		must(!result_failed(file_read(path, &bytes[i])));
		files[i] = (PolicyFile){ names[i], buffer_slice(&bytes[i]) };
	}
	if (!policy_read(files, COUNT, &pack_message, &mistakes)) {
		for (size_t i = 0; i < mistakes.count; i++)
			fprintf(stderr, "%s\n", mistakes.list[i]);
		abort();
	}
	must(!result_failed(policy_compile(pack_message, &pack)));
	for (size_t i = 0; i < COUNT; i++)
		buffer_release(&bytes[i]);
}

static void pack_publish(World *world)
{
	Buffer headers, body;
	char time[INSTANT_TEXT];
	instant_format(world->now, time);
	buffer_init(&headers, 1024);
	buffer_init(&body, PACK_BYTES);
	json_write(pack_message, &body);
	header_add(&headers, "ce_id", SLICE("pol_simulation"));
	header_add(&headers, "ce_type", SLICE(TYPE_POLICY_PUBLISHED));
	header_add(&headers, "ce_time", slice_of(time));
	BusRecord record = { .headers = buffer_slice(&headers), .body = buffer_slice(&body) };
	must(!result_failed(bus_append(world->bus, TOPIC_POLICIES, 0, &record, NULL, NULL)));
	memory_bus_deliver_all(world->bus);
	buffer_release(&headers);
	buffer_release(&body);
}

/* ---- the outside: takes, loses, fails, answers late */

typedef struct {
	Outside outside;
	World *world;
	size_t queued, answered;
	OutsideOutcome queue[64], answers[64];
} Receiver;

static Receiver receivers[BUS_PARTITIONS_MAX];

static Result receiver_send(Outside *outside, const OutsideMessage *message)
{
	Receiver *receiver = (Receiver *)outside;
	if (receiver->queued == 64)
		return result_fail(ERROR_AGAIN, "the queue is full");
	for (size_t i = 0; i < receiver->queued; i++)
		if (strcmp(receiver->queue[i].key, message->key) == 0)
			return result_ok();
	OutsideOutcome *sent = &receiver->queue[receiver->queued++];
	*sent = (OutsideOutcome){ .attempt = message->attempt };
	must(text_copy(slice_of(message->key), sent->key, sizeof(sent->key)));
	return result_ok();
}

static bool receiver_outcome(Outside *outside, OutsideOutcome *out)
{
	Receiver *receiver = (Receiver *)outside;
	if (receiver->answered == 0)
		return false;
	*out = receiver->answers[--receiver->answered];
	return true;
}

static void receiver_notify(Outside *outside, void (*wake)(void *context), void *context)
{
	(void)outside, (void)wake, (void)context;
}

static const OutsideOperations receiver_operations = { .send = receiver_send, .outcome = receiver_outcome,
						       .notify = receiver_notify };

static void receiver_take(World *world, const char *key)
{
	for (size_t i = 0; i < world->received_count; i++)
		if (strcmp(world->received[i], key) == 0) {
			world->received_again++;
			return;
		}
	must(world->received_count < WORLD_SENT_MAX);
	must(text_copy(slice_of(key), world->received[world->received_count++], OUTSIDE_KEY));
}

static void receiver_step(World *world, Receiver *receiver)
{
	if (receiver->queued == 0 || receiver->answered == 64)
		return;
	OutsideOutcome outcome = receiver->queue[0];
	memmove(receiver->queue, receiver->queue + 1, --receiver->queued * sizeof(receiver->queue[0]));
	uint32_t die = world->quiet ? 0 : roll(world, 10);
	outcome.outcome = die < 6 ? OUTCOME_SENT : die < 9 ? OUTCOME_RETRY : OUTCOME_REFUSED;
	if (outcome.outcome == OUTCOME_SENT)
		receiver_take(world, outcome.key);
	if (die == 5)
		return; /* it arrived, but nobody ever hears of it */
	receiver->answers[receiver->answered++] = outcome;
}

/* ---- what the services are given */

static const char *setting(void *context, const char *name)
{
	(void)context;
	static const char *const values[][2] = { { "TOCSIN_WEBHOOK_URL", "https://hooks.example.org/tocsin" },
						 { "TOCSIN_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" },
						 { "TOCSIN_SMTP_URL", "smtp://mail.example.org" },
						 { "TOCSIN_MAIL_FROM", "tocsin@example.org" } };
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (strcmp(values[i][0], name) == 0)
			return values[i][1];
	return NULL;
}

static NotificationEnvironment notification_environment = { .setting = setting, .public_url = "http://127.0.0.1:8080" };

typedef struct {
	AuditLedger ledger;
	World *world;
} MemoryLedger;

static Result ledger_cut(AuditLedger *ledger, int64_t size)
{
	Buffer *file = &((MemoryLedger *)ledger)->world->audit_file;
	if (file->size < (size_t)size)
		return result_fail(ERROR_INTERNAL, "the audit file is shorter than accepted");
	file->size = (size_t)size;
	return result_ok();
}

static Result ledger_write(AuditLedger *ledger, Slice lines)
{
	Buffer *file = &((MemoryLedger *)ledger)->world->audit_file;
	buffer_append(file, lines);
	must(!file->overflowed);
	return result_ok();
}

static Result ledger_read(AuditLedger *ledger, int64_t from, size_t size, Buffer *out)
{
	Buffer *file = &((MemoryLedger *)ledger)->world->audit_file;
	if ((size_t)from + size > file->size)
		return result_fail(ERROR_INTERNAL, "the audit file ends before");
	buffer_append(out, (Slice){ file->data + from, size });
	return result_ok();
}

static const AuditLedgerOperations ledger_operations = { .cut = ledger_cut, .write = ledger_write, .read = ledger_read };
static MemoryLedger memory_ledger;
static AuditEnvironment audit_environment = { .ledger = &memory_ledger.ledger };

/* ---- units */

static const struct {
	const Service *service;
	void *environment;
} services[] = {
	{ &gateway_service, NULL },
	{ &intake_service, NULL },
	{ &classification_service, NULL },
	{ &response_service, NULL },
	{ &notification_service, &notification_environment },
	{ &audit_service, &audit_environment },
};

static void unit_start(World *world, Unit *unit)
{
	if (!unit->store && unit->service->schema) {
		StoreOptions options = runtime_store_options(unit->service, ":memory:");
		must(!result_failed(store_open(&options, &unit->store, NULL)));
	}
	bool sends = unit->service == &notification_service;
	RuntimeOptions options = { .service = unit->service, .partition = unit->partition, .bus = world->bus,
				   .timers = sends ? world->timers : NULL,
				   .outside = sends ? &receivers[unit->partition].outside : NULL, .store = unit->store,
				   .environment = unit->environment, .owner_id = ((uint64_t)roll(world, 1u << 31) << 8) + unit->stream };
	Result result = runtime_new(&options, &unit->runtime);
	if (result_failed(result)) {
		fprintf(stderr, "seed %" PRIu64 ": %s cannot start: %s\n", world->seed, unit->service->name, result.text);
		abort();
	}
}

static void units_start(World *world)
{
	world->unit_count = 0;
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		unsigned partitions = services[i].service->single ? 1 : world->partitions;
		for (unsigned partition = 0; partition < partitions; partition++) {
			must(world->unit_count < WORLD_UNITS_MAX);
			Unit *unit = &world->units[world->unit_count];
			*unit = (Unit){ .service = services[i].service, .partition = partition,
					.stream = (unsigned)world->unit_count, .environment = services[i].environment };
			world->unit_count++;
			unit_start(world, unit);
		}
	}
}

static void unit_crash(World *world, Unit *unit)
{
	size_t pending = memory_bus_stream_pending(world->bus, unit->stream);
	runtime_free(unit->runtime);
	memory_bus_drop_stream(world->bus, unit->stream, roll(world, (uint32_t)pending + 1));
	if (unit->store && roll(world, 2)) {
		store_close(unit->store);
		unit->store = NULL;
	}
	if (unit->service == &notification_service) {
		receivers[unit->partition].queued = roll(world, 2) ? 0 : receivers[unit->partition].queued;
		receivers[unit->partition].answered = 0;
	}
	world->crashes++;
	unit_start(world, unit);
}

static bool unit_step(World *world, Unit *unit)
{
	bool progressed;
	memory_bus_set_stream(world->bus, unit->stream);
	Result result = runtime_step(unit->runtime, world->now, &progressed);
	if (result.kind == ERROR_INTERNAL) {
		fprintf(stderr, "seed %" PRIu64 ": %s/%u: %s\n", world->seed, unit->service->name, unit->partition, result.text);
		abort();
	}
	return progressed;
}

Unit *world_unit(World *world, const char *service, unsigned partition)
{
	for (size_t i = 0; i < world->unit_count; i++)
		if (strcmp(world->units[i].service->name, service) == 0 && world->units[i].partition == partition)
			return &world->units[i];
	must(!"no such unit");
	return NULL;
}

/* ---- clients */

static void event_done(void *context, bool failed, int64_t offset)
{
	SentEvent *event = context;
	(void)offset;
	event->failed = failed;
	event->acknowledged |= !failed;
}

static void event_append(World *world, SentEvent *event)
{
	BusRecord record = { .key = slice_of(event->correlation_key), .headers = buffer_slice(&event->headers),
			     .body = buffer_slice(&event->body) };
	event->failed = false;
	memory_bus_set_stream(world->bus, STREAM_CLIENT);
	must(!result_failed(bus_append(world->bus, TOPIC_EVENTS, event->slot % world->partitions, &record, event_done, event)));
}

static void event_body(World *world, Buffer *body)
{
	static const char *const sources[] = { "ids", "narrow", "fw" }, *const types[] = { "malware", "other", "outage", "intrusion" };
	static const char *const severities[] = { "info", "low", "medium", "high", "critical" };
	buffer_format(body, "{\"source\":\"%s\",\"title\":\"t\",\"id\":\"%zu\",\"rule\":\"%s\",\"asset\":\"a%u\",\"type\":\"%s\",\"severity\":\"%s\"}",
		      sources[roll(world, 3)], world->event_count, roll(world, 8) ? "r" : "scan", roll(world, 2),
		      types[roll(world, 4)], severities[roll(world, 5)]);
}

static void report_body(World *world, Buffer *body)
{
	static const char *const kinds[] = { "event", "incident", "weakness" };
	buffer_format(body, "{\"kind\":\"%s\",\"description\":\"laptop %zu gone\",\"type\":\"theft\"}", kinds[roll(world, 3)],
		      world->event_count);
}

static void client_event(World *world)
{
	if (world->event_count == WORLD_EVENTS_MAX)
		return;
	SentEvent *event = &world->events[world->event_count];
	char key[32];
	*event = (SentEvent){ .report = roll(world, 8) == 0 };
	buffer_init(&event->body, 4096);
	event->report ? report_body(world, &event->body) : event_body(world, &event->body);
	snprintf(key, sizeof(key), "idem-%zu", world->event_count);
	AcceptInput input = { .body = buffer_slice(&event->body), .key_id = "client", .idempotency_key = key,
			      .received_at = world->now };
	Accepted accepted;
	static FieldErrors errors;
	ProblemCode code;
	Result result = event->report ? accept_report(pack, &input, &accepted, &errors, &code) :
					accept_event(pack, &input, &accepted, &errors, &code);
	must(!result_failed(result));
	event->id = accepted.id;
	event->slot = accepted.slot;
	memcpy(event->correlation_key, accepted.correlation_key, sizeof(event->correlation_key));
	buffer_init(&event->headers, ACCEPTED_HEADERS_MAX);
	buffer_append(&event->headers, buffer_slice(&accepted.headers));
	accepted_release(&accepted);
	world->event_count++;
	event_append(world, event);
}

static void client_again(World *world)
{
	if (world->event_count > 0)
		event_append(world, &world->events[roll(world, (uint32_t)world->event_count)]);
}

static void command_done(void *context, bool failed, int64_t offset)
{
	SentCommand *command = context;
	(void)offset;
	command->failed = failed;
	command->acknowledged |= !failed;
}

static void command_append(World *world, SentCommand *command)
{
	unsigned slot;
	Instant opened_at;
	must(id_incident_parse(slice_of(command->incident), &slot, &opened_at));
	BusRecord record = { .key = slice_of(command->incident), .headers = buffer_slice(&command->headers),
			     .body = buffer_slice(&command->body) };
	command->failed = false;
	memory_bus_set_stream(world->bus, STREAM_CLIENT);
	must(!result_failed(bus_append(world->bus, TOPIC_COMMANDS, slot % world->partitions, &record, command_done, command)));
}

static bool incident_choose(World *world, char out[static ID_SIZE], int64_t *version)
{
	Statement *row = store_query(world_unit(world, "gateway", 0)->store,
				     "SELECT id, version FROM incidents ORDER BY id LIMIT 1 OFFSET ?1", V_INTEGER(roll(world, 12)));
	bool found = statement_next(row) && text_copy(statement_slice(row, 0), out, ID_SIZE);
	*version = found ? statement_integer(row, 1) : 0;
	(void)statement_end(row);
	return found;
}

static void command_write(World *world, SentCommand *command, int64_t version)
{
	static const struct {
		const char *name, *arguments;
	} choices[] = {
		{ "acknowledge", "{}" },
		{ "acknowledge", "{\"note\":\"on it\"}" },
		{ "assign", "{\"team\":\"soc\"}" },
		{ "note", "{\"text\":\"seen\"}" },
		{ "close", "{\"resolution\":\"resolved\",\"reason\":\"done\"}" },
		{ "reopen", "{\"reason\":\"again\"}" },
		{ "false-alarm", "{\"reason\":\"test\"}" },
	};
	unsigned choice = roll(world, sizeof(choices) / sizeof(choices[0]));
	char time[INSTANT_TEXT], name[32], expected[32] = "null";
	instant_format(world->now, time);
	snprintf(name, sizeof(name), "%zu", world->command_count);
	command->id = id_of_pair("cmd_", SLICE("client"), slice_of(name));
	if (roll(world, 3) == 0)
		snprintf(expected, sizeof(expected), "%" PRId64, version);
	buffer_init(&command->body, 4096);
	buffer_init(&command->headers, 1024);
	buffer_format(&command->body,
		      "{\"incident_id\":\"%s\",\"command\":\"%s\",\"expected_version\":%s,\"actor\":{\"kind\":\"key\",\"id\":\"k\","
		      "\"name\":\"admin\",\"roles\":[\"administrator\"]},\"arguments\":%s,\"fingerprint\":null,\"issued_at\":\"%s\"}",
		      command->incident, choices[choice].name, expected, choices[choice].arguments, time);
	header_add(&command->headers, "ce_id", id_slice(&command->id));
	header_add(&command->headers, "ce_type", SLICE(TYPE_COMMAND));
	header_add(&command->headers, "ce_time", slice_of(time));
	header_add(&command->headers, "ce_subject", slice_of(command->incident));
}

static void client_command(World *world)
{
	int64_t version;
	if (world->command_count == WORLD_COMMANDS_MAX)
		return;
	SentCommand *command = &world->commands[world->command_count];
	*command = (SentCommand){ 0 };
	if (!incident_choose(world, command->incident, &version))
		return;
	command_write(world, command, version);
	world->command_count++;
	command_append(world, command);
}

static void clients_retry(World *world)
{
	for (size_t i = 0; i < world->event_count; i++)
		if (world->events[i].failed)
			event_append(world, &world->events[i]);
	for (size_t i = 0; i < world->command_count; i++)
		if (world->commands[i].failed)
			command_append(world, &world->commands[i]);
}

/* ---- the play */

static void wire_step(World *world)
{
	static const WireMode faults[] = { WIRE_DELIVER_LATE_ACK, WIRE_LOSE, WIRE_FAIL_BUT_ARRIVE, WIRE_DOUBLE };
	WireMode mode = WIRE_DELIVER;
	if (roll(world, 40) == 0) {
		mode = faults[roll(world, 4)];
		world->faults++;
	}
	memory_bus_step(world->bus, roll(world, 1u << 30), mode);
}

static void any_unit_step(World *world)
{
	unit_step(world, &world->units[roll(world, (uint32_t)world->unit_count)]);
}

static void any_unit_crash(World *world)
{
	unit_crash(world, &world->units[roll(world, (uint32_t)world->unit_count)]);
}

static void clock_step(World *world)
{
	static const uint32_t leaps[] = { 20, 300, 1500, 20000, 120000 };
	world->now += roll(world, leaps[roll(world, 5)]);
}

static void any_receiver_step(World *world)
{
	receiver_step(world, &receivers[roll(world, world->partitions)]);
}

static void timer_lose(World *world)
{
	memory_timers_lose(world->timers, roll(world, 1000));
}

static const struct {
	uint32_t weight; /* of 1000 */
	void (*act)(World *world);
} acts[] = {
	{ 480, any_unit_step }, { 300, wire_step },     { 60, client_event }, { 25, client_again },
	{ 25, client_command }, { 10, clients_retry },  { 45, clock_step },   { 40, any_receiver_step },
	{ 5, timer_lose },      { 10, any_unit_crash },
};

static void chaos_step(World *world)
{
	uint32_t die = roll(world, 1000);
	size_t i = 0;
	while (die >= acts[i].weight)
		die -= acts[i++].weight;
	acts[i].act(world);
}

/* Everything that can move moves, until nothing does. */
static void rest(World *world)
{
	for (unsigned round = 0; round < QUIET_LIMIT; round++) {
		bool moved = false;
		for (size_t i = 0; i < world->unit_count; i++)
			moved |= unit_step(world, &world->units[i]);
		moved |= memory_bus_pending(world->bus) > 0;
		memory_bus_deliver_all(world->bus);
		for (unsigned i = 0; i < world->partitions; i++) {
			moved |= receivers[i].queued > 0 || receivers[i].answered > 0;
			receiver_step(world, &receivers[i]);
		}
		if (!moved)
			return;
	}
	fprintf(stderr, "seed %" PRIu64 ": the services do not come to rest\n", world->seed);
	abort();
}

static Instant next_wake(World *world)
{
	Instant next = INSTANT_NONE;
	BusPlace places[RUNTIME_PLACES_MAX];
	for (size_t i = 0; i < world->unit_count; i++) {
		Instant wake_at;
		runtime_places(world->units[i].runtime, places, &wake_at);
		if (wake_at != INSTANT_NONE && (next == INSTANT_NONE || wake_at < next))
			next = wake_at;
	}
	return next;
}

static void quiet(World *world)
{
	world->quiet = true;
	clients_retry(world);
	for (unsigned round = 0; round < QUIET_ROUNDS; round++) {
		rest(world);
		Instant wake_at = next_wake(world);
		bool sooner = wake_at != INSTANT_NONE && wake_at < world->now + QUIET_STEP_MS;
		world->now = sooner ? (wake_at > world->now ? wake_at : world->now + 1) : world->now + QUIET_STEP_MS;
	}
	/* What is still armed lies further ahead: retries of messages, up to a day. */
	for (unsigned round = 0; round < QUIET_LIMIT; round++) {
		rest(world);
		Instant wake_at = next_wake(world);
		if (wake_at == INSTANT_NONE)
			return;
		world->now = wake_at > world->now ? wake_at : world->now + 1000;
	}
}

void world_init(World *world)
{
	*world = (World){ 0 };
	pack_read();
	world->timers = memory_timers_new();
	buffer_init(&world->audit_file, AUDIT_BYTES);
	memory_ledger = (MemoryLedger){ { &ledger_operations }, world };
}

void world_release(World *world)
{
	world->timers->operations->close(world->timers);
	buffer_release(&world->audit_file);
	policy_free(pack);
	json_decref(pack_message);
}

void world_play(World *world, uint64_t seed)
{
	world->seed = seed;
	world->dice = seed * 0x9e3779b97f4a7c15u + 1;
	world->now = 1790000000000;
	world->quiet = false;
	world->event_count = world->command_count = world->received_count = world->received_again = 0;
	world->partitions = 1 + roll(world, 3);
	world->bus = memory_bus_new(TOPICS, world->partitions);
	memory_timers_reset(world->timers);
	buffer_clear(&world->audit_file);
	for (unsigned i = 0; i < world->partitions; i++)
		receivers[i] = (Receiver){ .outside = { &receiver_operations }, .world = world };
	pack_publish(world);
	units_start(world);
	unsigned steps = CHAOS_LEAST + roll(world, 1 + roll(world, CHAOS_MORE));
	for (unsigned step = 0; step < steps; step++)
		chaos_step(world);
	quiet(world);
}

void world_end(World *world)
{
	for (size_t i = 0; i < world->unit_count; i++) {
		runtime_free(world->units[i].runtime);
		store_close(world->units[i].store);
	}
	for (size_t i = 0; i < world->event_count; i++) {
		buffer_release(&world->events[i].headers);
		buffer_release(&world->events[i].body);
	}
	for (size_t i = 0; i < world->command_count; i++) {
		buffer_release(&world->commands[i].headers);
		buffer_release(&world->commands[i].body);
	}
	world->bus->operations->close(world->bus);
}
