/*
 * tocsin check ledger [--kafka]: replays every ledger by its rule and says what it found: takeovers, records dropped,
 * holes, and whether the promises hold (shared/service/replay.h: accepted records were decided on exactly those before
 * them, no input counted twice, no position goes back). Read only, also beside a server and programs that run: what
 * they write meanwhile is for the next time.
 */
#include "services/cli/carry.h"

#include "shared/edge/store.h"
#include "shared/service/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BUS_FILE_SCHEMA = 1, TABLE_NAME = 64, QUERY_SIZE = 192, READ_RECORDS = 1000 };

/* Where the ledgers are: the embedded bus's file, or a bus. */
typedef struct Log Log;
struct Log {
	Result (*partitions)(Log *log, TopicId ledger, unsigned *count);
	Result (*replay)(Log *log, TopicId ledger, unsigned partition, Replay *replay);
	/* Where a partition ends now, asked after the replay: ends only grow. */
	Result (*end)(Log *log, TopicId topic, unsigned partition, int64_t *end);
	Store *store;
	Bus *bus;
	BusReader *reader;
	Carriage *carriage;
};

/* ---- the embedded bus's file, beside the server that writes it */

static Statement *query(Store *store, const char *sql)
{
	return store_query_(store, sql, true, NULL, 0);
}

/* Partitions are those there is a table of. */
static Result file_partitions(Log *log, TopicId ledger, unsigned *count)
{
	char sql[QUERY_SIZE];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name GLOB '%s.[0-9]*'",
		 topics[ledger].short_name);
	Statement *rows = query(log->store, sql);
	*count = statement_next(rows) ? (unsigned)statement_integer(rows, 0) : 0;
	return statement_end(rows);
}

static Result file_replay(Log *log, TopicId ledger, unsigned partition, Replay *replay)
{
	char sql[QUERY_SIZE];
	snprintf(sql, sizeof sql, "SELECT offset, key, headers, body FROM \"%s.%u\" ORDER BY offset",
		 topics[ledger].short_name, partition);
	Statement *rows = query(log->store, sql);
	while (statement_next(rows)) {
		BusRecord record = { .offset = statement_integer(rows, 0),
				     .key = statement_slice(rows, 1),
				     .headers = statement_slice(rows, 2),
				     .body = statement_slice(rows, 3) };
		replay_take(replay, &record);
	}
	return statement_end(rows);
}

static Result file_end(Log *log, TopicId topic, unsigned partition, int64_t *end)
{
	char sql[QUERY_SIZE];
	snprintf(sql, sizeof sql, "SELECT max(offset) + 1 FROM \"%s.%u\"", topics[topic].short_name, partition);
	Statement *rows = query(log->store, sql);
	if (statement_next(rows) && !statement_is_null(rows, 0))
		*end = statement_integer(rows, 0);
	return statement_end(rows);
}

/* ---- Kafka */

static Result bus_partitions(Log *log, TopicId ledger, unsigned *count)
{
	*count = topic_partitions(ledger, log->bus->partitions);
	return result_ok();
}

static bool replay_visit(void *context, const BusRecord *record)
{
	replay_take(context, record);
	return true;
}

/* Up to where it ended when the bus was opened. Its owner may cut the log meanwhile: that is said, and done again. */
static Result bus_replay(Log *log, TopicId ledger, unsigned partition, Replay *replay)
{
	const BusOperations *operations = log->bus->operations;
	BusPlace place = { ledger, partition, operations->first(log->bus, ledger, partition) };
	int64_t end = operations->end(log->bus, ledger, partition);
	while (place.from < end) {
		TRY(result_wrap(
			operations->read(log->reader, place, READ_RECORDS, true, replay_visit, replay, &place.from),
			"check it again"));
		carriage_progress(log->carriage, topics[ledger].name, (uint64_t)place.from);
	}
	return result_ok();
}

static Result bus_end(Log *log, TopicId topic, unsigned partition, int64_t *end)
{
	*end = log->bus->operations->end(log->bus, topic, partition);
	return result_ok();
}

/* ---- one partition */

/* How many findings were printed: a broken ledger has millions. */
typedef struct {
	const char *table;
	unsigned printed;
} Printer;

static void finding_print(void *context, int64_t offset, const char *text)
{
	enum { PRINT_MAX = 20 };
	Printer *printer = context;
	if (printer->printed++ < PRINT_MAX)
		complain("%s offset %" PRId64 ": %s", printer->table, offset, text);
}

static void figures_print(const char *table, ReplayFigures figures)
{
	printf("%-16s %8" PRIu64 " records  %8" PRIu64 " accepted  %3" PRIu64 " claims  %3" PRIu64
	       " takeovers  %4" PRIu64 " dropped  %" PRIu64 " holes  %" PRIu64 " findings\n",
	       table, figures.records, figures.accepted, figures.claims, figures.takeovers, figures.dropped,
	       figures.holes, figures.findings);
	if (figures.strangers > 0)
		complain("%s: %" PRIu64 " of the dropped records were written by no owner; they count for nothing, but somebody "
			 "else may write to this topic", table, figures.strangers);
}

