/*
 * Turns the body of a request into one record of tocsin.events, or into the list of all its errors. The body is kept byte
 * for byte; values derived from it are in headers, so that no service needs to parse a repeat. Pure: time and random bytes
 * are arguments, so the simulation accepts exactly as the HTTP server does.
 *
 * The id is the identity of the event: (source, id, correlation key) if the document has an id, else (key id,
 * Idempotency-Key, correlation key), else random (shared/base/id.h). The correlation key is computed first, from the
 * members that the policy names for the source. If the event has none of them, and for a report, the third part is empty
 * and the correlation key is derived from the id.
 */
#ifndef TOCSIN_GATEWAY_ACCEPT_H
#define TOCSIN_GATEWAY_ACCEPT_H

#include "shared/domain/problem.h"
#include "shared/base/id.h"
#include "shared/domain/policy.h"

/* Everything is borrowed. */
typedef struct {
	Slice body;
	const char *key_id; /* of the principal */
	const char *idempotency_key; /* NULL: none */
	Instant received_at;
	uint8_t random[17];
} AcceptInput;

enum { ACCEPTED_HEADERS_MAX = 1024 };

typedef struct {
	Id id; /* evt_… */
	char correlation_key[ID_BASE32 + 1];
	unsigned slot;
	bool by_idempotency_key; /* the id is derived from the Idempotency-Key: each use must have the same body */
	Digest request; /* if by_idempotency_key: of (kind of document, key id, Idempotency-Key), independent of the body */
	Buffer headers; /* packed (shared/io/bus.h); released by accepted_release */
} Accepted;

void accepted_release(Accepted *accepted);

/*
 * ERROR_INPUT: *code is the problem, errors (of PROBLEM_VALIDATION_FAILED) lists the wrong members, and the text is the
 * detail. *out is untouched on failure; otherwise it must be released.
 */
Result accept_event(const Policy *policy, const AcceptInput *input, Accepted *out, FieldErrors *errors,
		    ProblemCode *code);
Result accept_report(const Policy *policy, const AcceptInput *input, Accepted *out, FieldErrors *errors,
		     ProblemCode *code);

#endif
