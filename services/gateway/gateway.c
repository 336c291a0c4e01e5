#include "services/gateway/gateway_internal.h"

#include "shared/runtime/runtime.h"

#include <stdlib.h>
#include <string.h>

/* ---- the service: a reader of what is of record, into the view ------------------------------------------------ */

static Result journal_handle(Handler *handler, const Record *record)
{
	return view_take_journal(handler->store, record);
}

static Result delivery_handle(Handler *handler, const Record *record)
{
	return view_take_delivery(handler->store, record);
}

static Result command_handle(Handler *handler, const Record *record)
{
	return view_take_command(handler->store, record);
}

static void journal_accepted(Handler *handler, const Record *record)
{
	if (handler->environment && slice_starts_with(record->type, SLICE("tocsin.journal.")) &&
	    id_is("cmd_", record->cause))
		command_answered(handler->environment, handler->store, record->cause);
}

/* Just before the view is dropped, the readers that have it already are waited for: they must not find it empty. */
static void readers_await(Gateway *gateway)
{
	for (size_t i = 0; i < VIEW_READERS; i++) {
		pthread_mutex_lock(&gateway->readers[i].mutex);
		pthread_mutex_unlock(&gateway->readers[i].mutex);
	}
}

static void view_caught_up(Handler *handler, bool caught_up)
{
	Gateway *gateway = handler->environment;

	if (!gateway)
		return;
	atomic_store(&gateway->caught_up, caught_up);
	if (!caught_up)
		readers_await(gateway);
}

const Service gateway_service = {
	.name = "gateway",
	.sentence = "takes in events, reports and commands, and answers questions from its own view",
	.ledger = TOPICS,
	.single = true,
	.inputs = {
		{ .topic = TOPIC_JOURNAL, .all_partitions = true, .handle = journal_handle },
		{ .topic = TOPIC_DELIVERIES, .all_partitions = true, .handle = delivery_handle },
		{ .topic = TOPIC_COMMANDS, .all_partitions = true, .handle = command_handle },
		{ .topic = TOPIC_POLICIES, .handle = policy_handle },
	},
	.input_count = 4,
	.schema = view_schema,
	.schema_version = VIEW_SCHEMA_VERSION,
	.accepted = journal_accepted,
	.caught_up = view_caught_up,
};

/* ---- the routes ----------------------------------------------------------------------------------------------- */

enum { BODY_DEFAULT = 262144 };

const HttpRoute gateway_route_table[] = {
	{ .method = "POST",
	  .path = "/v1/events",
	  .handler = ingest_event,
	  .body_max = BODY_DEFAULT,
	  .operation = "postEvent" },
	{ .method = "POST",
	  .path = "/v1/reports",
	  .handler = ingest_report,
	  .body_max = BODY_DEFAULT,
	  .operation = "postReport" },
	{ .method = "GET", .path = "/v1/incidents", .handler = query_incidents, .operation = "listIncidents" },
	{ .method = "GET", .path = "/v1/incidents/{id}", .handler = query_incident, .operation = "getIncident" },
	{ .method = "GET",
	  .path = "/v1/incidents/{id}/timeline",
	  .handler = query_timeline,
	  .operation = "getTimeline" },
	{ .method = "POST",
	  .path = "/v1/incidents/{id}/{command}",
	  .handler = command_issue,
	  .body_max = BODY_DEFAULT,
	  .operation = "commandIncident" },
	{ .method = "GET", .path = "/v1/commands/{id}", .handler = command_read, .operation = "getCommand" },
	{ .method = "GET",
	  .path = "/openapi.json",
	  .handler = describe_api,
	  .open = true,
	  .operation = "getDescription" },
};
const size_t gateway_route_count = sizeof gateway_route_table / sizeof gateway_route_table[0];
_Static_assert(sizeof gateway_route_table / sizeof gateway_route_table[0] <= ROUTES_MAX, "every route has room");

const HttpRoute *gateway_routes(const Gateway *gateway)
{
	return gateway->routes;
}

static void routes_fill(Gateway *gateway)
{
	memcpy(gateway->routes, gateway_route_table, sizeof gateway_route_table);
	for (size_t i = 0; i < gateway_route_count; i++)
		if (gateway->routes[i].body_max > 0)
			gateway->routes[i].body_max = gateway->options.body_max;
}

