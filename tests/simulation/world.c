#include "tests/simulation/world.h"

#include "services/audit/audit.h"
#include "services/classification/classification.h"
#include "services/gateway/gateway.h"
#include "services/intake/intake.h"
#include "services/notification/notification.h"
#include "services/response/response.h"
#include "shared/domain/types.h"
#include "shared/io/system/files.h"
#include "tests/simulation/clients.h"
#include "tests/simulation/environment.h"
#include "tests/simulation/hostile.h"
#include "tests/support/memory_bus.h"
#include "tests/support/memory_timers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CHAOS_LEAST = 100, /* least number of chaos steps in a world; most worlds are short, so that many fit into a minute */
	CHAOS_MORE = 1600, /* up to this many are added at random */
	STUCK_MAX = 20, /* most failed steps of a unit in a row, while no faults are injected */
	BURST_MAX = 4,  /* most steps of one unit, or records of one stream, in one act */
	PAUSE_MAX_MS = 120000,
	QUIET_MS = 480000, /* longer than the pack's last escalation level plus a sweep for lost timers */
	QUIET_STEP_MS = 15000,
	QUIET_LIMIT = 4000,
	AUDIT_BYTES = 8 << 20,
	PACK_BYTES = 1 << 20,
};

uint32_t random_below(World *world, uint32_t limit)
{
	world->random_state = world->random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(world->random_state >> 33) % limit;
}

/* ---- the policy: read once, published in each world */

static json_t *pack_message;
static Policy *pack;

const Policy *world_policy(void)
{
	return pack;
}

static void pack_read(void)
{
	static const char *const names[] = { "pack.yaml", "sources.yaml", "categories.yaml", "grading.yaml", "rules.yaml",
					     "contacts.yaml", "escalation.yaml", "channels.yaml", "words/en.yaml" };
	enum { COUNT = sizeof(names) / sizeof(names[0]) };
	PolicyFile files[COUNT];
	Buffer bytes[COUNT];
	static PolicyErrors mistakes;
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
	memory_bus_set_stream(world->bus, STREAM_CLIENT);
	must(!result_failed(bus_append(world->bus, TOPIC_POLICIES, 0, &record, NULL, NULL)));
	memory_bus_deliver_all(world->bus);
	buffer_release(&headers);
	buffer_release(&body);
}

/* ---- units */

static World *answering; /* the world whose gateways answer */

static void gateway_accepted(Handler *handler, const Record *record)
{
	(void)handler;
	if (slice_starts_with(record->type, SLICE("tocsin.journal.")) && id_is("cmd_", record->cause))
		client_answered(answering, record);
}

static Service gateway; /* a copy of gateway_service whose `accepted` is gateway_accepted */

/* Audit has one replica, because only a replica with the audit file may own a partition. */
static const struct {
	const Service *service;
	unsigned replicas_max;
} services[] = {
	{ &gateway, WORLD_REPLICAS_MAX },
	{ &intake_service, WORLD_REPLICAS_MAX },
	{ &classification_service, WORLD_REPLICAS_MAX },
	{ &response_service, WORLD_REPLICAS_MAX },
	{ &notification_service, WORLD_REPLICAS_MAX },
	{ &audit_service, 1 },
};

static unsigned unit_stream(const Unit *unit)
{
	return 2 * unit->number + unit->incarnation % 2;
}

void world_print(const World *world, TopicId topic, unsigned partition)
{
	static const char *const names[] = { "ce_epoch", "ce_owner", "ce_seq",	"ce_prev",    "ce_derived",  "ce_positions",
					     "ce_time",	 "ce_type",  "ce_id", "ce_subject", "ce_cause" };
	BusRecord record;
	fprintf(stderr, "%s/%u\n", topics[topic].name, partition);
	for (int64_t offset = 0; memory_bus_recall(world->bus, topic, partition, offset, &record); offset++) {
		bool kept = memory_bus_peek(world->bus, topic, partition, offset, &record);
		fprintf(stderr, "%c%4" PRId64, kept ? ' ' : '-', offset);
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			Slice value = header_get(record.headers, names[i]);
			fprintf(stderr, " %.*s", (int)value.size, value.data ? value.data : "");
		}
		fputc('\n', stderr);
	}
}

