#include "services/intake/core/row.h"

#include <inttypes.h>
#include <string.h>

/* ---- the header: numbers by name, then two ids */

typedef struct {
	int64_t state, version, count, through, seen, window, cap, severity, reflected, horizon, resumed;
} Numbers;

#define NUMBER(name_, required_) { .name = #name_, .offset = offsetof(Numbers, name_), .required = (required_) }
static const struct {
	const char *name;
	size_t offset;
	bool required;
} numbers[] = {
	NUMBER(state, true),  NUMBER(version, true), NUMBER(count, true),     NUMBER(through, true),   NUMBER(seen, true),
	NUMBER(window, true), NUMBER(cap, true),     NUMBER(severity, true),  NUMBER(reflected, true), NUMBER(horizon, false),
	NUMBER(resumed, false),
};
enum { NUMBERS = sizeof(numbers) / sizeof(numbers[0]) };

static int64_t *number_at(Numbers *all, size_t index)
{
	return (int64_t *)((char *)all + numbers[index].offset);
}

void window_header_write(Buffer *out, const WindowRow *row, const WindowPrune *prune)
{
	Numbers all = { .state = row->state, .version = row->report_version, .count = row->event_count,
			.through = row->through, .seen = row->last_seen_at, .window = row->window_seconds,
			.cap = row->cap_seconds, .severity = row->severity, .reflected = prune->reflected,
			.horizon = prune->horizon, .resumed = row->resumed_at };
	for (size_t i = 0; i < NUMBERS; i++)
		if (*number_at(&all, i) != INT64_MIN)
			buffer_format(out, "%s=%" PRId64 ";", numbers[i].name, *number_at(&all, i));
	Id key = bits_write("", row->key), event = bits_write("evt_", row->event);
	buffer_format(out, "key=%s;event=%s", key.text, event.text);
}

/* Removes the part before the separator, and the separator, from the front of *text. */
static Slice cut(Slice *text, char separator)
{
	const char *at = text->size ? memchr(text->data, separator, text->size) : NULL;
	size_t size = at ? (size_t)(at - text->data) : text->size;
	size_t used = at ? size + 1 : size;
	Slice part = { text->data, size };
	*text = (Slice){ text->data + used, text->size - used };
	return part;
}

static bool member_read(Slice name, Slice value, Numbers *all, WindowRow *row)
{
	if (slice_is(name, "key"))
		return bits_read(value, &row->key);
	if (slice_is(name, "event"))
		return bits_read_event(value, &row->event);
	for (size_t i = 0; i < NUMBERS; i++)
		if (slice_is(name, numbers[i].name))
			return slice_integer(value, number_at(all, i));
	return true; /* a number that a later version added */
}

static bool is_time(int64_t number)
{
	return number >= 0 && number <= INSTANT_MAX;
}

/* Offsets may be negative: an import moves them. */
static bool numbers_valid(Numbers *all)
{
	for (size_t i = 0; i < NUMBERS; i++)
		if (numbers[i].required && *number_at(all, i) == INT64_MIN)
			return false;
	bool times = is_time(all->seen) && (all->resumed == INSTANT_NONE || is_time(all->resumed));
	bool counts = all->version > 0 && all->version < INT64_MAX && all->count > 0 && all->count < INT64_MAX;
	return times && counts && all->severity >= -1 && all->severity <= 4;
}

