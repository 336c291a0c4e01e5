/*
 * Installations for tests of export and import. Each has an audit log and a SQLite bus with any number of partitions. All services
 * except the gateway run on this bus until they are quiescent (shared/archive/quiesce.h). A function that does not return a Result
 * fails the test, or aborts, on failure.
 */
#ifndef TOCSIN_TESTS_INSTALLATIONS_H
#define TOCSIN_TESTS_INSTALLATIONS_H

#include "shared/domain/policy.h"
#include "shared/archive/import.h"
#include "tests/support/scratch.h"

enum { INSTALLATIONS_MAX = 4, INSTALLATION_SOURCES = 9, INSTALLATION_REPEATS = 4 };

typedef struct {
	char path[SCRATCH_PATH], audit[SCRATCH_PATH];
	unsigned partitions;
	const Policy *policy;
	Bus *bus;
	Id incidents[INSTALLATION_SOURCES]; /* opened by the first event of each source */
	/* Ends of the partitions: `quiesced` when the services were last quiescent, `exported` at the last export. */
	ArchiveEnds quiesced, exported;
} Installation;

typedef struct {
	Scratch scratch;
	const Policy *policy;
	Installation installations[INSTALLATIONS_MAX];
	size_t count;
} Installations;

void installations_make(Installations *installations, const Policy *policy);
void installations_drop(Installations *installations);
Installation *installation_new(Installations *installations, unsigned partitions);

/* ---- activity */
void installation_append(Installation *installation, TopicId topic, unsigned partition, Slice key, Slice headers, Slice body);
/* Publishes the policy. */
void installation_policy(Installation *installation);
/* Appends the event `number` of a source. All events of one source count for one incident. */
void installation_event(Installation *installation, int source, int number);
/* Appends a command that closes the source's incident. */
void installation_closing(Installation *installation, int source);
/* Appends a record to the journal that readers must drop, because the epoch 0 of its ledger mark is invalid. */
void installation_late_record(Installation *installation);
/* Runs the services until they are quiescent. */
void installation_settle(Installation *installation);
/*
 * Publishes a policy, appends INSTALLATION_REPEATS events from each of INSTALLATION_SOURCES sources, closes the last incident and
 * appends a late record. Returns when the services are quiescent.
 */
void installation_populate(Installation *installation);

/*
 * The counts of a census, by topic. For a ledger: its accepted records, without those of the ledger protocol. For other topics: the
 * sum of the end offsets of the partitions. installation_census fails the test if a ledger is inconsistent.
 */
typedef struct {
	size_t counts[TOPICS];
} InstallationCensus;
InstallationCensus installation_census(Installation *installation);

/* ---- export and import */
/* Writes the export to a file at its current position. */
Result installation_export_to(Installation *installation, FILE *file, ArchiveCounts *counts);
/* Exports to a new file, positioned at its beginning; the caller closes it. */
FILE *installation_export(Installation *installation, ArchiveCounts *counts);
/*
 * Checks the file and imports it in two steps (import_write, import_finish), and opens the bus again after each step. finished
 * false: without the second step, so the last record is missing.
 */
Result installation_import_steps(Installation *installation, FILE *file, bool finished);
void installation_import(Installation *installation, FILE *file);

#endif
