/*
 * The two places that `check ledger` reads from, as one: the embedded bus's file, beside the server that writes it, and a
 * bus on Kafka, beside the programs that write to it. Read only.
 */
#ifndef TOCSIN_CLI_CHECK_LOG_H
#define TOCSIN_CLI_CHECK_LOG_H

#include "services/cli/archive.h"

#include "shared/io/sqlite/store.h"

typedef struct CheckLog CheckLog;
struct CheckLog {
	Result (*partitions)(CheckLog *log, TopicId topic, unsigned *count);
	/*
	 * Visits all records that are kept, with their bodies, from the first on, until visit returns false. On Kafka up to the
	 * end that was known when the log was opened; ERROR_AGAIN where the brokers deliver nothing for half a minute.
	 */
	Result (*walk)(CheckLog *log, TopicId topic, unsigned partition, BusVisit visit, void *context);
	/* Offset of the oldest kept record; of the next one where none is kept. */
	Result (*first)(CheckLog *log, TopicId topic, unsigned partition, int64_t *first);
	/* Where a partition ends; *end is untouched where that is not known. */
	Result (*end)(CheckLog *log, TopicId topic, unsigned partition, int64_t *end);
	void (*close)(CheckLog *log);
	Store *store;
	Bus *bus;
	BusReader *reader;
	ArchiveCommand *carriage;
};

/* The home's bus.db, or Kafka, as the carriage says. ERROR_NOT_FOUND: there is no such file. */
Result check_log_open(ArchiveCommand *carriage, CheckLog *out);

#endif