Result window_header_read(Slice text, Slice incident_id, WindowRow *row, WindowPrune *prune)
{
	Numbers all;
	for (size_t i = 0; i < NUMBERS; i++)
		*number_at(&all, i) = INT64_MIN;
	*row = (WindowRow){ .state = WINDOW_OPEN };
	bool good = bits_read_incident(incident_id, &row->incident);
	while (good && text.size > 0) {
		Slice value = cut(&text, ';');
		Slice name = cut(&value, '=');
		good = member_read(name, value, &all, row);
	}
	if (!good || !numbers_valid(&all))
		return result_fail(ERROR_INTERNAL, "the header `" WINDOW_HEADER "` of a report record cannot be read");
	row->state = all.state == WINDOW_OPEN ? WINDOW_OPEN : WINDOW_CLOSED;
	row->report_version = all.version;
	row->event_count = all.count;
	row->through = all.through;
	row->last_seen_at = all.seen;
	row->resumed_at = all.resumed;
	row->window_seconds = all.window;
	row->cap_seconds = all.cap;
	row->severity = (int)all.severity;
	*prune = (WindowPrune){ .reflected = all.reflected, .horizon = all.horizon };
	return result_ok();
}

/* INSTANT_NONE is the smallest Instant, so a missing time is ignored. */
static Instant later(Instant one, Instant other)
{
	return one > other ? one : other;
}

void window_header_move(Slice text, int64_t by, Buffer *out)
{
	for (bool first = true; text.size > 0; first = false) {
		int64_t offset;
		Slice member = cut(&text, ';'), value = member;
		Slice name = cut(&value, '=');
		bool moves = slice_is(name, "through") || slice_is(name, "reflected");
		if (!first)
			buffer_byte(out, ';');
		if (moves && slice_integer(value, &offset) && !__builtin_add_overflow(offset, by, &offset))
			buffer_format(out, "%.*s=%" PRId64, (int)name.size, name.data, offset);
		else
			buffer_append(out, member);
	}
}

static Instant seconds_after(Instant at, int64_t seconds)
{
	int64_t after;
	if (__builtin_mul_overflow(seconds, 1000, &after) || __builtin_add_overflow(at, after, &after))
		return INT64_MAX;
	return after;
}

Instant window_ends_at(const WindowRow *row, Instant at)
{
	if (row->state == WINDOW_CLOSED)
		return at;
	Instant by_window = seconds_after(later(row->last_seen_at, row->resumed_at), row->window_seconds);
	Instant by_cap = seconds_after(later(bits_opened_at(row->incident), row->resumed_at), row->cap_seconds);
	return by_window < by_cap ? by_window : by_cap;
}

/* ---- the body */

static void member_text_write(Buffer *out, const char *name, const char *text)
{
	if (text)
		buffer_format(out, "\"%s\":\"%s\",", name, text);
	else
		buffer_format(out, "\"%s\":null,", name);
}

static void member_number_write(Buffer *out, const char *name, int64_t number)
{
	if (number != INT64_MIN)
		buffer_format(out, "\"%s\":%" PRId64 ",", name, number);
	else
		buffer_format(out, "\"%s\":null,", name);
}

static void member_time_write(Buffer *out, const char *name, Instant time)
{
	char text[INSTANT_TEXT];
	instant_format(time, text);
	member_text_write(out, name, text);
}

void report_body_write(Buffer *out, const ReportBody *body)
{
	const WindowRow *row = body->row;
	Id incident = bits_write("inc_", row->incident), event = bits_write("evt_", row->event), key = bits_write("", row->key);
	buffer_byte(out, '{');
	/* These texts need no escaping: ids, an incident number and the form. */
	member_text_write(out, "incident_id", incident.text);
	member_text_write(out, "number", body->number);
	member_text_write(out, "event_id", event.text);
	member_text_write(out, "correlation_key", key.text);
	member_text_write(out, "form", body->form);
	member_number_write(out, "report_version", row->report_version);
	member_number_write(out, "event_count", row->event_count);
	member_number_write(out, "through", row->through);
	member_number_write(out, "clock_offset_ms", body->clock_offset_ms);
	member_number_write(out, "window_seconds", row->window_seconds);
	member_number_write(out, "cap_seconds", row->cap_seconds);
	member_time_write(out, "received_at", body->received_at);
	member_time_write(out, "last_seen_at", row->last_seen_at);
	buffer_text(out, "\"document\":");
	buffer_append(out, body->document.size ? body->document : SLICE("null"));
	buffer_byte(out, '}');
}
