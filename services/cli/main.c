#include "services/cli/cli.h"

#include "shared/io/system/files.h"

#include <sys/stat.h>

static const Command commands[] = {
	{ "serve", "", "run the server: all services in one process, all data in TOCSIN_HOME", 0, serve_run },
	{ "check", "[DIR]", "check settings and policy pack; report every mistake as FILE:LINE:COLUMN", 1, check_run },
	{ "check ledger", "[--kafka]", "replay the ledgers in TOCSIN_HOME or on Kafka, recount the kept events, compare", 1,
	  check_ledger_run },
	{ "verify log", "[DIR]", "verify that the audit log in TOCSIN_HOME, or a copy in DIR, was not changed", 1, verify_log_run },
	{ "healthcheck", "[URL]", "check that a server is ready", 1, healthcheck_run },
	{ "demo", "", "send an hour of alerts to a server and print the resulting incidents", 0, demo_run },
	{ "topics plan", "", "print the changes that topics apply would make", 0, topics_plan_run },
	{ "topics apply", "", "create the Kafka topics and correct their settings; may be repeated", 0, topics_apply_run },
	{ "topics check", "", "check that the Kafka topics are as required", 0, topics_check_run },
	{ "export", "[--kafka] FILE", "write all data to one file (- is stdout); no program may be running", 2, export_run },
	{ "import", "[--kafka] FILE", "read such a file into an empty TOCSIN_HOME, or with --kafka into empty topics", 2,
	  import_run },
	{ "version", "[--json]", "print the version", 1, version_run },
};

int main(int argc, char **argv)
{
	umask(PRIVATE_UMASK);
	return (int)commands_run(commands, sizeof commands / sizeof commands[0], argc, argv);
}
