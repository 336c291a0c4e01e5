#include "shared/archive/export.h"

#include "shared/base/id.h"
#include "shared/domain/ledger.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_RECORDS = 256, PAGE_BYTES = 1 << 20, PROGRESS_EVERY = 1024 };

/* A record as it goes into the file, in its lane's bytes. */
typedef struct {
	size_t begin, key, headers, body;
	Instant time;
	unsigned slot;
} Held;

/* One partition of a topic, read page by page. */
typedef struct {
	TopicId topic;
	unsigned partition;
	const Service *service; /* whose ledger it is, or NULL */
	int64_t moved_by; /* what offsets of the service's input are moved by */
	int64_t next, end;
	LedgerCursor cursor;
	Buffer bytes, moved;
	Held held[PAGE_RECORDS];
	size_t count, at;
	Result result;
} Lane;

typedef struct {
	const ExportOptions *options;
	BusReader *reader;
	ArchiveWriter writer;
	Buffer checkpoint; /* body of the last record of the audit's ledger */
	uint64_t lines;
	ArchiveEnds *ends;
	Lane *lanes;
} Export;

/* ---- what of a record is carried */

/* Headers that a ledger's owner writes for its term; another term writes its own. */
static bool header_is_of_term(Slice name)
{
	static const char *const names[] = { "ce_epoch",     "ce_owner",   "ce_seq",        "ce_prev",
					     "ce_positions", "ce_derived", "ce_partitions", "ce_carried" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (slice_is(name, names[i]))
			return true;
	return false;
}

static Slice value_moved(Lane *lane, Slice name, Slice value)
{
	const ServiceOffsets *offsets = lane->service ? &lane->service->offsets : NULL;
	if (!offsets || !offsets->name || !slice_is(name, offsets->name))
		return value;
	buffer_clear(&lane->moved);
	offsets->move(value, lane->moved_by, &lane->moved);
	return buffer_slice(&lane->moved);
}

static void headers_keep(Lane *lane, Slice headers)
{
	Slice name, value;
	while (header_next(&headers, &name, &value)) {
		if (lane->service && header_is_of_term(name))
			continue;
		Slice moved = value_moved(lane, name, value);
		buffer_append(&lane->bytes, name);
		buffer_byte(&lane->bytes, '\0');
		buffer_append(&lane->bytes, moved);
		buffer_byte(&lane->bytes, '\0');
	}
}

/* Where it belongs: what carries an incident says so, everything else goes by its key. */
static unsigned slot_carried(TopicId topic, const BusRecord *record)
{
	unsigned slot;
	Instant opened_at;
	bool by_key = topic == TOPIC_EVENTS || topic == TOPIC_JOINS;
	if (!by_key && id_incident_parse(header_get(record->headers, "ce_subject"), &slot, &opened_at))
		return slot;
	return slot_of(record->key.size ? record->key : header_get(record->headers, "ce_id"));
}

static void record_keep(Lane *lane, const BusRecord *record)
{
	Held *held = &lane->held[lane->count++];
	*held = (Held){ .begin = lane->bytes.size,
			.key = record->key.size,
			.body = record->body.size,
			.slot = topics[lane->topic].slotted ? slot_carried(lane->topic, record) : 0 };
	if (result_failed(instant_parse(header_get(record->headers, "ce_time"), &held->time)))
		held->time = INSTANT_NONE;
	buffer_append(&lane->bytes, record->key);
	headers_keep(lane, record->headers);
	held->headers = lane->bytes.size - held->begin - held->key;
	buffer_append(&lane->bytes, record->body);
}

/* ---- reading a lane */

static Result lane_judge(Lane *lane, const BusRecord *record, bool *kept)
{
	LedgerMark mark;
	if (record->offset != lane->cursor.next)
		return result_fail(ERROR_INTERNAL, "%s/%u skips from offset %" PRId64 " to %" PRId64,
				   topics[lane->topic].name, lane->partition, lane->cursor.next, record->offset);
	bool accepted = ledger_judge(&lane->cursor, record->headers, &mark) == LEDGER_ACCEPT;
	*kept = accepted && !slice_starts(header_get(record->headers, "ce_type"), SLICE("tocsin.ledger."));
	if (accepted && mark.seq == 1)
		return result_wrap(ledger_opening_check(&lane->cursor, record->headers), "%s/%u",
				   topics[lane->topic].name, lane->partition);
	return result_ok();
}

static bool lane_visit(void *context, const BusRecord *record)
{
	Lane *lane = context;
	bool kept = true;
	if (record->offset >= lane->end)
		return false;
	if (lane->service)
		lane->result = lane_judge(lane, record, &kept);
	if (result_failed(lane->result))
		return false;
	if (kept)
		record_keep(lane, record);
	return lane->count < PAGE_RECORDS && lane->bytes.size < PAGE_BYTES;
}

/* A service makes it again from its state. */
static bool is_derived(const ExportOptions *options, TopicId topic)
{
	bool derived = false;
	for (size_t i = 0; i < options->service_count; i++)
		derived |= options->services[i]->table.state && options->services[i]->table.topic == topic;
	return derived;
}

/* The next page, until it holds something or the lane is at its end. */
static Result lane_fill(Export *export, Lane *lane)
{
	const BusOperations *operations = export->options->bus->operations;
	lane->at = lane->count = 0;
	buffer_clear(&lane->bytes);
	while (lane->count == 0 && lane->next < lane->end) {
		BusPosition place = { lane->topic, lane->partition, lane->next };
		Result result =
			operations->read(export->reader, place, PAGE_RECORDS, true, lane_visit, lane, &lane->next);
		TRY(lane->result);
		bool dropped = result.kind == ERROR_NOT_FOUND &&
			       !lane->service; /* retention was quicker: too old to be kept */
		if (dropped)
			lane->next = operations->first(export->options->bus, lane->topic, lane->partition);
		else
			TRY(result_wrap(result, "%s/%u", topics[lane->topic].name, lane->partition));
	}
	must(!lane->bytes.overflowed);
	return result_ok();
}

static const Service *ledger_service(const ExportOptions *options, TopicId topic)
{
	for (size_t i = 0; i < options->service_count && topics[topic].kind == TOPIC_LEDGER; i++)
		if (options->services[i]->ledger == topic)
			return options->services[i];
	return NULL;
}

static void lane_begin(Export *export, Lane *lane, TopicId topic, unsigned partition)
{
	Bus *bus = export->options->bus;
	lane->topic = topic;
	lane->partition = partition;
	lane->service = ledger_service(export->options, topic);
	lane->end = export->ends->of[topic][partition];
	lane->next = bus->operations->first(bus, topic, partition);
	if (topics[topic].kind == TOPIC_TABLE && lane->end > lane->next)
		lane->next = lane->end - 1;
	lane->cursor = ledger_begin(lane->next);
	lane->result = result_ok();
	lane->at = lane->count = 0;
	if (lane->service && lane->service->offsets.name)
		lane->moved_by = -export->ends->of[lane->service->inputs[0].topic][partition];
}

/* ---- merging the lanes of a topic */

static void lanes_fetch(Export *export, unsigned count)
{
	BusPosition places[BUS_PARTITIONS_MAX];
	size_t wanted = 0;
	for (unsigned i = 0; i < count; i++)
		if (export->lanes[i].next < export->lanes[i].end)
			places[wanted++] = (BusPosition){ export->lanes[i].topic, i, export->lanes[i].next };
	bus_fetch(export->reader, places, wanted);
}

/* The lane whose next record is the earliest; NULL: all are at their ends. */
static Result lane_next(Export *export, unsigned count, Lane **out)
{
	*out = NULL;
	for (unsigned i = 0; i < count; i++) {
		Lane *lane = &export->lanes[i];
		if (lane->at == lane->count)
			TRY(lane_fill(export, lane));
		if (lane->at < lane->count && (!*out || lane->held[lane->at].time < (*out)->held[(*out)->at].time))
			*out = lane;
	}
	return result_ok();
}

static Result lane_write(Export *export, Lane *lane)
{
	const Held *held = &lane->held[lane->at++];
	const char *at = lane->bytes.data + held->begin;
	ArchiveRecord record = { .topic = lane->topic,
			       .slot = held->slot,
			       .key = { at, held->key },
			       .headers = { at + held->key, held->headers },
			       .body = { at + held->key + held->headers, held->body } };
	if (lane->topic == TOPIC_CHECKPOINTS) {
		buffer_clear(&export->checkpoint);
		buffer_append(&export->checkpoint, record.body);
	}
	if (++export->lines % PROGRESS_EVERY == 0 && export->options->progress)
		export->options->progress(export->options->context, topics[lane->topic].short_name, export->lines);
	return archive_write_record(&export->writer, &record);
}

static Result topic_write(Export *export, TopicId topic)
{
	Lane *lane;
	unsigned count = is_derived(export->options, topic) ? 0 : topic_partitions(topic, export->options->bus->partitions);
	for (unsigned i = 0; i < count; i++)
		lane_begin(export, &export->lanes[i], topic, i);
	lanes_fetch(export, count);
	TRY(lane_next(export, count, &lane));
	while (lane) {
		TRY(lane_write(export, lane));
		TRY(lane_next(export, count, &lane));
	}
	return result_ok();
}

/* ---- the whole */

static Result records_write(Export *export)
{
	for (TopicId topic = 0; topic < TOPICS; topic++)
		if (topics[topic].kind != TOPIC_LEDGER)
			TRY(topic_write(export, topic));
	for (TopicId topic = 0; topic < TOPICS; topic++)
		if (topics[topic].kind == TOPIC_LEDGER)
			TRY(topic_write(export, topic));
	return result_ok();
}

Result export_check(Bus *bus, const ArchiveEnds *ends)
{
	for (TopicId topic = 0; topic < TOPICS; topic++)
		for (unsigned i = 0; i < topic_partitions(topic, bus->partitions); i++)
			if (ends->of[topic][i] >= 0 && ends->of[topic][i] != bus->operations->end(bus, topic, i))
				return result_fail(ERROR_CONFLICT,
						   "something was written to %s while it was exported: stop every "
						   "program of Tocsin "
						   "first, then export again",
						   topics[topic].name);
	return result_ok();
}

static void ends_note(Bus *bus, ArchiveEnds *out)
{
	memset(out, -1, sizeof *out);
	for (TopicId topic = 0; topic < TOPICS; topic++)
		for (unsigned i = 0; i < topic_partitions(topic, bus->partitions); i++)
			out->of[topic][i] = bus->operations->end(bus, topic, i);
}

static Result everything_write(Export *export)
{
	const ExportOptions *options = export->options;
	ends_note(options->bus, export->ends);
	if (options->rested)
		TRY(export_check(options->bus, options->rested));
	TRY(archive_write_manifest(&export->writer, options->bus->partitions, options->bus->cluster, options->now));
	TRY(records_write(export));
	TRY(options->audit(options->context, buffer_slice(&export->checkpoint), &export->writer));
	TRY(archive_write_end(&export->writer));
	if (fflush(options->file) != 0)
		return result_fail(ERROR_AGAIN, "the export cannot be written");
	return result_ok();
}

static void lanes_new(Export *export)
{
	export->lanes = calloc(export->options->bus->partitions, sizeof *export->lanes);
	must(export->lanes != NULL);
	for (unsigned i = 0; i < export->options->bus->partitions; i++) {
		buffer_init(&export->lanes[i].bytes, PAGE_BYTES + 2 * BUS_RECORD_MAX);
		buffer_init(&export->lanes[i].moved, BUS_RECORD_MAX);
	}
}

static void lanes_free(Export *export)
{
	for (unsigned i = 0; i < export->options->bus->partitions; i++) {
		buffer_release(&export->lanes[i].bytes);
		buffer_release(&export->lanes[i].moved);
	}
	free(export->lanes);
}

Result export_write(const ExportOptions *options, ArchiveCounts *out, ArchiveEnds *ends)
{
	Export *export = calloc(1, sizeof *export);
	must(export != NULL);
	export->options = options;
	export->ends = ends;
	Result result = options->bus->operations->reader_open(options->bus, &export->reader);
	if (!result_failed(result)) {
		archive_writer_init(&export->writer, options->file);
		buffer_init(&export->checkpoint, BUS_RECORD_MAX);
		lanes_new(export);
		result = everything_write(export);
		*out = export->writer.counts;
		lanes_free(export);
		buffer_release(&export->checkpoint);
		archive_writer_release(&export->writer);
		options->bus->operations->reader_close(export->reader);
	}
	free(export);
	return result;
}
