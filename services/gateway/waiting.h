/*
 * The bounded table of HTTP requests that wait for their commands. A request is taken out exactly once, by the first of the
 * accepted answer, the deadline and the failed append, and only the thread that took it may answer it. Thread-safe.
 *
 * The request of a durable command waits for the effect until deadline_ms; then the command is pending. A command that is
 * not durable by doubt_ms is in doubt.
 *
 * A command whose request was answered with 202 stays known until its answer comes or its row is reused, so that GET finds
 * it before the view has read it.
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
	int64_t deadline_ms, doubt_ms; /* all times here are of one monotonic clock; deadline_ms <= doubt_ms */
	bool durable; /* the command is on the bus */
} Wait;

typedef enum { WAITING_ADDED, WAITING_FULL, WAITING_MISMATCH } WaitingVerdict;

Waiting *waiting_new(void);
/* No request may wait. Accepts NULL. */
void waiting_free(Waiting *waiting);

/* Copies wait. WAITING_MISMATCH: the command is known with another fingerprint; WAITING_FULL: every row has a request. */
WaitingVerdict waiting_add(Waiting *waiting, const Wait *wait, Ticket *out);

/* The request of a ticket, for the caller to answer; NULL: another thread took it. The command is forgotten. */
HttpRequest *waiting_take(Waiting *waiting, Ticket ticket);

/* The command is on the bus. The request if its deadline has passed (the caller answers 202), else NULL. */
HttpRequest *waiting_durable(Waiting *waiting, Ticket ticket, int64_t now_ms);

/* One request that waits for the command, NULL: none is left; call until NULL. The command is forgotten. */
HttpRequest *waiting_take_command(Waiting *waiting, Slice command);

/*
 * One request whose time is over, NULL: none is left; call until NULL. With `all`, every durable command is over at once.
 * expired->durable: the command is pending and stays known; else it is in doubt and is forgotten. next_ms is the earliest
 * time to come, INT64_MAX: none.
 */
typedef struct {
	Id command;
	bool durable;
	int64_t next_ms;
} Expired;
HttpRequest *waiting_expire(Waiting *waiting, int64_t now_ms, bool all, Expired *expired);

/* True when the command is known; then incident receives the id of its incident. */
bool waiting_knows(Waiting *waiting, Slice command, char incident[static ID_SIZE]);

/* The number of requests that wait. */
size_t waiting_count(Waiting *waiting);

#endif
