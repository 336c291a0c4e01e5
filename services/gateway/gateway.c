#include "services/gateway/gateway.h"

#include "services/gateway/answers.h"
#include "services/gateway/command_requests.h"
#include "services/gateway/description.h"
#include "services/gateway/ingest.h"
#include "services/gateway/policies.h"
#include "services/gateway/queries.h"
#include "services/gateway/view.h"
#include "services/gateway/view_readers.h"

#include <stdlib.h>
#include <string.h>

enum {
	ROUTE_POST_EVENT,
	ROUTE_POST_REPORT,
	ROUTE_LIST_INCIDENTS,
	ROUTE_GET_INCIDENT,
	ROUTE_GET_TIMELINE,
	ROUTE_COMMAND_INCIDENT,
	ROUTE_GET_COMMAND,
	ROUTE_GET_DESCRIPTION,
	ROUTES
};

struct Gateway {
	AdminKey key;
	HttpRoute routes[ROUTES];
	Buffer description; /* openapi.json */
	Policies *policies;
	ViewReaders *views;
	IdempotencyCache *idempotency;
	CommandRequests *commands;
	Ingest ingest;
	Queries queries;
};

/* ---- the service: folds ledgers into the view ----------------------------------------------------------------- */

static Result incidents_restore(Handler *handler)
{
	if (handler->memory) {
		incident_store_forget(handler->memory);
		return result_ok();
	}
	handler->memory = malloc(sizeof(IncidentStore));
	must(handler->memory != NULL);
	incident_store_init(handler->memory);
	return result_ok();
}

static void incidents_release(Handler *handler)
{
	if (handler->memory)
		incident_store_release(handler->memory);
	free(handler->memory);
	handler->memory = NULL;
}

static Result journal_handle(Handler *handler, const Record *record)
{
	return view_take_journal(handler->memory, handler->store, record);
}

static Result delivery_handle(Handler *handler, const Record *record)
{
	return view_take_delivery(handler->store, record);
}

static Result command_handle(Handler *handler, const Record *record)
{
	return view_take_command(handler->store, record, handler->now);
}

static Result policy_handle(Handler *handler, const Record *record)
{
	Gateway *gateway = handler->environment;

	return gateway ? policies_take(gateway->policies, record) : result_ok();
}

static void journal_accepted(Handler *handler, const Record *record)
{
	Gateway *gateway = handler->environment;

	if (gateway && slice_starts_with(record->type, SLICE("tocsin.journal.")) && id_is("cmd_", record->cause))
		command_requests_answered(gateway->commands, handler->store, record->cause);
}

static void view_caught_up(Handler *handler, bool caught_up)
{
	Gateway *gateway = handler->environment;

	if (gateway)
		view_readers_caught_up(gateway->views, caught_up);
}

const Service gateway_service = {
	.name = "gateway",
	.sentence = "accepts events, reports and commands, and answers queries from its own view",
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
	.schema_prepare = view_prepare,
	.schema_version = VIEW_SCHEMA_VERSION,
	.accepted = journal_accepted,
	.restore = incidents_restore,
	.release = incidents_release,
	.caught_up = view_caught_up,
};

/* ---- the routes ----------------------------------------------------------------------------------------------- */

enum { BODY_DEFAULT = 262144 };

const HttpRoute gateway_route_table[] = {
	[ROUTE_POST_EVENT] = { .method = "POST",
			       .path = "/v1/events",
			       .handler = ingest_event,
			       .body_max = BODY_DEFAULT,
			       .operation = "postEvent" },
	[ROUTE_POST_REPORT] = { .method = "POST",
				.path = "/v1/reports",
				.handler = ingest_report,
				.body_max = BODY_DEFAULT,
				.operation = "postReport" },
	[ROUTE_LIST_INCIDENTS] = { .method = "GET",
				   .path = "/v1/incidents",
				   .handler = query_incidents,
				   .operation = "listIncidents" },
	[ROUTE_GET_INCIDENT] = { .method = "GET",
				 .path = "/v1/incidents/{id}",
				 .handler = query_incident,
				 .operation = "getIncident" },
	[ROUTE_GET_TIMELINE] = { .method = "GET",
				 .path = "/v1/incidents/{id}/timeline",
				 .handler = query_timeline,
				 .operation = "getTimeline" },
	[ROUTE_COMMAND_INCIDENT] = { .method = "POST",
				     .path = "/v1/incidents/{id}/{command}",
				     .handler = command_issue,
				     .body_max = BODY_DEFAULT,
				     .operation = "commandIncident" },
	[ROUTE_GET_COMMAND] = { .method = "GET",
				.path = "/v1/commands/{id}",
				.handler = command_read,
				.operation = "getCommand" },
	[ROUTE_GET_DESCRIPTION] = { .method = "GET",
				    .path = "/openapi.json",
				    .handler = describe_api,
				    .open = true,
				    .operation = "getDescription" },
};
const size_t gateway_route_count = ROUTES;
_Static_assert(sizeof gateway_route_table / sizeof gateway_route_table[0] == ROUTES, "every route has a number");

