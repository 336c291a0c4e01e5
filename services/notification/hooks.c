/* Opens outbound connections for the program, and resolves the settings that a policy pack refers to. */
#include "services/notification/notification.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
	NotificationEnvironment environment; /* first: handlers get a pointer to it */
	const Settings *settings;
} Environment;

static const char *setting_of(void *context, const char *name)
{
	Environment *environment = context;
	return setting_of_channel(environment->settings, name);
}

static Result outbound_open(const Settings *settings, Outbound **out)
{
	OutboundCurlOptions options = { .egress_allow = setting_text(settings, "TOCSIN_EGRESS_ALLOW"),
				       .mail_host = "tocsin.local" };
	const char *from = setting_text(settings, "TOCSIN_MAIL_FROM");
	if (from != NULL)
		options.mail_host = strchr(from, '@') + 1;
	return outbound_curl_open(&options, out);
}

static Result environment_open(const ProgramSystems *systems, ProcessService *out)
{
	const char *public_url = setting_text(systems->settings, "TOCSIN_PUBLIC_URL");
	Environment *environment = calloc(1, sizeof *environment);
	must(environment != NULL);
	environment->settings = systems->settings;
	environment->environment = (NotificationEnvironment){ .setting = setting_of,
							      .context = environment,
							      .public_url = public_url != NULL ? public_url : systems->url };
	out->environment = environment;
	return outbound_open(systems->settings, &out->outbound);
}

static void environment_close(ProcessService *service)
{
	if (service->outbound != NULL)
		service->outbound->operations->close(service->outbound);
	free(service->environment);
}

const ServiceHooks notification_hooks = { .open = environment_open, .close = environment_close };
