#include "shared/archive/export.h"

#include "shared/base/id.h"
#include "shared/domain/ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_RECORDS = 256, PAGE_BYTES = 1 << 20, PROGRESS_EVERY = 1024 };

/* A record of a page. Its key, headers and body are in Partition.bytes, in this order. */
typedef struct {
	size_t begin, key, headers, body; /* offset of the key in Partition.bytes; sizes of key, headers and body */
	Instant time;
	unsigned slot;
} PageRecord;

/* One partition of a topic, read page by page. */
typedef struct {
	TopicId topic;
	unsigned number;
	const Service *service; /* the service that writes this ledger; NULL: the topic is not a ledger */
	int64_t moved_by; /* added to the offsets in the header that Service.offsets names: minus the end of the service's first input */
	int64_t next, end; /* the next offset to read; the offset at which the export of the partition ends */
	LedgerCursor cursor;
	Buffer bytes, moved;
	PageRecord page[PAGE_RECORDS];
	size_t count, at; /* number of records of the page; number of those already written */
	Result result;
} Partition;

typedef struct {
	const ExportOptions *options;
	BusReader *reader;
	ArchiveWriter writer;
	Buffer checkpoint; /* body of the last record of tocsin.checkpoints */
	uint64_t lines;
	ArchiveEnds *ends;
	Partition *partitions; /* of the current topic */
} Export;

/* ---- records */

