/*
 * The Lua scripts that keep the timers in Redis: their calls and answers. redis/timers.h explains the keys and the statuses.
 *
 * A `step` applies the changes of one owner and shows its due timers. A `peek` compares the expected state of several owners with
 * their keys in Redis. Answers are not trusted: a read function returns false if an answer does not have the expected form.
 */
#ifndef TOCSIN_IO_REDIS_TIMERS_SCRIPT_H
#define TOCSIN_IO_REDIS_TIMERS_SCRIPT_H

#include "shared/base/instant.h"
#include "shared/io/redis/client.h"

enum {
	OWNER_TEXT = 64, /* bytes of an owner's name, with the NUL */
	OWNERS_MAX = 256,
	TIMER_ID_MAX = 128,
	CLUSTER_MAX = 64,
	KEY_ROOM = OWNER_TEXT + CLUSTER_MAX + 32,
	SHA_TEXT = 41,
	CHANGES_MAX = 512, /* changes in one step; also changes queued for one owner */
	SHOWN_MAX = 256,   /* due timers shown by one step */
};

/* 2^53: Lua computes exactly with integers below it. */
#define REDIS_NUMBER_MAX (INT64_C(1) << 53)

typedef struct {
	Instant due_at; /* INSTANT_NONE in a change: disarm */
	size_t id_size;
	char id[TIMER_ID_MAX];
} RedisTimer;

typedef enum { SCRIPT_STEP, SCRIPT_PEEK, SCRIPTS } ScriptId;

typedef struct {
	const char *prefix, *process; /* borrowed: the prefix of all keys; the random name of this process */
	char sha[SCRIPTS][SHA_TEXT];
	Slice words[REDIS_WORDS_MAX];
	size_t count;
	Buffer texts; /* the bytes of those words that are numbers or keys */
} Script;

/* A step may drop all timers of the owner before it applies its changes. The numbers are an argument of the script. */
typedef enum {
	RESET_NONE = 0,
	RESET_TERM = 1,     /* drop them, unless Redis knows a greater term */
	RESET_OVERRIDE = 2, /* drop them even if Redis knows a greater term (`take` in timers.h) */
} StepReset;

typedef struct {
	const char *owner;
	uint64_t term;     /* below REDIS_NUMBER_MAX, like the numbers of calls */
	uint64_t call;     /* number of this call, greater than those of all earlier calls of the process */
	uint64_t answered; /* number of the last answered call since the reset; 0: none */
	StepReset reset;
	const RedisTimer *changes; /* in order */
	size_t change_count;       /* at most CHANGES_MAX */
	size_t max;                /* due timers to show, at most SHOWN_MAX */
	int64_t lease_ms;
} ScriptStep;

typedef struct {
	const char *owner;
	uint64_t term, answered;
} ScriptPeek;

/* STATUS_OK: the call was carried out. With any other status it showed no timers, and the owner may not rely on its changes. */
typedef enum { STATUS_OK, STATUS_LOST, STATUS_FENCED, STATUS_LATE, STATUSES } ScriptStatus;

void script_init(Script *script, const char *prefix, const char *process);
void script_release(Script *script);

/* Loads the scripts over a new connection, and checks that Redis accepts writes. ERROR_AGAIN as for redis_client_receive. */
Result script_load(Script *script, RedisClient *client);

/* Queues the call with redis_client_send. */
void script_step(Script *script, RedisClient *client, const ScriptStep *step);
void script_peek(Script *script, RedisClient *client, const ScriptPeek *peeks, size_t count);

/* Reads the answer to a step: Redis' clock, and the time of the next due timer or end of a lease (INSTANT_NONE: none). */
bool step_read(const RedisAnswer *answer, ScriptStatus *status, Instant *now, Instant *next);

/* Reads the timers of an answer that step_read has accepted. The caller frees *out, which is NULL if there are no timers. */
bool step_shown(const RedisAnswer *answer, RedisTimer **out, size_t *count);

/*
 * Read the answer to a peek of `count` owners: Redis' clock, and for the owner at `index` its status and next time. peek_read
 * requires that peek_now has accepted the answer.
 */
bool peek_now(const RedisAnswer *answer, size_t count, Instant *now);
bool peek_read(const RedisAnswer *answer, size_t index, ScriptStatus *status, Instant *next);

#endif
