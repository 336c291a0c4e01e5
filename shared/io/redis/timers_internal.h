/*
 * The in-memory state of timer owners, shared by two files:
 *
 *   redis/timers.c        the operations of shared/io/timers.h, and the owners' state
 *   redis/timers_link.c   the link: the thread that owns the connection, sends rounds of calls and reconnects
 *
 * One mutex guards all members except RedisTimers.link, which only the thread uses while it runs. The mutex is never held while a
 * call waits for Redis.
 */
#ifndef TOCSIN_IO_REDIS_TIMERS_INTERNAL_H
#define TOCSIN_IO_REDIS_TIMERS_INTERNAL_H

#include "shared/io/redis/timers.h"
#include "shared/io/redis/timers_script.h"

#include <pthread.h>

enum {
	ANSWER_MS = 1000, /* limit for a round of calls, and for each step of connecting */
	CALLER_MS = 400,  /* limit for a waiting caller, below ANSWER_MS: a timer that is late by more fires from the owner's state */
	PEEK_MS = 250,    /* interval of peeks */
	AWAY_MS = 200,    /* while Redis cannot be reached, `next` is at least this far ahead: no caller loops without a pause */
};

/*
 *     ARMING ──armed──▶ ARMED
 *       ▲                 │
 *       └──due── LOST ◀───┴── from ARMING or ARMED: Redis reports a loss, or the result of a call is unknown
 *
 * ARMING and ARMED become FENCED when Redis knows a greater term. FENCED becomes ARMING when the caller passes a greater term, or
 * when the ledger confirms that the caller is the owner (`take` in timers.h).
 */
typedef enum { OWNER_ARMING, OWNER_ARMED, OWNER_LOST, OWNER_FENCED } OwnerPhase;

/*
 * The state of a `due` call's request; an owner has at most one at a time. The caller sets WANTED; the link sends the request
 * (SENT) and stores the answer (ANSWERED).
 */
typedef enum { REQUEST_NONE, REQUEST_WANTED, REQUEST_SENT, REQUEST_ANSWERED } RequestPhase;

typedef struct {
	char name[OWNER_TEXT];
	uint64_t term;
	OwnerPhase phase;
	uint64_t generation; /* grows by 1 with each owner_reset; answers to calls before the last owner_reset are ignored */
	StepReset reset;     /* tells the next call to drop the owner's timers in Redis first, or not */
	uint64_t answered;   /* number of the last answered call of this generation; 0: none */
	bool conflict_reported;
	RedisTimer *queue; /* changes that are not sent yet, in order */
	size_t queue_count, queue_room;
	Instant queued_next; /* the earliest due time in the queue */
	/*
	 * When a timer in Redis is next due or a lease ends, by Redis' clock: according to the last answer, or to a change sent
	 * since then if that is earlier.
	 */
	Instant known_next; /* INSTANT_NONE: none */
	struct {
		RequestPhase phase;
		size_t max, count;
		int64_t lease_ms;
		RedisTimer *shown; /* set in REQUEST_ANSWERED only */
	} request;
} RedisOwner;

typedef struct {
	Timers timers;
	char *url, *name;
	char prefix[KEY_ROOM];
	char process[17]; /* random id of this process, drawn at open */
	pthread_mutex_t mutex;
	pthread_cond_t work;    /* wakes the thread: there is work, or the thread must end */
	pthread_cond_t changed; /* for callers: answers, room in a queue, losses */
	RedisOwner *owners[OWNERS_MAX];
	size_t owner_count;
	bool has_work, closing;
	bool up;          /* the last round was answered */
	bool was_up;      /* at least one round was answered */
	bool tried;       /* at least one attempt to connect has ended */
	Result reason;    /* the reason while `up` is false */
	int64_t ahead_ms; /* Redis' clock minus ours */

	pthread_t thread;
	struct RedisLink *link;
} RedisTimers;

/* ---- redis/timers.c: the caller holds the mutex */

/* Drop the owner's queue and request, and set its phase to LOST or FENCED. */
void owner_lose(RedisTimers *timers, RedisOwner *owner);
void owner_fence(RedisTimers *timers, RedisOwner *owner);
/* True when the next round has a call for the owner. */
bool owner_has_work(const RedisOwner *owner);

/* ---- redis/timers_link.c */

/* Starts the thread, which connects. ERROR_AGAIN: no thread can be started. */
Result link_start(RedisTimers *timers);
/*
 * Ends the thread after its current round or attempt to connect: each wait takes ANSWER_MS at most, name resolution maybe longer.
 */
void link_end(RedisTimers *timers);
/* Waits for the condition; the caller holds the mutex. False: until_us (monotonic clock) has passed. */
bool link_wait(RedisTimers *timers, pthread_cond_t *condition, int64_t until_us);

#endif
