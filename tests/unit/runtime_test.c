/* The runtime of a ledger: trimming, rebuilding, standby, partitions of records, lag. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/domain/types.h"
#include "tests/support/lone_service.h"
#include "tests/support/memory_bus.h"
#include "tests/support/metric_value.h"
#include "tests/support/succeeds.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- a service that stores the last number of each name; 0 deletes the name */

static Result tally_decide(Handler *handler, const Record *input)
{
	return handler_draft(handler, &(Draft){ .type = SLICE("test.tallied.v1"), .subject = input->subject,
						.body = input->body, .time = input->time });
}

static Result tally_apply(Handler *handler, const Record *record)
{
	if (slice_is(record->body, "0"))
		return store_run(handler->store, "DELETE FROM tally WHERE name = ?1", V_TEXT(record->subject));
	return store_run(handler->store, "INSERT OR REPLACE INTO tally VALUES (?1, ?2)", V_TEXT(record->subject),
			 V_TEXT(record->body));
}

static Result tally_needed(Handler *handler, const Record *old, bool *needed)
{
	Statement *row = store_query(handler->store, "SELECT 1 FROM tally WHERE name = ?1", V_TEXT(old->subject));
	*needed = statement_next(row);
	return statement_end(row);
}

static const char *const tally_schema[] = { "CREATE TABLE tally (name TEXT PRIMARY KEY, number TEXT)" };

static const Service tally_service = {
	.name = "tally",
	.sentence = "Stores the last number of each name",
	.ledger = TOPIC_REPORTS,
	.inputs = { { .topic = TOPIC_COMMANDS, .decide = tally_decide } },
	.input_count = 1,
	.schema = tally_schema,
	.schema_version = 1,
	.apply = tally_apply,
	.needed = tally_needed,
};

static const Instant START = INT64_C(1795421730000);
static const int64_t DAY_MS = 86400000;

static int setup(void **state)
{
	LoneService *lone = calloc(1, sizeof *lone);
	lone_start(lone, &tally_service, NULL, NULL, NULL, START);
	*state = lone;
	return 0;
}

static int teardown(void **state)
{
	lone_stop(*state);
	free(*state);
	return 0;
}

static void send(LoneService *lone, const char *id, const char *name, const char *number)
{
	lone_input(lone, TOPIC_COMMANDS, id, "test.sent.v1", name, number);
	lone_settle(lone);
}

static int64_t ledger_first(const LoneService *lone)
{
	return lone->bus->operations->first(lone->bus, TOPIC_REPORTS, 0);
}

static void assert_tally(LoneService *lone, const char *expected)
{
	char text[256] = "";
	Statement *row = store_query(lone->store, "SELECT group_concat(name || number, ' ') FROM"
						   " (SELECT * FROM tally ORDER BY name)");
	if (statement_next(row))
		text_copy(statement_slice(row, 0), text, sizeof text);
	assert_int_equal(statement_end(row).kind, ERROR_NONE);
	assert_string_equal(text, expected);
}

/* ---- trimming */

static void an_old_record_that_is_not_needed_is_trimmed(void **state)
{
	LoneService *lone = *state;
	send(lone, "c1", "a", "1");
	send(lone, "c2", "a", "0");
	assert_int_equal(ledger_first(lone), 0);
	lone_until(lone, START + 31 * DAY_MS);
	send(lone, "c3", "b", "5");
	assert_true(ledger_first(lone) > 2);
	assert_tally(lone, "b5");
}

/* The owner's clock was 400 days ahead for a while. So the times of its records do not show their age. */
static void records_from_the_future_are_trimmed_with_those_after_them(void **state)
{
	LoneService *lone = *state;
	lone->now = START + 400 * DAY_MS;
	send(lone, "c1", "a", "1");
	send(lone, "c2", "a", "0");
	int64_t last = lone->bus->operations->end(lone->bus, TOPIC_REPORTS, 0) - 1, first = ledger_first(lone);
	lone->now = START + DAY_MS;
	lone_restart(lone, false);
	send(lone, "c3", "b", "5");
	lone->now = START + 2 * DAY_MS;
	lone_restart(lone, false);
	send(lone, "c4", "c", "6");
	assert_int_equal(ledger_first(lone), first); /* c3 is young, so the records before it may be young, too */
	lone->now = START + 60 * DAY_MS;
	lone_restart(lone, false);
	send(lone, "c5", "b", "0");
	lone_until(lone, lone->now + DAY_MS);
	assert_true(ledger_first(lone) > last);
	assert_tally(lone, "c6");
}