/* ---- life ----------------------------------------------------------------------------------------------------- */

Result gateway_new(const GatewayOptions *options, Gateway **out)
{
	Buffer description;

	buffer_init(&description, ANSWER_MAX);
	Result result = description_write(&description);
	if (result_failed(result)) {
		buffer_release(&description);
		return result;
	}
	Gateway *gateway = calloc(1, sizeof *gateway);
	must(gateway != NULL);
	gateway->options = *options;
	gateway->options.view_path = gateway->view_path = slice_copy(slice_of(options->view_path));
	gateway->description = description;
	routes_fill(gateway);
	must(pthread_mutex_init(&gateway->policy_mutex, NULL) == 0);
	for (size_t i = 0; i < VIEW_READERS; i++)
		must(pthread_mutex_init(&gateway->readers[i].mutex, NULL) == 0);
	gateway->repeats = idempotency_cache_new();
	gateway->waiting = waiting_new();
	deadlines_start(gateway);
	*out = gateway;
	return result_ok();
}

void gateway_drain(Gateway *gateway)
{
	atomic_store(&gateway->draining, true);
	deadlines_changed(gateway);
}

void gateway_free(Gateway *gateway)
{
	if (!gateway)
		return;
	deadlines_stop(gateway);
	waiting_free(gateway->waiting);
	idempotency_cache_free(gateway->repeats);
	policy_replace(gateway, NULL, INT64_MAX);
	for (size_t i = 0; i < VIEW_READERS; i++) {
		store_close(gateway->readers[i].store);
		pthread_mutex_destroy(&gateway->readers[i].mutex);
	}
	pthread_mutex_destroy(&gateway->policy_mutex);
	buffer_release(&gateway->description);
	free(gateway->view_path);
	free(gateway);
}

/* ---- reading the view from any thread ------------------------------------------------------------------------- */

static Result reader_open(Gateway *gateway, ViewReader *reader)
{
	if (reader->store)
		return result_ok();
	StoreOptions options = runtime_store_options(&gateway_service, gateway->options.view_path);
	options.read_only = true;
	options.cache_kib = 2048;
	Result result = store_open(&options, &reader->store, NULL);
	return result_failed(result) ? result_fail(ERROR_AGAIN, "the view cannot be read yet: %s", result.text)
				     : result;
}

/* A free one, else the next by turns when it is free. */
static ViewReader *reader_lock(Gateway *gateway)
{
	unsigned turn = atomic_fetch_add(&gateway->next_reader, 1);

	for (unsigned i = 0; i < VIEW_READERS; i++) {
		ViewReader *reader = &gateway->readers[(turn + i) % VIEW_READERS];
		if (pthread_mutex_trylock(&reader->mutex) == 0)
			return reader;
	}
	ViewReader *reader = &gateway->readers[turn % VIEW_READERS];
	pthread_mutex_lock(&reader->mutex);
	return reader;
}

Result view_borrow(Gateway *gateway, ViewReader **out)
{
	ViewReader *reader = reader_lock(gateway);
	Result result = result_fail(ERROR_AGAIN, "the view has not caught up yet");

	if (atomic_load(&gateway->caught_up)) /* with the mutex held, for readers_await */
		result = reader_open(gateway, reader);
	if (result_failed(result))
		pthread_mutex_unlock(&reader->mutex);
	else
		*out = reader;
	return result;
}

bool view_borrow_or_answer(Gateway *gateway, HttpRequest *request, ViewReader **out)
{
	Result result = view_borrow(gateway, out);

	if (!result_failed(result))
		return true;
	if (atomic_load(&gateway->caught_up))
		answer_failure(request, result);
	else
		answer_refusal(request, PROBLEM_UNAVAILABLE,
			       "this server is still loading its incidents and commands; try again shortly");
	return false;
}

void view_return(ViewReader *reader)
{
	pthread_mutex_unlock(&reader->mutex);
}

BusRecord accepted_record(const Accepted *accepted, const AcceptInput *input)
{
	return (BusRecord){
		.key = { accepted->correlation_key, ID_BASE32 },
		.headers = buffer_slice(&accepted->headers),
		.body = input->body,
	};
}
