#include "shared/domain/problem.h"

#include "shared/domain/rows.h"

#include <string.h>

const char *const problem_words[] = {
	[PROBLEM_MALFORMED_JSON] = "malformed-json",
	[PROBLEM_INVALID_PARAMETER] = "invalid-parameter",
	[PROBLEM_UNAUTHORIZED] = "unauthorized",
	[PROBLEM_FORBIDDEN] = "forbidden",
	[PROBLEM_NOT_FOUND] = "not-found",
	[PROBLEM_METHOD_NOT_ALLOWED] = "method-not-allowed",
	[PROBLEM_TRANSITION_REFUSED] = "transition-refused",
	[PROBLEM_VERSION_CONFLICT] = "version-conflict",
	[PROBLEM_TOO_LARGE] = "too-large",
	[PROBLEM_UNSUPPORTED_MEDIA_TYPE] = "unsupported-media-type",
	[PROBLEM_VALIDATION_FAILED] = "validation-failed",
	[PROBLEM_IDEMPOTENCY_MISMATCH] = "idempotency-mismatch",
	[PROBLEM_RATE_LIMITED] = "rate-limited",
	[PROBLEM_INTERNAL] = "internal",
	[PROBLEM_UNAVAILABLE] = "unavailable",
	[PROBLEMS] = NULL,
};

const ProblemKind problem_kinds[PROBLEMS] = {
	[PROBLEM_MALFORMED_JSON] = { 400, "Malformed JSON" },
	[PROBLEM_INVALID_PARAMETER] = { 400, "Invalid parameter" },
	[PROBLEM_UNAUTHORIZED] = { 401, "Unauthorized" },
	[PROBLEM_FORBIDDEN] = { 403, "Forbidden" },
	[PROBLEM_NOT_FOUND] = { 404, "Not found" },
	[PROBLEM_METHOD_NOT_ALLOWED] = { 405, "Method not allowed" },
	[PROBLEM_TRANSITION_REFUSED] = { 409, "Transition refused" },
	[PROBLEM_VERSION_CONFLICT] = { 412, "Version conflict" },
	[PROBLEM_TOO_LARGE] = { 413, "Too large" },
	[PROBLEM_UNSUPPORTED_MEDIA_TYPE] = { 415, "Unsupported media type" },
	[PROBLEM_VALIDATION_FAILED] = { 422, "Validation failed" },
	[PROBLEM_IDEMPOTENCY_MISMATCH] = { 422, "Idempotency key used for something else" },
	[PROBLEM_RATE_LIMITED] = { 429, "Rate limited" },
	[PROBLEM_INTERNAL] = { 500, "Internal error" },
	[PROBLEM_UNAVAILABLE] = { 503, "Unavailable" },
};

ProblemCode problem_of_word(const char *word)
{
	int code = choice_of(problem_words, word);

	return code >= 0 ? (ProblemCode)code : PROBLEM_INTERNAL;
}

ProblemCode problem_of_status(unsigned status)
{
	for (unsigned code = PROBLEM_INVALID_PARAMETER; code < PROBLEMS; code++)
		if (problem_kinds[code].status == status)
			return (ProblemCode)code;
	return status < 500 ? PROBLEM_INVALID_PARAMETER : PROBLEM_INTERNAL;
}

ProblemCode problem_of_error(ErrorKind kind)
{
	static const ProblemCode codes[] = {
		[ERROR_NONE] = PROBLEM_INTERNAL,
		[ERROR_INPUT] = PROBLEM_VALIDATION_FAILED,
		[ERROR_DENIED] = PROBLEM_FORBIDDEN,
		[ERROR_NOT_FOUND] = PROBLEM_NOT_FOUND,
		[ERROR_CONFLICT] = PROBLEM_TRANSITION_REFUSED,
		[ERROR_AGAIN] = PROBLEM_UNAVAILABLE,
		[ERROR_INTERNAL] = PROBLEM_INTERNAL,
	};

	return codes[kind];
}

/* ---- the document --------------------------------------------------------------------------------------------- */

static const Field error_fields[] = {
	ROW_TEXT(FieldErrorDocument, pointer, FIELD_REQUIRED, 0, "JSON pointer into the body (RFC 6901), or name of the parameter"),
	ROW_TEXT(FieldErrorDocument, detail, FIELD_REQUIRED, 0, "Requirement that is not met"),
};
static const FieldTable error_table = FIELD_TABLE("error", error_fields, FieldErrorDocument);

static const TextForm type_form = { .pattern = "^urn:tocsin:problem:[a-z-]+$" };
static const TextForm trace_id_form = { .pattern = "^[0-9a-f]{32}$" };

