/* A server for the demo: a child process in a temporary directory, which is removed at the end. */
#ifndef TOCSIN_CLI_DEMO_SERVER_H
#define TOCSIN_CLI_DEMO_SERVER_H

#include "services/cli/admin_key.h"

#include <sys/types.h>

typedef struct {
	pid_t child; /* 0: none */
	char datadir[64]; /* its TOCSIN_HOME */
	char url[128];
} DemoServer;

/* Starts the server and waits for its ready line. Call demo_server_stop in any case. ERROR_AGAIN: it did not start. */
Result demo_server_start(DemoServer *server);
void demo_server_stop(DemoServer *server);

#endif
