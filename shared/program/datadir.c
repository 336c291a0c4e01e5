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

static Result lock_take(const Settings *settings, const char *name, DataDir *home)
{
	char path[PATH_SIZE];
	must(home->lock_count < DATADIR_LOCKS_MAX);
	datadir_path(settings, name, path);
	TRY(file_lock(path, &home->locks[home->lock_count]));
	home->lock_count++;
	return result_ok();
}

Result datadir_lock(const Settings *settings, DataDir *home)
{
	Result result = lock_take(settings, "lock", home);
	if (result.kind == ERROR_CONFLICT)
		return result_fail(ERROR_CONFLICT, "another tocsin serves from %s; one process may have a directory",
				   setting_text(settings, "TOCSIN_HOME"));
	return result;
}

Result datadir_lock_service(const Settings *settings, const char *service, DataDir *home)
{
	char path[PATH_SIZE], name[64];
	datadir_path(settings, service, path);
	TRY(directory_make(path, 0700));
	snprintf(name, sizeof name, "%s/lock", service);
	Result result = lock_take(settings, name, home);
	if (result.kind == ERROR_CONFLICT)
		return result_fail(ERROR_CONFLICT,
				   "another process runs %s from %s; replicas on one machine need a TOCSIN_HOME each",
				   service, setting_text(settings, "TOCSIN_HOME"));
	return result;
}

void datadir_release(DataDir *home)
{
	while (home->lock_count > 0)
		close(home->locks[--home->lock_count]);
}
