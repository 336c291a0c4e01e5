/* Audit as a service: what it reads stands in its file once, and the file follows the ledger. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/audit/audit.h"
#include "services/audit/core/chain.h"
#include "shared/domain/types.h"
#include "tests/support/lone_service.h"
#include "tests/support/memory_bus.h"
#include "tests/support/metric_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 16 << 20, START = 1795420800, DAY_SECONDS = 86400 };

/* The file in memory; a test may look at it, and change it. */
typedef struct {
	AuditLedger ledger;
	Buffer file;
	size_t writes, cuts;
} MemoryLedger;

static Result ledger_cut(AuditLedger *ledger, int64_t size)
{
	MemoryLedger *memory = (MemoryLedger *)ledger;
	memory->cuts++;
	if ((int64_t)memory->file.size < size)
		return result_fail(ERROR_INTERNAL, "the file is shorter than accepted");
	buffer_cut(&memory->file, (size_t)size);
	return result_ok();
}

static Result ledger_write(AuditLedger *ledger, Slice lines)
{
	MemoryLedger *memory = (MemoryLedger *)ledger;
	memory->writes++;
	buffer_append(&memory->file, lines);
	return result_ok();
}

static Result ledger_read(AuditLedger *ledger, int64_t from, size_t size, Buffer *out)
{
	const MemoryLedger *memory = (MemoryLedger *)ledger;
	if ((size_t)from + size > memory->file.size)
		return result_fail(ERROR_INTERNAL, "the file ends too early");
	buffer_append(out, (Slice){ memory->file.data + from, size });
	return result_ok();
}

static const AuditLedgerOperations operations = { .cut = ledger_cut, .write = ledger_write, .read = ledger_read };

typedef struct {
	LoneService lone;
	MemoryLedger ledger;
	AuditEnvironment environment;
} Bench;

static int bench_make(void **state)
{
	Bench *bench = calloc(1, sizeof(*bench));
	bench->ledger.ledger.operations = &operations;
	buffer_init(&bench->ledger.file, FILE_MAX);
	bench->environment.ledger = &bench->ledger.ledger;
	lone_start(&bench->lone, &audit_service, &bench->environment, NULL, NULL, START * 1000LL);
	*state = bench;
	return 0;
}

static int bench_drop(void **state)
{
	Bench *bench = *state;
	lone_stop(&bench->lone);
	buffer_release(&bench->ledger.file);
	free(bench);
	return 0;
}

static void journal_add(Bench *bench, int number)
{
	char id[32];
	snprintf(id, sizeof(id), "rec_j%d", number);
	lone_input(&bench->lone, TOPIC_JOURNAL, id, TYPE_JOURNAL_ENTERED, "inc_1", "{\"incident_id\":\"inc_1\"}");
}

static void assessment_add(Bench *bench, const char *id)
{
	lone_input(&bench->lone, TOPIC_ASSESSMENTS, id, TYPE_ASSESSED, "inc_1",
		   "{\"assessment\":{\"kind\":\"incident\"}}");
}

/* Past the time in which records are gathered. */
static void settle(Bench *bench)
{
	lone_until(&bench->lone, bench->lone.now + 1000);
}

/* Lines of the file, which must verify, and end where the last accepted checkpoint says. */
static int64_t lines(const Bench *bench)
{
	ChainVerify verify;
	BusRecord record;
	size_t checkpoints = lone_outputs(&bench->lone, TOPIC_CHECKPOINTS, TYPE_CHECKPOINT);
	assert_false(result_failed(bench->lone.failure));
	chain_verify_init(&verify);
	(void)chain_verify_feed(&verify, buffer_slice(&bench->ledger.file));
	if (!chain_verify_end(&verify, NULL))
		fail_msg("line %lld: %s", (long long)verify.bad_line, verify.why);
	if (checkpoints > 0) {
		json_t *body JSON_AUTO = NULL;
		char head[DIGEST_HEX];
		assert_true(lone_output(&bench->lone, TOPIC_CHECKPOINTS, TYPE_CHECKPOINT, checkpoints - 1, &record));
		assert_false(result_failed(json_read(record.body, &body)));
		digest_hex(&verify.head.head, head);
		assert_string_equal(json_string_value(json_object_get(body, "head")), head);
		assert_int_equal(json_integer_value(json_object_get(body, "size")), verify.head.size);
		assert_int_equal(json_integer_value(json_object_get(body, "count")), verify.head.count);
	}
	int64_t count = verify.head.count;
	chain_verify_release(&verify);
	return count;
}

