/*
 * The gateway's guarantees to its clients, on a fake bus. This file defines its own http_* functions, so no socket is opened and a
 * request only stores its answer.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/gateway/command_requests.h"
#include "services/gateway/gateway.h"
#include "services/gateway/ingest.h"
#include "services/gateway/policies.h"
#include "services/gateway/view.h"
#include "services/gateway/view_readers.h"
#include "shared/domain/types.h"
#include "shared/io/system/clock.h"
#include "shared/runtime/runtime.h"
#include "tests/support/scratch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char key_text[] = "tcs_0123abcd_0123456789abcdefghjkmnpqrstvwxyz0123456789abcdefghjk";

/* ---- requests ------------------------------------------------------------------------------------------------- */

struct HttpRequest {
	const char *path, *id, *command, *body, *idempotency_key, *if_match;
	const char *parameter, *value; /* the only parameter of the query string; NULL: no query string */
	const void *principal;
	bool suspended;
	unsigned answers;
	char text[8192], location[128], tag[32], retry_after[8];
	atomic_uint status; /* written last: the test waits for it while another thread writes the answer */
};

const char *http_path(const HttpRequest *request)
{
	return request->path;
}

const HttpRoute *http_route(const HttpRequest *request)
{
	(void)request;
	return NULL;
}

Slice http_path_value(const HttpRequest *request, const char *name)
{
	return slice_of(strcmp(name, "id") == 0 ? request->id : request->command);
}

const char *http_header(HttpRequest *request, const char *name)
{
	if (strcasecmp(name, "Idempotency-Key") == 0)
		return request->idempotency_key;
	return strcasecmp(name, "If-Match") == 0 ? request->if_match : NULL;
}

const char *http_query(HttpRequest *request, const char *name)
{
	(void)request, (void)name;
	return NULL;
}

void http_query_each(HttpRequest *request, HttpVisit visit, void *context)
{
	if (request->parameter)
		visit(context, request->parameter, request->value);
}

Slice http_body(const HttpRequest *request)
{
	return slice_of(request->body);
}

void http_set_principal(HttpRequest *request, const void *principal)
{
	request->principal = principal;
}

const void *http_principal(const HttpRequest *request)
{
	return request->principal;
}

void http_suspend(HttpRequest *request)
{
	request->suspended = true;
}

static void header_keep(HttpRequest *request, const char *name, const char *value)
{
	if (strcasecmp(name, "Location") == 0)
		snprintf(request->location, sizeof request->location, "%s", value);
	if (strcasecmp(name, "ETag") == 0)
		snprintf(request->tag, sizeof request->tag, "%s", value);
	if (strcasecmp(name, "Retry-After") == 0)
		snprintf(request->retry_after, sizeof request->retry_after, "%s", value);
}

void http_answer(HttpRequest *request, const HttpResponse *response)
{
	request->answers++;
	snprintf(request->text, sizeof request->text, "%.*s", (int)response->body.size, response->body.data);
	for (size_t i = 0; i < response->header_count; i++)
		header_keep(request, response->headers[i].name, response->headers[i].value);
	atomic_store(&request->status, response->status);
}

/* ---- the bus -------------------------------------------------------------------------------------------------- */

typedef enum { BUS_AT_ONCE, BUS_HOLDS, BUS_FULL } BusBehaviour;

enum { HELD_MAX = 4 };

static BusBehaviour behaviour;
static unsigned appended;
static Id last_id;
static struct {
	BusDone done;
	void *context;
} held[HELD_MAX];
static unsigned held_count;

static Result fake_append(Bus *bus, unsigned topic, unsigned partition, const BusRecord *record, BusDone done,
			  void *context)
{
	(void)bus, (void)topic, (void)partition;
	assert_true(text_copy(header_get(record->headers, "ce_id"), last_id.text, sizeof last_id.text));
	if (behaviour == BUS_FULL)
		return result_fail(ERROR_AGAIN, "the queue is full");
	appended++;
	if (behaviour == BUS_AT_ONCE) {
		done(context, false, 0);
		return result_ok();
	}
	assert_true(held_count < HELD_MAX);
	held[held_count].done = done;
	held[held_count++].context = context;
	return result_ok();
}

/* The topic tocsin.policies. body: its last message, published by another gateway; end 0: the topic is empty. */
static struct {
	int64_t end;
	const char *body;
} policies_topic;

static int64_t fake_end(Bus *bus, unsigned topic, unsigned partition)
{
	(void)bus, (void)partition;
	return topic == TOPIC_POLICIES ? policies_topic.end : 0;
}

