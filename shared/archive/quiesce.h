/*
 * Rest: lets services finish what a bus has accepted, with nobody asking and nothing sent, until every position of
 * every input stands at its end and nothing is held back. What is then on the bus is all there is, which is what an
 * export needs.
 *
 * What was taken is told, so that whoever looks again later can see whether anything came after it.
 *
 * One thread steps all runtimes by turns. They have no timers and no outside: what is due stays due, what is queued
 * stays queued, and goes on wherever the ledgers are read next. Their claims are the check that nobody else runs:
 * whoever owned a partition claims it again within seconds, and then the rest is given up (ERROR_CONFLICT).
 */
#ifndef TOCSIN_ARCHIVE_QUIESCE_H
#define TOCSIN_ARCHIVE_QUIESCE_H

#include "shared/archive/file.h"
#include "shared/runtime/runtime.h"

/* Where a process keeps one place a partition (Kafka) each service has a bus of its own, as in its program. */
typedef struct {
	const Service *service;
	void *environment;
	Bus *bus;
} QuiesceService;

typedef struct {
	const char *home; /* state files, as for a process */
	const QuiesceService *services; /* all but those that only show (the gateway) */
	size_t service_count;
	int64_t hold_ms; /* how long nothing may move */
	int64_t limit_ms; /* ERROR_AGAIN when it has not come to rest by then since anything moved */
	/* Called now and then with how many inputs were taken; may be NULL. */
	void (*progress)(void *context, uint64_t inputs);
	void *context;
} QuiesceOptions;

/* ERROR_INTERNAL: a service gave up, with its name and why; ERROR_INPUT: a state file of a newer version. */
Result quiesce_await(const QuiesceOptions *options, ArchiveEnds *out);

#endif
