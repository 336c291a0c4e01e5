/* The audit service: every input is in the log file exactly once, and the file agrees with the ledger. */
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

/* An audit log in memory, which tests can read and change. */
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

/* Runs for longer than the time in which the service gathers lines for one write. */
static void settle(Bench *bench)
{
	lone_until(&bench->lone, bench->lone.now + 1000);
}

/* The number of lines. Fails unless the hash chain of the file verifies and the file ends at the last accepted checkpoint. */
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

static void all_records_of_the_inputs_are_in_the_file(void **state)
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

static void lines_are_counted_once_when_their_checkpoint_is_accepted(void **state)
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

static void a_repeated_assessment_is_in_the_file_once(void **state)
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

static void an_assessment_from_the_future_makes_audit_forget_nothing(void **state)
{
	Bench *bench = *state;
	Instant now = bench->lone.now;
	assessment_add(bench, "out_a");
	for (int i = 1; i < 256; i++) {
		char id[16];
		snprintf(id, sizeof(id), "out_%d", i);
		assessment_add(bench, id);
	}
	bench->lone.now = now + 400LL * 86400000; /* a writer's clock is ahead; at offset 256 audit forgets old ids */
	assessment_add(bench, "out_future");
	bench->lone.now = now;
	assessment_add(bench, "out_a");
	settle(bench);
	assert_int_equal(lines(bench), 257);
}

static void the_id_of_an_assessment_is_forgotten_after_sixty_days(void **state)
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

static void records_close_in_time_share_a_write_and_a_checkpoint(void **state)
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

static void a_checkpoint_covers_only_lines_on_disk(void **state)
{
	Bench *bench = *state;
	journal_add(bench, 0);
	settle(bench);
	journal_add(bench, 1);
	lone_until(&bench->lone, bench->lone.now + 10); /* the line is staged, not written, when the process crashes */
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
		/* The lines are written to the file, but the append of their checkpoint is lost. */
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

static void a_lost_or_old_state_file_costs_no_line(void **state)
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

static void a_partial_line_after_a_power_failure_is_removed(void **state)
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

static void a_rewritten_log_with_valid_hashes_stops_audit(void **state)
{
	Bench *bench = *state;
	journal_add(bench, 0);
	settle(bench);
	/* A forged line with valid hashes, as long as the original. */
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

static void a_truncated_file_stops_audit(void **state)
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

/*
 * Another replica has the log file. A replica without the complete file would have to stop as soon as it became the owner, so it
 * must not claim the partition from the other replica.
 */
static void a_replica_without_the_log_claims_nothing_beside_others(void **state)
{
	Bench *bench = *state;
	for (int i = 0; i < 3; i++)
		journal_add(bench, i);
	settle(bench);
	char *whole = slice_copy(buffer_slice(&bench->ledger.file));
	Slice lost = { whole, bench->ledger.file.size };
	int64_t checkpoints = bench->lone.bus->operations->end(bench->lone.bus, TOPIC_CHECKPOINTS, 0);
	const size_t left[] = { 0, lost.size / 2, lost.size - 1 };
	bench->lone.standby = true;
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
	/* After the log file was copied to the replica, the replica continues. */
	buffer_clear(&bench->ledger.file);
	buffer_append(&bench->ledger.file, lost);
	free(whole);
	journal_add(bench, 3);
	settle(bench);
	assert_false(bench->lone.waiting);
	assert_int_equal(lines(bench), 4);
}

static void a_last_line_longer_than_one_read_is_checked(void **state)
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

/*
 * Classification publishes assessments again after a crash. Audit's new owner recognises the second copies, because it observed the
 * first copies when it took the partition over.
 */
static void assessments_repeated_after_a_take_over_are_written_once(void **state)
{
	enum { ASSESSMENTS = 40 };
	Bench *bench = *state;
	char id[32];
	lone_use_own_handle(&bench->lone);
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
	journal_add(bench, 1); /* when this record is in the file, all earlier inputs were processed */
	settle(bench);
	assert_true(file_has(bench, "rec_j1"));
	assert_int_equal(lines(bench), ASSESSMENTS + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(all_records_of_the_inputs_are_in_the_file),
		BENCH_TEST(lines_are_counted_once_when_their_checkpoint_is_accepted),
		BENCH_TEST(a_repeated_assessment_is_in_the_file_once),
		BENCH_TEST(an_assessment_from_the_future_makes_audit_forget_nothing),
		BENCH_TEST(assessments_repeated_after_a_take_over_are_written_once),
		BENCH_TEST(the_id_of_an_assessment_is_forgotten_after_sixty_days),
		BENCH_TEST(records_close_in_time_share_a_write_and_a_checkpoint),
		BENCH_TEST(a_checkpoint_covers_only_lines_on_disk),
		BENCH_TEST(lines_whose_checkpoint_was_lost_are_cut_off_and_written_again),
		BENCH_TEST(a_lost_or_old_state_file_costs_no_line),
		BENCH_TEST(a_partial_line_after_a_power_failure_is_removed),
		BENCH_TEST(a_changed_last_line_stops_audit),
		BENCH_TEST(a_rewritten_log_with_valid_hashes_stops_audit),
		BENCH_TEST(a_truncated_file_stops_audit),
		BENCH_TEST(a_replica_without_the_log_claims_nothing_beside_others),
		BENCH_TEST(a_last_line_longer_than_one_read_is_checked),
	};
	return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
