#include "shared/base/instant.h"

#include <string.h>

enum { SECOND_MS = 1000, MINUTE_MS = 60 * SECOND_MS, HOUR_MS = 60 * MINUTE_MS, DAY_MS = 24 * HOUR_MS };

/* Size of "2026-11-23T08:15:30" */
enum { STAMP = 19 };

typedef struct {
	int64_t year, month, day; /* month and day from 1 */
} Date;

/* ---- the Gregorian calendar ----------------------------------------------------------------------------------- */

static const int64_t days_before_month[13] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365 };

static bool is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
	return days_before_month[month] - days_before_month[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1970-01-01 to January 1 of the year; 477 leap days lie between year 1 and 1970. */
static int64_t days_before_year(int64_t year)
{
	int64_t past = year - 1;

	return 365 * (year - 1970) + past / 4 - past / 100 + past / 400 - 477;
}

static int64_t days_of_date(Date date)
{
	int64_t leap_day = date.month > 2 && is_leap(date.year);

	return days_before_year(date.year) + days_before_month[date.month - 1] + leap_day + date.day - 1;
}

static Date date_of_days(int64_t days)
{
	/* A mean year has 146097 / 400 days, so the first estimate is at most one year off. */
	Date date = { .year = 1970 + days * 400 / 146097, .month = 1 };

	while (days_before_year(date.year) > days)
		date.year--;
	while (days_before_year(date.year + 1) <= days)
		date.year++;
	int64_t left = days - days_before_year(date.year);
	while (left >= days_in_month(date.year, date.month))
		left -= days_in_month(date.year, date.month++);
	date.day = left + 1;
	return date;
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

/* Compares text with a shape. In the shape, 0 matches any digit, T matches T and t, + matches + and -. */
static bool has_shape(const char *text, const char *shape)
{
	for (; *shape; shape++, text++) {
		bool fits = *shape == '0'   ? is_digit(*text)
		            : *shape == 'T' ? *text == 'T' || *text == 't'
		            : *shape == '+' ? *text == '+' || *text == '-'
		                            : *text == *shape;
		if (!fits)
			return false;
	}
	return true;
}

static int64_t number_at(const char *text, size_t digits)
{
	int64_t value = 0;

	for (size_t i = 0; i < digits; i++)
		value = value * 10 + (text[i] - '0');
	return value;
}

/* Removes a fraction like ".123456" from the front and returns its milliseconds; 0 if the text does not begin with one, -1 if it has no digits. */
static int64_t take_fraction(Slice *rest)
{
	int64_t milliseconds = 0;
	size_t at = 1;

	if (rest->size == 0 || rest->data[0] != '.')
		return 0;
	for (int64_t worth = 100; at < rest->size && is_digit(rest->data[at]); at++, worth /= 10)
		milliseconds += worth * (rest->data[at] - '0');
	if (at == 1)
		return -1;
	*rest = (Slice){ rest->data + at, rest->size - at };
	return milliseconds;
}

static bool read_offset(Slice text, int64_t *out_ms)
{
	if (text.size == 1 && (text.data[0] == 'Z' || text.data[0] == 'z')) {
		*out_ms = 0;
		return true;
	}
	if (text.size != 6 || !has_shape(text.data, "+00:00"))
		return false;
	int64_t hours = number_at(text.data + 1, 2), minutes = number_at(text.data + 4, 2);
	int64_t size_ms = hours * HOUR_MS + minutes * MINUTE_MS;
	*out_ms = text.data[0] == '-' ? -size_ms : size_ms;
	return hours <= 23 && minutes <= 59;
}

static Result malformed(void)
{
	return result_fail(ERROR_INPUT, "must be an RFC 3339 time such as 2026-11-23T08:15:30Z or "
	                                "2026-11-23T16:15:30.250+08:00");
}

/* *out: the date and time in milliseconds since 1970, as if its offset were 0. *leap: true if its second is 60, read as 59.999. */
static Result read_stamp(const char *text, int64_t milliseconds, int64_t *out, bool *leap)
{
	Date date = { number_at(text, 4), number_at(text + 5, 2), number_at(text + 8, 2) };
	int64_t hour = number_at(text + 11, 2), minute = number_at(text + 14, 2), second = number_at(text + 17, 2);

	if (date.month < 1 || date.month > 12)
		return result_fail(ERROR_INPUT, "must have a month from 01 to 12");
	if (date.day < 1 || date.day > days_in_month(date.year, date.month))
		return result_fail(ERROR_INPUT, "must have a day that exists in its month");
	if (hour > 23 || minute > 59 || second > 60)
		return result_fail(ERROR_INPUT, "must have a time of day from 00:00:00 to 23:59:59");
	*leap = second == 60;
	int64_t within = *leap ? MINUTE_MS - 1 : second * SECOND_MS + milliseconds;
	*out = days_of_date(date) * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS + within;
	return result_ok();
}

Result instant_parse(Slice text, Instant *out)
{
	int64_t local = 0, offset = 0;
	bool leap = false;

	if (text.size <= STAMP || !has_shape(text.data, "0000-00-00T00:00:00"))
		return malformed();
	Slice rest = { text.data + STAMP, text.size - STAMP };
	int64_t milliseconds = take_fraction(&rest);
	if (milliseconds < 0 || !read_offset(rest, &offset))
		return malformed();
	TRY(read_stamp(text.data, milliseconds, &local, &leap));
	Instant instant = local - offset;
	if (instant < 0 || instant > INSTANT_MAX)
		return result_fail(ERROR_INPUT, "must be in the years 1970 to 9999 in UTC");
	if (leap && (instant + 1) % DAY_MS != 0)
		return result_fail(ERROR_INPUT, "must have second 60 only at 23:59 UTC (leap seconds)");
	*out = instant;
	return result_ok();
}

/* ---- writing -------------------------------------------------------------------------------------------------- */

static char *write_digits(char *out, int64_t value, size_t digits)
{
	for (size_t i = digits; i-- > 0; value /= 10)
		out[i] = (char)('0' + value % 10);
	return out + digits;
}

static char *write_time(char *out, int64_t day_ms)
{
	out = write_digits(out, day_ms / HOUR_MS, 2);
	*out++ = ':';
	out = write_digits(out, day_ms / MINUTE_MS % 60, 2);
	*out++ = ':';
	return write_digits(out, day_ms / SECOND_MS % 60, 2);
}

void instant_format(Instant instant, char out[static INSTANT_TEXT])
{
	must(instant >= 0 && instant <= INSTANT_MAX);
	Date date = date_of_days(instant / DAY_MS);

	out = write_digits(out, date.year, 4);
	*out++ = '-';
	out = write_digits(out, date.month, 2);
	*out++ = '-';
	out = write_digits(out, date.day, 2);
	*out++ = 'T';
	out = write_time(out, instant % DAY_MS);
	*out++ = '.';
	out = write_digits(out, instant % SECOND_MS, 3);
	*out++ = 'Z';
	*out = '\0';
}

int instant_year(Instant instant)
{
	must(instant >= 0 && instant <= INSTANT_MAX);
	return (int)date_of_days(instant / DAY_MS).year;
}

char *instant_format_mail(Instant instant, char out[static INSTANT_MAIL_TEXT])
{
	/* 1970-01-01 was a Thursday. */
	static const char days[7][4] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
		                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

	must(instant >= 0 && instant <= INSTANT_MAX);
	Date date = date_of_days(instant / DAY_MS);
	char *at = stpcpy(out, days[instant / DAY_MS % 7]);
	at = write_digits(stpcpy(at, ", "), date.day, 2);
	*at++ = ' ';
	at = stpcpy(at, months[date.month - 1]);
	*at++ = ' ';
	at = write_digits(at, date.year, 4);
	*at++ = ' ';
	at = write_time(at, instant % DAY_MS);
	stpcpy(at, " +0000");
	return out;
}