static bool file_has(const Bench *bench, const char *text)
{
	return memmem(bench->ledger.file.data, bench->ledger.file.size, text, strlen(text)) != NULL;
}

static void everything_of_record_stands_in_the_file(void **state)
{
	Bench *bench = *state;
	for (int i = 0; i < 3; i++)
		journal_add(bench, i);
	lone_input(&bench->lone, TOPIC_JOURNAL, "rec_u", TYPE_JOURNAL_UNCHANGED, "inc_1", "{}");
	lone_input(&bench->lone, TOPIC_JOURNAL, "rec_r", TYPE_JOURNAL_REFUSED, "inc_1", "{}");
	lone_input(&bench->lone, TOPIC_DELIVERIES, "rec_d", TYPE_DELIVERY_ATTEMPTED, "inc_1", "{\"deliveries\":[]}");
	assessment_add(bench, "out_a");
	settle(bench);
	assert_int_equal(lines(bench), 7);
	assert_true(file_has(
		bench, "\"topic\":\"tocsin.deliveries\",\"record\":{\"source\":\"tocsin.deliveries\",\"id\":\"rec_d\","
		       "\"type\":\"tocsin.delivery.attempted.v1\",\"subject\":\"inc_1\","
		       "\"time\":\"2026-11-23T08:00:00.000Z\",\"partition\":0,\"offset\":1,\"cause\":null,"
		       "\"data\":{\"deliveries\":[]}}}\n"));
	assert_false(file_has(bench, "tocsin.ledger."));
}

static void lines_are_counted_when_their_checkpoint_is_of_record_and_no_second_time(void **state)
{
	Bench *bench = *state;
	int64_t before = metric_value("tocsin_audit_records_total");
	journal_add(bench, 1);
	journal_add(bench, 2);
	settle(bench);
	journal_add(bench, 3);
	settle(bench);
	assert_int_equal(metric_value("tocsin_audit_records_total"), before + 3);
	lone_restart(&bench->lone, true);
	settle(bench);
	assert_int_equal(metric_value("tocsin_audit_records_total"), before + 3);
	assessment_add(bench, "ass_1");
	settle(bench);
	assert_int_equal(lines(bench), 4);
	assert_int_equal(metric_value("tocsin_audit_records_total"), before + 4);
}

static void an_assessment_that_comes_twice_stands_there_once(void **state)
{
	Bench *bench = *state;
	assessment_add(bench, "out_a");
	assessment_add(bench, "out_a");
	assessment_add(bench, "out_b");
	settle(bench);
	assessment_add(bench, "out_a");
	settle(bench);
	lone_restart(&bench->lone, true);
	assessment_add(bench, "out_b");
	assessment_add(bench, "out_c");
	settle(bench);
	assert_int_equal(lines(bench), 3);
}

static void after_sixty_days_an_assessments_id_is_forgotten(void **state)
{
	Bench *bench = *state;
	assessment_add(bench, "out_a");
	settle(bench);
	bench->lone.now += 61LL * DAY_SECONDS * 1000;
	for (int i = 0; i < 256; i++)
		assessment_add(bench, "out_b");
	assessment_add(bench, "out_a");
	settle(bench);
	assert_int_equal(lines(bench), 3);
}

static void what_comes_together_shares_a_write_and_a_checkpoint(void **state)
{
	Bench *bench = *state;
	journal_add(bench, 0);
	settle(bench);
	size_t writes = bench->ledger.writes;
	for (int i = 1; i < 50; i++) {
		journal_add(bench, i);
		lone_until(&bench->lone, bench->lone.now + 3);
	}
	settle(bench);
	assert_int_equal(lines(bench), 50);
	assert_int_equal(bench->ledger.writes - writes, 1);
	assert_int_equal(lone_outputs(&bench->lone, TOPIC_CHECKPOINTS, TYPE_CHECKPOINT), 2);
}

static void no_checkpoint_claims_what_is_not_on_disk(void **state)
{
	Bench *bench = *state;
	journal_add(bench, 0);
	settle(bench);
	journal_add(bench, 1);
	lone_until(&bench->lone, bench->lone.now + 10); /* staged, and then the process dies */
	assert_int_equal(lines(bench), 1);
	lone_restart(&bench->lone, false);
	settle(bench);
	assert_int_equal(lines(bench), 2);
}

