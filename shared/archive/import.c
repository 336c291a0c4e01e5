#include "shared/archive/import.h"

#include "shared/base/id.h"
#include "shared/domain/types.h"
#include "shared/io/system/clock.h"
#include "shared/domain/ledger.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
	EPOCH = 1,
	STALLED_MS = 120000, /* the import fails if no append is acknowledged for this long */
	GROUP_MS = 30000, /* limit for the assignment of a partition; longer than the session timeout of a former member */
	PAUSE_MS = 1,
	PROGRESS_EVERY = 1024,
	MARK_BYTES = 256, /* bound of the headers that a ledger mark adds */
};

/* One partition of a topic: the records appended to it, and their acknowledgements. */
typedef struct {
	int64_t appended; /* number of records appended; also the expected end of the partition */
	uint64_t seq; /* of a ledger: sequence number of the next record */
	atomic_llong acknowledged, highest; /* number of finished appends, also failed ones; their highest offset, -1: none */
	atomic_bool failed;
} Target;

struct Import {
	ImportOptions options;
	ArchiveCounts counts;
	Bus *bus;
	Target targets[TOPICS][BUS_PARTITIONS_MAX];
	Buffer headers, moved, checkpoint;
	uint64_t lines;
};

/* ---- checks */

static void progress_report(const ImportOptions *options, const char *step, uint64_t lines)
{
	if (options->progress && lines % PROGRESS_EVERY == 0)
		options->progress(options->context, step, lines);
}

Result import_file_check(FILE *file, const ImportOptions *options, ArchiveCounts *out)
{
	ArchiveReader *reader = malloc(sizeof *reader);
	must(reader != NULL);
	ArchiveItem item = { .kind = ARCHIVE_RECORD };
	Result result = archive_reader_init(reader, file);
	while (!result_failed(result) && item.kind != ARCHIVE_END) {
		result = archive_read(reader, &item);
		progress_report(options, "checked", reader->line_number);
	}
	*out = reader->counts;
	archive_reader_release(reader);
	free(reader);
	return result;
}

Result import_target_check(Bus *bus)
{
	TRY(import_check(bus));
	for (TopicId topic = 0; topic < TOPICS; topic++)
		for (unsigned i = 0; i < topic_partitions(topic, bus->partitions); i++)
			if (bus->operations->end(bus, topic, i) > 0)
				return result_fail(
					ERROR_CONFLICT,
					"%s is not empty: import into a target that has never been used",
					topics[topic].name);
	return result_ok();
}

typedef struct {
	int64_t archived; /* ce_carried of the claim; -1: no import began this ledger */
} ClaimVisit;

static bool claim_visit(void *context, const BusRecord *record)
{
	ClaimVisit *visit = context;
	if (!slice_integer(header_get(record->headers, "ce_carried"), &visit->archived))
		visit->archived = -1;
	return false;
}

Result import_check(Bus *bus)
{
	ClaimVisit visit = { .archived = -1 };
	BusReader *reader;
	int64_t next, end = bus->operations->end(bus, TOPIC_CHECKPOINTS, 0);
	BusPosition claim = { TOPIC_CHECKPOINTS, 0, 0 };
	if (end <= claim.from || bus->operations->first(bus, TOPIC_CHECKPOINTS, 0) > claim.from)
		return result_ok();
	TRY(bus->operations->reader_open(bus, &reader));
	Result result = bus->operations->read(reader, claim, 1, false, claim_visit, &visit, &next);
	bus->operations->reader_close(reader);
	TRY(result);
	/* A completed import has written a claim, an opening, the archived records and one last record. */
	if (visit.archived >= 0 && end < 2 + visit.archived + 1)
		return result_fail(
			ERROR_INPUT,
			"an import was not completed: delete what it wrote (the topics on Kafka, else the files in TOCSIN_HOME) "
			"and import again");
	return result_ok();
}

/* ---- appending */

