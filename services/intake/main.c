/* tocsin-intake: the service as a program of its own. */
#include "services/intake/intake.h"
#include "shared/program/program.h"

static const Program program = {
	.name = "tocsin-intake",
	.settings = SETTING_INTAKE,
	.defaults = { { "TOCSIN_LISTEN", "127.0.0.1:8081" } },
	.distributed = true,
	.shared = TOPIC_EVENTS,
	.services = { { .service = &intake_service } },
	.service_count = 1,
};

int main(int argc, char **argv)
{
	return program_main(&program, argc, argv);
}