static BusReader bus_reader;

static Result fake_open(Bus *bus, BusReader **out)
{
	(void)bus;
	*out = &bus_reader;
	return result_ok();
}

static void fake_close(BusReader *reader)
{
	(void)reader;
}

static Result fake_read(BusReader *reader, BusPosition position, size_t max, bool want_bodies, BusVisit visit, void *context,
			int64_t *next)
{
	(void)reader, (void)max, (void)want_bodies;
	*next = position.from + 1;
	visit(context, &(BusRecord){ .offset = position.from, .body = slice_of(policies_topic.body) });
	return result_ok();
}

static void release(bool failed)
{
	for (unsigned i = 0; i < held_count; i++)
		held[i].done(held[i].context, failed, 0);
	held_count = 0;
}

static const BusOperations operations = { .append = fake_append,
					  .end = fake_end,
					  .reader_open = fake_open,
					  .reader_close = fake_close,
					  .read = fake_read };
static Bus bus = { .operations = &operations, .partitions = 1 };

/* ---- the gateway ---------------------------------------------------------------------------------------------- */

static Scratch scratch;
static char view_path[SCRATCH_PATH];
static Store *store;
static Gateway *gateway;
static Id incident;
static AdminKey key;

/* Calls the gateway's caught_up handler as the runtime does. */
static void set_caught_up(bool caught_up)
{
	Handler handler = { .store = store, .environment = gateway };
	gateway_service.caught_up(&handler, caught_up);
}

/* Makes a gateway whose view has caught up. */
static void gateway_make(int64_t command_wait_ms)
{
	GatewayOptions options = { .bus = &bus,
				   .view_path = view_path,
				   .command_wait_ms = command_wait_ms,
				   .body_max = 65536 };
	assert_false(result_failed(admin_key_read(slice_of(key_text), &key)));
	options.key = key;
	assert_false(result_failed(gateway_new(&options, &gateway)));
	set_caught_up(true);
}

/* The message of a policy pack whose pack.yaml is the text `pack`. Returns a new reference. */
static json_t *pack_of(const char *pack)
{
	static const char sources[] =
		"sources: [{id: \"*\", correlate: [source], window_seconds: 9, cap_seconds: 99}]\n";
	static const char grading[] =
		"matrix:\n"
		"  general: {minor: IV, considerable: IV, serious: IV, grave: III}\n"
		"  important: {minor: IV, considerable: IV, serious: III, grave: II}\n"
		"  essential: {minor: IV, considerable: III, serious: II, grave: I}\n"
		"social_harm: {general: IV, considerable: III, serious: II, grave: I}\n"
		"damage_levels: {I: S, II: S, III: A, IV: B}\n"
		"severity_loss: {info: minor, low: minor, medium: considerable, high: serious, critical: grave}\n";
	const PolicyFile files[] = {
		{ "pack.yaml", slice_of(pack) },
		{ "sources.yaml", SLICE(sources) },
		{ "grading.yaml", SLICE(grading) },
	};
	PolicyErrors mistakes = { .count = 0 };
	json_t *message = NULL;
	assert_true(policy_read(files, 3, &message, &mistakes));
	return message;
}

static void policy_publish(void)
{
	json_t *message JSON_AUTO = pack_of("{id: test, version: 9, timezone: UTC, languages: [en]}\n");
	behaviour = BUS_AT_ONCE;
	assert_false(result_failed(gateway_publish_policy(gateway, message, false)));
	appended = 0;
}

static void take_journal(const char *type, const char *cause, const char *body)
{
	Record record = { .topic = TOPIC_JOURNAL,
			  .id = SLICE("jrn"),
			  .type = slice_of(type),
			  .time = 1,
			  .cause = slice_of(cause),
			  .body = slice_of(body) };
	Handler handler = { .store = store, .environment = gateway };
	assert_false(result_failed(store_begin(store)));
	IncidentStore incidents;
	incident_store_init(&incidents);
	Result result = view_take_journal(&incidents, store, &record);
	incident_store_release(&incidents);
	if (result_failed(result))
		print_error("%s\n", result.text);
	assert_false(result_failed(result));
	assert_false(result_failed(store_commit(store)));
	gateway_service.accepted(&handler, &record);
}