static const Field problem_fields[] = {
	ROW_TEXT(ProblemDocument, type, FIELD_REQUIRED, 0, "urn:tocsin:problem: followed by the code", .form = &type_form),
	ROW_TEXT(ProblemDocument, title, FIELD_REQUIRED, 0, "The code in words"),
	ROW_INTEGER(ProblemDocument, status, FIELD_REQUIRED, 400, 599, "HTTP status"),
	ROW_TEXT(ProblemDocument, detail, 0, 0, "Fault of this request"),
	ROW_TEXT(ProblemDocument, instance, 0, 0, "Path of the request"),
	ROW_CHOICE(ProblemDocument, code, FIELD_REQUIRED, problem_words, "Code for programs"),
	ROW_TEXT(ProblemDocument, trace_id, 0, 0, "W3C trace id of the request; a new one if the request has none",
		 .form = &trace_id_form),
	ROW_OBJECTS(ProblemDocument, errors, 0, &error_table, 0, 0, "All members or parameters to correct"),
	ROW_TEXTS(ProblemDocument, allowed, 0, 0, 0, "Accepted alternatives: commands, or values of the parameter"),
};
const FieldTable problem_table =
	FIELD_DOCUMENT("problem", problem_fields, ProblemDocument, TABLE_ANSWER, "Problem",
		       "Body of every error answer (RFC 9457). Every member is present, null where it does not apply.");

/* ---- writing -------------------------------------------------------------------------------------------------- */

/* Writes text with ? for each byte above 127 if text is not UTF-8: the path of a request may be invalid, the answer must not. */
static void write_clean(Buffer *out, Slice text)
{
	for (size_t i = 0; !text_is_utf8(text) && i < text.size; i++) {
		char byte = text.data[i] & 0x80 ? '?' : text.data[i];
		buffer_json_escape(out, (Slice){ &byte, 1 });
	}
	if (text_is_utf8(text))
		buffer_json_escape(out, text);
}

static void write_text(Buffer *out, const char *name, Slice text)
{
	buffer_format(out, ",\"%s\":", name);
	if (!text.data) {
		buffer_text(out, "null");
		return;
	}
	buffer_byte(out, '"');
	write_clean(out, text);
	buffer_byte(out, '"');
}

static void write_error(Buffer *out, const FieldError *error)
{
	buffer_text(out, "{\"pointer\":\"");
	write_clean(out, slice_of(error->pointer));
	buffer_text(out, "\",\"detail\":\"");
	write_clean(out, slice_of(error->detail));
	buffer_text(out, "\"}");
}

static void write_errors(Buffer *out, const FieldErrors *errors)
{
	for (size_t i = 0; i < errors->count; i++) {
		buffer_byte(out, i == 0 ? '[' : ',');
		write_error(out, &errors->list[i]);
	}
	buffer_byte(out, ']');
}

static void write_list(Buffer *out, json_t *list)
{
	if (list)
		json_write(list, out);
	else
		buffer_text(out, "null");
}

void problem_write(Buffer *out, const Problem *problem)
{
	const ProblemKind *kind = &problem_kinds[problem->code];
	const char *word = problem_words[problem->code];

	buffer_format(out, "{\"type\":\"urn:tocsin:problem:%s\",\"title\":\"%s\",\"status\":%u", word,
		      kind->title, kind->status);
	write_text(out, "detail", slice_of(problem->detail));
	write_text(out, "instance", problem->instance.size > 0 ? problem->instance : SLICE_NONE);
	write_text(out, "code", slice_of(word));
	write_text(out, "trace_id", slice_of(problem->trace_id));
	buffer_text(out, ",\"errors\":");
	if (problem->errors && problem->errors->count > 0)
		write_errors(out, problem->errors);
	else
		write_list(out, problem->error_list);
	buffer_text(out, ",\"allowed\":");
	write_list(out, problem->allowed);
	buffer_byte(out, '}');
}

/* ---- traces --------------------------------------------------------------------------------------------------- */

enum { TRACE_AT = 3, PARENT_AT = 36, FLAGS_AT = 53, TRACEPARENT_SIZE = 55 };

/* True when text begins with `size` lower-case hexadecimal digits that are not all 0. */
static bool is_trace_part(const char *text, size_t size)
{
	return strspn(text, "0123456789abcdef") >= size && strspn(text, "0") < size;
}

static bool is_traceparent(const char *text)
{
	size_t size = strlen(text);

	if (size < TRACEPARENT_SIZE || (size > TRACEPARENT_SIZE && text[TRACEPARENT_SIZE] != '-'))
		return false;
	bool dashes = text[TRACE_AT - 1] == '-' && text[PARENT_AT - 1] == '-' && text[FLAGS_AT - 1] == '-';
	bool version = strspn(text, "0123456789abcdef") == 2 && strncmp(text, "ff", 2) != 0;
	return dashes && version && is_trace_part(text + TRACE_AT, 32) && is_trace_part(text + PARENT_AT, 16);
}

void trace_id_of(const char *traceparent, const uint8_t random[static 16], char out[static TRACE_ID_TEXT])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < 16; i++) {
		out[2 * i] = digits[random[i] >> 4];
		out[2 * i + 1] = digits[random[i] & 15];
	}
	out[TRACE_ID_TEXT - 1] = '\0';
	if (traceparent && is_traceparent(traceparent))
		memcpy(out, traceparent + TRACE_AT, TRACE_ID_TEXT - 1);
}
