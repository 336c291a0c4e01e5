/* Cursors of lists: only a cursor that was written with the same key for the same list is accepted. Also the parameters of the
 * list of incidents, which may have any value. */
#include "tests/fuzz/fuzz.h"

#include "services/gateway/core/cursor.h"
#include "services/gateway/core/filter.h"

#include <string.h>

static void read_any(const Digest *key, const Digest *list, Slice text)
{
	char position[CURSOR_POSITION_MAX], written[CURSOR_TEXT];
	if (!cursor_read(key, list, text, position))
		return;
	cursor_write(key, list, slice_of(position), written);
	must(slice_is(text, written));
}

static void write_and_read(const Digest *key, const Digest *list, const Digest *other, Slice position)
{
	char written[CURSOR_TEXT], back[CURSOR_POSITION_MAX];
	cursor_write(key, list, position, written);
	must(cursor_read(key, list, slice_of(written), back));
	must(slice_is(position, back));
	must(!cursor_read(key, other, slice_of(written), back));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	Slice text = { (const char *)bytes, size };
	Digest key = DIGEST(SLICE("key")), list = DIGEST(SLICE("list")), other = DIGEST(SLICE("other"));
	read_any(&key, &list, text);
	if (size > 0 && size < CURSOR_POSITION_MAX && !memchr(bytes, '\0', size))
		write_and_read(&key, &list, &other, text);

	char value[FILTER_BYTES_MAX * 2] = "";
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	IncidentQuery query;
	memcpy(value, bytes, size < sizeof value - 1 ? size : sizeof value - 1);
	incident_query_init(&query);
	const char *const names[] = { "cursor", "limit", "q", "status", "grade", value };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		incident_query_take(&query, names[i], value, &errors);
	(void)incident_query_digest(&query);
	return 0;
}
