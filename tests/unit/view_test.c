#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/gateway/gateway.h"
#include "services/gateway/view.h"
#include "shared/domain/documents.h"
#include "shared/domain/lifecycle.h"
#include "shared/domain/types.h"
#include "shared/runtime/runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define T0 INT64_C(1795421730000) /* 2026-11-23T08:15:30Z */

static Store *store;
static int64_t offset;

static int view_open(void **state)
{
	(void)state;
	StoreOptions options = runtime_store_options(&gateway_service, ":memory:");
	offset = 0;
	return result_failed(store_open(&options, &store, NULL)) ? -1 : 0;
}

static int view_close(void **state)
{
	(void)state;
	store_close(store);
	return 0;
}

/* ---- records as response and notification write them ---------------------------------------------------------- */

static Id incident_id(int64_t number)
{
	char event[24];
	snprintf(event, sizeof event, "evt_%lld", (long long)number);
	return id_of_incident(T0 + number, 7, slice_of(event));
}

static Instant clock_ms; /* the gateway's clock, in ms after T0 */

/* Passes a record to the service's handler, as the runtime does. */
static Result take(TopicId topic, const char *type, const char *id, int64_t at_ms, const char *body)
{
	Handler handler = { .service = &gateway_service, .store = store, .now = T0 + clock_ms };
	Record record = { .topic = topic,
			  .offset = offset++,
			  .id = slice_of(id),
			  .type = slice_of(type),
			  .time = T0 + at_ms,
			  .body = slice_of(body) };
	Result result = result_fail(ERROR_INTERNAL, "the gateway does not read this topic");
	assert_false(result_failed(gateway_service.restore(&handler)));
	for (size_t i = 0; i < gateway_service.input_count; i++)
		if (gateway_service.inputs[i].topic == topic)
			result = gateway_service.inputs[i].handle(&handler, &record);
	gateway_service.release(&handler);
	return result;
}

static void taken(Result result)
{
	if (result_failed(result))
		print_error("%s\n", result.text);
	assert_false(result_failed(result));
}

/* Opens an incident by a journal record of two entries. The arguments are the members that differ between the tests. */
static void open_incident(int64_t number, const char *kind, const char *status, const char *title, const char *asset)
{
	char body[2048];
	Id id = incident_id(number);
	snprintf(body, sizeof body,
		 "{\"incident_id\":\"%s\",\"version\":2,\"entries\":["
		 "{\"version\":1,\"type\":\"opened\",\"at\":\"2026-11-23T08:15:30.000Z\",\"actor\":null,\"data\":{"
		 "\"event_id\":\"e\"},"
		 "\"changes\":{\"id\":\"%s\",\"number\":\"INC-2026-AAAA-%04lld\",\"title\":\"%s\",\"asset\":\"%s\","
		 "\"source\":\"ids\","
		 "\"correlation_key\":\"key%lld\"}},"
		 "{\"version\":2,\"type\":\"assessed\",\"at\":\"2026-11-23T08:15:30.000Z\",\"actor\":null,\"data\":{},"
		 "\"changes\":{\"kind\":\"%s\",\"status\":\"%s\",\"grade\":\"II\",\"severity\":\"high\"}}]}",
		 id.text, id.text, (long long)number, title, asset, (long long)number, kind, status);
	taken(take(TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED, "jrn", number, body));
}

static void take_command(const Id *command, const Id *incident, int64_t at_ms, const char *actor_kind)
{
	char body[512];
	snprintf(body, sizeof body,
		 "{\"incident_id\":\"%s\",\"command\":\"note\",\"actor\":{\"kind\":\"%s\",\"id\":\"k\"},\"arguments\":{"
		 "},"
		 "\"fingerprint\":\"ff\",\"issued_at\":\"2026-11-23T08:15:30.000Z\"}",
		 incident->text, actor_kind);
	taken(take(TOPIC_COMMANDS, TYPE_COMMAND, command->text, at_ms, body));
}

