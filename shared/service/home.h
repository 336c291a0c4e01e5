/*
 * TOCSIN_HOME: the directory of everything one installation keeps on this machine. Each service in it has a directory of
 * its own, HOME/<service>, and whoever runs the service holds HOME/<service>/lock; so six programs may share one home,
 * two replicas of one program may not, nor may a program beside a server that runs the same service in its own process.
 */
#ifndef TOCSIN_SERVICE_HOME_H
#define TOCSIN_SERVICE_HOME_H

#include "shared/service/settings.h"

/* path in TOCSIN_HOME; aborts when it does not fit. */
enum { PATH_SIZE = 4096 };
void home_path(const Settings *settings, const char *name, char out[static PATH_SIZE]);

enum { HOME_LOCKS_MAX = 8 };

typedef struct {
	int locks[HOME_LOCKS_MAX];
	size_t lock_count;
} Home;

/* The directory (0700), made where it is not there. ERROR_AGAIN: it cannot be. */
Result home_make(const Settings *settings);

/* Takes HOME/lock, for who has the home as a whole. ERROR_CONFLICT, with what to do: another has it. */
Result home_lock(const Settings *settings, Home *home);

/* Makes HOME/<service> and takes the lock in it. ERROR_CONFLICT: another has it. */
Result home_lock_service(const Settings *settings, const char *service, Home *home);

/* All locks; also after a failure. */
void home_release(Home *home);

#endif
