/*
 * One interface to both kinds of bus for `check ledger`: the file of the embedded bus, and Kafka. It only reads, so programs may
 * write meanwhile.
 */
#ifndef TOCSIN_CLI_CHECK_LOG_H
#define TOCSIN_CLI_CHECK_LOG_H

#include "services/cli/archive.h"

#include "shared/io/sqlite/store.h"

typedef struct CheckLog CheckLog;
struct CheckLog {
	Result (*partitions)(CheckLog *log, TopicId topic, unsigned *count);
	/*
	 * Visits all kept records in order, with their bodies, until visit returns false. On Kafka it stops at the end that the
	 * partition had when the log was opened. ERROR_AGAIN: the brokers have delivered nothing for half a minute.
	 */
	Result (*walk)(CheckLog *log, TopicId topic, unsigned partition, BusVisit visit, void *context);
	/* The offset of the oldest kept record; if no record is kept, the offset that the next record will get. */
	Result (*first)(CheckLog *log, TopicId topic, unsigned partition, int64_t *first);
	/* The end of a partition; *end keeps its value if the end is not known. */
	Result (*end)(CheckLog *log, TopicId topic, unsigned partition, int64_t *end);
	void (*close)(CheckLog *log);
	Store *store;
	Bus *bus;
	BusReader *reader;
	ArchiveCommand *command;
};

/* Opens Kafka with --kafka, else bus.db. After success the caller calls out->close. ERROR_NOT_FOUND: bus.db does not exist. */
Result check_log_open(ArchiveCommand *command, CheckLog *out);

#endif