static void answer_command(const char *type, const Id *command, const Id *incident, const char *problem)
{
	char body[1024];
	snprintf(body, sizeof body,
		 "{\"incident_id\":\"%s\",\"command_id\":\"%s\",\"fingerprint\":\"ff\",\"entries\":[],"
		 "\"problem\":%s,\"version\":2}",
		 incident->text, command->text, problem);
	taken(take(TOPIC_JOURNAL, type, "jrn", 5, body));
}

static Id command_id(const char *name)
{
	return id_of_pair(ID_COMMAND_OF_REQUEST, slice_of(name), SLICE_NONE);
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

/* Writes the titles of a page's items to `out`, in their order: "a,b". */
static void titles_of(const char *items, char *out, size_t size)
{
	char *whole = NULL;
	json_error_t error;
	out[0] = '\0';
	assert_true(asprintf(&whole, "[%s]", items) > 0);
	json_t *list JSON_AUTO = json_loads(whole, 0, &error);
	assert_non_null(list);
	free(whole);
	size_t index;
	json_t *item;
	json_array_foreach (list, index, item)
		snprintf(out + strlen(out), size - strlen(out), "%s%s", index > 0 ? "," : "",
			 json_string_value(json_object_get(item, json_object_get(item, "title") ? "title" : "type")));
}

static bool ask(IncidentQuery *query, const char *name, const char *value)
{
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	incident_query_take(query, name, value, &errors);
	return errors.count == 0;
}

static void assert_list(IncidentQuery *query, const char *after, const char *titles, PageEnd *end)
{
	char found[512];
	Buffer items;
	buffer_init(&items, VIEW_PAGE_BYTES);
	taken(view_incidents(store, query, slice_of(after), &items, end));
	titles_of(items.data, found, sizeof found);
	assert_string_equal(found, titles);
	buffer_release(&items);
}

static void assert_found(const char *name, const char *value, const char *titles)
{
	IncidentQuery query;
	PageEnd end;
	incident_query_init(&query);
	assert_true(ask(&query, name, value));
	assert_list(&query, "", titles, &end);
	assert_false(end.more);
}

static void three_incidents(void)
{
	open_incident(1, "event", "received", "Port scan", "gw-1");
	open_incident(2, "incident", "reported", "Ransomware 100% \\\\_ note", "db-1");
	open_incident(3, "incident", "closed", "信息泄露", "hr-1");
}

/* ---- tests ---------------------------------------------------------------------------------------------------- */

static void an_incident_is_the_fold_of_its_entries(void **state)
{
	(void)state;
	three_incidents();
	Id id = incident_id(2);
	Buffer text;
	int64_t version;
	json_t *document;
	buffer_init(&text, VIEW_DOCUMENT_BYTES);
	taken(view_incident(store, id_slice(&id), &text, &version));
	assert_int_equal(version, 2);
	taken(json_read(buffer_slice(&text), &document));
	assert_string_equal(json_string_value(json_object_get(document, "status")), "reported");
	assert_int_equal(json_integer_value(json_object_get(document, "version")), 2);
	assert_true(json_is_null(json_object_get(document, "closed_at")));
	json_decref(document);
	buffer_release(&text);
}

static void an_unknown_incident_is_not_found(void **state)
{
	(void)state;
	Buffer text;
	int64_t version;
	Id id = incident_id(9);
	buffer_init(&text, 1024);
	assert_int_equal(view_incident(store, id_slice(&id), &text, &version).kind, ERROR_NOT_FOUND);
	buffer_release(&text);
}

static void a_list_is_newest_first(void **state)
{
	(void)state;
	IncidentQuery query;
	PageEnd end;
	three_incidents();
	incident_query_init(&query);
	assert_list(&query, "", "信息泄露,Ransomware 100% \\_ note,Port scan", &end);
	assert_false(end.more);
}

static void filters_choose_any_of_their_values(void **state)
{
	(void)state;
	three_incidents();
	assert_found("kind", "incident", "信息泄露,Ransomware 100% \\_ note");
	assert_found("kind", "event,incident", "信息泄露,Ransomware 100% \\_ note,Port scan");
	assert_found("status", "closed,received", "信息泄露,Port scan");
	assert_found("grade", "I", "");
	assert_found("grade", "I,II", "信息泄露,Ransomware 100% \\_ note,Port scan");
	assert_found("severity", "high", "信息泄露,Ransomware 100% \\_ note,Port scan");
	assert_found("source", "ids", "信息泄露,Ransomware 100% \\_ note,Port scan");
	assert_found("source", "siem", "");
	assert_found("number", "INC-2026-AAAA-0002", "Ransomware 100% \\_ note");
	assert_found("correlation_key", "key1", "Port scan");
}

static void several_filters_must_all_match(void **state)
{
	(void)state;
	IncidentQuery query;
	PageEnd end;
	three_incidents();
	incident_query_init(&query);
	assert_true(ask(&query, "status", "received,closed"));
	assert_true(ask(&query, "kind", "incident"));
	assert_true(ask(&query, "q", "HR"));
	assert_list(&query, "", "信息泄露", &end);
}

static void q_finds_text_literally(void **state)
{
	(void)state;
	three_incidents();
	assert_found("q", "PORT", "Port scan");
	assert_found("q", "泄露", "信息泄露");
	assert_found("q", "db-1", "Ransomware 100% \\_ note");
	assert_found("q", "inc-2026-aaaa-0001", "Port scan");
	assert_found("q", "100%", "Ransomware 100% \\_ note");
	assert_found("q", "%", "Ransomware 100% \\_ note");
	assert_found("q", "\\_", "Ransomware 100% \\_ note");
	assert_found("q", "_", "Ransomware 100% \\_ note");
	assert_found("q", "' OR 1=1 --", "");
}

static void pages_follow_one_another_without_gap_or_repeat(void **state)
{
	(void)state;
	IncidentQuery query;
	PageEnd end;
	three_incidents();
	incident_query_init(&query);
	assert_true(ask(&query, "limit", "2"));
	assert_list(&query, "", "信息泄露,Ransomware 100% \\_ note", &end);
	assert_true(end.more);
	open_incident(4, "event", "received", "Newer", "x");
	assert_list(&query, end.last, "Port scan", &end);
	assert_false(end.more);
}

static void a_wrong_parameter_is_reported(void **state)
{
	static const char *const wrong[][2] = {
		{ "colour", "red" },  { "kind", "disaster" }, { "kind", "event," }, { "kind", "" },
		{ "status", "open" }, { "grade", "1" },       { "limit", "0" },     { "limit", "201" },
		{ "limit", "x" },     { "source", "" },       { "cursor", "" },     { "severity", "High" },
		{ "number", "INC-2026-AAAA" }, { "number", "inc-2026-aaaa-0002" }, { "number", "INC-2026-AAAA-000I" },
	};
	IncidentQuery query;
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		incident_query_init(&query);
		assert_false(ask(&query, wrong[i][0], wrong[i][1]));
	}
	incident_query_init(&query);
	assert_true(ask(&query, "kind", "event"));
	assert_false(ask(&query, "kind", "incident"));
	assert_false(ask(&query, "status", "open"));
	assert_ptr_equal(query.allowed, status_words);
}