static void a_record_that_state_still_holds_is_not_trimmed(void **state)
{
	LoneService *lone = *state;
	send(lone, "c1", "a", "1");
	send(lone, "c2", "b", "2");
	lone_until(lone, START + 40 * DAY_MS);
	send(lone, "c3", "b", "3");
	/* At most the claim and the opening record were trimmed; the only record of `a` was not. */
	assert_true(ledger_first(lone) <= 2);
	lone_restart(lone, true);
	lone_settle(lone);
	assert_tally(lone, "a1 b3");
}

static void a_trimmed_ledger_rebuilds_the_whole_state(void **state)
{
	LoneService *lone = *state;
	for (int i = 0; i < 20; i++) {
		char id[16], number[16];
		snprintf(id, sizeof id, "x%d", i);
		snprintf(number, sizeof number, "%d", i == 19 ? 0 : i + 1);
		send(lone, id, "x", number);
	}
	lone_until(lone, START + 31 * DAY_MS);
	send(lone, "c1", "y", "7");
	lone_until(lone, lone->now + DAY_MS / 12);
	assert_true(ledger_first(lone) > 20);
	lone_restart(lone, true);
	lone_settle(lone);
	assert_tally(lone, "y7");
	send(lone, "c2", "y", "8");
	assert_tally(lone, "y8");
	assert_int_equal(lone->failure.kind, ERROR_NONE);
}

static void state_behind_a_trimmed_ledger_is_rebuilt(void **state)
{
	LoneService *lone = *state;
	send(lone, "c1", "a", "1");
	send(lone, "c2", "b", "2");
	int64_t end = lone->bus->operations->end(lone->bus, TOPIC_REPORTS, 0);
	/*
	 * As if another replica was the owner and trimmed the ledger while this disk was unused: only b is in the rest of the log.
	 */
	succeeds(store_run(lone->store, "UPDATE runtime_cursor SET next = 2 WHERE place = 'ledger'"));
	succeeds(lone->bus->operations->trim(lone->bus, TOPIC_REPORTS, 0, end - 1));
	lone_restart(lone, false);
	lone_settle(lone);
	assert_tally(lone, "b2");
}

/* ---- another log on the same bus */

/* The state after an import into new topics: the bus has the log of another installation, and the state file is the old one. */
static void bus_replace(LoneService *lone)
{
	LoneService other;
	lone_start(&other, &tally_service, NULL, NULL, NULL, lone->now);
	other.owners = 40;
	lone_restart(&other, true);
	send(&other, "n1", "x", "8");
	send(&other, "n2", "y", "9");
	send(&other, "n3", "z", "9");
	Bus *before = lone->bus;
	lone->bus = other.bus;
	other.bus = before;
	lone_restart(lone, false);
	lone_stop(&other);
}

static void state_of_another_log_is_rebuilt(void **state)
{
	LoneService *lone = *state;
	send(lone, "c1", "a", "1");
	send(lone, "c2", "b", "2");
	bus_replace(lone);
	lone_settle(lone);
	assert_int_equal(lone->failure.kind, ERROR_NONE);
	assert_tally(lone, "x8 y9 z9");
	send(lone, "c3", "a", "3");
	assert_tally(lone, "a3 x8 y9 z9");
}

/* The old log had more records than the imported one, which is the usual case. */
static void state_that_read_more_than_another_log_holds_is_rebuilt(void **state)
{
	LoneService *lone = *state;
	char id[16];
	for (int i = 0; i < 40; i++) {
		snprintf(id, sizeof id, "c%d", i);
		send(lone, id, "a", "1");
	}
	bus_replace(lone);
	lone_settle(lone);
	assert_int_equal(lone->failure.kind, ERROR_NONE);
	assert_tally(lone, "x8 y9 z9");
}

static void state_that_read_a_dropped_record_last_still_fits(void **state)
{
	LoneService *lone = *state;
	send(lone, "c1", "a", "1");
	/* Appends a claim and a record of another owner, both of the service's own epoch. The service reads and drops both. */
	lone_input(lone, TOPIC_REPORTS, "unknown", "test.tallied.v1", "q", "9");
	lone_settle(lone);
	succeeds(store_run(lone->store, "INSERT INTO tally VALUES ('kept', '0')"));
	lone_restart(lone, false);
	lone_settle(lone);
	assert_tally(lone, "a1 kept0");
}

/* ---- the group */

