#include "tests/simulation/clients.h"

#include "shared/domain/commands.h"

#include "services/gateway/core/accept.h"
#include "shared/domain/documents.h"
#include "shared/domain/types.h"
#include "tests/support/memory_bus.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	memory_bus_set_stream(world->bus, STREAM_CLIENT);
	event->failed = result_failed(
		bus_append(world->bus, TOPIC_EVENTS, event->slot % world->partitions, &record, event_done, event));
}

/* Writes a random event. Two events may have the same id; they count as one only if their correlation keys are equal, too. */
static void event_body(World *world, Buffer *body)
{
	static const char *const sources[] = { "ids", "narrow", "fw" }, *const types[] = { "malware", "other", "outage", "intrusion" };
	static const char *const severities[] = { "info", "low", "medium", "high", "critical" };
	/* Drawn in separate statements, because C does not specify in which order the arguments of a call are evaluated. */
	const char *source = sources[random_below(world, 3)], *rule = random_below(world, 8) ? "r" : "scan";
	const char *type = types[random_below(world, 4)], *severity = severities[random_below(world, 5)];
	unsigned asset = random_below(world, 3), actor = random_below(world, 4);
	/* One event in six takes a random id, mostly that of an earlier event (accept.h). */
	size_t id = random_below(world, 6) == 0 ? random_below(world, (uint32_t)world->event_count + 1) : world->event_count;
	buffer_format(body,
		      "{\"source\":\"%s\",\"title\":\"t\",\"id\":\"%zu\",\"rule\":\"%s\",\"asset\":\"a%u\",\"actor\":\"b%u\","
		      "\"type\":\"%s\",\"severity\":\"%s\"}",
		      source, id, rule, asset, actor, type, severity);
}

static void report_body(World *world, Buffer *body)
{
	static const char *const kinds[] = { "event", "incident", "weakness" };
	buffer_format(body, "{\"kind\":\"%s\",\"description\":\"laptop %zu gone\",\"type\":\"theft\"}", kinds[random_below(world, 3)],
		      world->event_count);
}

