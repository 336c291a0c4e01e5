/* TOCSIN_HOME: the directory of everything one installation keeps. One process at a time has it. */
#ifndef TOCSIN_CLI_HOME_H
#define TOCSIN_CLI_HOME_H

#include "services/cli/cli.h"

enum { ADMIN_KEY_SIZE = 160 };

typedef struct {
	int lock;                 /* -1: not taken */
	char key[ADMIN_KEY_SIZE]; /* the admin's API key */
	char key_path[PATH_SIZE]; /* empty where the key came as a setting */
} Home;

/*
 * Makes the directory (0700) and what lies in it, takes the lock, reads the key or makes one. Every failure is one of the
 * surroundings. Released also after a failure.
 */
Result home_open(const Settings *settings, Home *home);
void home_release(Home *home);

/* The key a command uses against a server: TOCSIN_KEY, else the file in TOCSIN_HOME. */
Result home_client_key(const Settings *settings, char out[static ADMIN_KEY_SIZE]);

/* The key a server made in that directory. */
Result home_key_read(const char *home, char out[static ADMIN_KEY_SIZE]);

#endif
