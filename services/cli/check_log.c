#include "services/cli/check_log.h"

#include "shared/runtime/bus_walk.h"

#include <stdio.h>
#include <unistd.h>

enum { BUS_FILE_SCHEMA = 1, QUERY_SIZE = 256 };

/* ---- the file of the embedded bus */

static Statement *query(Store *store, const char *sql)
{
	return store_query_(store, sql, true, NULL, 0);
}

/* bus.db has one table for each partition of each topic. */
static Result file_partitions(CheckLog *log, TopicId topic, unsigned *count)
{
	char sql[QUERY_SIZE];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name GLOB '%s.[0-9]*'",
		 topics[topic].short_name);
	Statement *rows = query(log->store, sql);
	*count = statement_next(rows) ? (unsigned)statement_integer(rows, 0) : 0;
	return statement_end(rows);
}

static Result file_walk(CheckLog *log, TopicId topic, unsigned partition, BusVisit visit, void *context)
{
	char sql[QUERY_SIZE];
	snprintf(sql, sizeof sql, "SELECT offset, key, headers, body FROM \"%s.%u\" ORDER BY offset",
		 topics[topic].short_name, partition);
	Statement *rows = query(log->store, sql);
	bool more = true;
	while (more && statement_next(rows)) {
		BusRecord record = { .offset = statement_integer(rows, 0),
				     .key = statement_slice(rows, 1),
				     .headers = statement_slice(rows, 2),
				     .body = statement_slice(rows, 3) };
		more = visit(context, &record);
		archive_progress(log->command, topics[topic].name, (uint64_t)record.offset);
	}
	return statement_end(rows);
}

/* If retention drops all records of a partition, the bus stores the partition's end in the table meta. */
static Result file_first(CheckLog *log, TopicId topic, unsigned partition, int64_t *first)
{
	char sql[QUERY_SIZE];
	snprintf(sql, sizeof sql,
		 "SELECT coalesce((SELECT min(offset) FROM \"%s.%u\"), (SELECT value FROM meta WHERE name = 'end of %s.%u'), 0)",
		 topics[topic].short_name, partition, topics[topic].short_name, partition);
	Statement *rows = query(log->store, sql);
	if (statement_next(rows))
		*first = statement_integer(rows, 0);
	return statement_end(rows);
}

static Result file_end(CheckLog *log, TopicId topic, unsigned partition, int64_t *end)
{
	char sql[QUERY_SIZE];
	snprintf(sql, sizeof sql, "SELECT max(offset) + 1 FROM \"%s.%u\"", topics[topic].short_name, partition);
	Statement *rows = query(log->store, sql);
	if (statement_next(rows) && !statement_is_null(rows, 0))
		*end = statement_integer(rows, 0);
	return statement_end(rows);
}

/* ---- Kafka */

static Result cluster_partitions(CheckLog *log, TopicId topic, unsigned *count)
{
	*count = topic_partitions(topic, log->bus->partitions);
	return result_ok();
}

static Result cluster_first(CheckLog *log, TopicId topic, unsigned partition, int64_t *first)
{
	*first = log->bus->operations->first(log->bus, topic, partition);
	return result_ok();
}

static Result cluster_walk(CheckLog *log, TopicId topic, unsigned partition, BusVisit visit, void *context)
{
	return bus_walk(log->reader, &(BusWalk){ .topic = topic, .partition = partition, .visit = visit, .context = context,
						 .progress = archive_progress, .progress_context = log->command });
}

static Result cluster_end(CheckLog *log, TopicId topic, unsigned partition, int64_t *end)
{
	*end = log->bus->operations->end(log->bus, topic, partition);
	return result_ok();
}

/* ---- opening */

static void file_close(CheckLog *log)
{
	store_close(log->store);
}

static Result file_open(CheckLog *log)
{
	char path[PATH_SIZE];
	datadir_path(log->command->settings, "bus.db", path);
	if (access(path, F_OK) != 0)
		return result_fail(ERROR_NOT_FOUND, "%s does not exist: nothing was ever served from this TOCSIN_HOME; use --kafka for "
				   "ledgers on Kafka", path);
	StoreOptions options = { .path = path, .version = BUS_FILE_SCHEMA, .read_only = true };
	return store_open(&options, &log->store, NULL);
}

static void cluster_close(CheckLog *log)
{
	if (log->reader)
		log->bus->operations->reader_close(log->reader);
	log->bus->operations->close(log->bus);
}

static Result cluster_open(CheckLog *log)
{
	TRY(archive_bus_open(log->command, NULL, &log->bus));
	Result result = log->bus->operations->reader_open(log->bus, &log->reader);
	if (result_failed(result))
		cluster_close(log);
	return result;
}

Result check_log_open(ArchiveCommand *command, CheckLog *out)
{
	static const CheckLog file = { .partitions = file_partitions, .walk = file_walk, .first = file_first,
				       .end = file_end, .close = file_close };
	static const CheckLog cluster = { .partitions = cluster_partitions, .walk = cluster_walk, .first = cluster_first,
					  .end = cluster_end, .close = cluster_close };
	*out = command->kafka ? cluster : file;
	out->command = command;
	return command->kafka ? cluster_open(out) : file_open(out);
}