static void lines_whose_checkpoint_was_lost_are_cut_off_and_written_again(void **state)
{
	Bench *bench = *state;
	journal_add(bench, 0);
	settle(bench);
	for (int round = 1; round <= 3; round++) {
		/* The file is written, but the checkpoint's append fails on the wire. */
		bool progressed;
		journal_add(bench, round);
		bench->lone.now += 1000;
		for (int i = 0; i < 3; i++)
			assert_false(result_failed(runtime_step(bench->lone.runtime, bench->lone.now, &progressed)));
		bench->lone.now += 1000;
		while (memory_bus_pending(bench->lone.bus) == 0)
			assert_false(result_failed(runtime_step(bench->lone.runtime, bench->lone.now, &progressed)));
		assert_true(memory_bus_step(bench->lone.bus, 0, WIRE_LOSE));
		settle(bench);
		assert_int_equal(lines(bench), round + 1);
	}
}

static void a_state_file_lost_or_behind_never_costs_a_line(void **state)
{
	Bench *bench = *state;
	for (int i = 0; i < 5; i++) {
		journal_add(bench, i);
		settle(bench);
	}
	size_t size = bench->ledger.file.size;
	lone_restart(&bench->lone, true);
	settle(bench);
	assert_int_equal(bench->ledger.file.size, size);
	assert_int_equal(lines(bench), 5);
	journal_add(bench, 5);
	settle(bench);
	assert_int_equal(lines(bench), 6);
}

static void half_a_line_left_by_a_power_cut_is_cut_off(void **state)
{
	Bench *bench = *state;
	journal_add(bench, 0);
	settle(bench);
	buffer_text(&bench->ledger.file, "{\"seq\":2,\"previ");
	lone_restart(&bench->lone, false);
	journal_add(bench, 1);
	settle(bench);
	assert_int_equal(lines(bench), 2);
}

static void a_changed_last_line_stops_audit(void **state)
{
	Bench *bench = *state;
	for (int i = 0; i < 3; i++)
		journal_add(bench, i);
	settle(bench);
	bench->ledger.file.data[bench->ledger.file.size - 10] ^= 1;
	lone_restart(&bench->lone, false);
	settle(bench);
	assert_int_equal(bench->lone.failure.kind, ERROR_INTERNAL);
	assert_non_null(strstr(bench->lone.failure.text, "changed"));
}

static void a_rewritten_ledger_stops_audit_though_its_lines_fit(void **state)
{
	Bench *bench = *state;
	journal_add(bench, 0);
	settle(bench);
	/* Forged with all hashes right, and as long as the true one. */
	char *forged = slice_copy(buffer_slice(&bench->ledger.file));
	ChainLine line;
	assert_true(chain_line_read((Slice){ forged, bench->ledger.file.size - 1 }, &line));
	char *change = strstr(forged, "\"id\":\"rec_j0\"") + 7;
	*change = 'x';
	Digest hash = DIGEST(((Slice){ (const char *)line.previous.bytes, DIGEST_BYTES }), line.record);
	char hex[DIGEST_HEX];
	digest_hex(&hash, hex);
	memcpy(strstr(forged, "\"hash\":\"") + 8, hex, DIGEST_HEX - 1);
	memcpy(bench->ledger.file.data, forged, bench->ledger.file.size);
	free(forged);
	lone_restart(&bench->lone, false);
	settle(bench);
	assert_int_equal(bench->lone.failure.kind, ERROR_INTERNAL);
}

static void a_file_that_lost_lines_stops_audit(void **state)
{
	Bench *bench = *state;
	for (int i = 0; i < 3; i++)
		journal_add(bench, i);
	settle(bench);
	buffer_cut(&bench->ledger.file, bench->ledger.file.size / 2);
	lone_restart(&bench->lone, false);
	settle(bench);
	assert_int_equal(bench->lone.failure.kind, ERROR_INTERNAL);
}

