/*
 * TOCSIN_HOME: the directory of everything one installation keeps on this machine. Each service in it has a directory of
 * its own, HOME/<service>, and whoever runs the service holds HOME/<service>/lock; so six programs may share one home,
 * two replicas of one program may not, nor may a program beside a server that runs the same service in its own process.
 */
#ifndef TOCSIN_PROGRAM_DATADIR_H
#define TOCSIN_PROGRAM_DATADIR_H

#include "shared/program/settings.h"

/* path in TOCSIN_HOME; aborts when it does not fit. */
enum { PATH_SIZE = 4096 };
void datadir_path(const Settings *settings, const char *name, char out[static PATH_SIZE]);

enum { DATADIR_LOCKS_MAX = 8 };

typedef struct {
	int locks[DATADIR_LOCKS_MAX];
	size_t lock_count;
} DataDir;

/* The directory (0700), made where it is not there. ERROR_AGAIN: it cannot be. */
Result datadir_make(const Settings *settings);

/* Takes HOME/lock, for who has the home as a whole. ERROR_CONFLICT, with what to do: another has it. */
Result datadir_lock(const Settings *settings, DataDir *home);

/* Makes HOME/<service> and takes the lock in it. ERROR_CONFLICT: another has it. */
Result datadir_lock_service(const Settings *settings, const char *service, DataDir *home);

/* All locks; also after a failure. */
void datadir_release(DataDir *home);

#endif