static void an_unknown_parameter_is_told_the_filters_of_the_table(void **state)
{
	IncidentQuery query;
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	char expected[FIELD_DETAIL] = "is not a parameter of this list; parameters are ";
	(void)state;
	for (size_t i = 0; i < incident_table.count; i++)
		if (incident_table.fields[i].flags & FIELD_FILTER)
			strcat(strcat(expected, incident_table.fields[i].name), ", ");
	strcat(expected, "q, limit, cursor");
	incident_query_init(&query);
	incident_query_take(&query, "colour", "red", &errors);
	assert_string_equal(errors.list[0].detail, expected);
}

/* A list filtered by an indexed row reads the index and sorts nothing. */
static void indexed_rows_have_an_index(void **state)
{
	size_t indexed = 0;
	(void)state;
	for (size_t i = 0; i < incident_table.count; i++) {
		const Field *field = &incident_table.fields[i];
		char sql[256], wanted[128];
		if (!(field->flags & FIELD_INDEXED))
			continue;
		snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN SELECT id, document FROM incidents WHERE \"%s\" = 'x' ORDER BY id DESC",
			 field->name);
		snprintf(wanted, sizeof wanted, "USING INDEX incidents_%s (%s=?)", field->name, field->name);
		Statement *plan = store_query_composed(store, sql, NULL, 0);
		assert_true(statement_next(plan));
		Slice step = statement_slice(plan, 3);
		if (!strstr(step.data, wanted))
			fail_msg("%s: %s", field->name, step.data);
		assert_false(statement_next(plan));
		taken(statement_end(plan));
		indexed++;
	}
	assert_true(indexed >= 6);
}