static void append_done(void *context, bool failed, int64_t offset)
{
	Target *target = context;
	if (failed)
		atomic_store(&target->failed, true);
	long long highest = atomic_load(&target->highest);
	while (offset > highest && !atomic_compare_exchange_weak(&target->highest, &highest, offset))
		;
	atomic_fetch_add(&target->acknowledged, 1);
}

/* Appends a record. While the queue of the bus is full, waits and tries again, for at most STALLED_MS. */
static Result append(Import *import, TopicId topic, unsigned partition, const BusRecord *record)
{
	Target *target = &import->targets[topic][partition];
	int64_t until_us = clock_monotonic_us() + STALLED_MS * INT64_C(1000);
	Result result = bus_append(import->bus, topic, partition, record, append_done, target);
	while (result.kind == ERROR_AGAIN && clock_monotonic_us() < until_us) {
		clock_sleep_ms(PAUSE_MS);
		result = bus_append(import->bus, topic, partition, record, append_done, target);
	}
	if (!result_failed(result))
		target->appended++;
	return result_wrap(result, "%s/%u", topics[topic].name, partition);
}

static int64_t pending(Import *import)
{
	int64_t count = 0;
	for (TopicId topic = 0; topic < TOPICS; topic++)
		for (unsigned i = 0; i < topic_partitions(topic, import->bus->partitions); i++)
			count +=
				import->targets[topic][i].appended - atomic_load(&import->targets[topic][i].acknowledged);
	return count;
}

/*
 * Fails if an append failed or another program wrote to the partition. If none did, the highest offset is the number of appended
 * records minus one.
 */
static Result target_check(const Target *target, TopicId topic, unsigned partition)
{
	if (atomic_load(&target->failed))
		return result_fail(ERROR_AGAIN, "a record of %s/%u was not acknowledged", topics[topic].name, partition);
	if (target->appended > 0 && atomic_load(&target->highest) != target->appended - 1)
		return result_fail(ERROR_CONFLICT,
				   "another program writes to %s: stop every program of Tocsin, clear the target, import again",
				   topics[topic].name);
	return result_ok();
}

/* Waits until all appends are acknowledged, then checks that each got its expected offset. */
static Result pending_wait(Import *import)
{
	int64_t before = INT64_MAX, now, until_us = 0;
	while ((now = pending(import)) > 0) {
		if (now < before)
			until_us = clock_monotonic_us() + STALLED_MS * INT64_C(1000);
		before = now;
		if (clock_monotonic_us() > until_us)
			return result_fail(ERROR_AGAIN, "the bus has not acknowledged a record for 120 s");
		clock_sleep_ms(PAUSE_MS);
	}
	for (TopicId topic = 0; topic < TOPICS; topic++)
		for (unsigned i = 0; i < topic_partitions(topic, import->bus->partitions); i++)
			TRY(target_check(&import->targets[topic][i], topic, i));
	return result_ok();
}

/* ---- ledgers */

static const Service *ledger_service(const Import *import, TopicId topic)
{
	const ImportOptions *options = &import->options;
	for (size_t i = 0; i < options->service_count && topics[topic].kind == TOPIC_LEDGER; i++)
		if (options->services[i]->ledger == topic)
			return options->services[i];
	return NULL;
}

static void mark_add(Import *import, Target *target)
{
	LedgerMark mark = {
		.claim = target->seq == 0, .epoch = EPOCH, .owner = import->options.owner_id, .seq = target->seq++
	};
	ledger_mark_write(&import->headers, &mark);
}

