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
		printf("%" PRId64 " lines before it fit, up to %s\n", verdict.lines, verdict.head);
		return EXIT_NO;
	}
	printf("%" PRId64 " lines, %" PRId64 " bytes, each bound to all before it; head %s\n", verdict.lines,
	       verdict.size, verdict.head);
	return EXIT_DONE;
}

/* directory: one with the log in it, as audit/ is, or a home. */
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
