/*
 * TOCSIN_HOME: the directory of all files that one installation keeps on this machine. Each service has its own directory,
 * HOME/<service>, and the process that runs the service holds HOME/<service>/lock. So the six programs may share one
 * TOCSIN_HOME; two replicas of one program may not, nor may a program and a `tocsin serve`, which runs the same service.
 */
#ifndef TOCSIN_PROGRAM_DATADIR_H
#define TOCSIN_PROGRAM_DATADIR_H

#include "shared/program/settings.h"

/* Writes the path of a file in TOCSIN_HOME; a path that does not fit is a programming error. */
enum { PATH_SIZE = 4096 };
void datadir_path(const Settings *settings, const char *name, char out[static PATH_SIZE]);

enum { DATADIR_LOCKS_MAX = 8 };

/* The locks that a process holds. Zero-initialised: none. */
typedef struct {
	int locks[DATADIR_LOCKS_MAX];
	size_t lock_count;
} DataDir;

/* Creates TOCSIN_HOME with mode 0700 unless it exists. ERROR_AGAIN: it cannot be created. */
Result datadir_make(const Settings *settings);

/* Locks HOME/lock: the whole directory belongs to this process. ERROR_CONFLICT with the remedy: another process holds it. */
Result datadir_lock(const Settings *settings, DataDir *datadir);

/* Creates HOME/<service> and locks HOME/<service>/lock. ERROR_CONFLICT with the remedy: another process holds it. */
Result datadir_lock_service(const Settings *settings, const char *service, DataDir *datadir);

/* Releases all locks; also after a failure. */
void datadir_release(DataDir *datadir);

#endif