static void give_up(const World *world, const Unit *unit, const char *event, const char *reason)
{
	if (unit->service->ledger != TOPICS)
		world_print(world, unit->service->ledger, unit->partition);
	fprintf(stderr, "seed %" PRIu64 ": %s/%u of replica %u %s: %s\n", world->seed, unit->service->name, unit->partition,
		unit->replica, event, reason);
	abort();
}

static void unit_bus_close(Unit *unit)
{
	if (unit->bus)
		unit->bus->operations->close(unit->bus);
	unit->bus = NULL;
}

static void unit_start(World *world, Unit *unit)
{
	if (!unit->store && unit->service->schema) {
		StoreOptions options = runtime_store_options(unit->service, ":memory:");
		must(!result_failed(store_open(&options, &unit->store, NULL)));
	}
	unit->bus = memory_bus_handle(world->bus);
	RuntimeOptions options = { .service = unit->service, .partition = unit->partition, .bus = unit->bus,
				   .timers = unit->service == &notification_service ? world->timers : NULL,
				   .outbound = outbound_of(unit), .store = unit->store, .environment = unit->environment,
				   .owner_id = ((uint64_t)random_below(world, 1u << 31) << 8) + unit->number,
				   .standby = world->standby, .trim_after_ms = world->trim_after_ms };
	Result result = runtime_new(&options, &unit->runtime);
	if (result.kind == ERROR_AGAIN && world->away) {
		unit_bus_close(unit);
		unit->runtime = NULL; /* any_restart or all_wake starts the unit again */
		return;
	}
	if (result_failed(result))
		give_up(world, unit, "cannot start", result.text);
	runtime_assign(unit->runtime, unit->assigned);
}

static void figures_take(World *world, const Unit *unit)
{
	RuntimeFigures figures = runtime_figures(unit->runtime);
	world->figures.claims += figures.claims;
	world->figures.superseded += figures.superseded;
	world->figures.doubts += figures.doubts;
	world->figures.dropped += figures.dropped;
}

static void unit_stop(World *world, Unit *unit)
{
	size_t pending = memory_bus_stream_pending(world->bus, unit_stream(unit));
	figures_take(world, unit);
	runtime_free(unit->runtime);
	unit->runtime = NULL;
	memory_bus_drop_stream(world->bus, unit_stream(unit), random_below(world, (uint32_t)pending + 1));
	unit_bus_close(unit);
	unit->incarnation++;
	/* The next process uses the unit's other stream: appends that an earlier process left there are delivered first. */
	while (memory_bus_stream_pending(world->bus, unit_stream(unit)) > 0)
		memory_bus_step_stream(world->bus, unit_stream(unit), WIRE_DELIVER);
	unit->asleep_until = 0;
	unit->wire_held = false;
	outbound_crash(world, unit);
}

static void disk_lose(World *world, Unit *unit)
{
	world->figures.disks_lost += unit->store != NULL;
	store_close(unit->store);
	unit->store = NULL;
}

static void unit_crash(World *world, Unit *unit)
{
	if (!unit->runtime)
		return;
	world->figures.crashes++;
	unit_stop(world, unit);
	if (random_below(world, 2))
		disk_lose(world, unit);
	if (random_below(world, 3))
		unit_start(world, unit);
}

void world_restart_empty(World *world, Unit *unit)
{
	unit_stop(world, unit);
	disk_lose(world, unit);
	unit_start(world, unit);
}

/* Calls the bus's wait, as a process does after a step without progress. Returns true if the bus has found records to read. */
static bool unit_wait(World *world, Unit *unit)
{
	BusPosition positions[RUNTIME_POSITIONS_MAX];
	Instant wake_at;
	uint64_t before = memory_bus_learnt(world->bus);
	size_t count = runtime_positions(unit->runtime, positions, &wake_at);
	unit->bus->operations->wait(runtime_reader(unit->runtime), positions, count, 0);
	return memory_bus_learnt(world->bus) > before;
}

