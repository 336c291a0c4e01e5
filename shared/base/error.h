/*
 * What a call that can fail returns. There is one failure type in Tocsin, and its kind says what the CALLER does next,
 * never where it happened:
 *
 *   kind        the caller                              HTTP              bus
 *   NONE        goes on                                 2xx               take the next record
 *   INPUT       tells the sender what to mend           400, 422          dead letter, go on
 *   DENIED      says no                                 403               go on
 *   NOT_FOUND   says so                                 404               go on
 *   CONFLICT    says so, with what would be taken       409, 412          go on
 *   AGAIN       waits and tries again                   503 + Retry-After stop that partition, back off, try again
 *   INTERNAL    gives up                                500               stop and be restarted
 *
 * The text is set once, where the failure is first seen, and wrapped on the way up. A programming error is no Result:
 * it is an assertion, and assertions stay in release builds.
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

/* A struct, so that an int or a bool is never taken for it. The text is empty when kind is ERROR_NONE. */
typedef struct {
	ErrorKind kind;
	char text[RESULT_TEXT];
} Result;

/* Success. Inline, and only two stores: it is returned by every call there is. */
static inline Result result_ok(void)
{
	Result result;
	result.kind = ERROR_NONE;
	result.text[0] = 0;
	return result;
}

/* A failure of a kind, with one plain sentence; longer ones are cut. Never put document contents or secrets into it. */
Result result_fail(ErrorKind kind, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same failure, with what was being done put before it: "WHAT: text". Success stays success. */
Result result_wrap(Result inner, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The name of a kind as logs and metrics write it: "input", "again" … */
const char *error_kind_name(ErrorKind kind);

#define result_failed(result) ((result).kind != ERROR_NONE)

/* Return from the calling function at once when the call failed. */
#define TRY(call)                                     \
	do {                                          \
		Result try_result_ = (call);          \
		if (result_failed(try_result_))       \
			return try_result_;           \
	} while (0)

/* An assertion that stays in release builds: prints the place and aborts. */
#define must(condition) ((condition) ? (void)0 : must_fail_(#condition, __FILE__, __LINE__))
_Noreturn void must_fail_(const char *condition, const char *file, int line);

#endif
