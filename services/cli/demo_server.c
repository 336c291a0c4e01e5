#include "services/cli/demo_server.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs in the child process. The server's log goes to a file, so that it does not mix with the table that the demo prints. */
static _Noreturn void become_server(const char *datadir, int greeting)
{
	char log[128];
	snprintf(log, sizeof log, "%s/log.jsonl", datadir);
	int out = open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	setenv("TOCSIN_HOME", datadir, 1);
	setenv("TOCSIN_LISTEN", "127.0.0.1:0", 1);
	unsetenv("TOCSIN_ADMIN_KEY");
	unsetenv("TOCSIN_OPS_LISTEN");
	if (out >= 0 && dup2(out, STDOUT_FILENO) >= 0 && dup2(greeting, STDERR_FILENO) >= 0)
		execl("/proc/self/exe", "tocsin", "serve", (char *)NULL);
	_exit(EXIT_ENVIRONMENT);
}

/* Reads the server's stderr up to the line that says it is ready. */
static Result await_ready(DemoServer *server, FILE *greeting)
{
	static const char ready[] = "tocsin: ready on ";
	char line[1024], last[160] = "it printed nothing";
	while (fgets(line, sizeof line, greeting) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, ready, strlen(ready)) == 0) {
			must(text_copy(slice_of(line + strlen(ready)), server->url, sizeof server->url));
			return result_ok();
		}
		if (line[0] != '\0')
			snprintf(last, sizeof last, "%.150s", line);
	}
	return result_fail(ERROR_AGAIN, "the demo's server did not start: %s", last);
}

Result demo_server_start(DemoServer *server)
{
	int ends[2];
	memset(server, 0, sizeof *server);
	strcpy(server->datadir, "/tmp/tocsin-demo-XXXXXX");
	if (mkdtemp(server->datadir) == NULL) {
		server->datadir[0] = '\0';
		return result_fail(ERROR_AGAIN, "no directory can be created in /tmp: %s", strerror(errno));
	}
	if (pipe2(ends, O_CLOEXEC) != 0)
		return result_fail(ERROR_AGAIN, "no pipe can be opened: %s", strerror(errno));
	fflush(NULL);
	server->child = fork();
	if (server->child == 0)
		become_server(server->datadir, ends[1]);
	close(ends[1]);
	FILE *greeting = fdopen(ends[0], "r");
	must(greeting != NULL);
	Result result = server->child > 0 ? await_ready(server, greeting)
					  : result_fail(ERROR_AGAIN, "no process can be started");
	fclose(greeting);
	return result;
}

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *position)
{
	(void)about;
	(void)type;
	(void)position;
	return remove(path);
}

void demo_server_stop(DemoServer *server)
{
	if (server->child > 0) {
		kill(server->child, SIGTERM);
		waitpid(server->child, NULL, 0);
	}
	if (server->datadir[0] != '\0')
		nftw(server->datadir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