static bool unit_step(World *world, Unit *unit)
{
	bool progressed;
	if (!unit->runtime || world->now < unit->asleep_until)
		return false;
	if (world->quiet || random_below(world, 2))
		runtime_assign(unit->runtime, unit->assigned);
	memory_bus_set_stream(world->bus, unit_stream(unit));
	Result result = runtime_step(unit->runtime, world->now, &progressed);
	if (result_failed(result) && result.kind != ERROR_AGAIN) /* after such an error a program would stop */
		give_up(world, unit, "stops", result.text);
	unit->stuck = result_failed(result) && !progressed ? unit->stuck + 1 : 0;
	if (world->quiet && unit->stuck > STUCK_MAX)
		give_up(world, unit, "is stuck", result.text);
	if (!progressed && (world->quiet || random_below(world, 8)))
		progressed = unit_wait(world, unit);
	return progressed || (world->quiet && unit->stuck > 0);
}

static void units_start(World *world)
{
	world->unit_count = 0;
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		unsigned partitions = services[i].service->single ? 1 : world->partitions;
		unsigned replicas = 1 + random_below(world, services[i].replicas_max);
		for (unsigned number = 0; number < partitions * replicas; number++) {
			must(world->unit_count < WORLD_UNITS_MAX);
			Unit *unit = &world->units[world->unit_count];
			*unit = (Unit){ .service = services[i].service, .partition = number / replicas,
					.replica = number % replicas, .number = (unsigned)world->unit_count,
					.environment = service_environment(world, services[i].service),
					.assigned = number % replicas == 0 };
			world->unit_count++;
			unit_start(world, unit);
		}
	}
}

static Unit *unit_any(World *world)
{
	return &world->units[random_below(world, (uint32_t)world->unit_count)];
}

Unit *world_owner(World *world, const char *service, unsigned partition)
{
	for (size_t i = 0; i < world->unit_count; i++) {
		Unit *unit = &world->units[i];
		if (strcmp(unit->service->name, service) == 0 && unit->partition == partition && unit->assigned)
			return unit;
	}
	return NULL;
}

/* ---- the group: assigns partitions at random; units learn of an assignment late */

static bool same_partition(const Unit *one, const Unit *other)
{
	return one->service == other->service && one->partition == other->partition;
}

static unsigned replicas_of(const World *world, const Unit *unit)
{
	unsigned count = 0;
	for (size_t i = 0; i < world->unit_count; i++)
		count += same_partition(&world->units[i], unit);
	return count;
}

/* Assigns the partition of `any` to each replica n whose bit n is set in `replicas`. */
static void group_assign(World *world, const Unit *any, unsigned replicas)
{
	for (size_t i = 0; i < world->unit_count; i++)
		if (same_partition(&world->units[i], any))
			world->units[i].assigned = replicas >> world->units[i].replica & 1;
}

/* Assigns a random partition, mostly to one replica; sometimes to several, or to none for a while. */
static void group_move(World *world)
{
	const Unit *any = unit_any(world);
	unsigned replicas = replicas_of(world, any), choice = random_below(world, 10);
	unsigned assigned = choice < 7 ? 1u << random_below(world, replicas) : random_below(world, 1u << replicas);
	if (replicas < 2)
		return;
	world->figures.moves++;
	group_assign(world, any, assigned);
}

static void group_settle(World *world)
{
	for (size_t i = 0; i < world->unit_count; i++)
		if (world->units[i].replica == 0)
			group_assign(world, &world->units[i], 1u << random_below(world, replicas_of(world, &world->units[i])));
}

/* ---- trimming: operators keep ledgers longer than the longest outage, so only records that all readers have passed are trimmed */

typedef struct {
	int64_t position;
	TopicId topic;
	unsigned partition;
} Passed;

static void checkpoint_visit(Passed *passed, Slice headers)
{
	LedgerPositions positions;
	must(!result_failed(ledger_positions_read(header_get(headers, "ce_positions"), 0, &positions)));
	for (size_t i = 0; i < positions.count; i++)
		if (positions.list[i].topic == passed->topic && positions.list[i].partition == passed->partition)
			passed->position = positions.list[i].position;
}

