/*
 * Installations for tests of export and import. Each has an audit log and a SQLite bus with any number of partitions. The real
 * services run on this bus until they are quiescent (shared/archive/quiesce.h). A failure in a function of this file fails the
 * test.
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
	/* Ends of the partitions when the services were last quiescent, and when they were last exported. */
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
/* Appends a late record of a superseded owner to the journal, which readers must drop. */
void installation_late_record(Installation *installation);
/* Runs the services until they are quiescent. */
void installation_settle(Installation *installation);
/*
 * Publishes a policy, appends INSTALLATION_REPEATS events from each of INSTALLATION_SOURCES sources, closes the last incident and
 * appends a late record. Returns when the services are quiescent.
 */
void installation_populate(Installation *installation);

/*
 * Number of records of each topic. For a ledger: of accepted records that are not of the ledger protocol; fails if it is
 * inconsistent.
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
/* Imports all records except the last one; finished: the last one, too. */
Result installation_import_steps(Installation *installation, FILE *file, bool finished);
void installation_import(Installation *installation, FILE *file);

#endif
