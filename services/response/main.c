/* tocsin-response: the service as a program. */
#include "services/response/response.h"
#include "shared/program/program.h"

static const Program program = {
	.name = "tocsin-response",
	.settings = SETTING_RESPONSE,
	.defaults = { { "TOCSIN_LISTEN", "127.0.0.1:8083" } },
	.distributed = true,
	.shared = TOPIC_COMMANDS,
	.services = { { .service = &response_service } },
	.service_count = 1,
};

int main(int argc, char **argv)
{
	return program_main(&program, argc, argv);
}
