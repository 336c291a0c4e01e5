/* The API key of the admin: made in TOCSIN_HOME at the first start of the server, read there by commands. */
#ifndef TOCSIN_CLI_ADMIN_KEY_H
#define TOCSIN_CLI_ADMIN_KEY_H

#include "services/cli/cli.h"

enum { ADMIN_KEY_SIZE = 160 };

/* Where none is given as a setting: reads TOCSIN_HOME/admin.key, or makes it, and sets TOCSIN_ADMIN_KEY by it. */
Result admin_key_prepare(Settings *settings);

/* The key a command uses against a server: TOCSIN_KEY, else the file in TOCSIN_HOME. */
Result admin_key_of_client(const Settings *settings, char out[static ADMIN_KEY_SIZE]);

/* The key a server made in that directory. */
Result admin_key_of_home(const char *home, char out[static ADMIN_KEY_SIZE]);

#endif