static void values_are_bounded(void **state)
{
	char many[8192] = "x";
	IncidentQuery query;
	(void)state;
	for (int i = 0; i < FILTER_VALUES_MAX; i++)
		strcat(many, ",x");
	incident_query_init(&query);
	assert_false(ask(&query, "source", many));
	memset(many, 'y', sizeof many - 1);
	many[sizeof many - 1] = '\0';
	incident_query_init(&query);
	assert_false(ask(&query, "q", many));
}

static void another_query_is_another_list(void **state)
{
	IncidentQuery one, other;
	(void)state;
	incident_query_init(&one);
	incident_query_init(&other);
	assert_true(ask(&one, "kind", "event") && ask(&one, "q", "x"));
	assert_true(ask(&other, "q", "x") && ask(&other, "kind", "event") && ask(&other, "limit", "7"));
	Digest first = incident_query_digest(&one), second = incident_query_digest(&other);
	assert_true(digest_equals(&first, &second));
	assert_true(ask(&other, "status", "closed"));
	second = incident_query_digest(&other);
	assert_false(digest_equals(&first, &second));
}

static void assert_timeline(const Id *id, const char *after, int64_t limit, const char *types, PageEnd *end)
{
	char found[256];
	Buffer items;
	buffer_init(&items, VIEW_PAGE_BYTES);
	taken(view_timeline(store, id_slice(id), slice_of(after), limit, &items, end));
	titles_of(items.data, found, sizeof found);
	assert_string_equal(found, types);
	buffer_release(&items);
}

static void deliver(const Id *incident, int64_t at_ms, const char *type, const char *delivery_state)
{
	char body[512];
	snprintf(body, sizeof body,
		 "{\"incident_id\":\"%s\",\"escalation_level\":1,\"deliveries\":[{\"key\":\"msg_1\",\"channel\":"
		 "\"webhook\","
		 "\"recipient\":\"channel:webhook\",\"escalation_level\":1,\"state\":\"%s\",\"attempt\":0}]}",
		 incident->text, delivery_state);
	taken(take(TOPIC_DELIVERIES, type, "dlv", at_ms, body));
}

static void a_timeline_is_oldest_first_with_deliveries_among_the_entries(void **state)
{
	(void)state;
	PageEnd end;
	Id id = incident_id(1);
	char body[512];
	three_incidents();
	snprintf(body, sizeof body,
		 "{\"incident_id\":\"%s\",\"version\":3,\"entries\":[{\"version\":3,\"type\":\"noted\",\"at\":"
		 "\"2026-11-23T08:15:32.000Z\",\"actor\":{\"kind\":\"key\",\"id\":\"k\"},\"data\":{\"text\":\"t\"},"
		 "\"changes\":{}}]}",
		 id.text);
	taken(take(TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED, "jrn", 2000, body));
	deliver(&id, 1000, TYPE_ESCALATION_REACHED, "queued");
	deliver(&id, 1500, TYPE_DELIVERY_ATTEMPTED, "sent");
	/* A plan is no item of the timeline, because nothing has happened yet. */
	deliver(&id, 1600, TYPE_ESCALATION_PLANNED, "queued");
	assert_timeline(&id, "", 10, "opened,assessed,delivery,delivery,noted", &end);
	assert_false(end.more);
	assert_timeline(&id, "", 3, "opened,assessed,delivery", &end);
	assert_true(end.more);
	assert_timeline(&id, end.last, 3, "delivery,noted", &end);
	assert_false(end.more);
}

