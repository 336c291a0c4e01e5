/*
 * The tocsin command: what its subcommands share. Output meant for a program or a pipe goes to stdout, everything said
 * to a person about a failure to stderr, one line a mistake, beginning "tocsin: ".
 */
#ifndef TOCSIN_CLI_CLI_H
#define TOCSIN_CLI_CLI_H

#include "shared/base/error.h"
#include "shared/domain/policy.h"
#include "shared/service/settings.h"

/* What the shell sees. A signal is a defect. */
typedef enum {
	EXIT_DONE = 0,
	EXIT_NO = 1,           /* the answer is no: check, verify, healthcheck found something */
	EXIT_WRONG = 2,        /* wrong use, settings or policy */
	EXIT_SURROUNDINGS = 3, /* port, directory, another process */
} ExitCode;

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
ExitCode version_run(char **arguments, int count);

/* Finds the command the words name, longest name first, and runs it; --help, --settings, --check, --version besides. */
ExitCode commands_run(const Command *commands, size_t count, int argc, char **argv);

/* "tocsin: " and the sentence, on stderr. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The settings out of the environment; NULL, and every mistake complained about, when there are any. */
Settings *settings_or_complain(void);

/* path in TOCSIN_HOME; aborts when it does not fit. */
enum { PATH_SIZE = 4096 };
void home_path(const Settings *settings, const char *name, char out[static PATH_SIZE]);

/*
 * Reads the policy pack of a directory (NULL: TOCSIN_POLICY, else the default pack that came with the program). *out is a
 * new reference; false with every mistake in *mistakes otherwise.
 */
bool pack_read(const Settings *settings, const char *directory, json_t **out, PolicyMistakes *mistakes);

/* A file that came with the program: share/tocsin/NAME beside its bin. */
void share_path(const char *name, char out[static PATH_SIZE]);

#endif
