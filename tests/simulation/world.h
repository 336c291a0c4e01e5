/*
 * All six services in one seeded loop: an in-memory bus with a hostile wire, a fake clock, timers that get lost, a receiver
 * that fails, clients that repeat themselves, and processes that crash with and without their disks. The same seed always
 * makes the same history.
 *
 * Nothing here knows what is right: that is judge.h.
 */
#ifndef TOCSIN_TESTS_WORLD_H
#define TOCSIN_TESTS_WORLD_H

#include "shared/service/runtime.h"

enum { WORLD_EVENTS_MAX = 64, WORLD_COMMANDS_MAX = 32, WORLD_SENT_MAX = 2048, WORLD_UNITS_MAX = 32 };

/* One service's runtime and its disk. */
typedef struct {
	const Service *service;
	unsigned partition, stream;
	void *environment;
	Store *store;
	Runtime *runtime;
} Unit;

/* What a client sent, and whether it was told that it is durable. */
typedef struct {
	Id id;
	unsigned slot;
	char correlation_key[ID_BASE32 + 1];
	bool acknowledged, failed, report;
	Buffer headers, body;
} SentEvent;

typedef struct {
	Id id;
	char incident[ID_SIZE];
	bool acknowledged, failed;
	Buffer headers, body;
} SentCommand;

typedef struct {
	uint64_t seed, dice;
	Bus *bus;
	Timers *timers;
	Instant now;
	unsigned partitions;
	Unit units[WORLD_UNITS_MAX];
	size_t unit_count;
	SentEvent events[WORLD_EVENTS_MAX];
	size_t event_count;
	SentCommand commands[WORLD_COMMANDS_MAX];
	size_t command_count;
	char received[WORLD_SENT_MAX][OUTSIDE_KEY]; /* message ids the receiver took, each once */
	size_t received_count, received_again;
	Buffer audit_file;
	bool quiet; /* no faults any more */
	unsigned crashes, faults;
} World;

void world_init(World *world);
void world_release(World *world);

/* Plays one seed: chaos, then quiet until nothing moves any more. Aborts with the seed where a service gives up. */
void world_play(World *world, uint64_t seed);

/* Frees what the seed made; the judge looks before. */
void world_end(World *world);

Unit *world_unit(World *world, const char *service, unsigned partition);

#endif
