/*
 * Homes for tests that carry one into another: each a bus of SQLite with as many partitions as wanted, and an audit log. The
 * real services run in them, brought to rest (shared/service/rest.h). What fails here fails the test.
 */
#ifndef TOCSIN_TESTS_HOMES_H
#define TOCSIN_TESTS_HOMES_H

#include "shared/domain/policy.h"
#include "shared/service/import.h"
#include "tests/support/scratch.h"

enum { HOMES_MAX = 4, HOME_SOURCES = 9, HOME_REPEATS = 4 };

typedef struct {
	char path[SCRATCH_PATH], audit[SCRATCH_PATH];
	unsigned partitions;
	const Policy *policy;
	Bus *bus;
	Id incidents[HOME_SOURCES]; /* what the first event of each source opens */
	CarryEnds rested, carried; /* where it came to rest, and up to where it was exported */
} Home;

typedef struct {
	Scratch scratch;
	const Policy *policy;
	Home homes[HOMES_MAX];
	size_t count;
} Homes;

void homes_make(Homes *homes, const Policy *policy);
void homes_drop(Homes *homes);
Home *home_new(Homes *homes, unsigned partitions);

/* ---- what happens in one */
void home_append(Home *home, TopicId topic, unsigned partition, Slice key, Slice headers, Slice body);
void home_policy(Home *home);
/* The number-th event of a source; every source has an incident of its own. */
void home_event(Home *home, int source, int number);
/* A command to close the source's incident. */
void home_closing(Home *home, int source);
/* What an owner deposed long ago might still write to the journal: no reader takes it. */
void home_zombie(Home *home);
/* The services take what there is. */
void home_settle(Home *home);
/* A policy, HOME_REPEATS events of each of HOME_SOURCES sources, the last of them closed; then rest. */
void home_happenings(Home *home);

/* How many records of each topic there are; of ledgers only the services' own. Every ledger holds what it promises. */
typedef struct {
	size_t counts[TOPICS];
} HomeCensus;
HomeCensus home_census(Home *home);

/* ---- carrying */
Result home_export_to(Home *home, FILE *file, CarryCounts *counts);
/* A new file, at its beginning. */
FILE *home_export(Home *home, CarryCounts *counts);
/* Up to the last record; that one too where the import is to be finished. */
Result home_import_steps(Home *home, FILE *file, bool finished);
void home_import(Home *home, FILE *file);

#endif
