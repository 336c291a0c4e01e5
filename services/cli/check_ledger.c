#include "services/cli/cli.h"

#include "shared/edge/store.h"
#include "shared/service/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BUS_FILE_SCHEMA = 1, TABLE_NAME = 64, QUERY_SIZE = 192 };

/* One partition of a ledger under replay, and how many findings were printed: a broken ledger has millions. */
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

static Statement *query(Store *store, const char *sql)
{
	return store_query_(store, sql, true, NULL, 0);
}

static Result replay_table(Store *store, const char *table, Replay *replay)
{
	char sql[QUERY_SIZE];
	snprintf(sql, sizeof sql, "SELECT offset, key, headers, body FROM \"%s\" ORDER BY offset", table);
	Statement *rows = query(store, sql);
	while (statement_next(rows)) {
		BusRecord record = { .offset = statement_integer(rows, 0),
				     .key = statement_slice(rows, 1),
				     .headers = statement_slice(rows, 2),
				     .body = statement_slice(rows, 3) };
		replay_take(replay, &record);
	}
	return statement_end(rows);
}

/* An accepted position may not lie behind the end of what it counts. Asked after the replay: ends only grow. */
static Result check_ends(Store *store, const LedgerPositions *positions, Printer *printer, bool *right)
{
	for (size_t i = 0; i < positions->count; i++) {
		char sql[QUERY_SIZE];
		const char *topic = topics[positions->list[i].topic].short_name;
		int64_t position = positions->list[i].position, end = position;
		snprintf(sql, sizeof sql, "SELECT max(offset) + 1 FROM \"%s.%u\"", topic, positions->list[i].partition);
		Statement *rows = query(store, sql);
		if (statement_next(rows) && !statement_is_null(rows, 0))
			end = statement_integer(rows, 0);
		TRY(statement_end(rows));
		if (position > end) {
			complain("%s: position %" PRId64 " in %s/%u, which ends at %" PRId64 ": input records are lost",
				 printer->table, position, topic, positions->list[i].partition, end);
			*right = false;
		}
	}
	return result_ok();
}

static Result check_table(Store *store, TopicId ledger, unsigned partition, bool *right)
{
	char table[TABLE_NAME];
	snprintf(table, sizeof table, "%s.%u", topics[ledger].short_name, partition);
	Printer printer = { table, 0 };
	Replay *replay = replay_new(ledger, partition, finding_print, &printer);
	Result result = replay_table(store, table, replay);
	if (!result_failed(result))
		result = check_ends(store, replay_positions(replay), &printer, right);
	ReplayFigures figures = replay_figures(replay);
	replay_free(replay);
	TRY(result);
	printf("%-16s %8" PRIu64 " records  %8" PRIu64 " accepted  %3" PRIu64 " claims  %3" PRIu64
	       " takeovers  %4" PRIu64 " dropped  %" PRIu64 " holes  %" PRIu64 " findings\n",
	       table, figures.records, figures.accepted, figures.claims, figures.takeovers, figures.dropped,
	       figures.holes, figures.findings);
	*right = *right && figures.findings == 0;
	return result_ok();
}

/* Partitions are those there is a table of. */
static Result partitions_count(Store *store, TopicId ledger, unsigned *count)
{
	char sql[QUERY_SIZE];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name GLOB '%s.[0-9]*'",
		 topics[ledger].short_name);
	Statement *rows = query(store, sql);
	*count = statement_next(rows) ? (unsigned)statement_integer(rows, 0) : 0;
	return statement_end(rows);
}

static Result check_all(Store *store, bool *right)
{
	for (TopicId ledger = 0; ledger < TOPICS; ledger++) {
		unsigned partitions;
		if (topics[ledger].kind != TOPIC_LEDGER)
			continue;
		TRY(partitions_count(store, ledger, &partitions));
		for (unsigned partition = 0; partition < partitions; partition++)
			TRY(check_table(store, ledger, partition, right));
	}
	return result_ok();
}

static ExitCode check_file(const char *path)
{
	Store *store;
	bool right = true;
	StoreOptions options = { .path = path, .version = BUS_FILE_SCHEMA, .read_only = true };
	Result result = store_open(&options, &store, NULL);
	if (!result_failed(result)) {
		result = check_all(store, &right);
		store_close(store);
	}
	if (result_failed(result)) {
		complain("%s", result.text);
		return EXIT_SURROUNDINGS;
	}
	puts(right ? "the ledgers hold what they promise" : "the ledgers DO NOT hold what they promise");
	return right ? EXIT_DONE : EXIT_NO;
}

ExitCode check_ledger_run(char **arguments, int count)
{
	char path[PATH_SIZE];
	(void)arguments;
	(void)count;
	Settings *settings = settings_or_complain();
	if (settings == NULL)
		return EXIT_WRONG;
	home_path(settings, "bus.db", path);
	settings_free(settings);
	return check_file(path);
}
