/* A home is carried into one with other partitions and back: the six services' own records, on the bus of SQLite. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/audit/audit.h"
#include "services/audit/carry.h"
#include "services/audit/verify.h"
#include "services/classification/classification.h"
#include "services/gateway/core/accept.h"
#include "services/gateway/gateway.h"
#include "services/intake/intake.h"
#include "services/notification/notification.h"
#include "services/response/response.h"
#include "shared/domain/types.h"
#include "shared/edge/bus_sqlite.h"
#include "shared/edge/clock.h"
#include "shared/edge/files.h"
#include "shared/service/import.h"
#include "shared/service/replay.h"
#include "shared/service/rest.h"
#include "tests/support/scratch.h"
#include "tests/unit/pack.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOLD_MS = 20, LIMIT_MS = 20000, FILE_BYTES = 64 << 20, HOMES_MAX = 4, SOURCES = 9, REPEATS = 4 };

static const Service *const services[] = { &gateway_service,  &intake_service,       &classification_service,
					   &response_service, &notification_service, &audit_service };
enum { SERVICES = sizeof services / sizeof services[0] };

static Policy *pack;
static BusTopic rows[TOPICS];

/* ---- a home: a bus and the audit log beside it */

typedef struct {
	char path[SCRATCH_PATH], audit[SCRATCH_PATH];
	unsigned partitions;
	Bus *bus;
	CarryEnds rested, carried;
} Home;

typedef struct {
	Scratch scratch;
	Home homes[HOMES_MAX];
	size_t count;
} Bench;

static void home_open(Home *home)
{
	char path[SCRATCH_PATH + 32];
	snprintf(path, sizeof path, "%s/bus.db", home->path);
	BusSqliteOptions options = {
		.path = path, .topics = rows, .topic_count = TOPICS, .partitions = home->partitions
	};
	Result result = bus_sqlite_open(&options, &home->bus);
	if (result_failed(result))
		fail_msg("%s", result.text);
}

static void home_close(Home *home)
{
	home->bus->operations->close(home->bus);
	home->bus = NULL;
}

static Home *home_new(Bench *bench, unsigned partitions)
{
	char name[32];
	must(bench->count < HOMES_MAX);
	Home *home = &bench->homes[bench->count];
	snprintf(name, sizeof name, "home-%zu/audit", bench->count);
	must(!result_failed(directory_make(scratch_path(&bench->scratch, name, home->audit), 0700)));
	snprintf(name, sizeof name, "home-%zu", bench->count);
	scratch_path(&bench->scratch, name, home->path);
	snprintf(name, sizeof name, "home-%zu/audit/ledger.jsonl", bench->count++);
	scratch_path(&bench->scratch, name, home->audit);
	home->partitions = partitions;
	home_open(home);
	return home;
}

static Result home_rest(Home *home)
{
	AuditEnvironment audit = { .ledger = NULL };
	NotificationEnvironment notification = { .public_url = "http://127.0.0.1" };
	must(!result_failed(audit_file_new(home->audit, &audit.ledger)));
	const RestService all[] = { { &intake_service, NULL, home->bus },
				    { &classification_service, NULL, home->bus },
				    { &response_service, NULL, home->bus },
				    { &notification_service, &notification, home->bus },
				    { &audit_service, &audit, home->bus } };
	RestOptions options = { .home = home->path,
				.services = all,
				.service_count = sizeof all / sizeof all[0],
				.hold_ms = HOLD_MS,
				.limit_ms = LIMIT_MS };
	Result result = rest_reach(&options, &home->rested);
	audit_ledger_close(audit.ledger);
	return result;
}

static void home_settle(Home *home)
{
	Result result = home_rest(home);
	if (result_failed(result))
		fail_msg("%s", result.text);
}

/* ---- what happens in it */

static void append_to(Home *home, TopicId topic, unsigned partition, Slice key, Slice headers, Slice body)
{
	BusRecord record = { .key = key, .headers = headers, .body = body };
	must(!result_failed(bus_append(home->bus, topic, partition, &record, NULL, NULL)));
}