/* Appends a claim, opening or advance; further: packed headers to add. */
static Result protocol_append(Import *import, TopicId ledger, unsigned partition, const char *type, Slice further)
{
	char partition_name[64], name[96], time[INSTANT_TEXT];
	snprintf(partition_name, sizeof partition_name, "%s/%u", topics[ledger].short_name, partition);
	snprintf(name, sizeof name, "%016" PRIx64 ".%s", import->options.owner_id, type);
	Id id = id_of_pair(ID_IMPORTED_PROTOCOL, slice_of(partition_name), slice_of(name));
	instant_format(import->options.now, time);
	Buffer *headers = &import->headers;
	buffer_clear(headers);
	header_add(headers, "ce_id", id_slice(&id));
	header_add(headers, "ce_type", slice_of(type));
	header_add(headers, "ce_time", slice_of(time));
	mark_add(import, &import->targets[ledger][partition]);
	buffer_append(headers, further);
	return append(import, ledger, partition, &(BusRecord){ .headers = buffer_slice(headers), .body = SLICE("{}") });
}

static Result ledger_claim(Import *import, TopicId ledger)
{
	Result result = result_ok();
	Buffer further;
	buffer_init(&further, MARK_BYTES);
	/* This claim states how many checkpoints will follow, so that import_check detects an import that was not completed. */
	if (ledger == TOPIC_CHECKPOINTS)
		header_add_integer(&further, "ce_carried", (int64_t)import->counts.records[ledger]);
	for (unsigned i = 0; i < topic_partitions(ledger, import->bus->partitions) && !result_failed(result); i++)
		result = protocol_append(import, ledger, i, TYPE_LEDGER_CLAIMED, buffer_slice(&further));
	buffer_release(&further);
	return result;
}

static Result ledger_open(Import *import, TopicId ledger)
{
	Result result = result_ok();
	Buffer further;
	buffer_init(&further, MARK_BYTES);
	header_add(&further, "ce_prev", SLICE("0.0"));
	header_add_integer(&further, "ce_partitions", import->bus->partitions);
	for (unsigned i = 0; i < topic_partitions(ledger, import->bus->partitions) && !result_failed(result); i++)
		result = protocol_append(import, ledger, i, TYPE_LEDGER_OPENED, buffer_slice(&further));
	buffer_release(&further);
	return result;
}

/*
 * Begins the checkpoints ledger (`first`) or all other ledgers: appends the claims and waits until each is acknowledged as the
 * first record of its partition; then appends the openings and waits in the same way.
 */
static Result ledger_begin_all(Import *import, bool first)
{
	Result (*const steps[])(Import *, TopicId) = { ledger_claim, ledger_open };
	for (size_t step = 0; step < sizeof steps / sizeof steps[0]; step++) {
		for (TopicId topic = 0; topic < TOPICS; topic++)
			if (ledger_service(import, topic) && (topic == TOPIC_CHECKPOINTS) == first)
				TRY(steps[step](import, topic));
		TRY(pending_wait(import));
	}
	return result_ok();
}

static void positions_add(const Import *import, const ServiceInput *input, unsigned own, LedgerPositions *out)
{
	unsigned all = topic_partitions(input->topic, import->bus->partitions);
	for (unsigned i = 0; i < all; i++) {
		if (!input->all_partitions && i != (topics[input->topic].slotted ? own : 0))
			continue;
		must(out->count < LEDGER_POSITIONS_MAX);
		out->list[out->count].topic = input->topic;
		out->list[out->count].partition = i;
		out->list[out->count++].position = import->targets[input->topic][i].appended;
	}
}

/*
 * Appends the last record of a ledger partition. It states the ends of all inputs and that everything is derived, so that the
 * next owner continues from there.
 */
static Result partition_end(Import *import, const Service *service, unsigned partition)
{
	LedgerPositions positions = { 0 };
	Buffer text, further;
	for (size_t i = 0; i < service->input_count; i++)
		positions_add(import, &service->inputs[i], partition, &positions);
	buffer_init(&text, LEDGER_POSITIONS_TEXT);
	buffer_init(&further, LEDGER_POSITIONS_TEXT + MARK_BYTES);
	ledger_positions_write(&text, partition, &positions);
	header_add(&further, "ce_positions", buffer_slice(&text));
	header_add_integer(&further, "ce_derived", import->targets[service->ledger][partition].appended);
	Result result = protocol_append(import, service->ledger, partition, TYPE_LEDGER_ADVANCED, buffer_slice(&further));
	buffer_release(&text);
	buffer_release(&further);
	return result;
}