static Result partition_check(Log *log, TopicId ledger, unsigned partition, LedgerPositions *positions, bool *right)
{
	char table[TABLE_NAME];
	snprintf(table, sizeof table, "%s.%u", topics[ledger].short_name, partition);
	Printer printer = { table, 0 };
	Replay *replay = replay_new(ledger, partition, finding_print, &printer);
	Result result = log->replay(log, ledger, partition, replay);
	ReplayFigures figures = replay_figures(replay);
	*positions = *replay_positions(replay);
	replay_free(replay);
	TRY(result);
	figures_print(table, figures);
	*right = *right && figures.findings == 0;
	return result_ok();
}

/* An accepted position may not lie behind the end of what it counts. */
static Result ends_check(Log *log, TopicId ledger, unsigned partition, const LedgerPositions *positions, bool *right)
{
	for (size_t i = 0; i < positions->count; i++) {
		TopicId topic = positions->list[i].topic;
		int64_t position = positions->list[i].position, end = position;
		TRY(log->end(log, topic, positions->list[i].partition, &end));
		if (position <= end)
			continue;
		complain("%s.%u: position %" PRId64 " in %s/%u, which ends at %" PRId64 ": input records are lost",
			 topics[ledger].short_name, partition, position, topics[topic].short_name,
			 positions->list[i].partition, end);
		*right = false;
	}
	return result_ok();
}

/* ---- all of them */

/* Called with each partition's last positions. */
typedef Result (*PartitionStep)(Log *log, TopicId ledger, unsigned partition, LedgerPositions *positions, bool *right);

static Result partition_ends_check(Log *log, TopicId ledger, unsigned partition, LedgerPositions *positions,
				   bool *right)
{
	return ends_check(log, ledger, partition, positions, right);
}

static LedgerPositions last[TOPICS][BUS_PARTITIONS_MAX];

static Result each_partition(Log *log, PartitionStep step, bool *right)
{
	for (TopicId ledger = 0; ledger < TOPICS; ledger++) {
		unsigned partitions;
		if (topics[ledger].kind != TOPIC_LEDGER)
			continue;
		TRY(log->partitions(log, ledger, &partitions));
		for (unsigned i = 0; i < partitions && i < BUS_PARTITIONS_MAX; i++)
			TRY(step(log, ledger, i, &last[ledger][i], right));
	}
	return result_ok();
}

static Result file_check(Carriage *carriage, bool *right)
{
	char path[PATH_SIZE];
	Log log = { .partitions = file_partitions, .replay = file_replay, .end = file_end, .carriage = carriage };
	home_path(carriage->settings, "bus.db", path);
	if (access(path, F_OK) != 0)
		return result_fail(ERROR_NOT_FOUND, "there is no %s: nothing was ever served from this home; ledgers on Kafka are "
				   "checked with --kafka", path);
	StoreOptions options = { .path = path, .version = BUS_FILE_SCHEMA, .read_only = true };
	TRY(store_open(&options, &log.store, NULL));
	Result result = each_partition(&log, partition_check, right);
	if (!result_failed(result))
		result = each_partition(&log, partition_ends_check, right);
	store_close(log.store);
	return result;
}

static Result kafka_step(Carriage *carriage, PartitionStep step, bool *right)
{
	Log log = { .partitions = bus_partitions, .replay = bus_replay, .end = bus_end, .carriage = carriage };
	TRY(carriage_bus_open(carriage, NULL, &log.bus));
	Result result = log.bus->operations->reader_open(log.bus, &log.reader);
	if (!result_failed(result)) {
		result = each_partition(&log, step, right);
		log.bus->operations->reader_close(log.reader);
	}
	log.bus->operations->close(log.bus);
	return result;
}

/* Opened anew for the ends: what a bus knows of them is what it heard last. */
static Result kafka_check(Carriage *carriage, bool *right)
{
	TRY(kafka_step(carriage, partition_check, right));
	return kafka_step(carriage, partition_ends_check, right);
}

ExitCode check_ledger_run(char **arguments, int count)
{
	Carriage carriage = { .client = "tocsin-check", .usage = "tocsin check ledger [--kafka]" };
	bool right = true;
	ExitCode code = carriage_open(&carriage, arguments, count, false);
	if (code == EXIT_DONE) {
		Result result = carriage.kafka ? kafka_check(&carriage, &right) : file_check(&carriage, &right);
		if (result_failed(result)) {
			complain("%s", result.text);
			code = EXIT_SURROUNDINGS;
		} else {
			puts(right ? "the ledgers hold what they promise"
				   : "the ledgers DO NOT hold what they promise");
			code = right ? EXIT_DONE : EXIT_NO;
		}
	}
	carriage_close(&carriage);
	return code;
}
