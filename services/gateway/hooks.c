/* The gateway as part of a program (shared/program/program.h). */
#include "services/gateway/gateway.h"
#include "shared/program/datadir.h"

static Result environment_open(const ProgramSystems *systems, ProcessService *out)
{
	const Settings *settings = systems->settings;
	char view_path[PATH_SIZE];
	Gateway *gateway;

	datadir_path(settings, "gateway/0.db", view_path);
	GatewayOptions options = { .bus = systems->bus,
				   .view_path = view_path,
				   .command_wait_ms = setting_integer(settings, "TOCSIN_COMMAND_WAIT_MS"),
				   .body_max = (size_t)setting_integer(settings, "TOCSIN_BODY_MAX") };
	TRY(admin_key_read(slice_of(setting_text(settings, "TOCSIN_ADMIN_KEY")), &options.key));
	TRY(gateway_new(&options, &gateway));
	out->environment = gateway;
	return result_ok();
}

static void environment_close(ProcessService *service)
{
	gateway_free(service->environment);
}

static void serve(const ProcessService *service, HttpServerOptions *out)
{
	out->routes = gateway_routes(service->environment);
	out->route_count = gateway_route_count;
	out->context = service->environment;
	out->admit = gateway_admit;
	out->refuse = gateway_refuse;
}

static Result publish(const ProcessService *service, json_t *pack, bool always)
{
	return gateway_publish_policy(service->environment, pack, always);
}

static Result ready(const ProcessService *service)
{
	return gateway_has_policy(service->environment)
		       ? result_ok()
		       : result_fail(ERROR_AGAIN, "no policy is in force yet");
}

static void drain(const ProcessService *service)
{
	if (service->environment)
		gateway_drain(service->environment);
}

static void greet(const ProgramSystems *systems, Buffer *out)
{
	Buffer key;

	buffer_init(&key, PATH_SIZE * 2);
	const char *file = setting_file(systems->settings, "TOCSIN_ADMIN_KEY");
	if (file)
		buffer_format(&key, "$(cat '%s')", file);
	else if (setting_given(systems->settings, "TOCSIN_ADMIN_KEY"))
		buffer_text(&key, "$TOCSIN_ADMIN_KEY");
	else
		buffer_format(&key, "$(cat '%s/admin.key')", setting_text(systems->settings, "TOCSIN_HOME"));
	buffer_format(out,
		      "\nReport something:\n"
		      "  curl -H \"Authorization: Bearer %s\" -H 'Content-Type: application/json' \\\n"
		      "    -d '{\"source\":\"hand\",\"title\":\"Ransom note on the file server\",\"severity\":\"critical\"}' "
		      "%s/v1/events\n"
		      "Look at its incident:\n"
		      "  curl -H \"Authorization: Bearer %s\" '%s/v1/incidents?limit=1'\n\n",
		      key.data, systems->url, key.data, systems->url);
	buffer_release(&key);
}

const ServiceHooks gateway_hooks = {
	.open = environment_open,
	.close = environment_close,
	.serve = serve,
	.publish = publish,
	.ready = ready,
	.drain = drain,
	.greet = greet,
};
