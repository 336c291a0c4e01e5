#include "shared/service/home.h"

#include "shared/edge/files.h"

#include <stdio.h>
#include <unistd.h>

void home_path(const Settings *settings, const char *name, char out[static PATH_SIZE])
{
	int size = snprintf(out, PATH_SIZE, "%s/%s", setting_text(settings, "TOCSIN_HOME"), name);
	must(size > 0 && size < PATH_SIZE);
}

Result home_make(const Settings *settings)
{
	return directory_make(setting_text(settings, "TOCSIN_HOME"), 0700);
}

static Result lock_take(const Settings *settings, const char *name, Home *home)
{
	char path[PATH_SIZE];
	must(home->lock_count < HOME_LOCKS_MAX);
	home_path(settings, name, path);
	TRY(file_lock(path, &home->locks[home->lock_count]));
	home->lock_count++;
	return result_ok();
}

Result home_lock(const Settings *settings, Home *home)
{
	Result result = lock_take(settings, "lock", home);
	if (result.kind == ERROR_CONFLICT)
		return result_fail(ERROR_CONFLICT, "another tocsin serves from %s; one process may have a directory",
				   setting_text(settings, "TOCSIN_HOME"));
	return result;
}

Result home_lock_service(const Settings *settings, const char *service, Home *home)
{
	char path[PATH_SIZE], name[64];
	home_path(settings, service, path);
	TRY(directory_make(path, 0700));
	snprintf(name, sizeof name, "%s/lock", service);
	Result result = lock_take(settings, name, home);
	if (result.kind == ERROR_CONFLICT)
		return result_fail(ERROR_CONFLICT,
				   "another process runs %s from %s; replicas on one machine need a TOCSIN_HOME each",
				   service, setting_text(settings, "TOCSIN_HOME"));
	return result;
}

void home_release(Home *home)
{
	while (home->lock_count > 0)
		close(home->locks[--home->lock_count]);
}
