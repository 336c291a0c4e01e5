/*
 * Accepting: the bytes a sender posted become one record of tocsin.events, or a list of everything wrong with them. The
 * bytes themselves are kept as they came; what was derived from them stands in headers, so that nothing behind the
 * gateway needs to parse a repeat. Pure: time and random bytes are given, so the simulation accepts as the HTTP server
 * does.
 *
 * The id is the identity of the event: (source, id, correlation key) if the document has an id, else (key id,
 * Idempotency-Key, correlation key), else random (shared/base/id.h). The correlation key comes first, from the members
 * that the policy names for the source; where the event has none of them, and for a report, the third part is empty and
 * the key is derived from the id.
 */
#ifndef TOCSIN_GATEWAY_ACCEPT_H
#define TOCSIN_GATEWAY_ACCEPT_H

#include "shared/domain/problem.h"
#include "shared/base/id.h"
#include "shared/domain/policy.h"

/* Everything is borrowed. */
typedef struct {
	Slice body;
	const char *key_id; /* of who posts it */
	const char *idempotency_key; /* NULL: none */
	Instant received_at;
	uint8_t random[17];
} AcceptInput;

/*
 * Levels a sender's document may have: fewer than JSON_DEPTH_MAX where our records that carry it need some themselves.
 */
enum { ACCEPTED_HEADERS_MAX = 1024, SENDER_DEPTH_MAX = 32 };

typedef struct {
	Id id; /* evt_… */
	char correlation_key[ID_BASE32 + 1];
	unsigned slot;
	bool by_idempotency_key; /* the id was made of the Idempotency-Key: the same key must come with the same body */
	Digest request; /* by_idempotency_key: of (kind of document, key id, Idempotency-Key), whatever the body */
	Buffer headers; /* packed (shared/io/bus.h); released by accepted_release */
} Accepted;

void accepted_release(Accepted *accepted);

/*
 * ERROR_INPUT: *code says which problem it is, errors (for PROBLEM_VALIDATION_FAILED) what to mend, the text is for
 * people. *out is untouched on failure.
 */
Result accept_event(const Policy *policy, const AcceptInput *input, Accepted *out, FieldErrors *errors,
		    ProblemCode *code);
Result accept_report(const Policy *policy, const AcceptInput *input, Accepted *out, FieldErrors *errors,
		     ProblemCode *code);

#endif
