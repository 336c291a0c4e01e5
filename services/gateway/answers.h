/* Responses of the gateway. Each function answers the request, which must not be touched afterwards. Any thread. */
#ifndef TOCSIN_GATEWAY_ANSWERS_H
#define TOCSIN_GATEWAY_ANSWERS_H

#include "shared/base/json.h"
#include "shared/domain/problem.h"
#include "shared/io/http/server.h"

enum { ANSWER_MAX = 32 << 20 }; /* bytes of a response body */

/* ---- problems (application/problem+json) */

void answer_problem(HttpRequest *request, const Problem *problem);

/* A problem with a formatted detail; truncated to PROBLEM_DETAIL - 1 bytes. */
void answer_refusal(HttpRequest *request, ProblemCode code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * The problem of a failed Result. Internal and temporary errors are not shown to the client: an internal error is logged, a
 * temporary one (ERROR_AGAIN) at level debug, because a full queue causes thousands; metrics count both
 * (tocsin_http_requests_total, tocsin_ingest_events_total).
 */
void answer_failure(HttpRequest *request, Result result);

/* 503: the request may have been recorded or not; repeating it under the same id is safe. */
void answer_doubt(HttpRequest *request);

/* A problem with a list of errors and the allowed words; each may be NULL. */
void answer_errors(HttpRequest *request, ProblemCode code, const char *detail, const FieldErrors *errors,
		   const char *const *allowed);

/* ---- documents (application/json) */

/* location: the Location header, or NULL. */
void answer_json(HttpRequest *request, unsigned status, Slice body, const char *location);

/* 200 and 304; the entity tag of an incident is its version. */
void answer_incident(HttpRequest *request, Slice document, int64_t version);
void answer_not_modified(HttpRequest *request, int64_t version);

#endif
