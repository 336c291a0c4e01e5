/* Export and import between installations with different numbers of partitions, with records of all six services. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/audit/verify.h"
#include "shared/base/id.h"
#include "shared/io/system/clock.h"
#include "tests/support/installations.h"
#include "tests/unit/pack.h"

#include <stdlib.h>
#include <string.h>

/* Orders the lines of an export by topic and slot. In this order, exports of any number of partitions must be equal. */
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

/* The line without the sort prefix that line_keyed added. */
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

static void check_round_trip(Installations *installations, unsigned from, unsigned to)
{
	ArchiveCounts counts, again, back;
	Installation *source = installation_new(installations, from), *target = installation_new(installations, to);
	Installation *last = installation_new(installations, from);
	installation_populate(source);
	FILE *first = installation_export(source, &counts);
	installation_import(target, first);
	FILE *second = installation_export(target, &again);
	assert_same_records(first, second);
	installation_import(last, second);
	FILE *third = installation_export(last, &back);
	assert_same_records(first, third);
	/* + 1: the closing of the last incident. */
	assert_int_equal(counts.records[TOPIC_EVENTS], INSTALLATION_SOURCES * INSTALLATION_REPEATS + 1);
	assert_int_equal(counts.records[TOPIC_JOURNAL],
			 installation_census(source).counts[TOPIC_JOURNAL]); /* the census excludes the late record */
	assert_true(counts.records[TOPIC_JOINS] >= INSTALLATION_SOURCES);
	assert_true(counts.records[TOPIC_JOURNAL] >= INSTALLATION_SOURCES);
	assert_true(counts.records[TOPIC_DELIVERIES] >= INSTALLATION_SOURCES);
	assert_true(counts.audit_lines >= counts.records[TOPIC_JOURNAL]);
	fclose(first);
	fclose(second);
	fclose(third);
}

static void a_round_trip_over_three_partitions_keeps_all_records(void **state)
{
	check_round_trip(*state, 1, 3);
}

static void a_round_trip_over_twelve_partitions_keeps_all_records(void **state)
{
	check_round_trip(*state, 1, 12);
}

static void a_round_trip_from_twelve_partitions_over_three_keeps_all_records(void **state)
{
	check_round_trip(*state, 12, 3);
}

/*
 * Runs the services after an import. At first they must append nothing. Later they must recognise events that were counted before
 * the export.
 */
static void check_continuation(Installations *installations, unsigned from, unsigned to)
{
	ArchiveCounts counts;
	AuditVerdict verdict;
	Installation *source = installation_new(installations, from), *target = installation_new(installations, to);
	installation_populate(source);
	FILE *file = installation_export(source, &counts);
	installation_import(target, file);
	fclose(file);
	InstallationCensus before = installation_census(target);
	installation_settle(target);
	InstallationCensus after = installation_census(target);
	assert_memory_equal(&before, &after, sizeof before);

	installation_event(target, 0, 0); /* the id of an event that was counted before the export: only the log of events grows */
	installation_settle(target);
	after = installation_census(target);
	before.counts[TOPIC_EVENTS]++;
	assert_memory_equal(&before, &after, sizeof before);

	installation_event(target, 0, INSTALLATION_REPEATS); /* a new id: counts for the open incident, and opens no other */
	installation_settle(target);
	after = installation_census(target);
	assert_int_equal(after.counts[TOPIC_REPORTS], before.counts[TOPIC_REPORTS] + 1);
	assert_int_equal(after.counts[TOPIC_JOURNAL], before.counts[TOPIC_JOURNAL] + 1);
	assert_int_equal(after.counts[TOPIC_DELIVERIES], before.counts[TOPIC_DELIVERIES]);
	assert_false(result_failed(audit_verify_file(target->audit, &verdict)));
	assert_true(verdict.whole);
	assert_int_equal(verdict.lines, counts.audit_lines + 2); /* the assessment and the journal entry of the last event */
}

static void services_continue_after_an_import_into_twelve_partitions(void **state)
{
	check_continuation(*state, 1, 12);
}

