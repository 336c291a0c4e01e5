/* A server for the demo: a child process with a temporary TOCSIN_HOME, which demo_server_stop removes. */
#ifndef TOCSIN_CLI_DEMO_SERVER_H
#define TOCSIN_CLI_DEMO_SERVER_H

#include "services/cli/admin_key.h"

#include <sys/types.h>

typedef struct {
	pid_t child; /* 0 or less: no server was started */
	char datadir[64]; /* TOCSIN_HOME of the server */
	char url[128];
} DemoServer;

/* Starts the server and waits for its ready line. Call demo_server_stop in any case. ERROR_AGAIN: it did not start. */
Result demo_server_start(DemoServer *server);
void demo_server_stop(DemoServer *server);

#endif
