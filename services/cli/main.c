#include "services/cli/cli.h"

static const Command commands[] = {
	{ "serve", "", "run the server: all services in one process, state in TOCSIN_HOME", 0, serve_run },
	{ "check", "[DIR]", "check settings and policy pack; every mistake as FILE:LINE:COLUMN", 1, check_run },
	{ "check ledger", "", "replay the ledgers of TOCSIN_HOME and check what they promise", 0, check_ledger_run },
	{ "verify log", "[DIR]", "check that the audit log was not changed", 1, verify_log_run },
	{ "healthcheck", "[URL]", "ask a server whether it is ready", 1, healthcheck_run },
	{ "demo", "", "play an hour of alerts to a server, show what became of them", 0, demo_run },
	{ "version", "[--json]", "which version this is", 1, version_run },
};

int main(int argc, char **argv)
{
	return (int)commands_run(commands, sizeof commands / sizeof commands[0], argc, argv);
}