static Result ledger_end(Import *import, TopicId ledger)
{
	for (unsigned i = 0; i < topic_partitions(ledger, import->bus->partitions); i++)
		TRY(partition_end(import, ledger_service(import, ledger), i));
	return result_ok();
}

/* ---- archived records */

/*
 * Adds the headers of an archived record. The file states offsets of the service's input (Service.offsets) relative to the end
 * of that input; they become offsets in the target.
 */
static void headers_moved(Import *import, const Service *service, unsigned partition, Slice headers)
{
	Slice name, value;
	while (header_next(&headers, &name, &value)) {
		if (service->offsets.name && slice_is(name, service->offsets.name)) {
			buffer_clear(&import->moved);
			service->offsets.move(value, import->targets[service->inputs[0].topic][partition].appended,
					      &import->moved);
			value = buffer_slice(&import->moved);
		}
		buffer_append(&import->headers, name);
		buffer_byte(&import->headers, '\0');
		buffer_append(&import->headers, value);
		buffer_byte(&import->headers, '\0');
	}
}

static Result record_append(Import *import, const ArchiveRecord *record)
{
	unsigned partition = topics[record->topic].slotted ? record->slot % import->bus->partitions : 0;
	const Service *service = ledger_service(import, record->topic);
	BusRecord out = { .key = record->key, .headers = record->headers, .body = record->body };
	if (service) {
		buffer_clear(&import->headers);
		headers_moved(import, service, partition, record->headers);
		mark_add(import, &import->targets[record->topic][partition]);
		if (import->headers.overflowed || import->moved.overflowed)
			return result_fail(ERROR_INPUT, "line %" PRIu64 ": the headers of the record are too large: the file was changed",
					   (uint64_t)import->lines);
		out.headers = buffer_slice(&import->headers);
	}
	if (record->topic == TOPIC_CHECKPOINTS) {
		buffer_clear(&import->checkpoint);
		buffer_append(&import->checkpoint, record->body);
	}
	return append(import, record->topic, partition, &out);
}

static Result item_take(Import *import, const ArchiveItem *item)
{
	const ImportOptions *options = &import->options;
	progress_report(options, "written", ++import->lines);
	switch (item->kind) {
	case ARCHIVE_RECORD: return record_append(import, &item->record);
	case ARCHIVE_AUDIT: return options->audit_line(options->context, item->audit);
	case ARCHIVE_END: break;
	}
	return options->audit_end(options->context, buffer_slice(&import->checkpoint));
}

static Result records_append(Import *import, FILE *file)
{
	ArchiveReader *reader = malloc(sizeof *reader);
	must(reader != NULL);
	ArchiveItem item = { .kind = ARCHIVE_RECORD };
	Result result = archive_reader_init(reader, file);
	while (!result_failed(result) && item.kind != ARCHIVE_END) {
		result = archive_read(reader, &item);
		if (!result_failed(result))
			result = item_take(import, &item);
	}
	if (!result_failed(result) && memcmp(&reader->counts, &import->counts, sizeof import->counts) != 0)
		result = result_fail(ERROR_INPUT, "the file was changed while it was imported");
	archive_reader_release(reader);
	free(reader);
	return result;
}

/* ---- services without state: the positions of their groups are committed at the ends of the inputs */

typedef Result (*GroupStep)(Import *import, const Service *service, TopicId topic, unsigned partition);

static Result group_each(Import *import, GroupStep step)
{
	for (size_t i = 0; i < import->options.service_count; i++) {
		const Service *service = import->options.services[i];
		for (size_t k = 0; k < service->input_count && service->ledger == TOPICS && !service->schema; k++)
			for (unsigned p = 0; p < topic_partitions(service->inputs[k].topic, import->bus->partitions); p++)
				TRY(step(import, service, service->inputs[k].topic, p));
	}
	return result_ok();
}