static void incident_make(void)
{
	char body[512];
	incident = id_of_incident(1000, 5, SLICE("evt_x"));
	snprintf(body, sizeof body,
		 "{\"incident_id\":\"%s\",\"version\":1,\"entries\":[{\"version\":1,\"type\":\"opened\","
		 "\"at\":\"2026-11-23T08:15:30.000Z\",\"actor\":null,\"data\":{},"
		 "\"changes\":{\"id\":\"%s\",\"kind\":\"incident\",\"status\":\"reported\",\"title\":\"t\"}}]}",
		 incident.text, incident.text);
	take_journal(TYPE_JOURNAL_ENTERED, "evt_x", body);
}

static int make(void **state)
{
	(void)state;
	policies_topic.end = 0;
	scratch_make(&scratch);
	scratch_path(&scratch, "view.db", view_path);
	StoreOptions options = runtime_store_options(&gateway_service, view_path);
	assert_false(result_failed(store_open(&options, &store, NULL)));
	gateway_make(60000);
	policy_publish();
	incident_make();
	return 0;
}

static int drop(void **state)
{
	(void)state;
	gateway_free(gateway);
	store_close(store);
	scratch_remove(&scratch);
	return 0;
}

/* ---- requests and answers --------------------------------------------------------------------------------------------------- */

/* Calls the handler of the route with this operation. */
static void call(const char *operation, HttpRequest *request)
{
	const HttpRoute *routes = gateway_routes(gateway);
	size_t i = 0;
	while (strcmp(routes[i].operation, operation) != 0)
		assert_true(++i < gateway_route_count);
	routes[i].handler(request, routes[i].context);
}

static HttpRequest event_of(const char *body)
{
	return (HttpRequest){ .path = "/v1/events", .body = body, .principal = &key };
}

static HttpRequest command_of_test(const char *command, const char *body)
{
	return (HttpRequest){ .path = "/v1/incidents/x/y",
			      .id = incident.text,
			      .command = command,
			      .body = body,
			      .principal = &key };
}

/* Passes response's answer to the last command on the bus to the gateway, as a record of the journal. */
static void answer_command(const char *type, const char *problem)
{
	char body[512];
	Id command = last_id;
	snprintf(body, sizeof body,
		 "{\"incident_id\":\"%s\",\"command_id\":\"%s\",\"entries\":[],\"problem\":%s,\"version\":1}",
		 incident.text, command.text, problem);
	take_journal(type, command.text, body);
}

static void assert_status(HttpRequest *request, unsigned status)
{
	if (atomic_load(&request->status) != status)
		print_error("%s\n", request->text);
	assert_int_equal(atomic_load(&request->status), status);
	assert_int_equal(request->answers, 1);
}

static void assert_waits(const HttpRequest *request)
{
	assert_true(request->suspended);
	assert_int_equal(request->answers, 0);
}

static void wait_for_answer(HttpRequest *request)
{
	for (int i = 0; i < 500 && atomic_load(&request->status) == 0; i++)
		clock_sleep_ms(10);
}

/* Asserts that an answer has exactly the members of `table`, which describes the answer in the contract. */
static void assert_document(const FieldTable *table, const char *text)
{
	_Alignas(max_align_t) char document[1024];
	json_t *tree JSON_AUTO = NULL;
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };

	assert_true(table->size <= sizeof document);
	assert_false(result_failed(json_read(slice_of(text), &tree)));
	if (!json_decode(table, tree, true, document, &errors))
		fail_msg("%s: %s %s", table->name, errors.list[0].pointer, errors.list[0].detail);
	json_t *again JSON_AUTO = json_encode(table, document);
	assert_true(json_equal(tree, again));
}

/* ---- events --------------------------------------------------------------------------------------------------- */

static void an_event_is_answered_only_when_it_is_durable(void **state)
{
	(void)state;
	HttpRequest request = event_of("{\"source\":\"s\",\"title\":\"t\"}");
	behaviour = BUS_HOLDS;
	call("postEvent", &request);
	assert_waits(&request);
	release(false);
	assert_status(&request, 202);
	assert_document(&accepted_table, request.text);
	assert_non_null(strstr(request.text, last_id.text));
	assert_non_null(strstr(request.location, "/v1/incidents?correlation_key="));
}

static void a_failed_append_of_an_event_is_answered_with_503(void **state)
{
	(void)state;
	HttpRequest request = event_of("{\"source\":\"s\",\"title\":\"t\"}");
	behaviour = BUS_HOLDS;
	call("postEvent", &request);
	release(true);
	assert_status(&request, 503);
	assert_string_equal(request.retry_after, "1");
	assert_non_null(strstr(request.text, "Idempotency-Key"));
}

