#include "services/gateway/answers.h"

#include "shared/io/system/clock.h"
#include "shared/io/system/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { PROBLEM_MAX = 64 << 10 };

static const char json_media[] = "application/json";

static void header_put(HttpResponse *response, const char *name, const char *value)
{
	must(response->header_count < HTTP_HEADERS_MAX);
	response->headers[response->header_count].name = name;
	response->headers[response->header_count++].value = value;
}

/* ---- problems ------------------------------------------------------------------------------------------------- */

/* Additional headers of problems, by their code. */
static const struct {
	ProblemCode code;
	const char *name, *value;
} problem_headers[] = {
	{ PROBLEM_UNAUTHORIZED, "WWW-Authenticate", "Bearer realm=\"tocsin\"" },
	{ PROBLEM_UNAVAILABLE, "Retry-After", "1" },
	{ PROBLEM_RATE_LIMITED, "Retry-After", "1" },
};

void answer_problem(HttpRequest *request, const Problem *problem)
{
	char trace_id[TRACE_ID_TEXT];
	uint8_t random[16];
	Problem whole = *problem;
	Buffer body;

	clock_random(random, sizeof random);
	trace_id_of(http_header(request, "traceparent"), random, trace_id);
	whole.trace_id = trace_id;
	whole.instance = slice_of(http_path(request));
	buffer_init(&body, PROBLEM_MAX);
	problem_write(&body, &whole);
	HttpResponse response = { .status = problem_kinds[problem->code].status,
				  .content_type = "application/problem+json",
				  .body = buffer_slice(&body) };
	header_put(&response, "Content-Language", "en");
	for (size_t i = 0; i < sizeof problem_headers / sizeof problem_headers[0]; i++)
		if (problem_headers[i].code == problem->code)
			header_put(&response, problem_headers[i].name, problem_headers[i].value);
	http_answer(request, &response);
	buffer_release(&body);
}

void answer_refusal(HttpRequest *request, ProblemCode code, const char *format, ...)
{
	char detail[PROBLEM_DETAIL];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(detail, sizeof detail, format, arguments);
	va_end(arguments);
	answer_problem(request, &(Problem){ .code = code, .detail = detail });
}

void answer_failure(HttpRequest *request, Result result)
{
	ProblemCode code = problem_of_error(result.kind);
	const HttpRoute *route = http_route(request);
	bool hidden = result.kind == ERROR_INTERNAL || result.kind == ERROR_AGAIN;

	if (hidden)
		log_line(result.kind == ERROR_AGAIN ? LOG_DEBUG : LOG_ERROR, "gateway", "request-failed",
			 L_STRING("operation", route ? route->operation : ""), L_STRING("error", result.text));
	if (result.kind == ERROR_AGAIN)
		answer_refusal(request, code, "the service cannot do this now; try again");
	else
		answer_refusal(request, code, "%s",
			       hidden ? "internal error; the server's log has the cause" : result.text);
}

void answer_doubt(HttpRequest *request)
{
	answer_refusal(request, PROBLEM_UNAVAILABLE,
		       "the request may or may not have been recorded; send it again with the same id or "
		       "Idempotency-Key, so that it counts once");
}

static json_t *words_list(const char *const *words)
{
	json_t *list = words ? json_array() : NULL;

	for (size_t i = 0; list && words[i]; i++)
		must(json_array_append_new(list, json_string(words[i])) == 0);
	return list;
}

void answer_errors(HttpRequest *request, ProblemCode code, const char *detail, const FieldErrors *errors,
		   const char *const *allowed)
{
	json_t *list JSON_AUTO = words_list(allowed);

	answer_problem(request, &(Problem){ .code = code, .detail = detail, .errors = errors, .allowed = list });
}

/* ---- documents ------------------------------------------------------------------------------------------------ */

void answer_json(HttpRequest *request, unsigned status, Slice body, const char *location)
{
	HttpResponse response = { .status = status, .content_type = json_media, .body = body };

	if (location)
		header_put(&response, "Location", location);
	http_answer(request, &response);
}

static void answer_versioned(HttpRequest *request, HttpResponse *response, int64_t version)
{
	char tag[32];

	snprintf(tag, sizeof tag, "\"%" PRId64 "\"", version);
	header_put(response, "ETag", tag);
	header_put(response, "Cache-Control", "private, no-cache");
	http_answer(request, response);
}

void answer_incident(HttpRequest *request, Slice document, int64_t version)
{
	HttpResponse response = { .status = 200, .content_type = json_media, .body = document };

	answer_versioned(request, &response, version);
}

void answer_not_modified(HttpRequest *request, int64_t version)
{
	HttpResponse response = { .status = 304 };

	answer_versioned(request, &response, version);
}
