/*
 * Homes for tests that carry one into another: each a bus of SQLite with as many partitions as wanted, and an audit log. The
 * real services run in them, brought to rest (shared/archive/quiesce.h). What fails here fails the test.
 */
#ifndef TOCSIN_TESTS_HOMES_H
#define TOCSIN_TESTS_HOMES_H

#include "shared/domain/policy.h"
#include "shared/archive/import.h"
#include "tests/support/scratch.h"

enum { HOMES_MAX = 4, HOME_SOURCES = 9, HOME_REPEATS = 4 };

typedef struct {
	char path[SCRATCH_PATH], audit[SCRATCH_PATH];
	unsigned partitions;
	const Policy *policy;
	Bus *bus;
	Id incidents[HOME_SOURCES]; /* what the first event of each source opens */
	ArchiveEnds rested, carried; /* where it came to rest, and up to where it was exported */
} DataDir;

typedef struct {
	Scratch scratch;
	const Policy *policy;
	DataDir homes[HOMES_MAX];
	size_t count;
} Homes;

void homes_make(Homes *homes, const Policy *policy);
void homes_drop(Homes *homes);
DataDir *home_new(Homes *homes, unsigned partitions);

/* ---- what happens in one */
void home_append(DataDir *home, TopicId topic, unsigned partition, Slice key, Slice headers, Slice body);
void home_policy(DataDir *home);
/* The number-th event of a source; every source has an incident of its own. */
void home_event(DataDir *home, int source, int number);
/* A command to close the source's incident. */
void home_closing(DataDir *home, int source);
/* What an owner deposed long ago might still write to the journal: no reader takes it. */
void home_zombie(DataDir *home);
/* The services take what there is. */
void home_settle(DataDir *home);
/* A policy, HOME_REPEATS events of each of HOME_SOURCES sources, the last of them closed; then rest. */
void home_happenings(DataDir *home);

/* How many records of each topic there are; of ledgers only the services' own. Every ledger holds what it promises. */
typedef struct {
	size_t counts[TOPICS];
} HomeCensus;
HomeCensus home_census(DataDir *home);

/* ---- carrying */
Result home_export_to(DataDir *home, FILE *file, ArchiveCounts *counts);
/* A new file, at its beginning. */
FILE *home_export(DataDir *home, ArchiveCounts *counts);
/* Up to the last record; that one too where the import is to be finished. */
Result home_import_steps(DataDir *home, FILE *file, bool finished);
void home_import(DataDir *home, FILE *file);

#endif
