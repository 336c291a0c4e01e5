/*
 * Points in time: milliseconds since 1970-01-01T00:00:00Z. Pure: there is no clock here, time is an argument everywhere
 * (shared/io/system/clock.h reads it once, at the edge).
 */
#ifndef TOCSIN_BASE_INSTANT_H
#define TOCSIN_BASE_INSTANT_H

#include "shared/base/error.h"
#include "shared/base/text.h"

#include <stdint.h>

typedef int64_t Instant;

/* Not known, not there. */
#define INSTANT_NONE INT64_MIN

/* INSTANT_NONE is no time, and so later than any. */
static inline Instant instant_earlier(Instant one, Instant other)
{
	return one == INSTANT_NONE || (other != INSTANT_NONE && other < one) ? other : one;
}

/* 9999-12-31T23:59:59.999Z. What instant_parse gives lies between 0 and this. */
#define INSTANT_MAX INT64_C(253402300799999)

/* Room for "2026-11-23T08:15:30.123Z" and its NUL. */
enum { INSTANT_TEXT = 25 };

/*
 * RFC 3339 date-time with any offset (-00:00 is UTC), T and Z in either case, fractions of any length cut to
 * milliseconds, years 1970 to 9999 (of the instant in UTC), leap second 60 taken as 59.999. A leap second is second 60
 * in the last minute of a UTC day; elsewhere 60 is refused. ERROR_INPUT, *out untouched, for anything else; its text
 * says what would be right ("must …") and quotes nothing.
 */
Result instant_parse(Slice text, Instant *out);

/* UTC with milliseconds and Z. The instant must be one that instant_parse could give. */
void instant_format(Instant instant, char out[static INSTANT_TEXT]);

/* Calendar year in UTC. */
int instant_year(Instant instant);

/* RFC 5322 date in UTC, "Mon, 23 Nov 2026 08:15:30 +0000", for mail and HTTP; returns out. */
enum { INSTANT_MAIL_TEXT = 40 };
char *instant_format_mail(Instant instant, char out[static INSTANT_MAIL_TEXT]);

#endif
