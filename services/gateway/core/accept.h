/*
 * Turns the body of a request into one record of tocsin.events, or into the list of all its errors. The record holds the body
 * byte for byte; values derived from the body are in headers, so that no service needs to parse a repeat. Pure: time and random
 * bytes are arguments, so the simulation uses the same code as the HTTP server.
 *
 * The correlation key is computed first, from the members of the event that the policy names for its source. Then the id of
 * the event (shared/base/id.h):
 *   - the document has an id: a hash of (source, id, correlation key)
 *   - else, the request has an Idempotency-Key: a hash of (key id, Idempotency-Key, correlation key)
 *   - else: random
 * A report, and an event without any of the members that the policy names, has no correlation key at first: the third part of
 * the hash is empty, and the correlation key is derived from the id.
 */
#ifndef TOCSIN_GATEWAY_ACCEPT_H
#define TOCSIN_GATEWAY_ACCEPT_H

#include "shared/domain/problem.h"
#include "shared/base/id.h"
#include "shared/domain/policy.h"

/* Everything is borrowed. */
typedef struct {
	Slice body;
	const char *key_id; /* id of the API key that authenticated the request */
	const char *idempotency_key; /* NULL: none */
	Instant received_at;
	uint8_t random[17];
} AcceptInput;

enum { ACCEPTED_HEADERS_MAX = 1024 };

typedef struct {
	Id id; /* evt_… */
	char correlation_key[ID_BASE32 + 1];
	unsigned slot;
	bool by_idempotency_key; /* the id is derived from the Idempotency-Key: each use of that key must have the same body */
	Digest request; /* hash of (kind of document, key id, Idempotency-Key); set only if by_idempotency_key */
	Buffer headers; /* packed (shared/io/bus.h); released by accepted_release */
} Accepted;

void accepted_release(Accepted *accepted);

/*
 * ERROR_INPUT: *code is the problem's code, and the Result's text is its detail; for PROBLEM_VALIDATION_FAILED, errors lists
 * the wrong members. *out is set only on success; the caller then calls accepted_release.
 */
Result accept_event(const Policy *policy, const AcceptInput *input, Accepted *out, FieldErrors *errors,
		    ProblemCode *code);
Result accept_report(const Policy *policy, const AcceptInput *input, Accepted *out, FieldErrors *errors,
		     ProblemCode *code);

#endif
