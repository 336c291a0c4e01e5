/*
 * Result: the return type of every call that can fail. Its kind tells the CALLER what to do next, not where the failure
 * happened:
 *
 *   kind        the caller                              HTTP              bus
 *   NONE        continues                               2xx               continue with the next record
 *   INPUT       reports the fault to the sender         400, 422          write a dead letter, continue
 *   DENIED      refuses                                 403; 401: no key  continue
 *   NOT_FOUND   reports the failure                     404               continue
 *   CONFLICT    reports the accepted alternatives       409, 412          continue
 *   AGAIN       backs off and retries                   503 + Retry-After stop the partition, back off, retry
 *   INTERNAL    gives up                                500               stop and be restarted
 *
 * The text is written once, where the failure is first detected, and wrapped on the way up. A programming error is not a
 * Result but an assertion (must), which stays in release builds.
 */
#ifndef TOCSIN_BASE_ERROR_H
#define TOCSIN_BASE_ERROR_H

#include <stdbool.h>

typedef enum {
	ERROR_NONE,
	ERROR_INPUT,
	ERROR_DENIED,
	ERROR_NOT_FOUND,
	ERROR_CONFLICT,
	ERROR_AGAIN,
	ERROR_INTERNAL,
} ErrorKind;

enum { RESULT_TEXT = 252 };

/* Both compilers warn where a Result is ignored. gcc before 11 cannot mark a type like this. */
#if defined(__clang__)
#define RESULT_MUST_USE __attribute__((warn_unused_result))
#elif defined(__GNUC__) && __GNUC__ >= 11
#define RESULT_MUST_USE [[nodiscard]]
#else
#define RESULT_MUST_USE
#endif

/* A struct, so that the compiler rejects an int or a bool where a Result is expected. The text is empty when kind is ERROR_NONE. */
typedef struct RESULT_MUST_USE {
	ErrorKind kind;
	char text[RESULT_TEXT];
} Result;

/* Success. Inline, because nearly every call returns it; it clears only the first byte of text, not the whole array. */
static inline Result result_ok(void)
{
	Result result;
	result.kind = ERROR_NONE;
	result.text[0] = 0;
	return result;
}

/*
 * A failure with a formatted text of at most RESULT_TEXT - 1 bytes; a longer text is cut at a character boundary. The text
 * must not contain secrets or the contents of documents. kind must not be ERROR_NONE.
 */
Result result_fail(ErrorKind kind, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* inner with a formatted context before its text, "CONTEXT: text", cut as by result_fail. A success is returned unchanged. */
Result result_wrap(Result inner, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The name of a kind in logs and metrics: "input", "again" … A constant string. */
const char *error_kind_name(ErrorKind kind);

#define result_failed(result) ((result).kind != ERROR_NONE)

/* Ignores a failure. tools/lint/calls.py requires a comment with the reason near each call, and refuses a cast to void. */
static inline void result_ignore(Result result)
{
	(void)result;
}

/* Returns the failure from the calling function if the call failed. */
#define TRY(call)                                     \
	do {                                          \
		Result try_result_ = (call);          \
		if (result_failed(try_result_))       \
			return try_result_;           \
	} while (0)

/* An assertion that stays in release builds: if condition is false, prints it with file and line, and aborts. */
#define must(condition) ((condition) ? (void)0 : must_fail_(#condition, __FILE__, __LINE__))
_Noreturn void must_fail_(const char *condition, const char *file, int line);

#endif