static void policy_put(Home *home)
{
	Buffer headers, body;
	buffer_init(&headers, 4096);
	buffer_init(&body, BUS_RECORD_MAX);
	header_add(&headers, "ce_id", SLICE("pol_test"));
	header_add(&headers, "ce_type", SLICE(TYPE_POLICY_PUBLISHED));
	header_add(&headers, "ce_time", SLICE("2026-01-01T00:00:00.000Z"));
	json_write(policy_message(pack), &body);
	append_to(home, TOPIC_POLICIES, 0, SLICE("default"), buffer_slice(&headers), buffer_slice(&body));
	buffer_release(&headers);
	buffer_release(&body);
}

static void event_post(Home *home, int source, int number)
{
	char body[256];
	Accepted accepted;
	FieldErrors errors;
	ProblemCode code;
	snprintf(
		body, sizeof body,
		"{\"source\":\"siem\",\"rule\":\"r%d\",\"title\":\"r%d fired\",\"id\":\"%d-%d\",\"severity\":\"high\"}",
		source, source, source, number);
	AcceptInput input = { .body = slice_of(body), .key_id = "tests", .received_at = clock_now() };
	assert_false(result_failed(accept_event(pack, &input, &accepted, &errors, &code)));
	append_to(home, TOPIC_EVENTS, accepted.slot % home->partitions, slice_of(accepted.correlation_key),
		  buffer_slice(&accepted.headers), input.body);
	accepted_release(&accepted);
}

static void happenings(Home *home)
{
	policy_put(home);
	for (int number = 0; number < REPEATS; number++)
		for (int source = 0; source < SOURCES; source++)
			event_post(home, source, number);
	home_settle(home);
}

/* ---- reading */

typedef struct {
	Replay *replay;
	size_t entries; /* records of the service's own */
	int64_t event_count;
	Buffer last;
} Reading;

static void finding_fail(void *context, int64_t offset, const char *text)
{
	(void)context;
	fail_msg("offset %" PRId64 ": %s", offset, text);
}

static bool reading_visit(void *context, const BusRecord *record)
{
	Reading *reading = context;
	replay_take(reading->replay, record);
	if (slice_starts(header_get(record->headers, "ce_type"), SLICE("tocsin.ledger.")))
		return true;
	reading->entries++;
	buffer_clear(&reading->last);
	buffer_append(&reading->last, record->body);
	return true;
}

/* Every ledger holds what it promises; how many records of services there are in all partitions. */
static size_t entries_of(Home *home, TopicId ledger)
{
	const BusOperations *operations = home->bus->operations;
	size_t entries = 0;
	BusReader *reader;
	assert_false(result_failed(operations->reader_open(home->bus, &reader)));
	for (unsigned partition = 0; partition < (topics[ledger].slotted ? home->partitions : 1); partition++) {
		Reading reading = { .replay = replay_new(ledger, partition, finding_fail, NULL) };
		buffer_init(&reading.last, BUS_RECORD_MAX);
		int64_t at = 0, end = operations->end(home->bus, ledger, partition);
		while (at < end)
			assert_false(result_failed(operations->read(reader, (BusPlace){ ledger, partition, at }, 1000,
								    true, reading_visit, &reading, &at)));
		assert_int_equal(replay_figures(reading.replay).findings, 0);
		entries += reading.entries;
		replay_free(reading.replay);
		buffer_release(&reading.last);
	}
	operations->reader_close(reader);
	return entries;
}

typedef struct {
	size_t counts[TOPICS];
} Census;

static Census census(Home *home)
{
	Census all = { { 0 } };
	for (TopicId topic = 0; topic < TOPICS; topic++)
		if (topics[topic].kind == TOPIC_LEDGER)
			all.counts[topic] = entries_of(home, topic);
		else
			for (unsigned i = 0; i < home->partitions; i++)
				all.counts[topic] += (size_t)home->bus->operations->end(home->bus, topic, i);
	return all;
}

/* ---- carrying */

static Result audit_leave(void *context, Slice checkpoint, CarryWriter *writer)
{
	return audit_carry_out(((Home *)context)->audit, checkpoint, writer);
}

