/*
 * docs/design/ownership.md, "Trimming": an owner cuts its ledger right before an accepted record that is young, or from which
 * on the log states everything that state still holds. So a log's first record is accepted by definition, epochs never restart,
 * and a trimmed log is still all that is needed to make the state.
 *
 * Whoever still reads the ledger must have passed what is cut: a ledger is kept longer than the longest outage.
 */
#include "shared/runtime/runtime_internal.h"

#include "shared/io/system/log.h"

typedef struct {
	Runtime *runtime;
	LedgerCursor cursor;
	Instant young_since;
	int64_t cut; /* the last accepted record passed or stopped at */
	bool stopped, passed; /* passed: there is an accepted record that need not be kept */
	Result result;
} TrimVisit;

static Result record_needed(Runtime *runtime, const BusRecord *from, bool *needed)
{
	Record record;
	const Service *service = runtime->options.service;
	*needed = false;
	TRY(record_read(service->ledger, runtime->options.partition, from, &record));
	return record_is_bookkeeping(&record) ? result_ok() : service->needed(&runtime->handler, &record, needed);
}

static bool record_young(const TrimVisit *visit, const BusRecord *from)
{
	Instant time;
	return result_failed(instant_parse(header_get(from->headers, "ce_time"), &time)) || time >= visit->young_since;
}

static bool trim_visit(void *context, const BusRecord *from)
{
	TrimVisit *visit = context;
	LedgerMark mark;
	if (from->offset >= visit->runtime->derive_from.next)
		return false;
	if (ledger_judge(&visit->cursor, from->headers, &mark) != LEDGER_ACCEPT)
		return true;
	visit->cut = from->offset;
	bool needed = record_young(visit, from);
	if (!needed)
		visit->result = record_needed(visit->runtime, from, &needed);
	visit->passed |= !needed;
	visit->stopped = needed || result_failed(visit->result);
	return !visit->stopped;
}

static int64_t keep_ms(const Runtime *runtime)
{
	return runtime->options.trim_after_ms ? runtime->options.trim_after_ms :
						topics[runtime->options.service->ledger].keep_ms;
}

/* From the log's first record on; ends before what is to be kept, or after a while. */
static Result cut_find(TrimVisit *visit, int64_t first)
{
	Runtime *runtime = visit->runtime;
	const RuntimeOptions *options = &runtime->options;
	BusPosition place = { options->service->ledger, options->partition, first };
	visit->cursor = ledger_begin(first);
	for (int reads = 0; reads < TRIM_READS && !visit->stopped; reads++) {
		int64_t next;
		TRY(options->bus->operations->read(runtime->reader, place, FOLLOW_RECORDS, false, trim_visit, visit, &next));
		TRY(visit->result);
		if (next == place.from || next >= runtime->derive_from.next)
			break;
		place.from = next;
	}
	return result_ok();
}

Result ledger_trim(Runtime *runtime)
{
	const RuntimeOptions *options = &runtime->options;
	Bus *bus = options->bus;
	if (!options->service->needed || keep_ms(runtime) == 0 || runtime->handler.now < runtime->trim_at)
		return result_ok();
	runtime->trim_at = runtime->handler.now + (options->trim_after_ms ? options->trim_after_ms : TRIM_MS);
	int64_t first = bus->operations->first(bus, options->service->ledger, options->partition);
	TrimVisit visit = { .runtime = runtime, .young_since = runtime->handler.now - keep_ms(runtime), .cut = first };
	Result result = cut_find(&visit, first);
	if (!result_failed(result) && visit.passed && bus->operations->trim)
		result = bus->operations->trim(bus, options->service->ledger, options->partition, visit.cut);
	if (result.kind != ERROR_AGAIN)
		return result;
	runtime_log(runtime, LOG_WARN, "ledger-not-trimmed", result.text); /* there is time */
	return result_ok();
}
