/* Responses of the gateway. Each function answers the request, which must not be used afterwards. Any thread may call them. */
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
 * Answers with the problem of a failed Result. The texts of internal and temporary errors (ERROR_AGAIN) are logged instead of
 * shown to the client. Temporary errors are logged only at level debug, because a full queue causes thousands of them. Metrics
 * count both (tocsin_http_requests_total, tocsin_ingest_events_total).
 */
void answer_failure(HttpRequest *request, Result result);

/* 503: it is not known whether the request was recorded; the client may safely repeat it under the same id. */
void answer_doubt(HttpRequest *request);

/* A problem with a list of errors and the allowed words; errors and allowed may be NULL. */
void answer_errors(HttpRequest *request, ProblemCode code, const char *detail, const FieldErrors *errors,
		   const char *const *allowed);

/* ---- documents (application/json) */

/* location: the Location header, or NULL. */
void answer_json(HttpRequest *request, unsigned status, Slice body, const char *location);

/* 200 and 304; the entity tag of an incident is its version. */
void answer_incident(HttpRequest *request, Slice document, int64_t version);
void answer_not_modified(HttpRequest *request, int64_t version);

#endif