static void a_full_bus_is_answered_with_retry_after(void **state)
{
	(void)state;
	HttpRequest request = event_of("{\"source\":\"s\",\"title\":\"t\"}");
	behaviour = BUS_FULL;
	call("postEvent", &request);
	assert_status(&request, 503);
	assert_string_equal(request.retry_after, "1");
}

static void events_are_refused_until_a_policy_is_in_force(void **state)
{
	(void)state;
	HttpRequest request = event_of("{\"source\":\"s\",\"title\":\"t\"}");
	gateway_free(gateway);
	gateway_make(60000);
	call("postEvent", &request);
	assert_status(&request, 503);
	assert_int_equal(appended, 0);
}

static void an_invalid_event_is_not_appended(void **state)
{
	(void)state;
	HttpRequest request = event_of("{\"source\":\"s\"}"), broken = event_of("{");
	call("postEvent", &request);
	call("postEvent", &broken);
	assert_status(&request, 422);
	assert_non_null(strstr(request.text, "\"pointer\":\"/title\""));
	assert_status(&broken, 400);
	assert_int_equal(appended, 0);
}

static void an_idempotency_key_is_for_one_body(void **state)
{
	(void)state;
	HttpRequest first = event_of("{\"source\":\"s\",\"title\":\"t\"}"), again = first, other = first;
	other.body = "{\"source\":\"s\",\"title\":\"u\"}";
	first.idempotency_key = again.idempotency_key = other.idempotency_key = "\"k\"";
	behaviour = BUS_AT_ONCE;
	call("postEvent", &first);
	call("postEvent", &again);
	call("postEvent", &other);
	assert_status(&first, 202);
	assert_status(&again, 202);
	assert_string_equal(first.text, again.text);
	assert_status(&other, 422);
	assert_non_null(strstr(other.text, "idempotency-mismatch"));
}

/* ---- a view that has not caught up ---------------------------------------------------------------------------- */

static HttpRequest list_of_test(const char *parameter, const char *value)
{
	return (HttpRequest){ .path = "/v1/incidents", .parameter = parameter, .value = value };
}

static void assert_loading(HttpRequest *request)
{
	assert_status(request, 503);
	assert_string_equal(request->retry_after, "1");
	assert_non_null(strstr(request->text, "\"code\":\"unavailable\""));
	assert_non_null(strstr(request->text, "this server is still loading its incidents and commands"));
}

/* Until the view has caught up, it may lack incidents, so 404 or an empty list could be wrong. */
static void queries_and_commands_are_refused_until_the_view_has_caught_up(void **state)
{
	(void)state;
	static const struct {
		const char *operation;
		unsigned status; /* the status after the view has caught up */
	} calls[] = {
		{ "listIncidents", 200 }, { "listIncidents", 200 }, { "listIncidents", 400 },  { "getIncident", 200 },
		{ "getTimeline", 200 },   { "getCommand", 404 },    { "commandIncident", 202 },
	};
	gateway_free(gateway);
	gateway_make(0);
	policy_publish();
	HttpRequest command = command_of_test("note", "{\"text\":\"x\"}");
	HttpRequest one = { .path = "/v1/incidents/x", .id = incident.text };
	HttpRequest refused[] = { list_of_test(NULL, NULL), list_of_test("q", "t"), list_of_test("category", "99999"),
				  one, one, one, command };
	HttpRequest answered[sizeof refused / sizeof refused[0]];
	memcpy(answered, refused, sizeof answered);
	const size_t count = sizeof calls / sizeof calls[0];
	set_caught_up(false);
	for (size_t i = 0; i < count; i++) {
		call(calls[i].operation, &refused[i]);
		assert_loading(&refused[i]);
	}
	assert_int_equal(appended, 0);
	set_caught_up(true);
	for (size_t i = 0; i < count; i++) {
		call(calls[i].operation, &answered[i]);
		assert_status(&answered[i], calls[i].status);
	}
	assert_non_null(strstr(answered[1].text, incident.text));
}

static void invalid_requests_are_refused_before_the_view_is_read(void **state)
{
	(void)state;
	HttpRequest list = list_of_test("nonsense", "1"), command = command_of_test("close", "{}");
	set_caught_up(false);
	call("listIncidents", &list);
	assert_status(&list, 400);
	call("commandIncident", &command);
	assert_status(&command, 422);
}

