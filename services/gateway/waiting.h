/*
 * The commands that HTTP requests wait for: a bounded table. A request is taken out of it exactly once, by whoever
 * comes first (the view that has accepted the answer, the deadline, a failed append), and only who took it may answer
 * it.
 *
 * A command that is durable waits for its effect until deadline_ms, and is pending then; one of which nothing was heard by
 * doubt_ms is in doubt, and its request is told so.
 *
 * A command whose request was answered with 202 stays known until its answer comes or its row is needed: GET of a
 * command that the view has not read yet must not say that there is none.
 */
#ifndef TOCSIN_GATEWAY_WAITING_H
#define TOCSIN_GATEWAY_WAITING_H

#include "shared/base/id.h"
#include "shared/io/http/server.h"

typedef struct Waiting Waiting;
typedef uint64_t Ticket; /* 0: none */

enum { WAITING_MAX = 1024 };

typedef struct {
	Id command;
	char incident[ID_SIZE];
	char fingerprint[DIGEST_HEX];
	HttpRequest *request;
	int64_t deadline_ms, doubt_ms; /* on the clock the caller uses throughout; deadline_ms <= doubt_ms */
	bool durable; /* the command is known to be on the bus */
} Wait;

typedef enum { WAITING_ADDED, WAITING_FULL, WAITING_MISMATCH } WaitingVerdict;

Waiting *waiting_new(void);
/* No request may be waiting any more. */
void waiting_free(Waiting *waiting);

/*
 * WAITING_MISMATCH: the same command is known with another fingerprint; WAITING_FULL: every row has a request. In both
 * cases the request stays the caller's.
 */
WaitingVerdict waiting_add(Waiting *waiting, const Wait *wait, Ticket *out);

/* The request of a ticket, to be answered by the caller; NULL when another was first. The command is forgotten. */
HttpRequest *waiting_take(Waiting *waiting, Ticket ticket);

/*
 * The command is on the bus. Gives the request when its deadline has passed (the caller answers 202), else NULL.
 */
HttpRequest *waiting_durable(Waiting *waiting, Ticket ticket, int64_t now_ms);

/*
 * One request that waits for the command, or NULL when there is none (left): call until NULL. The command is forgotten.
 */
HttpRequest *waiting_take_command(Waiting *waiting, Slice command);

/*
 * One request whose time is over, or NULL: call until NULL. With `all` every command on the bus is over, whatever its
 * deadline. expired->durable: it is pending, and stays known; else it is in doubt, and is forgotten. next_ms is the
 * earliest time still to come, INT64_MAX when there is none.
 */
typedef struct {
	Id command;
	bool durable;
	int64_t next_ms;
} Expired;
HttpRequest *waiting_expire(Waiting *waiting, int64_t now_ms, bool all, Expired *expired);

/* True when the command is known here; incident gets its incident. */
bool waiting_knows(Waiting *waiting, Slice command, char incident[static ID_SIZE]);

/* Requests that wait. */
size_t waiting_count(Waiting *waiting);

#endif
