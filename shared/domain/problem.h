/*
 * Error answers: application/problem+json (RFC 9457). One table lists the codes; tests/contract compares proto/openapi.yaml
 * with it. Every answer has all members; members that do not apply are null.
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
	unsigned status;
	const char *title;
} ProblemKind;

extern const char *const problem_words[]; /* by ProblemCode: "version-conflict"; ends with NULL */
extern const ProblemKind problem_kinds[PROBLEMS];

/* The code with that word; PROBLEM_INTERNAL for an unknown word and NULL. */
ProblemCode problem_of_word(const char *word);

/*
 * The first code with that HTTP status, for an error of which only the status is known. 400 and unknown statuses below 500
 * give PROBLEM_INVALID_PARAMETER; unknown statuses from 500 on give PROBLEM_INTERNAL.
 */
ProblemCode problem_of_status(unsigned status);

/* The code for a failed Result, from its kind alone; PROBLEM_INTERNAL for ERROR_NONE. */
ProblemCode problem_of_error(ErrorKind kind);

enum { TRACE_ID_TEXT = 33, PROBLEM_DETAIL = 512 };

/* All pointers are borrowed. */
typedef struct {
	ProblemCode code;
	const char *detail; /* for people; NULL: none */
	Slice instance; /* path of the request; empty: none */
	const char *trace_id; /* 32 hex digits; NULL: none */
	const FieldErrors *errors; /* if NULL or empty, error_list is written instead */
	json_t *error_list; /* list of {pointer, detail} from another service; NULL: none */
	json_t *allowed; /* list of words; NULL: none */
} Problem;

/* The document, as clients read it. problem_write writes exactly these members. */
typedef struct {
	const char *pointer, *detail;
} FieldErrorDocument;

typedef struct {
	const char *type, *title, *detail, *instance, *trace_id;
	int64_t status;
	int code; /* ProblemCode */
	json_t *errors, *allowed;
} ProblemDocument;
extern const FieldTable problem_table;

/* Appends the JSON text. If the text does not fit, out overflows and may contain a part of it. */
void problem_write(Buffer *out, const Problem *problem);

/* Writes the trace id of a W3C traceparent header; if traceparent is NULL or invalid, a new id made from the random bytes. */
void trace_id_of(const char *traceparent, const uint8_t random[static 16], char out[static TRACE_ID_TEXT]);

#endif
