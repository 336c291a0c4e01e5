/* A home is carried into one with other partitions and back: the six services' own records, on the bus of SQLite. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/audit/verify.h"
#include "shared/base/id.h"
#include "shared/io/system/clock.h"
#include "tests/support/homes.h"
#include "tests/unit/pack.h"

#include <stdlib.h>
#include <string.h>

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

static void carried(Homes *homes, unsigned from, unsigned to)
{
	ArchiveCounts counts, again, back;
	DataDir *source = home_new(homes, from), *target = home_new(homes, to), *last = home_new(homes, from);
	home_happenings(source);
	FILE *first = home_export(source, &counts);
	home_import(target, first);
	FILE *second = home_export(target, &again);
	assert_same_records(first, second);
	home_import(last, second);
	FILE *third = home_export(last, &back);
	assert_same_records(first, third);
	assert_int_equal(counts.records[TOPIC_EVENTS], HOME_SOURCES * HOME_REPEATS + 1); /* and a closing */
	assert_int_equal(counts.records[TOPIC_JOURNAL],
			 home_census(source).counts[TOPIC_JOURNAL]); /* not what was dropped */
	assert_true(counts.records[TOPIC_JOINS] >= HOME_SOURCES);
	assert_true(counts.records[TOPIC_JOURNAL] >= HOME_SOURCES && counts.records[TOPIC_DELIVERIES] >= HOME_SOURCES);
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
static void carried_home_goes_on(Homes *homes, unsigned from, unsigned to)
{
	ArchiveCounts counts;
	AuditVerdict verdict;
	DataDir *source = home_new(homes, from), *target = home_new(homes, to);
	home_happenings(source);
	FILE *file = home_export(source, &counts);
	home_import(target, file);
	fclose(file);
	HomeCensus before = home_census(target);
	home_settle(target);
	HomeCensus after = home_census(target);
	assert_memory_equal(&before, &after, sizeof before);

	home_event(target, 0, 0); /* an id from before: not counted, so nothing follows from it */
	home_settle(target);
	after = home_census(target);
	before.counts[TOPIC_EVENTS]++;
	assert_memory_equal(&before, &after, sizeof before);

	home_event(target, 0, HOME_REPEATS); /* one more of an open incident: the same one, and no other is opened */
	home_settle(target);
	after = home_census(target);
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

static void three_partitions_go_on_in_one(void **state)
{
	carried_home_goes_on(*state, 3, 1);
}

static void a_ledger_whose_beginning_was_cut_is_carried_from_there(void **state)
{
	enum { CUT = 7 };
	ArchiveCounts whole, counts;
	DataDir *source = home_new(*state, 1), *target = home_new(*state, 3);
	home_happenings(source);
	fclose(home_export(source, &whole));
	assert_false(result_failed(source->bus->operations->trim(source->bus, TOPIC_REPORTS, 0, CUT)));
	while (source->bus->operations->first(source->bus, TOPIC_REPORTS, 0) < CUT)
		clock_sleep_ms(1);
	FILE *file = home_export(source, &counts);
	assert_int_equal(counts.records[TOPIC_REPORTS], whole.records[TOPIC_REPORTS] - CUT + 2); /* claim and opening */
	home_import(target, file);
	HomeCensus before = home_census(target);
	home_settle(target);
	HomeCensus after = home_census(target);
	assert_memory_equal(&before, &after, sizeof before);
	fclose(file);
}

/* Events and joins live where their key does, all else where its incident does. */
static unsigned slot_wanted(const ArchiveRecord *record)
{
	unsigned slot;
	Instant opened_at;
	bool by_key = record->topic == TOPIC_EVENTS || record->topic == TOPIC_JOINS;
	if (!by_key && id_incident_parse(header_get(record->headers, "ce_subject"), &slot, &opened_at))
		return slot;
	return slot_of(record->key);
}

static void every_record_names_the_slot_it_was_sent_to(void **state)
{
	ArchiveCounts counts;
	ArchiveItem item = { .kind = ARCHIVE_RECORD };
	ArchiveReader *reader = malloc(sizeof *reader);
	DataDir *source = home_new(*state, 1);
	home_happenings(source);
	FILE *file = home_export(source, &counts);
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

static void an_empty_home_is_carried_too(void **state)
{
	ArchiveCounts counts;
	DataDir *source = home_new(*state, 1), *target = home_new(*state, 3);
	home_policy(source);
	home_settle(source);
	FILE *file = home_export(source, &counts);
	home_import(target, file);
	home_settle(target);
	assert_int_equal(target->bus->operations->end(target->bus, TOPIC_POLICIES, 0), 1);
	fclose(file);
}

static void an_import_that_did_not_end_is_refused_until_it_is_cleared(void **state)
{
	ArchiveCounts counts;
	DataDir *source = home_new(*state, 1), *target = home_new(*state, 3);
	home_policy(source);
	home_settle(source);
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
	ArchiveCounts counts;
	DataDir *source = home_new(*state, 1), *target = home_new(*state, 3);
	home_policy(source);
	home_settle(source);
	home_policy(target);
	home_settle(target);
	FILE *file = home_export(source, &counts);
	Result result = home_import_steps(target, file, true);
	assert_int_equal(result.kind, ERROR_CONFLICT);
	fclose(file);
}

static void bytes_that_are_no_text_are_carried_as_they_are(void **state)
{
	ArchiveCounts counts;
	DataDir *source = home_new(*state, 1), *target = home_new(*state, 3);
	const Slice headers = { "ce_id\0e\xff\0a\0\0a\0twice\0", 20 }, body = { "\0\xfe\n\"", 4 };
	home_append(source, TOPIC_DEAD_LETTERS, 0, SLICE("k\x80"), headers, body);
	home_policy(source);
	home_settle(source);
	FILE *file = home_export(source, &counts);
	home_import(target, file);
	FILE *again = home_export(target, &counts);
	assert_int_equal(counts.records[TOPIC_DEAD_LETTERS], 1);
	assert_same_records(file, again);
	fclose(file);
	fclose(again);
}

/* ---- rest */

/* Written and durable. */
static void event_durably(DataDir *home, int number)
{
	size_t before = home_census(home).counts[TOPIC_EVENTS];
	home_event(home, 0, number);
	while (home_census(home).counts[TOPIC_EVENTS] == before)
		clock_sleep_ms(1);
}

static void what_was_written_after_the_rest_makes_an_export_fail(void **state)
{
	ArchiveCounts counts;
	DataDir *source = home_new(*state, 1);
	home_happenings(source);
	event_durably(source, 77);
	FILE *file = tmpfile();
	assert_int_equal(home_export_to(source, file, &counts).kind, ERROR_CONFLICT);
	fclose(file);
}

static void what_is_written_while_it_is_exported_is_noticed(void **state)
{
	ArchiveCounts counts;
	DataDir *source = home_new(*state, 1);
	home_happenings(source);
	FILE *file = home_export(source, &counts);
	assert_false(result_failed(export_check(source->bus, &source->carried)));
	event_durably(source, 78);
	assert_int_equal(export_check(source->bus, &source->carried).kind, ERROR_CONFLICT);
	fclose(file);
}
static Policy *pack;

static int homes_begin(void **state)
{
	Homes *homes = malloc(sizeof *homes);
	must(homes != NULL);
	homes_make(homes, pack);
	*state = homes;
	return 0;
}

static int homes_end(void **state)
{
	homes_drop(*state);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, homes_begin, homes_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(records_come_back_from_three_partitions_as_they_went),
		TEST(records_come_back_from_twelve_partitions_as_they_went),
		TEST(twelve_partitions_go_into_three_and_back),
		TEST(a_home_goes_on_in_twelve_partitions),
		TEST(three_partitions_go_on_in_one),
		TEST(a_ledger_whose_beginning_was_cut_is_carried_from_there),
		TEST(every_record_names_the_slot_it_was_sent_to),
		TEST(an_empty_home_is_carried_too),
		TEST(an_import_that_did_not_end_is_refused_until_it_is_cleared),
		TEST(nothing_is_imported_into_a_home_that_was_used),
		TEST(bytes_that_are_no_text_are_carried_as_they_are),
		TEST(what_was_written_after_the_rest_makes_an_export_fail),
		TEST(what_is_written_while_it_is_exported_is_noticed),
	};
	return cmocka_run_group_tests(tests, pack_make, pack_drop);
}