static void every_item_of_a_timeline_has_every_member(void **state)
{
	static const char *const members[] = { "at", "type", "version", "actor", "data" };
	static const char *const data_members[] = {
		"escalation_level", "channel", "recipient", "state", "key", "detail"
	};
	(void)state;
	Id id = incident_id(1);
	PageEnd end;
	Buffer items;
	json_t *item;
	deliver(&id, 1000, TYPE_DELIVERY_ATTEMPTED, "failed");
	buffer_init(&items, VIEW_PAGE_BYTES);
	taken(view_timeline(store, id_slice(&id), SLICE_NONE, 1, &items, &end));
	taken(json_read(buffer_slice(&items), &item));
	assert_int_equal(json_object_size(item), 5);
	for (size_t i = 0; i < 5; i++)
		assert_non_null(json_object_get(item, members[i]));
	assert_true(json_is_null(json_object_get(item, "version")));
	for (size_t i = 0; i < 6; i++)
		assert_non_null(json_object_get(json_object_get(item, "data"), data_members[i]));
	json_decref(item);
	buffer_release(&items);
}

static CommandRow row_of(const Id *command)
{
	CommandRow row = { .problem = NULL };
	taken(view_command(store, id_slice(command), &row));
	return row;
}

static void a_command_is_pending_until_the_journal_answers_it(void **state)
{
	(void)state;
	Id incident = incident_id(1), command = command_id("a");
	CommandRow row = { .problem = NULL };
	assert_int_equal(view_command(store, id_slice(&command), &row).kind, ERROR_NOT_FOUND);
	take_command(&command, &incident, 0, "key");
	row = row_of(&command);
	assert_int_equal(row.state, COMMAND_PENDING);
	assert_string_equal(row.incident, incident.text);
	assert_string_equal(row.fingerprint, "ff");
	answer_command(TYPE_JOURNAL_UNCHANGED, &command, &incident, "null");
	row = row_of(&command);
	assert_int_equal(row.state, COMMAND_DONE);
	assert_int_equal(row.version, 2);
	assert_null(row.problem);
}

static void a_refused_command_keeps_its_reason(void **state)
{
	(void)state;
	Id incident = incident_id(1), command = command_id("a");
	answer_command(TYPE_JOURNAL_REFUSED, &command, &incident,
		       "{\"code\":\"transition-refused\",\"detail\":\"it is closed\",\"allowed\":[\"note\"]}");
	take_command(&command, &incident, 0, "key"); /* the view may read a command after the answer to it in the journal */
	CommandRow row = row_of(&command);
	assert_int_equal(row.state, COMMAND_REFUSED);
	assert_string_equal(json_string_value(json_object_get(row.problem, "code")), "transition-refused");
	command_row_release(&row);
}

static void commands_are_kept_as_long_as_response_remembers_them(void **state)
{
	static const int64_t KEPT_MS = 30LL * 86400000;
	(void)state;
	Id incident = incident_id(1), first = command_id("first"), last = command_id("last");
	CommandRow row = { .problem = NULL };
	clock_ms = 0;
	take_command(&first, &incident, 0, "key");
	clock_ms = KEPT_MS + 1;
	take_command(&last, &incident, KEPT_MS, "key");
	row = row_of(&first);
	take_command(&last, &incident, KEPT_MS + 1, "key");
	assert_int_equal(view_command(store, id_slice(&first), &row).kind, ERROR_NOT_FOUND);
	row = row_of(&last);
	clock_ms = 0;
}

/* Any program may write to the topic of commands, so the time of a command may be wrong. */
static void a_command_from_a_wrong_clock_is_kept_like_the_others_and_ends_none(void **state)
{
	static const int64_t DAY_MS = 86400000;
	(void)state;
	Id incident = incident_id(1), first = command_id("first"), ahead = command_id("ahead"), behind = command_id("behind");
	Id last = command_id("last");
	CommandRow row = { .problem = NULL };
	clock_ms = 0;
	take_command(&first, &incident, 0, "key");
	take_command(&ahead, &incident, 400 * DAY_MS, "key");
	take_command(&behind, &incident, -400 * DAY_MS, "key");
	take_command(&last, &incident, 1, "key");
	row = row_of(&first);
	row = row_of(&ahead);
	row = row_of(&behind);
	clock_ms = 30 * DAY_MS + 2;
	take_command(&last, &incident, clock_ms, "key");
	assert_int_equal(view_command(store, id_slice(&ahead), &row).kind, ERROR_NOT_FOUND);
	assert_int_equal(view_command(store, id_slice(&behind), &row).kind, ERROR_NOT_FOUND);
	clock_ms = 0;
}

