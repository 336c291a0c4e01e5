#include "services/cli/cli.h"

#include "shared/io/system/files.h"

#include <sys/stat.h>

static const Command commands[] = {
	{ "serve", "", "run the server: all services in one process, state in TOCSIN_HOME", 0, serve_run },
	{ "check", "[DIR]", "check settings and policy pack; every mistake as FILE:LINE:COLUMN", 1, check_run },
	{ "check ledger", "[--kafka]", "replay the ledgers (TOCSIN_HOME's, or Kafka's), count the kept events again, and check both", 1,
	  check_ledger_run },
	{ "verify log", "[DIR]", "check that the audit log (TOCSIN_HOME's, or that of a copy in DIR) was not changed", 1, verify_log_run },
	{ "healthcheck", "[URL]", "ask a server whether it is ready", 1, healthcheck_run },
	{ "demo", "", "play an hour of alerts to a server, show what became of them", 0, demo_run },
	{ "topics plan", "", "what topics apply would do to Kafka's topics", 0, topics_plan_run },
	{ "topics apply", "", "create Kafka's topics and set their settings, as often as one likes", 0, topics_apply_run },
	{ "topics check", "", "whether Kafka's topics are as they must be", 0, topics_check_run },
	{ "export", "[--kafka] FILE", "carry everything of record into one file, while nothing runs (- is stdout)", 2, export_run },
	{ "import", "[--kafka] FILE", "carry it into a TOCSIN_HOME, or with --kafka into topics, that hold nothing yet", 2,
	  import_run },
	{ "version", "[--json]", "which version this is", 1, version_run },
};

int main(int argc, char **argv)
{
	umask(PRIVATE_UMASK);
	return (int)commands_run(commands, sizeof commands / sizeof commands[0], argc, argv);
}