static Result home_export_to(Home *home, FILE *file, CarryCounts *counts)
{
	ExportOptions options = { .bus = home->bus,
				  .services = services,
				  .service_count = SERVICES,
				  .audit = audit_leave,
				  .file = file,
				  .rested = &home->rested,
				  .context = home,
				  .now = clock_now() };
	return export_write(&options, counts, &home->carried);
}

static FILE *home_export(Home *home, CarryCounts *counts)
{
	FILE *file = tmpfile();
	Result result = home_export_to(home, file, counts);
	if (result_failed(result))
		fail_msg("%s", result.text);
	rewind(file);
	return file;
}

static Result audit_line(void *context, Slice line)
{
	return audit_arrival_line(context, line);
}

static Result audit_end(void *context, Slice checkpoint)
{
	return audit_arrival_end(context, checkpoint);
}

static ImportOptions import_options(AuditArrival *arrival)
{
	return (ImportOptions){ .services = services,
				.service_count = SERVICES,
				.owner_id = 99,
				.audit_line = audit_line,
				.audit_end = audit_end,
				.context = arrival,
				.now = clock_now() };
}

/* Up to the last record; that one too where the import is to be finished. */
static Result home_import_steps(Home *home, FILE *file, bool finished)
{
	AuditArrival arrival;
	CarryCounts counts;
	ImportOptions options = import_options(&arrival);
	Import *import = NULL;
	Result result = import_file_check(file, &options, &counts);
	if (!result_failed(result))
		result = import_target_check(home->bus);
	if (result_failed(result))
		return result;
	rewind(file);
	import = import_new(&options, &counts);
	result = audit_arrival_open(&arrival, home->audit);
	if (!result_failed(result))
		result = import_write(import, home->bus, file);
	audit_arrival_close(&arrival);
	home_close(home);
	home_open(home);
	if (!result_failed(result) && finished)
		result = import_finish(import, home->bus);
	home_close(home);
	import_free(import);
	home_open(home);
	rewind(file);
	return result;
}

static void home_import(Home *home, FILE *file)
{
	Result result = home_import_steps(home, file, true);
	if (result_failed(result))
		fail_msg("%s", result.text);
	assert_false(result_failed(import_check(home->bus)));
}

/* Lines of an export in the order of their slots: what must be the same whatever the partitions were. */
static int slots_compare(const void *one, const void *other)
{
	const char *const *a = one, *const *b = other;
	return strcmp(*a, *b);
}

static char *line_keyed(const char *line, size_t number)
{
	char *keyed = NULL, topic[32] = "";
	unsigned slot = 0;
	(void)sscanf(line, "{\"topic\":\"%31[a-z-]\",\"slot\":%u", topic, &slot);
	must(asprintf(&keyed, "%s %04u %08zu %s", topic, slot, number, line) > 0);
	return keyed;
}

static char **lines_sorted(FILE *file, size_t *count)
{
	char **lines = NULL, *line = NULL;
	size_t room = 0;
	*count = 0;
	rewind(file);
	while (getline(&line, &room, file) > 0) {
		lines = realloc(lines, (*count + 1) * sizeof *lines);
		lines[*count] = line_keyed(line, *count);
		++*count;
	}
	free(line);
	qsort(lines, *count, sizeof *lines, slots_compare);
	rewind(file);
	return lines;
}

/* Behind the number that only gave the order within a slot. */
static const char *line_text(const char *keyed)
{
	return strchr(keyed, '{');
}

static bool line_is_record(const char *keyed)
{
	return strstr(line_text(keyed), "{\"topic\":") == line_text(keyed) || strstr(keyed, "{\"audit\":");
}

static void assert_same_records(FILE *one, FILE *other)
{
	size_t counts[2];
	char **lines[2] = { lines_sorted(one, &counts[0]), lines_sorted(other, &counts[1]) };
	assert_int_equal(counts[0], counts[1]);
	for (size_t i = 0; i < counts[0]; i++) {
		if (line_is_record(lines[0][i]))
			assert_string_equal(line_text(lines[0][i]), line_text(lines[1][i]));
		free(lines[0][i]);
		free(lines[1][i]);
	}
	free(lines[0]);
	free(lines[1]);
}