static void events_and_reports_are_accepted_before_the_view_has_caught_up(void **state)
{
	(void)state;
	HttpRequest event = event_of("{\"source\":\"s\",\"title\":\"t\"}");
	HttpRequest report = event_of("{\"kind\":\"incident\",\"description\":\"d\"}");
	set_caught_up(false);
	call("postEvent", &event);
	call("postReport", &report);
	assert_status(&event, 202);
	assert_status(&report, 202);
}

/* The request already waits for its command when the view is dropped. It is answered when the journal is read again. */
static void a_waiting_command_is_answered_after_the_view_was_dropped(void **state)
{
	(void)state;
	HttpRequest request = command_of_test("note", "{\"text\":\"x\"}");
	behaviour = BUS_HOLDS;
	call("commandIncident", &request);
	set_caught_up(false);
	release(false);
	assert_waits(&request);
	answer_command(TYPE_JOURNAL_UNCHANGED, "null");
	assert_status(&request, 200);
}

typedef struct {
	ViewReaders *readers;
	atomic_bool done;
} Drop;

static void *drop_run(void *context)
{
	Drop *dropping = context;
	view_readers_caught_up(dropping->readers, false);
	atomic_store(&dropping->done, true);
	return NULL;
}

static bool can_read(ViewReaders *readers)
{
	ViewReader *reader;
	bool can = !result_failed(view_borrow(readers, &reader));
	if (can)
		view_return(reader);
	return can;
}

static void a_view_is_dropped_only_when_its_readers_are_returned(void **state)
{
	(void)state;
	ViewReader *reader;
	pthread_t thread;
	Drop dropping = { .readers = view_readers_new(view_path) };
	view_readers_caught_up(dropping.readers, true);
	assert_false(result_failed(view_borrow(dropping.readers, &reader)));
	assert_int_equal(pthread_create(&thread, NULL, drop_run, &dropping), 0);
	for (int i = 0; i < 500 && can_read(dropping.readers); i++)
		clock_sleep_ms(10);
	assert_false(can_read(dropping.readers));
	clock_sleep_ms(50);
	assert_false(atomic_load(&dropping.done));
	view_return(reader);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(atomic_load(&dropping.done));
	view_readers_free(dropping.readers);
}

/* The two bodies have different correlation keys, and therefore different event ids. */
static void an_idempotency_key_is_for_one_body_of_any_correlation_key(void **state)
{
	(void)state;
	HttpRequest first = event_of("{\"source\":\"s\",\"title\":\"t\"}"), other = first;
	other.body = "{\"source\":\"u\",\"title\":\"t\"}"; /* the policy correlates by source */
	first.idempotency_key = other.idempotency_key = "\"k\"";
	behaviour = BUS_AT_ONCE;
	call("postEvent", &first);
	call("postEvent", &other);
	assert_status(&first, 202);
	assert_status(&other, 422);
	assert_non_null(strstr(other.text, "idempotency-mismatch"));
	assert_int_equal(appended, 1);
}

static void an_event_and_a_report_may_have_the_same_idempotency_key(void **state)
{
	(void)state;
	HttpRequest event = event_of("{\"source\":\"s\",\"title\":\"t\"}"), report = event, other = event;
	report.body = "{\"kind\":\"incident\",\"description\":\"d\"}";
	other.body = "{\"kind\":\"incident\",\"description\":\"e\"}";
	event.idempotency_key = report.idempotency_key = other.idempotency_key = "k";
	behaviour = BUS_AT_ONCE;
	call("postEvent", &event);
	Id event_id = last_id;
	call("postReport", &report);
	assert_status(&event, 202);
	assert_status(&report, 202);
	assert_string_not_equal(last_id.text, event_id.text);
	call("postReport", &other);
	assert_status(&other, 422);
	assert_int_equal(appended, 2);
}

/* ---- commands ------------------------------------------------------------------------------------------------- */

static void a_command_is_answered_by_the_journal(void **state)
{
	(void)state;
	HttpRequest request = command_of_test("note", "{\"text\":\"x\"}");
	behaviour = BUS_HOLDS;
	call("commandIncident", &request);
	release(false);
	assert_waits(&request);
	answer_command(TYPE_JOURNAL_UNCHANGED, "null");
	assert_status(&request, 200);
	assert_string_equal(request.tag, "\"1\"");
	assert_non_null(strstr(request.text, incident.text));
}

