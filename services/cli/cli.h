/*
 * The tocsin command and its subcommands. They write results to stdout, for people and pipes, and errors, warnings and progress
 * to stderr, one line each, beginning "tocsin: ".
 */
#ifndef TOCSIN_CLI_CLI_H
#define TOCSIN_CLI_CLI_H

#include "shared/base/error.h"
#include "shared/program/program.h"

typedef struct {
	const char *name;      /* one or two words: "check ledger" */
	const char *arguments; /* for the help: "[DIR]" */
	const char *sentence;  /* for the help */
	int arguments_max;
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

/* Runs the command with the longest name that the arguments begin with; also accepts --help, --settings, --check and --version. */
ExitCode commands_run(const Command *commands, size_t count, int argc, char **argv);

#endif
