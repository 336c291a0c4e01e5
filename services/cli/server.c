#include "services/cli/server.h"

#include "services/classification/classification.h"
#include "services/gateway/publish.h"
#include "services/intake/intake.h"
#include "services/response/response.h"
#include "shared/edge/bus_sqlite.h"
#include "shared/edge/clock.h"

#include <stdio.h>
#include <string.h>

enum { PARTITIONS = 1, POLL_MS = 5 };

/* ---- what the services ask the program for */

static const char *setting_of(void *context, const char *name)
{
	Server *server = context;
	/* A policy pack may name where messages go and what signs them, never the key to this server. */
	if (strcmp(name, "TOCSIN_ADMIN_KEY") == 0 || strcmp(name, "TOCSIN_KEY") == 0)
		return NULL;
	return setting_known(name) ? setting_text(server->settings, name) : NULL;
}

static void service_line(void *context, const char *service, unsigned partition, bool ready, RuntimePhase phase,
			 RuntimeFigures figures)
{
	static const char *const phases[] = { "following", "claiming", "opening", "owning", "accepting" };
	buffer_format(context, "[%c]%s/%u %s, %llu inputs, %llu records\n", ready ? '+' : '-', service, partition,
		      phases[phase], (unsigned long long)figures.inputs, (unsigned long long)figures.records);
}

static bool ready_lines(void *context, Buffer *lines)
{
	Server *server = context;
	Process *process = atomic_load(&server->process);
	if (atomic_load(&server->draining))
		buffer_text(lines, "[-]server draining\n");
	if (process == NULL)
		buffer_text(lines, "[-]server starting\n");
	else
		process_each(process, service_line, lines);
	return process != NULL && process_ready(process, NULL) && !atomic_load(&server->draining);
}

/* ---- opening */

static Result bus_open(Server *server)
{
	static BusTopic rows[TOPICS]; /* the bus borrows them for its life */
	char path[PATH_SIZE];
	for (TopicId topic = 0; topic < TOPICS; topic++)
		rows[topic] = (BusTopic){ topics[topic].short_name, topics[topic].keep_ms,
					  topics[topic].kind == TOPIC_STREAM };
	home_path(server->settings, "bus.db", path);
	BusSqliteOptions options = { .path = path, .topics = rows, .topic_count = TOPICS, .partitions = PARTITIONS };
	return bus_sqlite_open(&options, &server->bus);
}

static Result edges_open(Server *server)
{
	char path[PATH_SIZE];
	OutsideCurlOptions outside = { .egress_allow = setting_text(server->settings, "TOCSIN_EGRESS_ALLOW"),
				       .mail_host = "tocsin.local" };
	const char *from = setting_text(server->settings, "TOCSIN_MAIL_FROM");
	if (from != NULL)
		outside.mail_host = strchr(from, '@') + 1;
	TRY(bus_open(server));
	home_path(server->settings, "timers.db", path);
	TRY(timers_sqlite_open(path, &server->timers));
	TRY(outside_curl_open(&outside, &server->outside));
	home_path(server->settings, "audit/ledger.jsonl", path);
	return audit_file_new(path, &server->audit_ledger);
}

static Result gateway_open(Server *server)
{
	home_path(server->settings, "gateway/0.db", server->view_path);
	GatewayOptions options = { .bus = server->bus,
				   .view_path = server->view_path,
				   .command_wait_ms = setting_integer(server->settings, "TOCSIN_COMMAND_WAIT_MS"),
				   .body_max = (size_t)setting_integer(server->settings, "TOCSIN_BODY_MAX"),
				   .ready = ready_lines,
				   .ready_context = server };
	TRY(admin_key_read(slice_of(server->home.key), &options.key));
	return gateway_new(&options, &server->gateway);
}

static Result services_start(Server *server)
{
	server->audit = (AuditEnvironment){ .ledger = server->audit_ledger };
	const char *public_url = setting_text(server->settings, "TOCSIN_PUBLIC_URL");
	server->notification = (NotificationEnvironment){ .setting = setting_of,
							  .context = server,
							  .public_url = public_url != NULL ? public_url : server->url };
	ProcessService *service = server->services;
	*service++ = (ProcessService){ .service = &gateway_service, .environment = server->gateway };
	*service++ = (ProcessService){ .service = &intake_service };
	*service++ = (ProcessService){ .service = &classification_service };
	*service++ = (ProcessService){ .service = &response_service };
	*service++ = (ProcessService){ .service = &notification_service,
				       .environment = &server->notification,
				       .outside = server->outside,
				       .timers = server->timers };
	*service++ = (ProcessService){ .service = &audit_service, .environment = &server->audit };
	ProcessOptions options = { .home = setting_text(server->settings, "TOCSIN_HOME"),
				   .bus = server->bus,
				   .services = server->services,
				   .service_count = (size_t)(service - server->services) };
	Process *process;
	TRY(process_start(&options, &process));
	atomic_store(&server->process, process);
	return result_ok();
}

static Result http_open(Server *server)
{
	HttpServerOptions options = { .routes = gateway_routes(server->gateway),
				      .route_count = gateway_route_count,
				      .listen = setting_text(server->settings, "TOCSIN_LISTEN"),
				      .ops_listen = setting_text(server->settings, "TOCSIN_OPS_LISTEN"),
				      .context = server->gateway,
				      .admit = gateway_admit,
				      .refuse = gateway_refuse };
	TRY(http_server_start(&options, &server->http));
	snprintf(server->url, sizeof server->url, "http://%s", http_server_address(server->http));
	return result_ok();
}

Result server_open(Server *server, Settings *settings, json_t *pack)
{
	memset(server, 0, sizeof *server);
	server->settings = settings;
	server->home.lock = -1;
	TRY(home_open(settings, &server->home));
	TRY(edges_open(server));
	TRY(gateway_open(server));
	/* Before the services, which want to know its address; it says 503 until they are there. */
	TRY(http_open(server));
	TRY(services_start(server));
	return gateway_publish_policy(server->gateway, pack);
}

/* ---- living and closing */

bool server_ready(Server *server, bool *failed, Result *why)
{
	*failed = process_failed(server->process, why);
	return !*failed && process_ready(server->process, NULL) && !atomic_load(&server->draining);
}

void server_drain(Server *server)
{
	int64_t timeout_ms = setting_integer(server->settings, "TOCSIN_DRAIN_TIMEOUT_MS");
	atomic_store(&server->draining, true);
	clock_sleep_ms(setting_integer(server->settings, "TOCSIN_DRAIN_DELAY_MS"));
	http_server_quiesce(server->http);
	int64_t until_us = clock_monotonic_us() + timeout_ms * 1000;
	while (http_server_inflight(server->http) > 0 && clock_monotonic_us() < until_us)
		clock_sleep_ms(POLL_MS);
}

void server_close(Server *server)
{
	atomic_store(&server->draining, true);
	if (server->gateway != NULL)
		gateway_drain(server->gateway);
	if (server->http != NULL)
		http_server_stop(server->http);
	process_stop(server->process, setting_integer(server->settings, "TOCSIN_DRAIN_TIMEOUT_MS"));
	if (server->bus != NULL)
		server->bus->operations->close(server->bus);
	gateway_free(server->gateway);
	audit_ledger_close(server->audit_ledger);
	if (server->outside != NULL)
		server->outside->operations->close(server->outside);
	if (server->timers != NULL)
		server->timers->operations->close(server->timers);
	home_release(&server->home);
}