static void a_replica_that_is_not_assigned_follows_and_does_not_claim(void **state)
{
	LoneService *lone = *state;
	send(lone, "c1", "a", "1");
	lone_restart(lone, true);
	runtime_free(lone->runtime);
	RuntimeOptions options = { .service = &tally_service, .bus = lone->bus, .store = lone->store, .owner_id = 77,
				   .standby = true };
	assert_int_equal(runtime_new(&options, &lone->runtime).kind, ERROR_NONE);
	runtime_assign(lone->runtime, false);
	assert_false(runtime_is_ready(lone->runtime));
	uint64_t claims = runtime_figures(lone->runtime).claims;
	lone_settle(lone);
	assert_tally(lone, "a1");
	assert_true(runtime_is_ready(lone->runtime));
	assert_int_equal(runtime_figures(lone->runtime).claims, claims);
	runtime_assign(lone->runtime, true);
	assert_false(runtime_is_ready(lone->runtime));
	lone_settle(lone);
	assert_true(runtime_is_ready(lone->runtime));
	assert_int_equal(runtime_figures(lone->runtime).claims, claims + 1);
}

static void an_owner_that_is_no_longer_assigned_works_on(void **state)
{
	LoneService *lone = *state;
	lone_settle(lone);
	runtime_assign(lone->runtime, false);
	send(lone, "c1", "a", "1");
	assert_tally(lone, "a1");
	assert_int_equal(lone_outputs(lone, TOPIC_REPORTS, "test.tallied.v1"), 1);
}

/* ---- the partition of a record */

/* An incident id that belongs to `partition`, of two partitions, whether it is a record's subject or a record's key. */
static Id incident_of(unsigned partition)
{
	char name[16];
	unsigned slot;
	for (int i = 0;; i++) {
		snprintf(name, sizeof name, "k%d", i);
		slot = slot_of(slice_of(name));
		Id id = id_of_incident(START, slot, slice_of(name));
		if (slot % 2 == partition && slot_of(id_slice(&id)) % 2 == partition)
			return id;
	}
}

static void append_to(Bus *bus, unsigned partition, const char *id, const Id *subject)
{
	char time[INSTANT_TEXT];
	Buffer headers;
	instant_format(START, time);
	buffer_init(&headers, 1024);
	header_add(&headers, "ce_id", slice_of(id));
	header_add(&headers, "ce_type", SLICE("test.sent.v1"));
	header_add(&headers, "ce_time", slice_of(time));
	header_add(&headers, "ce_subject", id_slice(subject));
	BusRecord record = { .key = id_slice(subject), .headers = buffer_slice(&headers), .body = SLICE("1") };
	assert_int_equal(bus_append(bus, TOPIC_COMMANDS, partition, &record, NULL, NULL).kind, ERROR_NONE);
	buffer_release(&headers);
}

static void a_record_in_the_wrong_partition_becomes_a_dead_letter(void **state)
{
	(void)state;
	Bus *bus = memory_bus_new(TOPICS, 2);
	Store *store;
	Runtime *runtime;
	StoreOptions file = runtime_store_options(&tally_service, ":memory:");
	assert_int_equal(store_open(&file, &store, NULL).kind, ERROR_NONE);
	RuntimeOptions options = { .service = &tally_service, .bus = bus, .store = store, .owner_id = 1 };
	assert_int_equal(runtime_new(&options, &runtime).kind, ERROR_NONE);
	Id here = incident_of(0), elsewhere = incident_of(1);
	append_to(bus, 0, "c1", &here);
	append_to(bus, 0, "c2", &elsewhere);
	for (int i = 0; i < 50; i++) {
		bool progressed;
		assert_int_equal(runtime_step(runtime, START + i, &progressed).kind, ERROR_NONE);
		memory_bus_deliver_all(bus);
	}
	assert_int_equal(runtime_figures(runtime).dead_letters, 1);
	assert_int_equal(bus->operations->end(bus, TOPIC_DEAD_LETTERS, 0), 1);
	Statement *row = store_query(store, "SELECT count(*) FROM tally");
	assert_true(statement_next(row));
	assert_int_equal(statement_integer(row, 0), 1);
	assert_int_equal(statement_end(row).kind, ERROR_NONE);
	runtime_free(runtime);
	store_close(store);
	bus->operations->close(bus);
}

/* ---- lag */

static const char input_lag[] = "tocsin_bus_lag_records{service=\"tally\",topic=\"commands\"}";
static const char ledger_lag[] = "tocsin_bus_lag_records{service=\"tally\",topic=\"reports\"}";

