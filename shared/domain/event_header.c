#include "shared/domain/event_header.h"

#include <inttypes.h>
#include <stddef.h>

enum { NUMBERS = 4, YEAR_SECONDS = 366 * 86400 }; /* maximum of window and cap, as in sources.yaml */
static const char *const names[NUMBERS] = { "window", "cap", "severity", "clock" };

void event_header_write(Buffer *out, const EventHeader *header)
{
	buffer_format(out, "window=%" PRId64 ";cap=%" PRId64, header->window_seconds, header->cap_seconds);
	if (header->severity >= 0)
		buffer_format(out, ";severity=%d", header->severity);
	if (header->clock_offset_ms != INT64_MIN)
		buffer_format(out, ";clock=%" PRId64, header->clock_offset_ms);
}

/* Removes the part of *text before the separator, and the separator, and returns that part. */
static Slice cut(Slice *text, char separator)
{
	size_t end = 0;
	while (end < text->size && text->data[end] != separator)
		end++;
	Slice part = { text->data, end };
	size_t used = end < text->size ? end + 1 : end;
	*text = (Slice){ text->data + used, text->size - used };
	return part;
}

static int name_index(Slice name)
{
	int index = 0;
	while (index < NUMBERS && !slice_is(name, names[index]))
		index++;
	return index;
}

/* Ignores unknown names, which a later version may add. */
static Result numbers_read(Slice text, int64_t numbers[static NUMBERS])
{
	while (text.size > 0) {
		Slice value = cut(&text, ';');
		int index = name_index(cut(&value, '='));
		if (index < NUMBERS && !slice_integer(value, &numbers[index]))
			return result_fail(ERROR_INPUT, "event header: %s must be a whole number", names[index]);
	}
	return result_ok();
}

Result event_header_read(Slice text, EventHeader *out)
{
	int64_t numbers[NUMBERS] = { INT64_MIN, INT64_MIN, -1, INT64_MIN };
	TRY(numbers_read(text, numbers));
	if (numbers[0] < 0 || numbers[1] < 0 || numbers[0] > YEAR_SECONDS || numbers[1] > YEAR_SECONDS)
		return result_fail(ERROR_INPUT, "event header: window and cap are required and must be from 0 to %d seconds", YEAR_SECONDS);
	if (numbers[2] < -1 || numbers[2] > 4)
		return result_fail(ERROR_INPUT, "event header: severity must be from 0 to 4");
	*out = (EventHeader){ .window_seconds = numbers[0],
			      .cap_seconds = numbers[1],
			      .severity = (int)numbers[2],
			      .clock_offset_ms = numbers[3] };
	return result_ok();
}
