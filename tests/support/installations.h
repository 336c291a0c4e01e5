/*
 * Installations for tests of export and import: each has a SQLite bus with any number of partitions and an audit log. The real
 * services run on it until they are quiescent (shared/archive/quiesce.h). A failure in this code fails the test.
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
	ArchiveEnds quiesced, exported; /* ends when it was quiescent, and ends of the export */
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
/* Appends an event of a source, by number; each source has an incident of its own. */
void installation_event(Installation *installation, int source, int number);
/* Appends a command that closes the source's incident. */
void installation_closing(Installation *installation, int source);
/* Appends a late record of a superseded owner to the journal, which readers must drop. */
void installation_late_record(Installation *installation);
/* Runs the services until they are quiescent. */
void installation_settle(Installation *installation);
/* A policy, INSTALLATION_REPEATS events from each of INSTALLATION_SOURCES sources, the last incident closed, a late record; settled. */
void installation_populate(Installation *installation);

/* Records by topic; of ledgers, accepted records without those of the protocol. Fails if a ledger is inconsistent. */
typedef struct {
	size_t counts[TOPICS];
} InstallationCensus;
InstallationCensus installation_census(Installation *installation);

/* ---- export and import */
/* Exports to a file at its current position. */
Result installation_export_to(Installation *installation, FILE *file, ArchiveCounts *counts);
/* Exports to a new file, positioned at its beginning; the caller closes it. */
FILE *installation_export(Installation *installation, ArchiveCounts *counts);
/* Imports without the last record, or, if finished, with it. */
Result installation_import_steps(Installation *installation, FILE *file, bool finished);
void installation_import(Installation *installation, FILE *file);

#endif
