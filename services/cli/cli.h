/*
 * The tocsin command: what its subcommands share. Output meant for a program or a pipe goes to stdout, everything said
 * to a person about a failure to stderr, one line a mistake, beginning "tocsin: ".
 */
#ifndef TOCSIN_CLI_CLI_H
#define TOCSIN_CLI_CLI_H

#include "shared/base/error.h"
#include "shared/program/program.h"

typedef struct {
	const char *name;      /* may be two words: "check ledger" */
	const char *arguments; /* for the help: "[DIR]" */
	const char *sentence;
	int most;              /* arguments it takes at most */
	ExitCode (*run)(char **arguments, int count);
} Command;

ExitCode serve_run(char **arguments, int count);
ExitCode check_run(char **arguments, int count);
ExitCode check_ledger_run(char **arguments, int count);
ExitCode verify_log_run(char **arguments, int count);
ExitCode healthcheck_run(char **arguments, int count);
ExitCode demo_run(char **arguments, int count);
ExitCode topics_plan_run(char **arguments, int count);
ExitCode topics_apply_run(char **arguments, int count);
ExitCode topics_check_run(char **arguments, int count);
ExitCode export_run(char **arguments, int count);
ExitCode import_run(char **arguments, int count);
ExitCode version_run(char **arguments, int count);

/* Finds the command the words name, longest name first, and runs it; --help, --settings, --check, --version besides. */
ExitCode commands_run(const Command *commands, size_t count, int argc, char **argv);

#endif