static void services_continue_after_an_import_of_three_partitions_into_one(void **state)
{
	check_continuation(*state, 3, 1);
}

static void a_trimmed_ledger_is_exported_from_its_first_record(void **state)
{
	enum { CUT = 7 };
	ArchiveCounts whole, counts;
	Installation *source = installation_new(*state, 1), *target = installation_new(*state, 3);
	installation_populate(source);
	fclose(installation_export(source, &whole));
	assert_false(result_failed(source->bus->operations->trim(source->bus, TOPIC_REPORTS, 0, CUT)));
	while (source->bus->operations->first(source->bus, TOPIC_REPORTS, 0) < CUT)
		clock_sleep_ms(1);
	FILE *file = installation_export(source, &counts);
	/* Of the CUT trimmed records, two are the claim and the opening record, which no export contains. */
	assert_int_equal(counts.records[TOPIC_REPORTS], whole.records[TOPIC_REPORTS] - CUT + 2);
	installation_import(target, file);
	InstallationCensus before = installation_census(target);
	installation_settle(target);
	InstallationCensus after = installation_census(target);
	assert_memory_equal(&before, &after, sizeof before);
	fclose(file);
}

/*
 * The slot that a record must have: for events and joins the slot of the key, for other records the slot of their incident. Records
 * without an incident have the slot of their key.
 */
static unsigned slot_wanted(const ArchiveRecord *record)
{
	unsigned slot;
	Instant opened_at;
	bool by_key = record->topic == TOPIC_EVENTS || record->topic == TOPIC_JOINS;
	if (!by_key && id_incident_parse(header_get(record->headers, "ce_subject"), &slot, &opened_at))
		return slot;
	return slot_of(record->key);
}

static void every_record_has_the_slot_of_its_key_or_incident(void **state)
{
	ArchiveCounts counts;
	ArchiveItem item = { .kind = ARCHIVE_RECORD };
	ArchiveReader *reader = malloc(sizeof *reader);
	Installation *source = installation_new(*state, 1);
	installation_populate(source);
	FILE *file = installation_export(source, &counts);
	assert_false(result_failed(archive_reader_init(reader, file)));
	while (item.kind != ARCHIVE_END) {
		assert_false(result_failed(archive_read(reader, &item)));
		if (item.kind == ARCHIVE_RECORD && topics[item.record.topic].slotted)
			assert_int_equal(item.record.slot, slot_wanted(&item.record));
	}
	archive_reader_release(reader);
	free(reader);
	fclose(file);
}

static void an_installation_without_events_is_exported_and_imported(void **state)
{
	ArchiveCounts counts;
	Installation *source = installation_new(*state, 1), *target = installation_new(*state, 3);
	installation_policy(source);
	installation_settle(source);
	FILE *file = installation_export(source, &counts);
	installation_import(target, file);
	installation_settle(target);
	assert_int_equal(target->bus->operations->end(target->bus, TOPIC_POLICIES, 0), 1);
	fclose(file);
}

static void an_incomplete_import_is_refused(void **state)
{
	ArchiveCounts counts;
	Installation *source = installation_new(*state, 1), *target = installation_new(*state, 3);
	installation_policy(source);
	installation_settle(source);
	FILE *file = installation_export(source, &counts);
	assert_false(result_failed(installation_import_steps(target, file, false)));
	Result result = import_check(target->bus);
	assert_int_equal(result.kind, ERROR_INPUT);
	assert_non_null(strstr(result.text, "was not completed"));
	assert_int_equal(import_target_check(target->bus).kind, ERROR_INPUT);
	fclose(file);
}

static void an_import_into_a_used_installation_is_refused(void **state)
{
	ArchiveCounts counts;
	Installation *source = installation_new(*state, 1), *target = installation_new(*state, 3);
	installation_policy(source);
	installation_settle(source);
	installation_policy(target);
	installation_settle(target);
	FILE *file = installation_export(source, &counts);
	Result result = installation_import_steps(target, file, true);
	assert_int_equal(result.kind, ERROR_CONFLICT);
	fclose(file);
}