/* ---- the tests */

static void carried(Bench *bench, unsigned from, unsigned to)
{
	CarryCounts counts, again, back;
	Home *source = home_new(bench, from), *target = home_new(bench, to), *last = home_new(bench, from);
	happenings(source);
	FILE *first = home_export(source, &counts);
	home_import(target, first);
	home_settle(target);
	FILE *second = home_export(target, &again);
	assert_same_records(first, second);
	home_import(last, second);
	home_settle(last);
	FILE *third = home_export(last, &back);
	assert_same_records(first, third);
	assert_int_equal(counts.records[TOPIC_EVENTS], SOURCES * REPEATS);
	assert_true(counts.records[TOPIC_JOURNAL] >= SOURCES && counts.records[TOPIC_DELIVERIES] >= SOURCES);
	assert_true(counts.audit_lines >= counts.records[TOPIC_JOURNAL]);
	fclose(first);
	fclose(second);
	fclose(third);
}

static void records_come_back_from_three_partitions_as_they_went(void **state)
{
	carried(*state, 1, 3);
}

static void records_come_back_from_twelve_partitions_as_they_went(void **state)
{
	carried(*state, 1, 12);
}

static void twelve_partitions_go_into_three_and_back(void **state)
{
	carried(*state, 12, 3);
}

/* Runs the services on the target: they must find nothing to do, and know what was before. */
static void carried_home_goes_on(Bench *bench, unsigned from, unsigned to)
{
	CarryCounts counts;
	AuditVerdict verdict;
	Home *source = home_new(bench, from), *target = home_new(bench, to);
	happenings(source);
	FILE *file = home_export(source, &counts);
	home_import(target, file);
	fclose(file);
	Census before = census(target);
	home_settle(target);
	Census after = census(target);
	assert_memory_equal(&before, &after, sizeof before);

	event_post(target, 0, 0); /* an id from before: not counted, so nothing follows from it */
	home_settle(target);
	after = census(target);
	before.counts[TOPIC_EVENTS]++;
	assert_memory_equal(&before, &after, sizeof before);

	event_post(target, 0, REPEATS); /* one more of an open incident: the same one, and no other is opened */
	home_settle(target);
	after = census(target);
	assert_int_equal(after.counts[TOPIC_REPORTS], before.counts[TOPIC_REPORTS] + 1);
	assert_int_equal(after.counts[TOPIC_JOURNAL], before.counts[TOPIC_JOURNAL] + 1);
	assert_int_equal(after.counts[TOPIC_DELIVERIES], before.counts[TOPIC_DELIVERIES]);
	assert_false(result_failed(audit_verify_file(target->audit, &verdict)));
	assert_true(verdict.whole);
	assert_int_equal(verdict.lines, counts.audit_lines + 2); /* its assessment and its entry */
}

static void a_home_goes_on_in_twelve_partitions(void **state)
{
	carried_home_goes_on(*state, 1, 12);
}

static void twelve_partitions_go_on_in_one(void **state)
{
	carried_home_goes_on(*state, 12, 1);
}

static void a_ledger_whose_beginning_was_cut_is_carried_from_there(void **state)
{
	enum { CUT = 7 };
	CarryCounts whole, counts;
	Home *source = home_new(*state, 1), *target = home_new(*state, 3);
	happenings(source);
	fclose(home_export(source, &whole));
	assert_false(result_failed(source->bus->operations->trim(source->bus, TOPIC_REPORTS, 0, CUT)));
	while (source->bus->operations->first(source->bus, TOPIC_REPORTS, 0) < CUT)
		clock_sleep_ms(1);
	FILE *file = home_export(source, &counts);
	assert_int_equal(counts.records[TOPIC_REPORTS], whole.records[TOPIC_REPORTS] - CUT + 2); /* claim and opening */
	home_import(target, file);
	Census before = census(target);
	home_settle(target);
	Census after = census(target);
	assert_memory_equal(&before, &after, sizeof before);
	fclose(file);
}

