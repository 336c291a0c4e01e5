/* tocsin-classification: the service as a program of its own. */
#include "services/classification/classification.h"
#include "shared/program/program.h"

static const Program program = {
	.name = "tocsin-classification",
	.settings = SETTING_CLASSIFICATION,
	.defaults = { { "TOCSIN_LISTEN", "127.0.0.1:8082" } },
	.distributed = true,
	.shared = TOPIC_REPORTS,
	.services = { { .service = &classification_service } },
	.service_count = 1,
};

int main(int argc, char **argv)
{
	return program_main(&program, argc, argv);
}
