/*
 * What a client is told when it does not get what it asked for: application/problem+json (RFC 9457). One table says
 * which codes there are; proto/openapi.yaml is compared with it in a test. Every member is present in every problem,
 * null where there is nothing to say. Pure.
 */
#ifndef TOCSIN_DOMAIN_PROBLEM_H
#define TOCSIN_DOMAIN_PROBLEM_H

#include "shared/base/json.h"

typedef enum {
	PROBLEM_MALFORMED_JSON,
	PROBLEM_INVALID_PARAMETER,
	PROBLEM_UNAUTHORIZED,
	PROBLEM_FORBIDDEN,
	PROBLEM_NOT_FOUND,
	PROBLEM_METHOD_NOT_ALLOWED,
	PROBLEM_TRANSITION_REFUSED,
	PROBLEM_VERSION_CONFLICT,
	PROBLEM_TOO_LARGE,
	PROBLEM_UNSUPPORTED_MEDIA_TYPE,
	PROBLEM_VALIDATION_FAILED,
	PROBLEM_IDEMPOTENCY_MISMATCH,
	PROBLEM_RATE_LIMITED,
	PROBLEM_INTERNAL,
	PROBLEM_UNAVAILABLE,
	PROBLEMS,
} ProblemCode;

typedef struct {
	const char *code; /* "version-conflict" */
	unsigned status;
	const char *title;
} ProblemKind;

extern const ProblemKind problem_kinds[PROBLEMS];

/* By its word; PROBLEM_INTERNAL for an unknown one: nothing refuses a client with a word that is not in the table. */
ProblemCode problem_of_word(const char *word);

/*
 * The code of a refusal of which only the status is known: 400 and unknown ones below 500 are
 * PROBLEM_INVALID_PARAMETER, unknown ones from 500 on PROBLEM_INTERNAL.
 */
ProblemCode problem_of_status(unsigned status);

/* What a failed Result means to a client when nothing more is known. */
ProblemCode problem_of_error(ErrorKind kind);

enum { TRACE_ID_TEXT = 33, PROBLEM_DETAIL = 512 };

/* Everything is borrowed. */
typedef struct {
	ProblemCode code;
	const char *detail; /* for people; NULL: none */
	Slice instance; /* path of the request; empty: none */
	const char *trace_id; /* 32 hex digits; NULL: none */
	const FieldErrors *errors; /* NULL or none: null, or: */
	json_t *error_list; /* list of {pointer, detail} as another service wrote it; NULL: none */
	json_t *allowed; /* list of words; NULL: none */
} Problem;

/* Appended to out. */
void problem_write(Buffer *out, const Problem *problem);

/* The trace id of a W3C traceparent; of a missing or invalid one a new id out of 16 random bytes. */
void trace_id_of(const char *traceparent, const uint8_t random[static 16], char out[static TRACE_ID_TEXT]);

#endif