static void an_empty_home_is_carried_too(void **state)
{
	CarryCounts counts;
	Home *source = home_new(*state, 1), *target = home_new(*state, 3);
	policy_put(source);
	home_settle(source);
	FILE *file = home_export(source, &counts);
	home_import(target, file);
	home_settle(target);
	assert_int_equal(target->bus->operations->end(target->bus, TOPIC_POLICIES, 0), 1);
	fclose(file);
}

static void an_import_that_did_not_end_is_refused_until_it_is_cleared(void **state)
{
	CarryCounts counts;
	Home *source = home_new(*state, 1), *target = home_new(*state, 3);
	happenings(source);
	FILE *file = home_export(source, &counts);
	assert_false(result_failed(home_import_steps(target, file, false)));
	Result result = import_check(target->bus);
	assert_int_equal(result.kind, ERROR_INPUT);
	assert_non_null(strstr(result.text, "did not come to its end"));
	assert_int_equal(import_target_check(target->bus).kind, ERROR_INPUT);
	fclose(file);
}

static void nothing_is_imported_into_a_home_that_was_used(void **state)
{
	CarryCounts counts;
	Home *source = home_new(*state, 1), *target = home_new(*state, 3);
	happenings(source);
	policy_put(target);
	home_settle(target);
	FILE *file = home_export(source, &counts);
	Result result = home_import_steps(target, file, true);
	assert_int_equal(result.kind, ERROR_CONFLICT);
	fclose(file);
}

/* ---- the file is damaged */

typedef struct {
	Home *home;
	Buffer bytes;
} Written;

static Written written_new(Bench *bench)
{
	CarryCounts counts;
	Written written = { .home = home_new(bench, 1) };
	char piece[4096];
	size_t size;
	happenings(written.home);
	FILE *file = home_export(written.home, &counts);
	buffer_init(&written.bytes, FILE_BYTES);
	while ((size = fread(piece, 1, sizeof piece, file)) > 0)
		buffer_append(&written.bytes, (Slice){ piece, size });
	fclose(file);
	return written;
}

static Result bytes_check(Slice bytes)
{
	CarryCounts counts;
	ImportOptions options = { .services = services, .service_count = SERVICES };
	FILE *file = bytes.size > 0 ? fmemopen((void *)(uintptr_t)bytes.data, bytes.size, "r") : tmpfile();
	Result result = import_file_check(file, &options, &counts);
	fclose(file);
	return result;
}

static void a_file_that_was_cut_is_refused_wherever_it_was_cut(void **state)
{
	Written written = written_new(*state);
	Slice bytes = buffer_slice(&written.bytes);
	assert_false(result_failed(bytes_check(bytes)));
	for (size_t size = 0; size < bytes.size; size += size < bytes.size - 400 ? 997 : 1)
		assert_int_equal(bytes_check((Slice){ bytes.data, size }).kind, ERROR_INPUT);
	buffer_release(&written.bytes);
}

static void a_changed_byte_is_found(void **state)
{
	Written written = written_new(*state);
	Slice bytes = buffer_slice(&written.bytes);
	for (size_t at = 20; at < bytes.size; at += 1009) {
		char before = written.bytes.data[at];
		written.bytes.data[at] = before == 'x' ? 'y' : 'x';
		assert_int_equal(bytes_check(bytes).kind, ERROR_INPUT);
		written.bytes.data[at] = before;
	}
	buffer_release(&written.bytes);
}

static void a_file_that_goes_on_behind_its_end_is_refused(void **state)
{
	Written written = written_new(*state);
	buffer_text(&written.bytes, "{}\n");
	assert_int_equal(bytes_check(buffer_slice(&written.bytes)).kind, ERROR_INPUT);
	buffer_release(&written.bytes);
}

static void another_format_and_other_files_are_named(void **state)
{
	(void)state;
	Result result = bytes_check(SLICE("{\"tocsin\":\"export\",\"format\":2,\"partitions\":1}\n"));
	assert_int_equal(result.kind, ERROR_INPUT);
	assert_non_null(strstr(result.text, "newer"));
	result = bytes_check(SLICE("not at all\n"));
	assert_non_null(strstr(result.text, "no export"));
}