static void unread_records_are_reported_as_lag_until_they_are_read(void **state)
{
	LoneService *lone = *state;
	send(lone, "c1", "a", "1");
	lone->now += 2000;
	lone_settle(lone);
	assert_int_equal(metric_value(input_lag), 0);
	runtime_pause(lone->runtime, true);
	lone->now += 2000;
	send(lone, "c2", "a", "2");
	send(lone, "c3", "a", "3");
	assert_int_equal(metric_value(input_lag), 1); /* the metric is updated once a second: it shows the state before c3 */
	lone->now += 2000;
	lone_settle(lone);
	assert_int_equal(metric_value(input_lag), 2);
	assert_int_equal(metric_value(ledger_lag), 0);
	runtime_pause(lone->runtime, false);
	lone_settle(lone);
	lone->now += 2000;
	lone_settle(lone);
	assert_int_equal(metric_value(input_lag), 0);
	assert_int_equal(metric_value(ledger_lag), 0);
	assert_tally(lone, "a3");
}

static void a_freed_runtime_has_no_lag(void **state)
{
	LoneService *lone = *state;
	lone_settle(lone);
	runtime_pause(lone->runtime, true);
	lone->now += 2000;
	send(lone, "c1", "a", "1");
	assert_int_equal(metric_value(input_lag), 1);
	lone_restart(lone, true);
	assert_int_equal(metric_value(input_lag), 0);
}

static void records_waiting_for_a_future_owner_are_lag_and_those_of_another_replica_are_not(void **state)
{
	(void)state;
	Bus *bus = memory_bus_new(TOPICS, 2);
	Store *stores[2];
	Runtime *runtimes[2];
	StoreOptions file = runtime_store_options(&tally_service, ":memory:");
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(store_open(&file, &stores[i], NULL).kind, ERROR_NONE);
		RuntimeOptions options = { .service = &tally_service, .partition = i, .bus = bus, .store = stores[i],
					   .owner_id = 1 + i, .standby = true };
		assert_int_equal(runtime_new(&options, &runtimes[i]).kind, ERROR_NONE);
		runtime_pause(runtimes[i], true); /* a paused runtime does not claim */
		Id subject = incident_of(i);
		append_to(bus, i, "c1", &subject);
	}
	memory_bus_deliver_all(bus);
	for (int second = 0; second < 6; second++) {
		bool progressed;
		runtime_assign(runtimes[1], second < 3);
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(runtime_step(runtimes[i], START + 1000 * second, &progressed).kind, ERROR_NONE);
		assert_int_equal(metric_value(input_lag), second < 3 ? 2 : 1);
	}
	for (unsigned i = 0; i < 2; i++) {
		runtime_free(runtimes[i]);
		store_close(stores[i]);
	}
	bus->operations->close(bus);
}

/* ---- an owner that opens its partition observes its inputs again */

static int observe_refusals; /* the number of next calls of watch_observe that fail, as on a full disk */
static bool observe_each_at_second; /* the first call with each record fails, the second succeeds */
static char refused[16];            /* id of the last record that failed because of observe_each_at_second */
static int observed;

static Result watch_observe(Handler *handler, const Record *input)
{
	(void)handler;
	if (slice_is(input->body, "bad"))
		return result_fail(ERROR_INPUT, "this record cannot be read");
	if (observe_refusals > 0) {
		observe_refusals--;
		return result_fail(ERROR_AGAIN, "the disk is full");
	}
	if (observe_each_at_second && !slice_is(input->id, refused)) {
		must(text_copy(input->id, refused, sizeof refused));
		return result_fail(ERROR_AGAIN, "the disk is full");
	}
	observed++;
	return result_ok();
}

static const Service watch_service = {
	.name = "watch",
	.sentence = "Observes the records of another ledger",
	.ledger = TOPIC_REPORTS,
	.inputs = { { .topic = TOPIC_JOURNAL, .observe = watch_observe, .decide = tally_decide } },
	.input_count = 1,
	.schema = tally_schema,
	.schema_version = 1,
	.apply = tally_apply,
};

static int watch_setup(void **state)
{
	LoneService *lone = calloc(1, sizeof *lone);
	observe_refusals = observed = 0;
	observe_each_at_second = false;
	refused[0] = '\0';
	lone_start(lone, &watch_service, NULL, NULL, NULL, START);
	*state = lone;
	return 0;
}

static void journal_send(LoneService *lone, const char *id, const char *name, const char *number)
{
	lone_input(lone, TOPIC_JOURNAL, id, "test.sent.v1", name, number);
	lone_settle(lone);
}

/*
 * After a failed observation the runtime reads the record again. It must give the ledger rule the cursor from before the record, or
 * the rule would drop the record as a repeat.
 */