static int64_t audit_passed(World *world, TopicId topic, unsigned partition)
{
	Passed passed = { 0, topic, partition };
	LedgerCursor cursor = { 0 };
	LedgerMark mark;
	BusRecord record;
	for (int64_t offset = 0; memory_bus_recall(world->bus, TOPIC_CHECKPOINTS, 0, offset, &record); offset++) {
		if (ledger_judge(&cursor, record.headers, &mark) == LEDGER_ACCEPT)
			checkpoint_visit(&passed, record.headers);
	}
	return passed.position;
}

/* The lowest position of the running gateways. A gateway that does not run is ignored, because it can rebuild its view after
 * its start. */
static int64_t gateways_passed(World *world, unsigned topic, unsigned partition)
{
	int64_t passed = INT64_MAX;
	BusPosition positions[RUNTIME_POSITIONS_MAX];
	for (size_t i = 0; i < world->unit_count; i++) {
		Instant wake_at;
		Unit *unit = &world->units[i];
		bool reads = unit->service == &gateway && unit->runtime;
		size_t count = reads ? runtime_positions(unit->runtime, positions, &wake_at) : 0;
		for (size_t k = 0; k < count; k++)
			if (positions[k].topic == topic && positions[k].partition == partition && positions[k].from < passed)
				passed = positions[k].from;
	}
	return passed;
}

static bool trim_allowed(void *context, unsigned topic, unsigned partition, int64_t first)
{
	World *world = context;
	bool passed = topic == TOPIC_REPORTS ?
			      world->bus->operations->committed(world->bus, "classification", topic, partition) >= first :
			      audit_passed(world, topic, partition) >= first && gateways_passed(world, topic, partition) >= first;
	world->figures.trims += passed && first > world->bus->operations->first(world->bus, topic, partition);
	return passed;
}

/* ---- acts */

static void wire_step(World *world)
{
	static const WireMode faults[] = { WIRE_DELIVER_LATE_ACK, WIRE_LOSE, WIRE_FAIL_BUT_ARRIVE, WIRE_DOUBLE };
	unsigned stream;
	if (world->away)
		return;
	if (!memory_bus_choose(world->bus, random_below(world, 1u << 30), &stream))
		return;
	const Unit *unit = stream < STREAM_CLIENT ? &world->units[stream / 2] : NULL;
	if (unit && unit->wire_held && stream == unit_stream(unit) && world->now < unit->asleep_until)
		return;
	for (unsigned records = 1 + random_below(world, BURST_MAX); records > 0; records--) {
		WireMode mode = WIRE_DELIVER;
		if (random_below(world, 40) == 0) {
			mode = faults[random_below(world, 4)];
			world->figures.faults++;
		}
		memory_bus_step_stream(world->bus, stream, mode);
	}
}

static void any_unit_step(World *world)
{
	Unit *unit = unit_any(world);
	for (unsigned steps = 1 + random_below(world, BURST_MAX); steps > 0; steps--)
		if (!unit_step(world, unit))
			return;
}

/* Crashes one unit, or a whole process: all partitions of a replica. */
static void any_crash(World *world)
{
	const Unit *any = unit_any(world);
	bool whole = random_below(world, 4) == 0;
	for (size_t i = 0; i < world->unit_count; i++) {
		Unit *unit = &world->units[i];
		if (unit == any || (whole && unit->service == any->service && unit->replica == any->replica))
			unit_crash(world, unit);
	}
}

static void any_restart(World *world)
{
	for (size_t i = 0; i < world->unit_count; i++)
		if (!world->units[i].runtime && random_below(world, 2))
			unit_start(world, &world->units[i]);
}

static void any_pause(World *world)
{
	Unit *unit = unit_any(world);
	unit->asleep_until = world->now + random_below(world, PAUSE_MAX_MS);
	unit->wire_held = random_below(world, 2);
	world->figures.zombies += unit->runtime && runtime_phase(unit->runtime) >= PHASE_CLAIMING;
}

static void clock_step(World *world)
{
	static const uint32_t leaps[] = { 20, 20, 300, 300, 1500, 1500, 20000, 20000, 120000 };
	world->now += random_below(world, 100) ? random_below(world, leaps[random_below(world, 9)]) : random_below(world, 10800000);
}

static void any_sending(World *world)
{
	outbound_step(world, random_below(world, OUTBOUND_SENDERS));
}