void client_event(World *world)
{
	if (world->event_count == WORLD_EVENTS_MAX)
		return;
	SentEvent *event = &world->events[world->event_count];
	char key[32];
	*event = (SentEvent){ .report = random_below(world, 8) == 0 };
	buffer_init(&event->body, 4096);
	event->report ? report_body(world, &event->body) : event_body(world, &event->body);
	snprintf(key, sizeof(key), "idem-%zu", world->event_count);
	AcceptInput input = { .body = buffer_slice(&event->body), .key_id = "client", .idempotency_key = key,
			      .received_at = world->now };
	Accepted accepted;
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	ProblemCode code;
	Result result = event->report ? accept_report(world_policy(), &input, &accepted, &errors, &code) :
					accept_event(world_policy(), &input, &accepted, &errors, &code);
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

void client_again(World *world)
{
	if (world->event_count > 0)
		event_append(world, &world->events[random_below(world, (uint32_t)world->event_count)]);
}

void clients_repeat(World *world)
{
	uint32_t first = world->event_count > 0 ? random_below(world, (uint32_t)world->event_count) : 0;
	for (size_t i = 0; i < world->event_count; i++)
		event_append(world, &world->events[(first + i) % world->event_count]);
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
	memory_bus_set_stream(world->bus, STREAM_CLIENT);
	command->failed = result_failed(
		bus_append(world->bus, TOPIC_COMMANDS, slot % world->partitions, &record, command_done, command));
}

/* A running gateway; NULL if none is found in three random tries. */
static Unit *gateway_any(World *world)
{
	for (unsigned tries = 0; tries < WORLD_REPLICAS_MAX; tries++) {
		Unit *unit = &world->units[random_below(world, (uint32_t)world->unit_count)];
		unit = strcmp(unit->service->name, "gateway") == 0 ? unit : &world->units[0];
		if (unit->runtime)
			return unit;
	}
	return NULL;
}

static bool incident_choose(World *world, char out[static ID_SIZE], int64_t *version)
{
	Unit *gateway = gateway_any(world);
	*version = 0;
	if (!gateway)
		return false;
	Statement *row = store_query(gateway->store, "SELECT id, version FROM incidents ORDER BY id LIMIT 1 OFFSET ?1",
				     V_INTEGER(random_below(world, 12)));
	bool found = statement_next(row) && text_copy(statement_slice(row, 0), out, ID_SIZE);
	*version = found ? statement_integer(row, 1) : 0;
	must(!result_failed(statement_end(row)));
	return found;
}

/* Contains the arguments of every command; a command ignores the arguments of other commands. */
#define ANY_ARGUMENTS                                                                                                       \
	"{\"note\":\"on it\",\"team\":\"soc\",\"text\":\"seen\",\"resolution\":\"resolved\",\"reason\":\"done\",\"kind\":\"incident\"}"

/* Half of the commands are those that open, close and stop escalation; the others are any public ones of the table. */
static const char *command_choose(World *world)
{
	static const char *const frequent[] = { "acknowledge", "close", "reopen", "false-alarm" };
	if (random_below(world, 2) == 0)
		return frequent[random_below(world, 4)];
	const Command *command;
	do
		command = &commands[random_below(world, (uint32_t)command_count)];
	while (!command_is_public(command));
	return command->name;
}

static void command_write(World *world, SentCommand *command, int64_t version)
{
	const char *chosen = command_choose(world);
	char time[INSTANT_TEXT], name[32], expected[32] = "null";
	instant_format(world->now, time);
	snprintf(name, sizeof(name), "%zu", world->command_count);
	command->id = id_of_pair(ID_COMMAND_OF_REQUEST, SLICE("client"), slice_of(name));
	if (random_below(world, 3) == 0)
		snprintf(expected, sizeof(expected), "%" PRId64, version);
	buffer_init(&command->body, 4096);
	buffer_init(&command->headers, 1024);
	buffer_format(&command->body,
		      "{\"incident_id\":\"%s\",\"command\":\"%s\",\"expected_version\":%s,\"actor\":{\"kind\":\"key\",\"id\":\"k\","
		      "\"name\":\"admin\",\"roles\":[\"administrator\"]},\"arguments\":%s,\"fingerprint\":null,\"issued_at\":\"%s\"}",
		      command->incident, chosen, expected, ANY_ARGUMENTS, time);
	header_add(&command->headers, "ce_id", id_slice(&command->id));
	header_add(&command->headers, "ce_type", SLICE(TYPE_COMMAND));
	header_add(&command->headers, "ce_time", slice_of(time));
	header_add(&command->headers, "ce_subject", slice_of(command->incident));
}

void client_command(World *world)
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

void clients_retry(World *world)
{
	for (size_t i = 0; i < world->event_count; i++)
		if (world->events[i].failed)
			event_append(world, &world->events[i]);
	for (size_t i = 0; i < world->command_count; i++)
		if (world->commands[i].failed)
			command_append(world, &world->commands[i]);
}

void answer_digest(Slice id, Slice type, Slice body, char out[static DIGEST_HEX])
{
	Digest digest = DIGEST(id, SLICE(" "), type, SLICE(" "), body);
	digest_hex(&digest, out);
}

void client_answered(World *world, const Record *record)
{
	if (world->answer_count == world->answer_room) {
		world->answer_room = world->answer_room ? world->answer_room * 2 : 256;
		world->answers = realloc(world->answers, world->answer_room * sizeof(*world->answers));
		must(world->answers);
	}
	Answer *answer = &world->answers[world->answer_count++];
	must(text_copy(record->cause, answer->command, ID_SIZE));
	answer_digest(record->id, record->type, record->body, answer->record);
}