const HttpRoute *gateway_routes(const Gateway *gateway)
{
	return gateway->routes;
}

static void routes_fill(Gateway *gateway, size_t body_max)
{
	void *const contexts[ROUTES] = {
		[ROUTE_POST_EVENT] = &gateway->ingest,
		[ROUTE_POST_REPORT] = &gateway->ingest,
		[ROUTE_LIST_INCIDENTS] = &gateway->queries,
		[ROUTE_GET_INCIDENT] = &gateway->queries,
		[ROUTE_GET_TIMELINE] = &gateway->queries,
		[ROUTE_COMMAND_INCIDENT] = gateway->commands,
		[ROUTE_GET_COMMAND] = gateway->commands,
		[ROUTE_GET_DESCRIPTION] = &gateway->description,
	};

	memcpy(gateway->routes, gateway_route_table, sizeof gateway_route_table);
	for (size_t i = 0; i < ROUTES; i++) {
		must(contexts[i] != NULL);
		gateway->routes[i].context = contexts[i];
		if (gateway->routes[i].body_max > 0)
			gateway->routes[i].body_max = body_max;
	}
}

Result gateway_admit(HttpRequest *request, void *context)
{
	Gateway *gateway = context;
	const char *authorization = http_header(request, "Authorization");

	if (!authorization)
		return result_fail(ERROR_DENIED, "a key is needed: Authorization: Bearer KEY");
	if (!admin_key_fits(&gateway->key, authorization))
		return result_fail(ERROR_DENIED, "this key is not known: send the admin key as Authorization: Bearer KEY");
	http_set_principal(request, &gateway->key);
	return result_ok();
}

void gateway_refuse(HttpRequest *request, unsigned status, const char *detail, void *context)
{
	(void)context;
	answer_problem(request, &(Problem){ .code = problem_of_status(status), .detail = detail });
}

/* ---- creation and release ------------------------------------------------------------------------------------- */

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
	gateway->key = options->key;
	gateway->description = description;
	gateway->policies = policies_new(options->bus);
	gateway->views = view_readers_new(options->view_path);
	gateway->idempotency = idempotency_cache_new();
	gateway->commands = command_requests_new(&(CommandRequestsOptions){ .bus = options->bus,
									    .views = gateway->views,
									    .key = &gateway->key,
									    .wait_ms = options->command_wait_ms });
	gateway->ingest = (Ingest){ .bus = options->bus,
				    .policies = gateway->policies,
				    .idempotency = gateway->idempotency };
	gateway->queries = (Queries){ .views = gateway->views,
				      .policies = gateway->policies,
				      .cursor_key = &gateway->key.cursor_key };
	routes_fill(gateway, options->body_max);
	*out = gateway;
	return result_ok();
}

void gateway_drain(Gateway *gateway)
{
	command_requests_drain(gateway->commands);
}

void gateway_free(Gateway *gateway)
{
	if (!gateway)
		return;
	command_requests_free(gateway->commands);
	idempotency_cache_free(gateway->idempotency);
	policies_free(gateway->policies);
	view_readers_free(gateway->views);
	buffer_release(&gateway->description);
	free(gateway);
}

/* ---- the policy in force -------------------------------------------------------------------------------------- */

Result gateway_publish_policy(Gateway *gateway, json_t *message, bool always)
{
	return policies_publish(gateway->policies, message, always);
}

bool gateway_has_policy(Gateway *gateway)
{
	PolicyShare *share = policy_share(gateway->policies);

	policy_unshare(share);
	return share != NULL;
}