static void an_opening_continues_after_a_temporary_error(void **state)
{
	LoneService *lone = *state;
	journal_send(lone, "j1", "a", "1");
	journal_send(lone, "j2", "b", "2");
	journal_send(lone, "j3", "c", "3");
	assert_int_equal(observed, 3);
	observed = 0;
	observe_refusals = 2;
	lone_restart(lone, true);
	for (int i = 0; i < 4; i++)
		lone_settle(lone); /* each call repeats the failed step, as a process does after a pause */
	assert_int_equal(runtime_phase(lone->runtime), PHASE_OWNING);
	assert_int_equal(observed, 3);
	journal_send(lone, "j4", "d", "4");
	assert_tally(lone, "a1 b2 c3 d4");
}

/* Opens an owner that lost its disk. Each step observes one more of five records, interval_ms after the step before. */
static void open_slowly(LoneService *lone, int64_t interval_ms)
{
	static const char *const ids[] = { "j1", "j2", "j3", "j4", "j5" };
	bool progressed;
	for (size_t i = 0; i < 5; i++)
		journal_send(lone, ids[i], "a", "1");
	observed = 0;
	observe_refusals = INT_MAX;
	lone_restart(lone, true);
	lone_settle(lone);
	assert_int_equal(runtime_phase(lone->runtime), PHASE_OPENING);
	observe_refusals = 0;
	observe_each_at_second = true;
	for (int expected = 0; expected <= 5; expected++) {
		lone->now += interval_ms;
		assert_int_equal(runtime_step(lone->runtime, lone->now, &progressed).kind, expected < 5 ? ERROR_AGAIN : ERROR_NONE);
		assert_int_equal(runtime_phase(lone->runtime), PHASE_OPENING);
		assert_int_equal(observed, expected);
	}
	lone_settle(lone);
	assert_int_equal(runtime_phase(lone->runtime), PHASE_OWNING);
	assert_int_equal(runtime_figures(lone->runtime).claims, 1);
	assert_int_equal(runtime_figures(lone->runtime).doubts, 0);
}

/* The opening record was read back within 60 s. So no append is in doubt, even if observing the inputs takes longer. */
static void an_opening_may_observe_its_inputs_for_longer_than_a_minute(void **state)
{
	open_slowly(*state, 20000);
}

static void an_opening_continues_after_its_process_was_suspended_for_longer_than_a_minute(void **state)
{
	open_slowly(*state, 70000);
}

static void an_opening_passes_over_a_record_that_became_a_dead_letter(void **state)
{
	LoneService *lone = *state;
	journal_send(lone, "j1", "a", "1");
	journal_send(lone, "j2", "b", "bad");
	journal_send(lone, "j3", "c", "3");
	assert_int_equal(lone_outputs(lone, TOPIC_DEAD_LETTERS, TYPE_DEAD_LETTER), 1);
	observed = 0;
	lone_restart(lone, true);
	lone_settle(lone);
	assert_false(result_failed(lone->failure));
	assert_int_equal(runtime_phase(lone->runtime), PHASE_OWNING);
	assert_int_equal(observed, 2);
	journal_send(lone, "j4", "d", "4");
	assert_tally(lone, "a1 c3 d4");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(an_old_record_that_is_not_needed_is_trimmed),
		TEST(records_from_the_future_are_trimmed_with_those_after_them),
		TEST(a_record_that_state_still_holds_is_not_trimmed),
		TEST(a_trimmed_ledger_rebuilds_the_whole_state),
		TEST(state_behind_a_trimmed_ledger_is_rebuilt),
		TEST(state_of_another_log_is_rebuilt),
		TEST(state_that_read_more_than_another_log_holds_is_rebuilt),
		TEST(state_that_read_a_dropped_record_last_still_fits),
		TEST(a_replica_that_is_not_assigned_follows_and_does_not_claim),
		TEST(an_owner_that_is_no_longer_assigned_works_on),
		TEST(unread_records_are_reported_as_lag_until_they_are_read),
		TEST(a_freed_runtime_has_no_lag),
		cmocka_unit_test(records_waiting_for_a_future_owner_are_lag_and_those_of_another_replica_are_not),
		cmocka_unit_test(a_record_in_the_wrong_partition_becomes_a_dead_letter),
		cmocka_unit_test_setup_teardown(an_opening_continues_after_a_temporary_error, watch_setup, teardown),
		cmocka_unit_test_setup_teardown(an_opening_may_observe_its_inputs_for_longer_than_a_minute, watch_setup, teardown),
		cmocka_unit_test_setup_teardown(an_opening_continues_after_its_process_was_suspended_for_longer_than_a_minute,
						watch_setup, teardown),
		cmocka_unit_test_setup_teardown(an_opening_passes_over_a_record_that_became_a_dead_letter, watch_setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
