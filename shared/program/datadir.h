/*
 * TOCSIN_HOME: the directory of all files that one installation keeps on this machine. Each service has its own directory,
 * HOME/<service>, and the process that runs the service holds HOME/<service>/lock. So the six programs can share one
 * TOCSIN_HOME. Two replicas of one program cannot, because both run the same service; nor can a program and `tocsin serve`.
 */
#ifndef TOCSIN_PROGRAM_DATADIR_H
#define TOCSIN_PROGRAM_DATADIR_H

#include "shared/program/settings.h"

/* Writes the path of the file `name` in TOCSIN_HOME. Aborts if the path does not fit. */
enum { PATH_SIZE = 4096 };
void datadir_path(const Settings *settings, const char *name, char out[static PATH_SIZE]);

enum { DATADIR_LOCKS_MAX = 8 };

/* The locks that a process holds. A zeroed struct holds none. */
typedef struct {
	int locks[DATADIR_LOCKS_MAX];
	size_t lock_count;
} DataDir;

/* Creates TOCSIN_HOME and its parents with mode 0700 unless they exist. Errors: see directory_make. */
Result datadir_make(const Settings *settings);

/* Locks HOME/lock: the whole directory belongs to this process. ERROR_CONFLICT with the remedy: another process holds the lock. */
Result datadir_lock(const Settings *settings, DataDir *datadir);

/* Creates HOME/<service> and locks HOME/<service>/lock. ERROR_CONFLICT with the remedy: another process holds the lock. */
Result datadir_lock_service(const Settings *settings, const char *service, DataDir *datadir);

/* Releases all locks that are held; call it also if datadir_lock or datadir_lock_service failed. */
void datadir_release(DataDir *datadir);

#endif
