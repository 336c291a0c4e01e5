/*
 * The bounded table of HTTP requests that wait for the effect of their commands. A request is taken out exactly once: when the
 * command's effect is accepted, when the append fails, or when the request expires. Only the thread that took the request may
 * answer it. Thread-safe.
 *
 * The request of a durable command expires at deadline_ms; the answer is then 202, "pending". The request of a command that is
 * not durable expires at doubt_ms; the answer is then 503, because the command may or may not have been recorded.
 *
 * A command whose request was answered with 202 stays in the table ("known") until its effect is accepted or its row is
 * reused. So GET /v1/commands/{id} finds the command before the view has read it.
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
	int64_t deadline_ms, doubt_ms; /* monotonic clock, as are all times in this file; deadline_ms <= doubt_ms */
	bool durable; /* the command is durable on the bus */
} Wait;

typedef enum { WAITING_ADDED, WAITING_FULL, WAITING_MISMATCH } WaitingVerdict;

Waiting *waiting_new(void);
/* When it is called, no request may wait. Accepts NULL. */
void waiting_free(Waiting *waiting);

/* Copies wait. WAITING_MISMATCH: the table has the command with another fingerprint; WAITING_FULL: every row has a request. */
WaitingVerdict waiting_add(Waiting *waiting, const Wait *wait, Ticket *out);

/* Takes the request of a ticket, for the caller to answer, and forgets its command. NULL: the request was taken before. */
HttpRequest *waiting_take(Waiting *waiting, Ticket ticket);

/* Marks the command as durable. If deadline_ms has passed, takes the request, for the caller to answer with 202; else NULL. */
HttpRequest *waiting_durable(Waiting *waiting, Ticket ticket, int64_t now_ms);

/*
 * Takes one request that waits for the command, for the caller to answer, and frees its row; also frees rows in which the command
 * is only known. Call it until it returns NULL: then the table has forgotten the command.
 */
HttpRequest *waiting_take_command(Waiting *waiting, Slice command);

/*
 * Takes one expired request. Call it until it returns NULL: none is left. With `all`, requests of durable commands expire at
 * once. expired->durable is true when the command is durable and stays known; otherwise the table has forgotten it.
 * expired->next_ms, valid after NULL: the time at which the next request expires; INT64_MAX: no request waits.
 */
typedef struct {
	Id command;
	bool durable;
	int64_t next_ms;
} Expired;
HttpRequest *waiting_expire(Waiting *waiting, int64_t now_ms, bool all, Expired *expired);

/* True when the table has the command, waiting or known; then incident receives the id of its incident. */
bool waiting_knows(Waiting *waiting, Slice command, char incident[static ID_SIZE]);

/* The number of requests that wait. */
size_t waiting_count(Waiting *waiting);

#endif