/* An unknown program writes a record to a ledger's topic: readers must drop it, without waiting for it and without stopping. */
static void unknown_writer(World *world)
{
	static const struct {
		const char *headers;
		size_t size;
	} malformed[] = {
#define MALFORMED(text) { text, sizeof(text) - 1 }
		MALFORMED(""),
		MALFORMED("a\0b\0"),
		MALFORMED("ce_epoch\0-1\0ce_owner\0" "1\0ce_seq\0" "1\0"),
		MALFORMED("ce_epoch\0" "99999999999999999999\0ce_owner\0" "1\0ce_seq\0" "0\0"),
		MALFORMED("ce_epoch\0" "0\0ce_owner\0" "0000000000000000\0ce_seq\0" "0\0"),
#undef MALFORMED
	};
	const Unit *unit = unit_any(world);
	uint32_t kind = random_below(world, sizeof(malformed) / sizeof(malformed[0]));
	if (unit->service->ledger == TOPICS)
		return;
	BusRecord record = { .headers = { malformed[kind].headers, malformed[kind].size }, .body = SLICE("?") };
	memory_bus_set_stream(world->bus, STREAM_CLIENT);
	/* The broker may be away: then the malformed record is not written. */
	result_ignore(bus_append(world->bus, unit->service->ledger, unit->partition, &record, NULL, NULL));
}

/* Ends an outage of the broker, or starts one with a probability of 1/4. An outage takes a moment or hours. */
static void bus_fault(World *world)
{
	world->away = !world->away && random_below(world, 4) == 0;
	world->figures.outages += world->away;
	memory_bus_set_away(world->bus, world->away);
}

static void timers_fault(World *world)
{
	uint32_t choice = random_below(world, 10);
	world->figures.timers_lost++;
	memory_timers_set_away(world->timers, choice < 3);
	if (choice < 6)
		memory_timers_lose(world->timers, random_below(world, 1000));
	else if (choice < 8)
		memory_timers_revive(world->timers, random_below(world, 1000));
	else if (choice < 9)
		memory_timers_outlive(world->timers);
	else
		memory_timers_lose_all(world->timers);
}

static const struct {
	uint32_t weight; /* out of 1000 */
	void (*act)(World *world);
} acts[] = {
	{ 434, any_unit_step }, { 250, wire_step },     { 45, client_event }, { 20, client_again },   { 28, client_command },
	{ 10, clients_retry },  { 2, clients_repeat },  { 38, clock_step },   { 45, any_sending },    { 8, timers_fault },
	{ 14, any_crash },      { 20, any_restart },    { 20, group_move },   { 10, any_pause },
	{ 4, unknown_writer },  { 12, bus_fault },      { 40, hostile_write },
};

static void chaos_step(World *world)
{
	uint32_t choice = random_below(world, 1000);
	size_t i = 0;
	while (choice >= acts[i].weight)
		choice -= acts[i++].weight;
	acts[i].act(world);
	world->figures.steps++;
}

void world_rest(World *world)
{
	for (unsigned round = 0; round < QUIET_LIMIT; round++) {
		bool moved = false;
		for (size_t i = 0; i < world->unit_count; i++)
			moved |= unit_step(world, &world->units[i]);
		moved |= memory_bus_pending(world->bus) > 0;
		memory_bus_deliver_all(world->bus);
		moved |= outbound_drain(world);
		if (!moved)
			return;
	}
	for (size_t i = 0; i < world->unit_count; i++)
		if (unit_step(world, &world->units[i]))
			give_up(world, &world->units[i], "does not come to rest", "its steps still make progress");
	fprintf(stderr, "seed %" PRIu64 ": the wire or the outbound channel does not come to rest\n", world->seed);
	abort();
}

static Instant earlier(Instant one, Instant other)
{
	return one == INSTANT_NONE || (other != INSTANT_NONE && other < one) ? other : one;
}

