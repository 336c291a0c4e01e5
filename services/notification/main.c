/* tocsin-notification: the service as a program. */
#include "services/notification/notification.h"
#include "shared/program/program.h"

static const Program program = {
	.name = "tocsin-notification",
	.settings = SETTING_NOTIFICATION,
	.defaults = { { "TOCSIN_LISTEN", "127.0.0.1:8084" }, { "TOCSIN_PUBLIC_URL", "http://127.0.0.1:8080" } },
	.distributed = true,
	.shared = TOPIC_JOURNAL,
	.services = { { .service = &notification_service, .hooks = &notification_hooks, .timers = true } },
	.service_count = 1,
};

int main(int argc, char **argv)
{
	return program_main(&program, argc, argv);
}
