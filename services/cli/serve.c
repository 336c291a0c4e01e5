#include "services/cli/admin_key.h"

#include "services/audit/audit.h"
#include "services/classification/classification.h"
#include "services/gateway/gateway.h"
#include "services/intake/intake.h"
#include "services/notification/notification.h"
#include "services/response/response.h"

/* The embedded mode: all services in one process. */
static const Program program = {
	.name = "tocsin",
	.settings = SETTING_SERVE,
	.shared = TOPICS,
	.services = {
		{ .service = &gateway_service, .hooks = &gateway_hooks },
		{ .service = &intake_service },
		{ .service = &classification_service },
		{ .service = &response_service },
		{ .service = &notification_service, .hooks = &notification_hooks, .timers = true },
		{ .service = &audit_service, .hooks = &audit_hooks },
	},
	.service_count = 6,
	.prepare = admin_key_prepare,
};

ExitCode serve_run(char **arguments, int count)
{
	(void)arguments;
	(void)count;
	return program_run(&program);
}