/* True for headers that concern the owner's epoch. They are not exported: an import writes new ones. */
static bool header_is_of_epoch(Slice name)
{
	static const char *const names[] = { "ce_epoch",     "ce_owner",   "ce_seq",        "ce_prev",
					     "ce_positions", "ce_derived", "ce_partitions", "ce_carried" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (slice_is(name, names[i]))
			return true;
	return false;
}

static Slice value_move(Partition *from, Slice name, Slice value)
{
	const ServiceOffsets *offsets = from->service ? &from->service->offsets : NULL;
	if (!offsets || !offsets->name || !slice_is(name, offsets->name))
		return value;
	buffer_clear(&from->moved);
	offsets->move(value, from->moved_by, &from->moved);
	return buffer_slice(&from->moved);
}

static void headers_keep(Partition *from, Slice headers)
{
	Slice name, value;
	while (header_next(&headers, &name, &value)) {
		if (from->service && header_is_of_epoch(name))
			continue;
		Slice moved = value_move(from, name, value);
		buffer_append(&from->bytes, name);
		buffer_byte(&from->bytes, '\0');
		buffer_append(&from->bytes, moved);
		buffer_byte(&from->bytes, '\0');
	}
}

/*
 * The slot of a record: the slot of its incident's id; for events, joins and records without an incident, the slot of its key or,
 * if the key is empty, of its ce_id.
 */
static unsigned archived_slot(TopicId topic, const BusRecord *record)
{
	unsigned slot;
	Instant opened_at;
	bool by_key = topic == TOPIC_EVENTS || topic == TOPIC_JOINS;
	if (!by_key && id_incident_parse(header_get(record->headers, "ce_subject"), &slot, &opened_at))
		return slot;
	return slot_of(record->key.size ? record->key : header_get(record->headers, "ce_id"));
}

static void record_keep(Partition *from, const BusRecord *record)
{
	PageRecord *kept = &from->page[from->count++];
	*kept = (PageRecord){ .begin = from->bytes.size,
			.key = record->key.size,
			.body = record->body.size,
			.slot = topics[from->topic].slotted ? archived_slot(from->topic, record) : 0 };
	if (result_failed(instant_parse(header_get(record->headers, "ce_time"), &kept->time)))
		kept->time = INSTANT_NONE;
	buffer_append(&from->bytes, record->key);
	headers_keep(from, record->headers);
	kept->headers = from->bytes.size - kept->begin - kept->key;
	buffer_append(&from->bytes, record->body);
}

/* ---- reading a partition */

static Result partition_judge(Partition *from, const BusRecord *record, bool *kept)
{
	LedgerMark mark;
	if (record->offset != from->cursor.next)
		return result_fail(ERROR_INTERNAL, "%s/%u: the records from offset %" PRId64 " to %" PRId64 " are missing",
				   topics[from->topic].name, from->number, from->cursor.next, record->offset - 1);
	bool accepted = ledger_judge(&from->cursor, record->headers, &mark) == LEDGER_ACCEPT;
	*kept = accepted && !slice_starts_with(header_get(record->headers, "ce_type"), SLICE("tocsin.ledger."));
	if (accepted && mark.seq == 1)
		return result_wrap(ledger_opening_check(&from->cursor, record->headers), "%s/%u",
				   topics[from->topic].name, from->number);
	return result_ok();
}

static bool partition_visit(void *context, const BusRecord *record)
{
	Partition *from = context;
	bool kept = true;
	if (record->offset >= from->end)
		return false;
	if (from->service)
		from->result = partition_judge(from, record, &kept);
	if (result_failed(from->result))
		return false;
	if (kept)
		record_keep(from, record);
	return from->count < PAGE_RECORDS && from->bytes.size < PAGE_BYTES;
}

/* True for a table that a service derives from its state: it is not exported, because the service writes it again. */
static bool is_derived(const ExportOptions *options, TopicId topic)
{
	bool derived = false;
	for (size_t i = 0; i < options->service_count; i++)
		derived |= options->services[i]->projection.state && options->services[i]->projection.topic == topic;
	return derived;
}

/* Reads the next page that holds a record to export; from->count stays 0 if the partition has no more. */
static Result partition_fill(Export *export, Partition *from)
{
	const BusOperations *operations = export->options->bus->operations;
	from->at = from->count = 0;
	buffer_clear(&from->bytes);
	while (from->count == 0 && from->next < from->end) {
		BusPosition position = { from->topic, from->number, from->next };
		Result result =
			operations->read(export->reader, position, PAGE_RECORDS, true, partition_visit, from, &from->next);
		TRY(from->result);
		/* After partition_begin, retention dropped the next records of this stream: continue at the first record left. */
		bool dropped = result.kind == ERROR_NOT_FOUND && !from->service;
		if (dropped)
			from->next = operations->first(export->options->bus, from->topic, from->number);
		else
			TRY(result_wrap(result, "%s/%u", topics[from->topic].name, from->number));
	}
	if (from->bytes.overflowed)
		return result_fail(ERROR_INTERNAL, "%s/%u: a record before offset %" PRId64 " is larger than a bus can hold",
				   topics[from->topic].name, from->number, from->next);
	return result_ok();
}

static const Service *ledger_service(const ExportOptions *options, TopicId topic)
{
	for (size_t i = 0; i < options->service_count && topics[topic].kind == TOPIC_LEDGER; i++)
		if (options->services[i]->ledger == topic)
			return options->services[i];
	return NULL;
}

static void partition_begin(Export *export, Partition *from, TopicId topic, unsigned partition)
{
	Bus *bus = export->options->bus;
	from->topic = topic;
	from->number = partition;
	from->service = ledger_service(export->options, topic);
	from->end = export->ends->of[topic][partition];
	from->next = bus->operations->first(bus, topic, partition);
	if (topics[topic].kind == TOPIC_TABLE && from->end > from->next)
		from->next = from->end - 1;
	from->cursor = ledger_begin(from->next);
	from->result = result_ok();
	from->at = from->count = 0;
	if (from->service && from->service->offsets.name)
		from->moved_by = -export->ends->of[from->service->inputs[0].topic][partition];
}

/* ---- merging the partitions of a topic */

static void partitions_fetch(Export *export, unsigned count)
{
	BusPosition positions[BUS_PARTITIONS_MAX];
	size_t wanted = 0;
	for (unsigned i = 0; i < count; i++)
		if (export->partitions[i].next < export->partitions[i].end)
			positions[wanted++] = (BusPosition){ export->partitions[i].topic, i, export->partitions[i].next };
	bus_fetch(export->reader, positions, wanted);
}

/* *out: the partition whose next record is the earliest; NULL: all partitions are written. */
static Result partition_next(Export *export, unsigned count, Partition **out)
{
	*out = NULL;
	for (unsigned i = 0; i < count; i++) {
		Partition *from = &export->partitions[i];
		if (from->at == from->count)
			TRY(partition_fill(export, from));
		if (from->at < from->count && (!*out || from->page[from->at].time < (*out)->page[(*out)->at].time))
			*out = from;
	}
	return result_ok();
}

static Result partition_write(Export *export, Partition *from)
{
	const PageRecord *kept = &from->page[from->at++];
	const char *at = from->bytes.data + kept->begin;
	ArchiveRecord record = { .topic = from->topic,
			       .slot = kept->slot,
			       .key = { at, kept->key },
			       .headers = { at + kept->key, kept->headers },
			       .body = { at + kept->key + kept->headers, kept->body } };
	if (from->topic == TOPIC_CHECKPOINTS) {
		buffer_clear(&export->checkpoint);
		buffer_append(&export->checkpoint, record.body);
	}
	if (++export->lines % PROGRESS_EVERY == 0 && export->options->progress)
		export->options->progress(export->options->context, topics[from->topic].short_name, export->lines);
	return archive_write_record(&export->writer, &record);
}

static Result topic_write(Export *export, TopicId topic)
{
	Partition *from;
	unsigned count = is_derived(export->options, topic) ? 0 : topic_partitions(topic, export->options->bus->partitions);
	for (unsigned i = 0; i < count; i++)
		partition_begin(export, &export->partitions[i], topic, i);
	partitions_fetch(export, count);
	TRY(partition_next(export, count, &from));
	while (from) {
		TRY(partition_write(export, from));
		TRY(partition_next(export, count, &from));
	}
	return result_ok();
}

/* ---- the whole export */

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
						   "%s was written to during the export: stop every program of Tocsin, then "
						   "export again",
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
	if (options->quiesced)
		TRY(export_check(options->bus, options->quiesced));
	TRY(archive_write_manifest(&export->writer, options->bus->partitions, options->bus->cluster, options->now));
	TRY(records_write(export));
	TRY(options->audit(options->context, buffer_slice(&export->checkpoint), &export->writer));
	TRY(archive_write_end(&export->writer));
	if (fflush(options->file) != 0)
		return result_fail(ERROR_AGAIN, "the export cannot be written: %s", strerror(errno));
	return result_ok();
}

static void partitions_new(Export *export)
{
	export->partitions = calloc(export->options->bus->partitions, sizeof *export->partitions);
	must(export->partitions != NULL);
	for (unsigned i = 0; i < export->options->bus->partitions; i++) {
		buffer_init(&export->partitions[i].bytes, PAGE_BYTES + 2 * BUS_RECORD_MAX);
		buffer_init(&export->partitions[i].moved, BUS_RECORD_MAX);
	}
}

static void partitions_free(Export *export)
{
	for (unsigned i = 0; i < export->options->bus->partitions; i++) {
		buffer_release(&export->partitions[i].bytes);
		buffer_release(&export->partitions[i].moved);
	}
	free(export->partitions);
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
		partitions_new(export);
		result = everything_write(export);
		*out = export->writer.counts;
		partitions_free(export);
		buffer_release(&export->checkpoint);
		archive_writer_release(&export->writer);
		options->bus->operations->reader_close(export->reader);
	}
	free(export);
	return result;
}