static void bytes_that_are_not_text_are_kept(void **state)
{
	ArchiveCounts counts;
	Installation *source = installation_new(*state, 1), *target = installation_new(*state, 3);
	const Slice headers = { "ce_id\0e\xff\0a\0\0a\0twice\0", 20 }, body = { "\0\xfe\n\"", 4 };
	installation_append(source, TOPIC_DEAD_LETTERS, 0, SLICE("k\x80"), headers, body);
	installation_policy(source);
	installation_settle(source);
	FILE *file = installation_export(source, &counts);
	installation_import(target, file);
	FILE *again = installation_export(target, &counts);
	assert_int_equal(counts.records[TOPIC_DEAD_LETTERS], 1);
	assert_same_records(file, again);
	fclose(file);
	fclose(again);
}

/* ---- records after quiescing */

/* Appends an event and waits until it is durable. */
static void event_durably(Installation *installation, int number)
{
	size_t before = installation_census(installation).counts[TOPIC_EVENTS];
	installation_event(installation, 0, number);
	while (installation_census(installation).counts[TOPIC_EVENTS] == before)
		clock_sleep_ms(1);
}

static void a_record_appended_after_quiescing_makes_the_export_fail(void **state)
{
	ArchiveCounts counts;
	Installation *source = installation_new(*state, 1);
	installation_populate(source);
	event_durably(source, 77);
	FILE *file = tmpfile();
	assert_int_equal(installation_export_to(source, file, &counts).kind, ERROR_CONFLICT);
	fclose(file);
}

static void a_record_appended_during_the_export_is_detected(void **state)
{
	ArchiveCounts counts;
	Installation *source = installation_new(*state, 1);
	installation_populate(source);
	FILE *file = installation_export(source, &counts);
	assert_false(result_failed(export_check(source->bus, &source->exported)));
	event_durably(source, 78);
	assert_int_equal(export_check(source->bus, &source->exported).kind, ERROR_CONFLICT);
	fclose(file);
}

/* ---- setup */

static Policy *pack;

static int installations_begin(void **state)
{
	Installations *installations = malloc(sizeof *installations);
	must(installations != NULL);
	installations_make(installations, pack);
	*state = installations;
	return 0;
}

static int installations_end(void **state)
{
	installations_drop(*state);
	free(*state);
	return 0;
}

static int pack_make(void **state)
{
	(void)state;
	static const PackChange joined[] = {
		{ "sources.yaml",
		  "sources:\n"
		  "  - {id: \"*\", correlate: [source, rule], window_seconds: 900, cap_seconds: 86400}\n"
		  "joins:\n"
		  "  - {by: asset, window_seconds: 86400}\n" },
		{ NULL, NULL },
	};
	pack = pack_compiled(joined);
	return 0;
}

static int pack_drop(void **state)
{
	(void)state;
	policy_free(pack);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, installations_begin, installations_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_round_trip_over_three_partitions_keeps_all_records),
		TEST(a_round_trip_over_twelve_partitions_keeps_all_records),
		TEST(a_round_trip_from_twelve_partitions_over_three_keeps_all_records),
		TEST(services_continue_after_an_import_into_twelve_partitions),
		TEST(services_continue_after_an_import_of_three_partitions_into_one),
		TEST(a_trimmed_ledger_is_exported_from_its_first_record),
		TEST(every_record_has_the_slot_of_its_key_or_incident),
		TEST(an_installation_without_events_is_exported_and_imported),
		TEST(an_incomplete_import_is_refused),
		TEST(an_import_into_a_used_installation_is_refused),
		TEST(bytes_that_are_not_text_are_kept),
		TEST(a_record_appended_after_quiescing_makes_the_export_fail),
		TEST(a_record_appended_during_the_export_is_detected),
	};
	return cmocka_run_group_tests(tests, pack_make, pack_drop);
}
