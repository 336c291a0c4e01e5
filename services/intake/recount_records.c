#include "services/intake/recount_records.h"

#include "services/intake/intake_internal.h"
#include "shared/domain/types.h"
#include "shared/domain/ledger.h"
#include "shared/runtime/record.h"

/* ---- reports */

static const struct {
	const char *type;
	RecountStep step;
} steps[] = {
	{ TYPE_REPORT_OPENED, RECOUNT_OPENED },
	{ TYPE_REPORT_REPEATED, RECOUNT_CONTINUED },
	{ TYPE_REPORT_RELEASED, RECOUNT_CONTINUED },
	{ TYPE_REPORT_RESUMED, RECOUNT_RESUMED },
};

static Result row_take(Recount *recount, const BusRecord *record, bool imported)
{
	Slice type = header_get(record->headers, "ce_type");
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		WindowRow row;
		WindowPrune unused;
		if (!slice_is(type, steps[i].type))
			continue;
		TRY(window_header_read(header_get(record->headers, WINDOW_HEADER),
				       header_get(record->headers, "ce_subject"), &row, &unused));
		recount_row(recount, record->offset, steps[i].step, &row, imported);
	}
	return result_ok(); /* a record of a join, of the ledger protocol, or of a later version */
}

/* An owner states positions in every record, an import only in its last record: a record without positions was imported. */
Result recount_take_report(Recount *recount, unsigned partition, const BusRecord *record)
{
	Slice text = header_get(record->headers, "ce_positions");
	LedgerPositions positions;
	TRY(row_take(recount, record, text.size == 0));
	if (text.size == 0 || result_failed(ledger_positions_read(text, partition, &positions)))
		return result_ok();
	for (size_t i = 0; i < positions.count; i++)
		if (positions.list[i].topic == TOPIC_EVENTS && positions.list[i].partition == partition)
			recount_position(recount, positions.list[i].position);
	return result_ok();
}

/* ---- events */

static RecountKind kind_of(const Record *record, unsigned partitions, Arrival *arrival)
{
	EventHeader header;
	bool person = slice_is(record->type, TYPE_REPORT_RECEIVED);
	if (!record_texts_fit(record))
		return RECOUNT_UNREAD;
	if (!record_is_in_partition(record, partitions))
		return RECOUNT_MISPLACED;
	if (slice_is(record->type, TYPE_INCIDENT_CLOSED) || slice_is(record->type, TYPE_INCIDENT_REOPENED))
		return result_failed(change_check(record, partitions)) ? RECOUNT_UNREAD : RECOUNT_NOTED;
	if ((!person && !slice_is(record->type, TYPE_EVENT_RECEIVED)) || result_failed(arrival_read(record, arrival, &header)))
		return RECOUNT_UNREAD;
	return result_failed(document_check(person, record->body)) ? RECOUNT_DOUBTFUL : RECOUNT_EVENT;
}

void recount_take_event(Recount *recount, unsigned partition, unsigned partitions, const BusRecord *from)
{
	Record record;
	Arrival arrival = { .offset = from->offset };
	RecountEvent event = { .kind = RECOUNT_UNREAD, .offset = from->offset };
	if (!result_failed(record_read(TOPIC_EVENTS, partition, from, &record)) && !record_is_bookkeeping(&record)) {
		event.kind = kind_of(&record, partitions, &arrival);
		event.fingerprint = fingerprint_of(record.id);
	}
	event.key = arrival.key;
	event.event = arrival.event;
	recount_event(recount, &event);
}
