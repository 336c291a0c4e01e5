#include "shared/program/datadir.h"

#include "shared/io/system/files.h"

#include <stdio.h>
#include <unistd.h>

void datadir_path(const Settings *settings, const char *name, char out[static PATH_SIZE])
{
	int size = snprintf(out, PATH_SIZE, "%s/%s", setting_text(settings, "TOCSIN_HOME"), name);
	must(size > 0 && size < PATH_SIZE);
}

Result datadir_make(const Settings *settings)
{
	return directory_make(setting_text(settings, "TOCSIN_HOME"), 0700);
}

static Result lock_take(const Settings *settings, const char *name, DataDir *datadir)
{
	char path[PATH_SIZE];
	must(datadir->lock_count < DATADIR_LOCKS_MAX);
	datadir_path(settings, name, path);
	TRY(file_lock(path, &datadir->locks[datadir->lock_count]));
	datadir->lock_count++;
	return result_ok();
}

Result datadir_lock(const Settings *settings, DataDir *datadir)
{
	Result result = lock_take(settings, "lock", datadir);
	if (result.kind == ERROR_CONFLICT)
		return result_fail(ERROR_CONFLICT, "another tocsin serves from %s: stop it, or set TOCSIN_HOME to another directory",
				   setting_text(settings, "TOCSIN_HOME"));
	return result;
}

Result datadir_lock_service(const Settings *settings, const char *service, DataDir *datadir)
{
	char path[PATH_SIZE], name[64];
	datadir_path(settings, service, path);
	TRY(directory_make(path, 0700));
	snprintf(name, sizeof name, "%s/lock", service);
	Result result = lock_take(settings, name, datadir);
	if (result.kind == ERROR_CONFLICT)
		return result_fail(ERROR_CONFLICT,
				   "another process runs %s from %s: stop it, or give this one a TOCSIN_HOME of its own",
				   service, setting_text(settings, "TOCSIN_HOME"));
	return result;
}

void datadir_release(DataDir *datadir)
{
	while (datadir->lock_count > 0)
		close(datadir->locks[--datadir->lock_count]);
}