/* Waits until the group has assigned the partition to this bus: only a member of a group can commit positions of the group. */
static Result group_wait(Import *import, const Service *service, TopicId topic, unsigned partition)
{
	int64_t until_us = clock_monotonic_us() + GROUP_MS * INT64_C(1000);
	(void)topic;
	while (!bus_assigned(import->bus, partition)) {
		if (clock_monotonic_us() > until_us)
			return result_fail(ERROR_CONFLICT,
					   "another program runs %s: stop every program of Tocsin, clear the target, import again",
					   service->name);
		clock_sleep_ms(PAUSE_MS);
	}
	return result_ok();
}

static Result group_commit(Import *import, const Service *service, TopicId topic, unsigned partition)
{
	return import->bus->operations->commit(import->bus, service->name, topic, partition,
					       import->targets[topic][partition].appended);
}

static Result group_check(Import *import, const Service *service, TopicId topic, unsigned partition)
{
	int64_t known = import->bus->operations->committed(import->bus, service->name, topic, partition);
	return known == import->targets[topic][partition].appended
		       ? result_ok()
		       : result_fail(ERROR_AGAIN, "the committed position of %s in %s/%u was lost: clear the target, import again", service->name,
				     topics[topic].name, partition);
}

/* ---- the whole import */

Import *import_new(const ImportOptions *options, const ArchiveCounts *counts)
{
	Import *import = calloc(1, sizeof *import);
	must(import != NULL);
	import->options = *options;
	import->counts = *counts;
	for (TopicId topic = 0; topic < TOPICS; topic++)
		for (unsigned i = 0; i < BUS_PARTITIONS_MAX; i++)
			atomic_init(&import->targets[topic][i].highest, -1);
	buffer_init(&import->headers, BUS_RECORD_MAX + LEDGER_POSITIONS_TEXT);
	buffer_init(&import->moved, BUS_RECORD_MAX);
	buffer_init(&import->checkpoint, BUS_RECORD_MAX);
	return import;
}

void import_free(Import *import)
{
	if (!import)
		return;
	buffer_release(&import->headers);
	buffer_release(&import->moved);
	buffer_release(&import->checkpoint);
	free(import);
}

Result import_write(Import *import, Bus *bus, FILE *file)
{
	import->bus = bus;
	TRY(ledger_begin_all(import, true));
	TRY(ledger_begin_all(import, false));
	TRY(records_append(import, file));
	/*
	 * In the table of topics, a ledger precedes the ledgers that read it. So the positions of the readers include its last
	 * record.
	 */
	for (TopicId topic = 0; topic < TOPICS; topic++)
		if (ledger_service(import, topic) && topic != TOPIC_CHECKPOINTS)
			TRY(ledger_end(import, topic));
	TRY(pending_wait(import));
	TRY(group_each(import, group_wait));
	return group_each(import, group_commit);
}

static Result ends_check(const Import *import)
{
	Bus *bus = import->bus;
	for (TopicId topic = 0; topic < TOPICS; topic++)
		for (unsigned i = 0; i < topic_partitions(topic, bus->partitions); i++)
			if (bus->operations->end(bus, topic, i) != import->targets[topic][i].appended)
				return result_fail(
					ERROR_CONFLICT,
					"%s/%u ends at offset %" PRId64 ", but %" PRId64 " records were appended: another program writes to "
					"it, or the broker lost records; clear the target, import again",
					topics[topic].name, i, bus->operations->end(bus, topic, i),
					import->targets[topic][i].appended);
	return result_ok();
}

Result import_finish(Import *import, Bus *bus)
{
	import->bus = bus;
	TRY(ends_check(import));
	TRY(group_each(import, group_check));
	TRY(ledger_end(import, TOPIC_CHECKPOINTS));
	return pending_wait(import);
}