static void a_refused_command_lists_the_allowed_commands(void **state)
{
	(void)state;
	HttpRequest request = command_of_test("close", "{\"resolution\":\"resolved\",\"reason\":\"r\"}");
	behaviour = BUS_AT_ONCE;
	call("commandIncident", &request);
	answer_command(TYPE_JOURNAL_REFUSED,
		       "{\"code\":\"transition-refused\",\"detail\":\"d\",\"allowed\":[\"note\"]}");
	assert_status(&request, 409);
	assert_non_null(strstr(request.text, "\"allowed\":[\"note\"]"));
	HttpRequest get = { .path = "/v1/commands/x", .id = last_id.text };
	call("getCommand", &get);
	assert_status(&get, 200);
	assert_document(&command_status_table, get.text);
	assert_non_null(strstr(get.text, "transition-refused"));
}

static void an_answer_before_its_append_completes_is_given_once(void **state)
{
	(void)state;
	HttpRequest request = command_of_test("note", "{\"text\":\"x\"}");
	behaviour = BUS_HOLDS;
	call("commandIncident", &request);
	answer_command(TYPE_JOURNAL_UNCHANGED, "null");
	assert_status(&request, 200);
	release(false);
	assert_int_equal(request.answers, 1);
}

static void a_failed_append_of_a_command_is_answered_with_503(void **state)
{
	(void)state;
	HttpRequest request = command_of_test("note", "{\"text\":\"x\"}");
	behaviour = BUS_HOLDS;
	call("commandIncident", &request);
	release(true);
	assert_status(&request, 503);
	assert_string_equal(request.retry_after, "1");
	assert_non_null(strstr(request.text, "Idempotency-Key"));
}

static void a_command_refused_by_a_full_bus_is_forgotten(void **state)
{
	(void)state;
	HttpRequest request = command_of_test("note", "{\"text\":\"x\"}");
	behaviour = BUS_FULL;
	call("commandIncident", &request);
	assert_status(&request, 503);
	HttpRequest get = { .path = "/v1/commands/x", .id = last_id.text };
	call("getCommand", &get);
	assert_status(&get, 404);
}

static void a_command_not_answered_in_time_is_pending(void **state)
{
	(void)state;
	HttpRequest request, get;
	gateway_free(gateway);
	gateway_make(20);
	request = command_of_test("note", "{\"text\":\"x\"}");
	behaviour = BUS_AT_ONCE;
	call("commandIncident", &request);
	wait_for_answer(&request);
	assert_status(&request, 202);
	assert_non_null(strstr(request.location, last_id.text));
	get = (HttpRequest){ .path = request.location, .id = last_id.text };
	call("getCommand", &get); /* the view has not read the command yet */
	assert_status(&get, 200);
	assert_document(&command_status_table, get.text);
	assert_non_null(strstr(get.text, "\"status\":\"pending\""));
	assert_non_null(strstr(get.text, incident.text));
}

static void a_command_is_pending_only_when_it_is_durable(void **state)
{
	(void)state;
	HttpRequest request, later;
	gateway_free(gateway);
	gateway_make(0);
	request = command_of_test("note", "{\"text\":\"x\"}");
	later = command_of_test("note", "{\"text\":\"y\"}");
	behaviour = BUS_HOLDS;
	call("commandIncident", &request);
	behaviour = BUS_AT_ONCE;
	call("commandIncident", &later);
	wait_for_answer(&later); /* `later` times out after `request`, so the time limit of `request` has passed, too */
	assert_status(&later, 202);
	assert_waits(&request);
	release(false);
	assert_status(&request, 202);
}

static void a_command_that_never_becomes_durable_is_answered_with_503_in_time(void **state)
{
	(void)state;
	gateway_free(gateway);
	gateway_make(0);
	HttpRequest request = command_of_test("note", "{\"text\":\"x\"}");
	behaviour = BUS_HOLDS;
	call("commandIncident", &request);
	wait_for_answer(&request);
	assert_status(&request, 503);
	assert_string_equal(request.retry_after, "1");
	release(false);
	assert_int_equal(request.answers, 1);
}

static void draining_answers_all_durable_commands(void **state)
{
	(void)state;
	HttpRequest request = command_of_test("note", "{\"text\":\"x\"}"), late = request;
	behaviour = BUS_AT_ONCE;
	call("commandIncident", &request);
	assert_waits(&request);
	gateway_drain(gateway);
	wait_for_answer(&request);
	assert_status(&request, 202);
	call("commandIncident", &late);
	wait_for_answer(&late);
	assert_status(&late, 202);
}