static void commands_of_services_are_not_kept(void **state)
{
	(void)state;
	Id incident = incident_id(1), command = command_id("a");
	CommandRow row = { .problem = NULL };
	take_command(&command, &incident, 0, "system");
	assert_int_equal(view_command(store, id_slice(&command), &row).kind, ERROR_NOT_FOUND);
}

static void a_gap_in_the_versions_stops_the_view(void **state)
{
	(void)state;
	Id id = incident_id(1);
	char body[512];
	snprintf(body, sizeof body,
		 "{\"incident_id\":\"%s\",\"version\":2,\"entries\":[{\"version\":2,\"type\":\"noted\",\"at\":"
		 "\"2026-11-23T08:15:32.000Z\",\"actor\":null,\"data\":{},\"changes\":{}}]}",
		 id.text);
	assert_int_equal(take(TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED, "jrn", 0, body).kind, ERROR_INTERNAL);
}

static void a_malformed_record_is_a_dead_letter(void **state)
{
	(void)state;
	assert_int_equal(take(TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED, "jrn", 0, "{").kind, ERROR_INPUT);
	assert_int_equal(take(TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED, "jrn", 0, "{\"incident_id\":\"x\"}").kind,
			 ERROR_INPUT);
	assert_int_equal(take(TOPIC_DELIVERIES, TYPE_DELIVERY_ATTEMPTED, "dlv", 0, "{}").kind, ERROR_INPUT);
	taken(take(TOPIC_JOURNAL, "tocsin.journal.of-tomorrow.v9", "jrn", 0, "{"));
}

#define VIEW_TEST(test) cmocka_unit_test_setup_teardown(test, view_open, view_close)

/* A view whose rows or searched rows differ has other steps, and the store rebuilds it. */
static void the_schema_names_every_member_and_those_that_q_searches(void **state)
{
	(void)state;
	view_prepare();
	for (size_t i = 0; i < incident_table.count; i++) {
		const Field *field = &incident_table.fields[i];
		char named[64];
		snprintf(named, sizeof named, " %s%s ", field->name, field->flags & FIELD_SEARCH ? "+" : "");
		if (!strstr(strstr(view_schema[0], "/*"), named))
			fail_msg("the schema does not name \"%s\"", named);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_schema_names_every_member_and_those_that_q_searches),
		VIEW_TEST(an_incident_is_the_fold_of_its_entries),
		VIEW_TEST(an_unknown_incident_is_not_found),
		VIEW_TEST(a_list_is_newest_first),
		VIEW_TEST(filters_choose_any_of_their_values),
		VIEW_TEST(several_filters_must_all_match),
		VIEW_TEST(q_finds_text_literally),
		VIEW_TEST(pages_follow_one_another_without_gap_or_repeat),
		VIEW_TEST(a_wrong_parameter_is_reported),
		VIEW_TEST(an_unknown_parameter_is_told_the_filters_of_the_table),
		VIEW_TEST(indexed_rows_have_an_index),
		VIEW_TEST(values_are_bounded),
		VIEW_TEST(another_query_is_another_list),
		VIEW_TEST(a_timeline_is_oldest_first_with_deliveries_among_the_entries),
		VIEW_TEST(every_item_of_a_timeline_has_every_member),
		VIEW_TEST(a_command_is_pending_until_the_journal_answers_it),
		VIEW_TEST(a_refused_command_keeps_its_reason),
		VIEW_TEST(commands_are_kept_as_long_as_response_remembers_them),
		VIEW_TEST(a_command_from_a_wrong_clock_is_kept_like_the_others_and_ends_none),
		VIEW_TEST(commands_of_services_are_not_kept),
		VIEW_TEST(a_gap_in_the_versions_stops_the_view),
		VIEW_TEST(a_malformed_record_is_a_dead_letter),
	};
	return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