/* Another replica holds the log then; it must not be pushed out of the way by one that could only stop. */
static void beside_others_a_replica_without_the_log_claims_nothing(void **state)
{
	Bench *bench = *state;
	for (int i = 0; i < 3; i++)
		journal_add(bench, i);
	settle(bench);
	char *whole = slice_copy(buffer_slice(&bench->ledger.file));
	Slice lost = { whole, bench->ledger.file.size };
	int64_t checkpoints = bench->lone.bus->operations->end(bench->lone.bus, TOPIC_CHECKPOINTS, 0);
	const size_t left[] = { 0, lost.size / 2, lost.size - 1 };
	bench->lone.beside_others = true;
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		buffer_clear(&bench->ledger.file);
		buffer_append(&bench->ledger.file, (Slice){ lost.data, left[i] });
		lone_restart(&bench->lone, i == 0);
		settle(bench);
		assert_true(bench->lone.waiting && !result_failed(bench->lone.failure));
		assert_int_equal(runtime_phase(bench->lone.runtime), PHASE_FOLLOWING);
		assert_true(bench->lone.bus->operations->end(bench->lone.bus, TOPIC_CHECKPOINTS, 0) == checkpoints);
		assert_int_equal(bench->ledger.file.size, left[i]);
	}
	/* The log is copied there: it goes on. */
	buffer_clear(&bench->ledger.file);
	buffer_append(&bench->ledger.file, lost);
	free(whole);
	journal_add(bench, 3);
	settle(bench);
	assert_false(bench->lone.waiting);
	assert_int_equal(lines(bench), 4);
}

static void a_line_longer_than_what_is_read_at_once_is_checked_too(void **state)
{
	enum { LONG = 300000 };
	Bench *bench = *state;
	char *body = malloc(LONG + 16);
	snprintf(body, LONG + 16, "{\"x\":\"%0*d\"}", LONG, 7);
	journal_add(bench, 0);
	lone_input(&bench->lone, TOPIC_JOURNAL, "rec_long", TYPE_JOURNAL_ENTERED, "inc_1", body);
	free(body);
	settle(bench);
	lone_restart(&bench->lone, false);
	settle(bench);
	assert_int_equal(lines(bench), 2);
}

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, bench_make, bench_drop)

/* Classification publishes again what it is not sure of; where the first copy stood is observed again by a new owner. */
static void assessments_repeated_after_a_take_over_are_written_once(void **state)
{
	enum { ASSESSMENTS = 40 };
	Bench *bench = *state;
	char id[32];
	lone_newcomer(&bench->lone);
	for (int i = 0; i < ASSESSMENTS; i++) {
		snprintf(id, sizeof(id), "rec_a%d", i);
		assessment_add(bench, id);
	}
	settle(bench);
	assert_int_equal(lines(bench), ASSESSMENTS);
	lone_restart(&bench->lone, true);
	settle(bench);
	for (int i = 0; i < ASSESSMENTS; i++) {
		snprintf(id, sizeof(id), "rec_a%d", i);
		assessment_add(bench, id);
	}
	journal_add(bench, 1); /* comes last */
	settle(bench);
	assert_true(file_has(bench, "rec_j1"));
	assert_int_equal(lines(bench), ASSESSMENTS + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(everything_of_record_stands_in_the_file),
		BENCH_TEST(lines_are_counted_when_their_checkpoint_is_of_record_and_no_second_time),
		BENCH_TEST(an_assessment_that_comes_twice_stands_there_once),
		BENCH_TEST(assessments_repeated_after_a_take_over_are_written_once),
		BENCH_TEST(after_sixty_days_an_assessments_id_is_forgotten),
		BENCH_TEST(what_comes_together_shares_a_write_and_a_checkpoint),
		BENCH_TEST(no_checkpoint_claims_what_is_not_on_disk),
		BENCH_TEST(lines_whose_checkpoint_was_lost_are_cut_off_and_written_again),
		BENCH_TEST(a_state_file_lost_or_behind_never_costs_a_line),
		BENCH_TEST(half_a_line_left_by_a_power_cut_is_cut_off),
		BENCH_TEST(a_changed_last_line_stops_audit),
		BENCH_TEST(a_rewritten_ledger_stops_audit_though_its_lines_fit),
		BENCH_TEST(a_file_that_lost_lines_stops_audit),
		BENCH_TEST(beside_others_a_replica_without_the_log_claims_nothing),
		BENCH_TEST(a_line_longer_than_what_is_read_at_once_is_checked_too),
	};
	return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
