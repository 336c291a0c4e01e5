/*
 * Owners of timers in memory, shared by two files:
 *
 *   redis/timers.c        the operations of shared/io/timers.h, and the owners' state
 *   redis/timers_link.c   the thread that owns the connection: rounds of calls, reconnecting
 *
 * One mutex guards all members but RedisTimers.link, which belongs to the thread once it runs. The mutex is never held
 * while a call waits for Redis.
 */
#ifndef TOCSIN_IO_REDIS_TIMERS_INTERNAL_H
#define TOCSIN_IO_REDIS_TIMERS_INTERNAL_H

#include "shared/io/redis/timers.h"
#include "shared/io/redis/timers_script.h"

#include <pthread.h>

enum {
	ANSWER_MS = 1000, /* a round of calls; connecting */
	CALLER_MS = 2500, /* a caller: the round in progress, and its own */
	PEEK_MS = 250,    /* interval of peeks */
	AWAY_MS = 200,    /* while Redis is away `next` is at least so far off, so that no caller loops without a pause */
};

/*
 *     ARMING ──armed──▶ ARMED
 *       ▲                 │
 *       └──due── LOST ◀───┴── from both: Redis reports a loss, or the result of a call is unknown
 *
 * and from any of them FENCED, until a greater term comes, or the ledger confirms the owner (`take` in timers.h).
 */
typedef enum { OWNER_ARMING, OWNER_ARMED, OWNER_LOST, OWNER_FENCED } OwnerPhase;

/* The request of `due`, one an owner at a time: a caller wants it, the link sends it and stores the answer. */
typedef enum { REQUEST_NONE, REQUEST_WANTED, REQUEST_SENT, REQUEST_ANSWERED } RequestPhase;

typedef struct {
	char name[OWNER_TEXT];
	uint64_t term;
	OwnerPhase phase;
	uint64_t generation; /* +1 with each reset; answers to calls before the last reset are ignored */
	StepReset reset;     /* of the next call */
	uint64_t answered;   /* number of the last answered call of this generation; 0: none */
	bool conflict_reported;
	RedisTimer *queue; /* changes, in order */
	size_t queue_count, queue_room;
	Instant queued_next; /* the earliest due time in the queue */
	/* When a timer in Redis is next due or a lease ends, by Redis' clock: from the last answer, or earlier by changes sent since. */
	Instant known_next; /* INSTANT_NONE: none */
	struct {
		RequestPhase phase;
		size_t max, count;
		int64_t lease_ms;
		RedisTimer *shown; /* REQUEST_ANSWERED */
	} request;
} RedisOwner;

typedef struct {
	Timers timers;
	char *url, *name;
	char prefix[KEY_ROOM];
	char process[17]; /* random, for the life of the process */
	pthread_mutex_t mutex;
	pthread_cond_t work;    /* for the link */
	pthread_cond_t changed; /* for callers: answers, room in a queue, losses */
	RedisOwner *owners[OWNERS_MAX];
	size_t owner_count;
	bool has_work, closing;
	bool up;          /* the last round was answered */
	bool was_up;      /* at least one round was answered */
	bool tried;       /* at least one attempt to connect has ended */
	Result reason;    /* why it is not up */
	int64_t ahead_ms; /* Redis' clock minus ours */

	pthread_t thread;
	struct RedisLink *link;
} RedisTimers;

/* ---- redis/timers.c: the caller holds the mutex */

void owner_lose(RedisTimers *timers, RedisOwner *owner);
void owner_fence(RedisTimers *timers, RedisOwner *owner);
/* True when the next round has a call for the owner. */
bool owner_has_work(const RedisOwner *owner);

/* ---- redis/timers_link.c */

/* Starts the thread, which connects. ERROR_AGAIN: no thread can be started. */
Result link_start(RedisTimers *timers);
/* Ends the thread, within ANSWER_MS or a little more. */
void link_end(RedisTimers *timers);
/* Waits with the mutex held until the condition is signalled; false: until_us (monotonic clock) has passed. */
bool link_wait(RedisTimers *timers, pthread_cond_t *condition, int64_t until_us);

#endif
