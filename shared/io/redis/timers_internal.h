/*
 * Timers in Redis inside: who may touch what.
 *
 *   redis/timers.c          what callers call
 *   redis/timers_owner.c    an owner's record in memory: what is queued, what is known, whether it was lost
 *   redis/timers_link.c     the thread that owns the connection: rounds, connecting again
 *   redis/timers_script.c   the scripts, what they are asked, what they answer
 *
 * One mutex guards everything but what is marked "link", which is that thread's alone once it runs. It is never held
 * while anything waits for Redis.
 */
#ifndef TOCSIN_IO_REDIS_TIMERS_INTERNAL_H
#define TOCSIN_IO_REDIS_TIMERS_INTERNAL_H

#include "shared/io/redis/timers.h"

#include <pthread.h>

enum {
	OWNER_TEXT = 64,
	OWNERS_MAX = 256,
	TIMER_ID_MAX = 128,
	CLUSTER_MAX = 64,
	KEY_ROOM = OWNER_TEXT + CLUSTER_MAX + 32,
	SHA_TEXT = 41,
	CHANGES_MAX = 512,       /* queued by an owner, and so in one call */
	SHOWN_MAX = 256,         /* by one call */
	ANSWER_MS = 1000,        /* a round; connecting */
	CALLER_MS = 2500,        /* a caller waits: for the round under way, and for its own */
	PEEK_MS = 250,
	AWAY_MS = 200,           /* while Redis is away: `next` is so far off, so that nobody asks without a pause */
};

/* 2^53: up to there a script's numbers are exact. */
#define REDIS_NUMBER_MAX (INT64_C(1) << 53)

typedef struct {
	Instant due_at; /* INSTANT_NONE, in a queue: disarm */
	size_t id_size;
	char id[TIMER_ID_MAX];
} RedisTimer;

/*
 *     ARMING ──armed──▶ ARMED
 *       ▲                 │
 *       └──due── LOST ◀───┴── from both: told lost, or in doubt
 *
 * and DEPOSED, from any, until a greater term comes, or the ledger says otherwise (timers.h).
 */
typedef enum { OWNER_ARMING, OWNER_ARMED, OWNER_LOST, OWNER_FENCED } OwnerPhase;

/* What the next call begins with: nothing, anew, or anew whatever greater term is there. As the script takes it. */
typedef enum { BEGIN_NOT, BEGIN_AGAIN, BEGIN_OVER } OwnerBegin;

typedef enum { ASK_NONE, ASK_WANTED, ASK_SENT, ASK_ANSWERED } AskPhase;

typedef struct {
	char name[OWNER_TEXT];
	uint64_t term;
	OwnerPhase phase;
	uint64_t life;     /* counts beginnings and losses: an answer to a call of an earlier life counts for nothing */
	OwnerBegin begin;
	uint64_t seen;     /* the last call answered in this life; 0: none yet */
	bool told;         /* that it is deposed */
	RedisTimer *queue; /* changes, in order */
	size_t queue_count, queue_room;
	Instant queued_next; /* earliest that was armed and is not yet sent */
	Instant known_next;  /* by Redis' clock, as it said last; INSTANT_NONE: none */
	struct {
		AskPhase phase;
		size_t max, count;
		int64_t lease_ms;
		RedisTimer *shown; /* ASK_ANSWERED */
	} ask;
} RedisOwner;

typedef struct {
	Timers timers;
	char *url, *name;
	char prefix[KEY_ROOM];
	char process[17];
	pthread_mutex_t mutex;
	pthread_cond_t work;  /* for the link */
	pthread_cond_t moved; /* for callers: answers, room, losses */
	RedisOwner *owners[OWNERS_MAX];
	size_t owner_count;
	bool has_work, closing;
	bool up;              /* the last round was answered */
	bool was_up;          /* and one ever was */
	bool tried;           /* connecting came to an end at least once */
	Result why;           /* why it is not up */
	int64_t ahead_ms;     /* Redis' clock before ours */

	pthread_t thread;
	struct RedisLink *link; /* link */
} RedisTimers;

/* ---- redis/timers_owner.c: the caller holds the mutex */

/* The owner in that term: made where it is new, begun anew where the term is. NULL: there are too many. */
RedisOwner *owner_take(RedisTimers *timers, const char *name, uint64_t term);
RedisOwner *owner_find(RedisTimers *timers, const char *name);
void owner_begin(RedisTimers *timers, RedisOwner *owner, OwnerBegin begin);
void owner_lose(RedisTimers *timers, RedisOwner *owner);
void owner_fence(RedisTimers *timers, RedisOwner *owner);
void owner_free(RedisOwner *owner);
/* Room must be there. due_at INSTANT_NONE disarms. */
void owner_queue(RedisTimers *timers, RedisOwner *owner, Slice id, Instant due_at);
/* When `due` should be asked, by our clock; INSTANT_NONE: it need not be. */
Instant owner_next(const RedisTimers *timers, const RedisOwner *owner);
bool owner_has_work(const RedisOwner *owner);
void timers_work(RedisTimers *timers); /* wakes the link */

/* ---- redis/timers_script.c */

typedef enum { SCRIPT_STEP, SCRIPT_PEEK, SCRIPTS } ScriptId;

typedef struct {
	char sha[SCRIPTS][SHA_TEXT];
	Slice words[REDIS_WORDS_MAX];
	size_t count;
	Buffer texts; /* numbers and keys among the words */
} Script;

void script_init(Script *script);
void script_release(Script *script);
/* Gives the scripts to a new connection, and finds out whether it may write. */
Result script_load(Script *script, RedisClient *client, const char *prefix);
/* Asks for what the owner has queued, and for what is due if it wants that. The mutex is held. */
void script_step(Script *script, RedisClient *client, const RedisTimers *timers, const RedisOwner *owner,
		 uint64_t call);
void script_peek(Script *script, RedisClient *client, const RedisTimers *timers, RedisOwner *const *owners,
		 size_t count);

typedef enum { STATUS_OK, STATUS_LOST, STATUS_FENCED, STATUS_LATE, STATUSES } Status;

/* Answers, read with mistrust: false where they are none. */
bool step_read(const RedisAnswer *answer, Status *status, Instant *now, Instant *next);
/* What a step showed; *out is the caller's to free, NULL where it is nothing. */
bool step_shown(const RedisAnswer *answer, RedisTimer **out, size_t *count);
bool peek_now(const RedisAnswer *answer, size_t owners, Instant *now);
bool peek_read(const RedisAnswer *answer, size_t number, Status *status, Instant *next);

/* ---- redis/timers_link.c */

/* Starts the thread, which connects. ERROR_AGAIN: no thread can be started. */
Result link_start(RedisTimers *timers);
/* Ends it, within ANSWER_MS or so. */
void link_end(RedisTimers *timers);
/* Waits with the mutex held; false when the time of clock_monotonic_us is over. */
bool link_wait(RedisTimers *timers, pthread_cond_t *condition, int64_t until_us);

#endif