static void bytes_that_are_no_text_are_carried_as_they_are(void **state)
{
	CarryCounts counts;
	Home *source = home_new(*state, 1), *target = home_new(*state, 3);
	const Slice headers = { "ce_id\0e\xff\0a\0\0a\0twice\0", 20 }, body = { "\0\xfe\n\"", 4 };
	append_to(source, TOPIC_DEAD_LETTERS, 0, SLICE("k\x80"), headers, body);
	policy_put(source);
	home_settle(source);
	FILE *file = home_export(source, &counts);
	home_import(target, file);
	home_settle(target);
	FILE *again = home_export(target, &counts);
	assert_int_equal(counts.records[TOPIC_DEAD_LETTERS], 1);
	assert_same_records(file, again);
	fclose(file);
	fclose(again);
}

/* ---- rest */

/* Written and durable. */
static void event_post_durably(Home *home, int number)
{
	size_t before = census(home).counts[TOPIC_EVENTS];
	event_post(home, 0, number);
	while (census(home).counts[TOPIC_EVENTS] == before)
		clock_sleep_ms(1);
}

static void what_was_written_after_the_rest_makes_an_export_fail(void **state)
{
	CarryCounts counts;
	Home *source = home_new(*state, 1);
	happenings(source);
	event_post_durably(source, 77);
	FILE *file = tmpfile();
	assert_int_equal(home_export_to(source, file, &counts).kind, ERROR_CONFLICT);
	fclose(file);
}

static void what_is_written_while_it_is_exported_is_noticed(void **state)
{
	CarryCounts counts;
	Home *source = home_new(*state, 1);
	happenings(source);
	FILE *file = home_export(source, &counts);
	assert_false(result_failed(export_check(source->bus, &source->carried)));
	event_post_durably(source, 78);
	assert_int_equal(export_check(source->bus, &source->carried).kind, ERROR_CONFLICT);
	fclose(file);
}

static int bench_make(void **state)
{
	Bench *bench = calloc(1, sizeof *bench);
	scratch_make(&bench->scratch);
	*state = bench;
	return 0;
}

static int bench_drop(void **state)
{
	Bench *bench = *state;
	for (size_t i = 0; i < bench->count; i++)
		if (bench->homes[i].bus)
			home_close(&bench->homes[i]);
	scratch_remove(&bench->scratch);
	free(bench);
	return 0;
}

static int all_make(void **state)
{
	(void)state;
	for (TopicId topic = 0; topic < TOPICS; topic++)
		rows[topic] = (BusTopic){ topics[topic].short_name, topics[topic].keep_ms,
					  topics[topic].kind == TOPIC_STREAM };
	pack = pack_compiled(NULL);
	return 0;
}

static int all_drop(void **state)
{
	(void)state;
	policy_free(pack);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_make, bench_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(records_come_back_from_three_partitions_as_they_went),
		TEST(records_come_back_from_twelve_partitions_as_they_went),
		TEST(twelve_partitions_go_into_three_and_back),
		TEST(a_home_goes_on_in_twelve_partitions),
		TEST(twelve_partitions_go_on_in_one),
		TEST(a_ledger_whose_beginning_was_cut_is_carried_from_there),
		TEST(an_empty_home_is_carried_too),
		TEST(an_import_that_did_not_end_is_refused_until_it_is_cleared),
		TEST(nothing_is_imported_into_a_home_that_was_used),
		TEST(a_file_that_was_cut_is_refused_wherever_it_was_cut),
		TEST(a_changed_byte_is_found),
		TEST(a_file_that_goes_on_behind_its_end_is_refused),
		TEST(another_format_and_other_files_are_named),
		TEST(bytes_that_are_no_text_are_carried_as_they_are),
		TEST(what_was_written_after_the_rest_makes_an_export_fail),
		TEST(what_is_written_while_it_is_exported_is_noticed),
	};
	return cmocka_run_group_tests(tests, all_make, all_drop);
}
