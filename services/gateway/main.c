/* tocsin-gateway: the service as a program of its own. Every replica keeps the whole view, so no partitions are assigned. */
#include "services/gateway/gateway.h"
#include "shared/program/program.h"

static const Program program = {
	.name = "tocsin-gateway",
	.settings = SETTING_GATEWAY,
	.required = "TOCSIN_ADMIN_KEY",
	.required_why = "all replicas need the same key; create one with `openssl rand -hex 32`",
	.distributed = true,
	.shared = TOPICS,
	.append_timeout_ms = 10000, /* a POST whose record is not durable after this time is answered with 503 */
	.services = { { .service = &gateway_service, .hooks = &gateway_hooks } },
	.service_count = 1,
};

int main(int argc, char **argv)
{
	return program_main(&program, argc, argv);
}
