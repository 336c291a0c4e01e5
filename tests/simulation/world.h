/*
 * All six services in one seeded loop, each in one to three replicas: an in-memory bus with a hostile wire, of which each
 * process knows only what it was told, as on Kafka, a fake clock, a group that moves partitions at will, timers that get lost or are away, a receiver that fails, clients that repeat
 * themselves, processes that crash with and without their disks, or sleep and come back as zombies with their wire still
 * full, and ledgers that are trimmed. The same seed always makes the same history.
 *
 * Nothing here knows what is right: that is judge.h.
 */
#ifndef TOCSIN_TESTS_WORLD_H
#define TOCSIN_TESTS_WORLD_H

#include "shared/base/hash.h"
#include "shared/runtime/runtime.h"

enum {
	WORLD_EVENTS_MAX = 64,
	WORLD_COMMANDS_MAX = 48,
	WORLD_SENT_MAX = 2048,
	WORLD_PARTITIONS_MAX = 3,
	WORLD_REPLICAS_MAX = 3,
	WORLD_UNITS_MAX = 48,
	STREAM_CLIENT = 2 * WORLD_UNITS_MAX, /* a unit has two streams, one for every other life of its process */
};

/* One partition of one replica of a service: a runtime and its disk. */
typedef struct {
	const Service *service;
	unsigned partition, replica;
	unsigned number, lives;
	void *environment;
	Bus *bus;              /* what its process knows of the logs; NULL: it is not running */
	Store *store;          /* NULL: the disk is empty */
	Runtime *runtime;      /* NULL: the process is not running */
	bool assigned;         /* what the group wants; it is not told at once */
	Instant asleep_until;  /* a paused process */
	unsigned stuck;        /* steps that failed, the last ones in a row */
	bool wire_held;        /* and what it has sent has not left it either */
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

/* A gateway answered a command with what a journal record says; the id alone does not tell, it is the command's. */
typedef struct {
	char command[ID_SIZE];
	char record[DIGEST_HEX];
} Answer;

/* Of a record's id, type and body. */
void answer_name(Slice id, Slice type, Slice body, char out[static DIGEST_HEX]);

typedef struct {
	uint64_t events, commands, steps, crashes, disks_lost, moves, zombies, faults, timers_lost, trims, outages;
	uint64_t claims, deposed, doubts, dropped;
} WorldFigures;

typedef struct {
	uint64_t seed, dice;
	Bus *bus; /* the driver's handle, which knows everything */
	Timers *timers;
	Instant now;
	unsigned partitions;
	bool standby;
	int64_t trim_after_ms;
	Unit units[WORLD_UNITS_MAX];
	size_t unit_count;
	SentEvent events[WORLD_EVENTS_MAX];
	size_t event_count;
	SentCommand commands[WORLD_COMMANDS_MAX];
	size_t command_count;
	Answer *answers;
	size_t answer_count, answer_room;
	char received[WORLD_SENT_MAX][OUTBOUND_KEY]; /* message ids the receiver took, each once */
	size_t received_count;
	Buffer audit_file;
	bool quiet; /* no faults any more */
	bool away;  /* the bus is */
	WorldFigures figures; /* of all worlds so far */
} World;

void world_init(World *world);
void world_release(World *world);

/* Plays one seed: chaos, then quiet until nothing moves any more. Aborts with the seed where a service gives up. */
void world_play(World *world, uint64_t seed);

/* Everything that can move moves, until nothing does, at this time. */
void world_rest(World *world);

/* The process starts again, its disk empty. */
void world_restart_empty(World *world, Unit *unit);

/* Frees what the seed made; the judge looks before. */
void world_end(World *world);

/* The one of its replicas that the group wants; once the world is quiet there is exactly one. NULL: none. */
Unit *world_owner(World *world, const char *service, unsigned partition);

/* 0 … sides - 1. */
uint32_t roll(World *world, uint32_t sides);

/* What stands in a log and why it counts, for whoever has to find out what happened; '-': trimmed. */
void world_print(const World *world, TopicId topic, unsigned partition);

/* The policy all services follow. */
const Policy *world_policy(void);

#endif
