/* tocsin-gateway: the service as a program of its own. Every replica keeps the whole view, so it shares out nothing. */
#include "services/gateway/gateway.h"
#include "shared/program/program.h"

static const Program program = {
	.name = "tocsin-gateway",
	.settings = SETTING_GATEWAY,
	.required = "TOCSIN_ADMIN_KEY",
	.required_why = "all replicas take the same key (openssl rand -hex 32 makes one)",
	.distributed = true,
	.shared = TOPICS,
	.append_timeout_ms = 10000, /* who posted waits for it, and then is told to try again */
	.services = { { .service = &gateway_service, .hooks = &gateway_hooks } },
	.service_count = 1,
};

int main(int argc, char **argv)
{
	return program_main(&program, argc, argv);
}