static void a_repeated_command_is_answered_from_the_view(void **state)
{
	(void)state;
	HttpRequest first = command_of_test("note", "{\"text\":\"x\"}"), again = first, other = first;
	other.body = "{\"text\":\"y\"}";
	first.idempotency_key = again.idempotency_key = other.idempotency_key = "k";
	behaviour = BUS_AT_ONCE;
	call("commandIncident", &first);
	assert_int_equal(appended, 1);
	call("commandIncident", &other);
	assert_status(&other, 422);
	answer_command(TYPE_JOURNAL_UNCHANGED, "null");
	assert_status(&first, 200);
	call("commandIncident", &again);
	assert_status(&again, 200);
	assert_int_equal(appended, 1);
}

static void an_invalid_command_is_not_appended(void **state)
{
	(void)state;
	Id unknown = id_of_incident(2000, 5, SLICE("evt_y"));
	HttpRequest nowhere = command_of_test("note", "{\"text\":\"x\"}"), nonsense = nowhere, weak = nowhere;
	HttpRequest explode = command_of_test("explode", ""),
		    internal = command_of_test("escalated", "{\"escalation_level\":1}");
	HttpRequest wrong = command_of_test("close", "{}");
	nowhere.id = unknown.text;
	nonsense.id = "inc_x";
	weak.if_match = "W/\"1\"";
	HttpRequest *const requests[] = { &nowhere, &nonsense, &explode, &internal, &weak, &wrong };
	const unsigned statuses[] = { 404, 404, 404, 404, 412, 422 };
	for (size_t i = 0; i < 6; i++) {
		call("commandIncident", requests[i]);
		assert_status(requests[i], statuses[i]);
	}
	assert_non_null(strstr(explode.text, "\"acknowledge\""));
	assert_null(strstr(explode.text, "\"escalated\""));
	assert_int_equal(appended, 0);
}

/* ---- policies ------------------------------------------------------------------------------------------------- */

static Policies *policies;

static int make_policies(void **state)
{
	(void)state;
	policies_topic.end = 0;
	policies = policies_new(&bus);
	return 0;
}

static int free_policies(void **state)
{
	(void)state;
	policies_free(policies);
	return 0;
}

static char other_pack[65536];

/* Puts a pack on the topic as if another gateway had published it. */
static void publish_elsewhere(const char *pack)
{
	json_t *message JSON_AUTO = pack_of(pack);
	char *text = json_dumps(message, JSON_COMPACT);
	snprintf(other_pack, sizeof other_pack, "%s", text);
	free(text);
	policies_topic.end = 7;
	policies_topic.body = other_pack;
}

static void assert_in_force(const char *start)
{
	PolicyShare *share = policy_share(policies);
	assert_true(slice_starts_with(slice_of(policy_version(share->policy)), slice_of(start)));
	policy_unshare(share);
}

static void publish(const char *pack, bool always, unsigned messages)
{
	json_t *message JSON_AUTO = pack_of(pack);
	appended = 0;
	behaviour = BUS_AT_ONCE;
	assert_false(result_failed(policies_publish(policies, message, always)));
	assert_int_equal(appended, messages);
}

static const char nine[] = "{id: test, version: 9, timezone: UTC, languages: [en]}\n";
static const char ten[] = "{id: test, version: 10, timezone: UTC, languages: [en]}\n";

static void a_policy_that_cannot_be_published_is_not_put_in_force(void **state)
{
	(void)state;
	publish(nine, false, 1);
	PolicyShare *before = policy_share(policies);
	json_t *message JSON_AUTO = json_deep_copy(policy_message(before->policy));
	behaviour = BUS_FULL;
	assert_int_equal(policies_publish(policies, message, false).kind, ERROR_AGAIN);
	json_t *nonsense JSON_AUTO = json_pack("{s:s}", "id", "x");
	assert_int_equal(policies_publish(policies, nonsense, false).kind, ERROR_INPUT);
	PolicyShare *after = policy_share(policies);
	assert_ptr_equal(before, after);
	policy_unshare(before);
	policy_unshare(after);
}

static void a_version_that_is_in_force_is_not_published_again(void **state)
{
	(void)state;
	publish_elsewhere(nine);
	publish(nine, true, 0);
	assert_in_force("test@9+");
}

static void a_replica_with_an_older_pack_works_by_the_newer_one(void **state)
{
	(void)state;
	publish_elsewhere(ten);
	publish(nine, false, 0);
	assert_in_force("test@10+");
}

static void an_older_pack_is_published_on_request(void **state)
{
	(void)state;
	publish_elsewhere(ten);
	publish(nine, true, 1);
	assert_in_force("test@9+");
}

