/*
 * Packed headers, and every text that a header holds: the mark of a ledger, positions, the header of an event, the window of a
 * report, times. A text that is read is written again as a text with the same meaning.
 */
#include "tests/fuzz/fuzz.h"

#include "services/intake/core/row.h"
#include "shared/base/header.h"
#include "shared/domain/event_header.h"
#include "shared/domain/ledger.h"
#include "shared/runtime/record.h"

#include <string.h>

enum { TEXT_MAX = 1 << 16 };

#define INCIDENT "inc_01m858jhdjd5rf5wtp1m92ym3r"

static void packed_play(Slice bytes)
{
	Slice rest = bytes, name, value;
	size_t left = bytes.size;
	Record record;
	while (header_next(&rest, &name, &value)) {
		must(rest.size < left);
		left = rest.size;
	}
	BusRecord from = { .headers = bytes, .key = bytes, .body = bytes };
	/* Any verdict is right: the calls must not crash. */
	result_ignore(record_read(TOPIC_EVENTS, 0, &from, &record));
	result_ignore(record_check(&record, 3));
}

static void mark_play(Slice bytes)
{
	LedgerMark mark, again;
	LedgerCursor cursor = ledger_begin(7), begun = { 0 };
	Buffer out;
	(void)ledger_judge(&begun, bytes, &mark);
	must(begun.next == 1);
	(void)ledger_judge(&cursor, bytes, &mark);
	must(cursor.next == 8);
	result_ignore(ledger_opening_check(&cursor, bytes)); /* any verdict is right */
	if (result_failed(ledger_mark_read(bytes, &mark)))
		return;
	buffer_init(&out, TEXT_MAX);
	ledger_mark_write(&out, &mark);
	must(!result_failed(ledger_mark_read(buffer_slice(&out), &again)));
	must(again.epoch == mark.epoch && again.owner == mark.owner && again.seq == mark.seq && again.claim == mark.claim);
	buffer_release(&out);
}

static void positions_play(Slice text)
{
	static LedgerPositions positions, again;
	Buffer out;
	if (result_failed(ledger_positions_read(text, 3, &positions)))
		return;
	buffer_init(&out, LEDGER_POSITIONS_TEXT);
	ledger_positions_write(&out, 3, &positions);
	must(!out.overflowed && !result_failed(ledger_positions_read(buffer_slice(&out), 3, &again)));
	must(again.count == positions.count);
	for (size_t i = 0; i < positions.count; i++)
		must(again.list[i].topic == positions.list[i].topic && again.list[i].partition == positions.list[i].partition &&
		     again.list[i].position == positions.list[i].position);
	buffer_release(&out);
}

static void event_play(Slice text)
{
	EventHeader header, again;
	Buffer out;
	if (result_failed(event_header_read(text, &header)))
		return;
	buffer_init(&out, TEXT_MAX);
	event_header_write(&out, &header);
	must(!result_failed(event_header_read(buffer_slice(&out), &again)));
	must(header.window_seconds == again.window_seconds && header.cap_seconds == again.cap_seconds &&
	     header.severity == again.severity && header.clock_offset_ms == again.clock_offset_ms);
	buffer_release(&out);
}

/* For every row that can be read, a report can be written and the end of the window computed. */
static void row_play(const WindowRow *row)
{
	Buffer body;
	buffer_init(&body, TEXT_MAX);
	report_body_write(&body, &(ReportBody){ .row = row, .received_at = row->last_seen_at, .clock_offset_ms = INT64_MIN });
	must(!body.overflowed);
	(void)window_ends_at(row, row->last_seen_at);
	buffer_release(&body);
}

static void window_play(Slice text)
{
	WindowRow row, again;
	WindowPrune prune, prune_again;
	Buffer out;
	buffer_init(&out, 2 * TEXT_MAX);
	window_header_move(text, INT64_MAX, &out);
	buffer_clear(&out);
	if (!result_failed(window_header_read(text, SLICE(INCIDENT), &row, &prune))) {
		row_play(&row);
		window_header_write(&out, &row, &prune);
		must(!result_failed(window_header_read(buffer_slice(&out), SLICE(INCIDENT), &again, &prune_again)));
		must(row.through == again.through && row.event_count == again.event_count && prune.horizon == prune_again.horizon);
	}
	buffer_release(&out);
}

static void time_play(Slice text)
{
	Instant instant, again;
	char written[INSTANT_TEXT], mail[INSTANT_MAIL_TEXT];
	if (result_failed(instant_parse(text, &instant)))
		return;
	instant_format(instant, written);
	instant_format_mail(instant, mail);
	must(!result_failed(instant_parse(slice_of(written), &again)) && again == instant);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	Slice text = { (const char *)bytes, size };
	if (size > TEXT_MAX)
		return 0;
	packed_play(text);
	mark_play(text);
	positions_play(text);
	event_play(text);
	window_play(text);
	time_play(text);
	return 0;
}
