/* Opens and closes audit's log file for the program. */
#include "services/audit/audit.h"

#include "shared/io/system/files.h"
#include "shared/program/datadir.h"

#include <stdlib.h>

static Result environment_open(const ProgramSystems *systems, ProcessService *out)
{
	char path[PATH_SIZE];
	AuditEnvironment *environment = calloc(1, sizeof *environment);
	must(environment != NULL);
	out->environment = environment;
	datadir_path(systems->settings, "audit", path);
	TRY(directory_make(path, 0700));
	datadir_path(systems->settings, "audit/ledger.jsonl", path);
	return audit_file_new(path, &environment->ledger);
}

static void environment_close(ProcessService *service)
{
	AuditEnvironment *environment = service->environment;
	if (environment != NULL)
		audit_ledger_close(environment->ledger);
	free(environment);
}

const ServiceHooks audit_hooks = { .open = environment_open, .close = environment_close };
