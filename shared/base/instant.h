/*
 * Points in time: milliseconds since 1970-01-01T00:00:00Z. No function here reads the clock; only shared/io/system/clock.h
 * does.
 */
#ifndef TOCSIN_BASE_INSTANT_H
#define TOCSIN_BASE_INSTANT_H

#include "shared/base/error.h"
#include "shared/base/text.h"

#include <stdint.h>

typedef int64_t Instant;

/* Unknown or absent. */
#define INSTANT_NONE INT64_MIN

/* The earlier of two instants; INSTANT_NONE counts as later than any time. */
static inline Instant instant_earlier(Instant one, Instant other)
{
	return one == INSTANT_NONE || (other != INSTANT_NONE && other < one) ? other : one;
}

/*
 * The time of a record of an input stream, for windows and retention: `given`, unless that is impossible, else `now`, the time of
 * the reader's clock. A time more than five minutes after `now` is impossible; so is a time more than 35 days before `now`,
 * because no stream that services read as input keeps a record for longer than 30 days. Thus a writer with a wrong clock can
 * neither end the windows of other writers nor have a record kept for years.
 */
enum { INSTANT_AHEAD_MAX_MS = 300000 };
#define INSTANT_BEHIND_MAX_MS (INT64_C(35) * 86400000)
static inline Instant instant_bounded(Instant given, Instant now)
{
	return given > now + INSTANT_AHEAD_MAX_MS || given < now - INSTANT_BEHIND_MAX_MS ? now : given;
}

/* 9999-12-31T23:59:59.999Z. Results of instant_parse are from 0 to INSTANT_MAX. */
#define INSTANT_MAX INT64_C(253402300799999)

/* Size of "2026-11-23T08:15:30.123Z" and its NUL. */
enum { INSTANT_TEXT = 25 };

/*
 * Reads an RFC 3339 date-time: any offset (-00:00 is UTC), T and Z in either case, fractions of any length cut to
 * milliseconds, years 1970 to 9999 in UTC. Second 60 is accepted only in the last minute of a UTC day and read as 59.999.
 * ERROR_INPUT, with *out untouched, for anything else; its text is a requirement ("must …") and does not quote the input.
 */
Result instant_parse(Slice text, Instant *out);

/* Writes UTC with milliseconds and Z. The instant must be from 0 to INSTANT_MAX. */
void instant_format(Instant instant, char out[static INSTANT_TEXT]);

/* Calendar year in UTC. The instant must be from 0 to INSTANT_MAX. */
int instant_year(Instant instant);

/* Writes an RFC 5322 date in UTC, "Mon, 23 Nov 2026 08:15:30 +0000". The instant must be from 0 to INSTANT_MAX. Returns out. */
enum { INSTANT_MAIL_TEXT = 40 };
char *instant_format_mail(Instant instant, char out[static INSTANT_MAIL_TEXT]);

#endif
