#include "shared/base/error.h"

#include "shared/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Like vsnprintf, but cuts a long text at a character boundary: texts are written into JSON, which must be valid UTF-8. */
static void format_cut(char *out, size_t out_size, const char *format, va_list arguments)
{
	int length = vsnprintf(out, out_size, format, arguments);

	if (length < 0)
		out[0] = '\0';
	else if ((size_t)length >= out_size)
		out[text_cut_size(out, out_size - 1)] = '\0';
}

Result result_fail(ErrorKind kind, const char *format, ...)
{
	must(kind != ERROR_NONE);
	Result failure = { .kind = kind };
	va_list arguments;

	va_start(arguments, format);
	format_cut(failure.text, sizeof failure.text, format, arguments);
	va_end(arguments);
	return failure;
}

static void text_add(Result *result, const char *more)
{
	size_t used = strlen(result->text);
	size_t size = strlen(more);
	size_t room = sizeof result->text - 1 - used;
	size_t taken = size <= room ? size : text_cut_size(more, room);

	memcpy(result->text + used, more, taken);
	result->text[used + taken] = '\0';
}

Result result_wrap(Result inner, const char *format, ...)
{
	if (!result_failed(inner))
		return inner;
	Result outer = { .kind = inner.kind };
	va_list arguments;

	va_start(arguments, format);
	format_cut(outer.text, sizeof outer.text, format, arguments);
	va_end(arguments);
	text_add(&outer, ": ");
	text_add(&outer, inner.text);
	return outer;
}

const char *error_kind_name(ErrorKind kind)
{
	static const char *const names[] = {
		[ERROR_NONE] = "none",
		[ERROR_INPUT] = "input",
		[ERROR_DENIED] = "denied",
		[ERROR_NOT_FOUND] = "not-found",
		[ERROR_CONFLICT] = "conflict",
		[ERROR_AGAIN] = "again",
		[ERROR_INTERNAL] = "internal",
	};

	must((size_t)kind < sizeof names / sizeof names[0]);
	return names[kind];
}

_Noreturn void must_fail_(const char *condition, const char *file, int line)
{
	fprintf(stderr, "tocsin: %s:%d: assertion failed: %s\n", file, line, condition);
	abort();
}