static void a_newer_a_changed_and_another_pack_are_published(void **state)
{
	(void)state;
	publish_elsewhere(nine);
	publish(ten, false, 1);
	publish("{id: test, version: 9, timezone: UTC, languages: [zh-CN]}\n", false, 1);
	publish("{id: another, version: 1, timezone: UTC, languages: [en]}\n", false, 1);
}

static void take_policy(int64_t offset)
{
	Record record = { .topic = TOPIC_POLICIES, .offset = offset, .body = slice_of(other_pack) };
	assert_false(result_failed(policies_take(policies, &record)));
}

static void a_policy_of_another_gateway_is_put_in_force_unless_its_offset_is_older(void **state)
{
	(void)state;
	publish_elsewhere(ten);
	take_policy(3);
	assert_in_force("test@10+");
	publish_elsewhere(nine);
	take_policy(2);
	assert_in_force("test@10+");
	take_policy(4);
	assert_in_force("test@9+");
}

static void the_service_hands_policies_to_its_gateway(void **state)
{
	(void)state;
	Record record = { .topic = TOPIC_POLICIES, .offset = 3 };
	Handler handler = { .store = store };
	gateway_free(gateway);
	gateway_make(0);
	publish_elsewhere(ten);
	record.body = slice_of(other_pack);
	assert_false(result_failed(gateway_service.inputs[3].handle(&handler, &record)));
	assert_false(gateway_has_policy(gateway));
	handler.environment = gateway;
	assert_false(result_failed(gateway_service.inputs[3].handle(&handler, &record)));
	assert_true(gateway_has_policy(gateway));
}

#define GATEWAY_TEST(test) cmocka_unit_test_setup_teardown(test, make, drop)
#define POLICIES_TEST(test) cmocka_unit_test_setup_teardown(test, make_policies, free_policies)

int main(void)
{
	const struct CMUnitTest tests[] = {
		GATEWAY_TEST(an_event_is_answered_only_when_it_is_durable),
		GATEWAY_TEST(a_failed_append_of_an_event_is_answered_with_503),
		GATEWAY_TEST(a_full_bus_is_answered_with_retry_after),
		GATEWAY_TEST(events_are_refused_until_a_policy_is_in_force),
		GATEWAY_TEST(an_invalid_event_is_not_appended),
		GATEWAY_TEST(an_idempotency_key_is_for_one_body),
		GATEWAY_TEST(queries_and_commands_are_refused_until_the_view_has_caught_up),
		GATEWAY_TEST(invalid_requests_are_refused_before_the_view_is_read),
		GATEWAY_TEST(events_and_reports_are_accepted_before_the_view_has_caught_up),
		GATEWAY_TEST(a_waiting_command_is_answered_after_the_view_was_dropped),
		GATEWAY_TEST(a_view_is_dropped_only_when_its_readers_are_returned),
		GATEWAY_TEST(an_idempotency_key_is_for_one_body_of_any_correlation_key),
		GATEWAY_TEST(an_event_and_a_report_may_have_the_same_idempotency_key),
		GATEWAY_TEST(a_command_is_answered_by_the_journal),
		GATEWAY_TEST(a_refused_command_lists_the_allowed_commands),
		GATEWAY_TEST(an_answer_before_its_append_completes_is_given_once),
		GATEWAY_TEST(a_failed_append_of_a_command_is_answered_with_503),
		GATEWAY_TEST(a_command_refused_by_a_full_bus_is_forgotten),
		GATEWAY_TEST(a_command_not_answered_in_time_is_pending),
		GATEWAY_TEST(a_command_is_pending_only_when_it_is_durable),
		GATEWAY_TEST(a_command_that_never_becomes_durable_is_answered_with_503_in_time),
		GATEWAY_TEST(draining_answers_all_durable_commands),
		GATEWAY_TEST(a_repeated_command_is_answered_from_the_view),
		GATEWAY_TEST(an_invalid_command_is_not_appended),
		POLICIES_TEST(a_policy_that_cannot_be_published_is_not_put_in_force),
		POLICIES_TEST(a_version_that_is_in_force_is_not_published_again),
		POLICIES_TEST(a_replica_with_an_older_pack_works_by_the_newer_one),
		POLICIES_TEST(an_older_pack_is_published_on_request),
		POLICIES_TEST(a_newer_a_changed_and_another_pack_are_published),
		POLICIES_TEST(a_policy_of_another_gateway_is_put_in_force_unless_its_offset_is_older),
		GATEWAY_TEST(the_service_hands_policies_to_its_gateway),
	};
	return cmocka_run_group_tests_name("gateway", tests, NULL, NULL);
}
