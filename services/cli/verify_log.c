#include "services/cli/cli.h"

#include "services/audit/verify.h"
#include "shared/program/datadir.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static ExitCode verify_file(const char *path)
{
	AuditVerdict verdict;
	Result result = audit_verify_file(path, &verdict);
	if (result_failed(result)) {
		report_error("%s", result.text);
		return EXIT_ENVIRONMENT;
	}
	if (!verdict.whole) {
		report_error("%s:%" PRId64 ": %s", path, verdict.bad_line, verdict.why);
		printf("%" PRId64 " lines before it are intact, up to hash %s\n", verdict.lines, verdict.head);
		return EXIT_CHECK_FAILED;
	}
	printf("%" PRId64 " lines and %" PRId64 " bytes are intact, up to hash %s\n", verdict.lines,
	       verdict.size, verdict.head);
	return EXIT_OK;
}

/* directory: a TOCSIN_HOME, or a directory that directly holds ledger.jsonl. */
static void log_path(const char *directory, char out[static PATH_SIZE])
{
	int size = snprintf(out, PATH_SIZE, "%s/audit/ledger.jsonl", directory);
	if (size >= PATH_SIZE || access(out, F_OK) != 0)
		size = snprintf(out, PATH_SIZE, "%s/ledger.jsonl", directory);
	if (size >= PATH_SIZE)
		out[0] = '\0';
}

ExitCode verify_log_run(char **arguments, int count)
{
	char path[PATH_SIZE];
	Settings *settings = settings_read_or_report(SETTING_COMMANDS);
	if (settings == NULL)
		return EXIT_USAGE;
	datadir_path(settings, "audit/ledger.jsonl", path);
	if (count > 0)
		log_path(arguments[0], path);
	settings_free(settings);
	return verify_file(path);
}
