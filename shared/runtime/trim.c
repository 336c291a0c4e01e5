#include "shared/runtime/trim.h"

#include "shared/domain/ledger.h"
#include "shared/io/system/log.h"
#include "shared/runtime/record.h"

enum { READ_RECORDS = 1000, READS = 20 };

typedef struct {
	const LedgerTrim *trim;
	LedgerCursor cursor;
	Instant young_since;
	int64_t cut;          /* all records before this offset may be dropped */
	int64_t undated_from; /* the first record of a run from the future that ends here; -1: none */
	bool stopped;
	bool droppable; /* at least one visited accepted record need not be kept */
	Result result;
} TrimVisit;

static Result record_needed(const TrimVisit *visit, const BusRecord *from, bool *needed)
{
	Handler *handler = visit->trim->handler;
	Record record;
	*needed = false;
	TRY(record_read(handler->service->ledger, handler->partition, from, &record));
	return record_is_bookkeeping(&record) ? result_ok() : handler->service->needed(handler, &record, needed);
}

typedef enum { AGE_OLD, AGE_YOUNG, AGE_UNKNOWN } RecordAge;

/* The time of a record is the clock of its owner. A time after now says nothing: the clock was wrong. */
static RecordAge record_age(const TrimVisit *visit, const BusRecord *from)
{
	Instant time, now = visit->trim->handler->now;
	if (result_failed(instant_parse(header_get(from->headers, "ce_time"), &time)))
		return AGE_YOUNG;
	if (time > now + INSTANT_AHEAD_MAX_MS)
		return AGE_UNKNOWN;
	return time >= visit->young_since ? AGE_YOUNG : AGE_OLD;
}

static bool trim_visit(void *context, const BusRecord *from)
{
	TrimVisit *visit = context;
	LedgerMark mark;
	if (from->offset >= visit->trim->until)
		return false;
	if (ledger_judge(&visit->cursor, from->headers, &mark) != LEDGER_ACCEPT)
		return true;
	RecordAge age = record_age(visit, from);
	bool needed = age == AGE_YOUNG;
	if (!needed)
		visit->result = record_needed(visit, from, &needed);
	visit->stopped = needed || result_failed(visit->result);
	if (age == AGE_UNKNOWN && !visit->stopped) {
		visit->undated_from = visit->undated_from < 0 ? from->offset : visit->undated_from;
		return true;
	}
	/* An old record shows that those before it are at least as old, also a run from the future; a young one shows nothing. */
	visit->cut = visit->stopped && visit->undated_from >= 0 ? visit->undated_from : from->offset;
	visit->undated_from = -1;
	visit->droppable |= !visit->stopped;
	return !visit->stopped;
}

static Result cut_find(TrimVisit *visit, int64_t first)
{
	const LedgerTrim *trim = visit->trim;
	BusPosition position = { trim->handler->service->ledger, trim->handler->partition, first };
	visit->cursor = ledger_begin(first);
	for (int reads = 0; reads < READS && !visit->stopped; reads++) {
		int64_t next;
		TRY(trim->reader->bus->operations->read(trim->reader, position, READ_RECORDS, false, trim_visit, visit, &next));
		TRY(visit->result);
		if (next == position.from || next >= trim->until)
			break;
		position.from = next;
	}
	return result_ok();
}

Result ledger_trim(const LedgerTrim *trim)
{
	Bus *bus = trim->reader->bus;
	TopicId ledger = trim->handler->service->ledger;
	int64_t first = bus->operations->first(bus, ledger, trim->handler->partition);
	TrimVisit visit = { .trim = trim, .young_since = trim->handler->now - trim->retention_ms, .cut = first,
			    .undated_from = -1 };
	Result result = cut_find(&visit, first);
	if (!result_failed(result) && visit.droppable && bus->operations->trim)
		result = bus->operations->trim(bus, ledger, trim->handler->partition, visit.cut);
	if (result.kind != ERROR_AGAIN)
		return result;
	handler_log(trim->handler, LOG_WARN, "ledger-not-trimmed", result.text);
	return result_ok();
}
