/* tocsin-audit: the service as a program. Its ledger has one partition: one replica owns it, the others are standbys. */
#include "services/audit/audit.h"
#include "shared/program/program.h"

static const Program program = {
	.name = "tocsin-audit",
	.settings = SETTING_AUDIT,
	.defaults = { { "TOCSIN_LISTEN", "127.0.0.1:8085" } },
	.distributed = true,
	.shared = TOPIC_CHECKPOINTS,
	.services = { { .service = &audit_service, .hooks = &audit_hooks } },
	.service_count = 1,
};

int main(int argc, char **argv)
{
	return program_main(&program, argc, argv);
}
