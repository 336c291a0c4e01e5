/* A server of its own for the demo: a child process in a scratch directory that is gone at the end. */
#ifndef TOCSIN_CLI_DEMO_SERVER_H
#define TOCSIN_CLI_DEMO_SERVER_H

#include "services/cli/admin_key.h"

#include <sys/types.h>

typedef struct {
	pid_t child; /* 0: none */
	char home[64];
	char url[128];
} DemoServer;

/* Starts it and waits for its ready line. To be stopped in every case. */
Result demo_server_start(DemoServer *server);
void demo_server_stop(DemoServer *server);

#endif
