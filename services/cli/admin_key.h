/* The administrator's API key. The server generates it at its first start, in TOCSIN_HOME/admin.key, where commands read it. */
#ifndef TOCSIN_CLI_ADMIN_KEY_H
#define TOCSIN_CLI_ADMIN_KEY_H

#include "services/cli/cli.h"

enum { ADMIN_KEY_SIZE = 160 }; /* bytes, with the terminating zero */

/*
 * Unless TOCSIN_ADMIN_KEY is given, sets it from TOCSIN_HOME/admin.key, which is generated (mode 0600) if it does not exist.
 * ERROR_INPUT: the file holds no key of at least 32 characters; ERROR_AGAIN: the file cannot be read or written.
 */
Result admin_key_prepare(Settings *settings);

/*
 * The key that commands send: TOCSIN_KEY, else the key in TOCSIN_HOME/admin.key, with the errors of admin_key_of_datadir.
 * ERROR_INPUT also if TOCSIN_KEY has ADMIN_KEY_SIZE characters or more.
 */
Result admin_key_of_client(const Settings *settings, char out[static ADMIN_KEY_SIZE]);

/* The key in DATADIR/admin.key. ERROR_NOT_FOUND: there is no file; ERROR_INPUT: it holds no key; ERROR_AGAIN: it cannot be read. */
Result admin_key_of_datadir(const char *datadir, char out[static ADMIN_KEY_SIZE]);

#endif