/* The earliest armed timer or wake-up of a service. */
static Instant next_wake(World *world)
{
	Instant next = INSTANT_NONE;
	BusPosition positions[RUNTIME_POSITIONS_MAX];
	for (size_t i = 0; i < world->unit_count; i++) {
		Instant wake_at;
		runtime_positions(world->units[i].runtime, positions, &wake_at);
		next = earlier(next, wake_at);
	}
	for (unsigned partition = 0; partition < world->partitions; partition++) {
		char owner[32];
		snprintf(owner, sizeof(owner), "notification/%u", partition);
		next = earlier(next, world->timers->operations->next(world->timers, owner));
	}
	return next;
}

static void all_wake(World *world)
{
	world->quiet = true;
	world->away = false;
	memory_bus_set_away(world->bus, false);
	memory_timers_set_away(world->timers, false);
	group_settle(world);
	for (size_t i = 0; i < world->unit_count; i++) {
		world->units[i].asleep_until = 0;
		if (!world->units[i].runtime)
			unit_start(world, &world->units[i]);
	}
}

/*
 * The timer store stays faulty while everything else is calm: reachable (0), unreachable (1), unreachable for the first half (2),
 * or unreachable, reachable or emptied at random (3). Owners must fire their timers on time all the same.
 */
static void timers_unsettle(World *world, unsigned mode, Instant until)
{
	if (mode == 1 || (mode == 2 && world->now < until - QUIET_MS / 2))
		memory_timers_set_away(world->timers, true);
	else
		memory_timers_set_away(world->timers, mode == 3 && random_below(world, 2));
	if (mode == 3 && random_below(world, 8) == 0)
		memory_timers_lose_all(world->timers);
}

static void quiet(World *world)
{
	unsigned mode = random_below(world, 4);
	all_wake(world);
	world->calm_at = world->now + WORLD_CALM_MS;
	clients_retry(world);
	clients_repeat(world);
	for (Instant until = world->now + QUIET_MS; world->now < until;) {
		timers_unsettle(world, mode, until);
		world_rest(world);
		Instant wake_at = next_wake(world);
		bool sooner = wake_at != INSTANT_NONE && wake_at < world->now + QUIET_STEP_MS;
		world->now = sooner ? (wake_at > world->now ? wake_at : world->now + 1) : world->now + QUIET_STEP_MS;
	}
	memory_timers_set_away(world->timers, false);
	/* Timers that are still armed are due later: retries of messages, up to a day. */
	for (unsigned round = 0; round < QUIET_LIMIT; round++) {
		world_rest(world);
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
	gateway = gateway_service;
	gateway.accepted = gateway_accepted;
	answering = world;
	world->timers = memory_timers_new();
	buffer_init(&world->audit_file, AUDIT_BYTES);
}

void world_release(World *world)
{
	world->timers->operations->close(world->timers);
	buffer_release(&world->audit_file);
	free(world->answers);
	policy_free(pack);
	json_decref(pack_message);
}

void world_play(World *world, uint64_t seed)
{
	static const int64_t trims[] = { 0, 0, 60000, 600000, 3600000 };
	world->seed = seed;
	world->random_state = seed * 0x9e3779b97f4a7c15u + 1;
	world->now = 1790000000000;
	world->quiet = world->away = false;
	world->calm_at = INSTANT_NONE;
	world->event_count = world->command_count = world->received_count = world->answer_count = 0;
	world->partitions = 1 + random_below(world, WORLD_PARTITIONS_MAX);
	world->standby = random_below(world, 2);
	world->trim_after_ms = trims[random_below(world, 5)];
	world->hostile = random_below(world, 2);
	world->forged = 0;
	world->bus = memory_bus_new(TOPICS, world->partitions);
	memory_bus_set_chance(world->bus, world->random_state);
	memory_bus_guard_trim(world->bus, trim_allowed, world);
	memory_timers_reset(world->timers);
	environment_reset(world);
	pack_publish(world);
	units_start(world);
	unsigned steps = CHAOS_LEAST + random_below(world, 1 + random_below(world, CHAOS_MORE));
	for (unsigned step = 0; step < steps; step++)
		chaos_step(world);
	quiet(world);
	world->figures.events += world->event_count;
	world->figures.commands += world->command_count;
}

void world_end(World *world)
{
	for (size_t i = 0; i < world->unit_count; i++) {
		figures_take(world, &world->units[i]);
		runtime_free(world->units[i].runtime);
		unit_bus_close(&world->units[i]);
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
