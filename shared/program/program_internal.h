/*
 * Shared by program.c (command line), program_state.c (start, serve, stop), program_systems.c and program_ops.c (/livez,
 * /readyz, /metrics). Private to these files.
 *
 * Threads: the first thread starts and stops the program and waits for signals. Threads of the HTTP server read ProgramState
 * in program_ops.c; they begin before the runtimes start and end when the server has stopped.
 */
#ifndef TOCSIN_PROGRAM_PROGRAM_INTERNAL_H
#define TOCSIN_PROGRAM_PROGRAM_INTERNAL_H

#include "shared/io/timers.h"
#include "shared/program/datadir.h"
#include "shared/program/program.h"

#include <signal.h>
#include <stdatomic.h>

enum { PROGRAM_ROUTES_MAX = 24, URL_SIZE = 72 };

typedef struct {
	const Program *program;
	Settings *settings;
	sigset_t signals;      /* SIGTERM, SIGINT, …: blocked in all threads; signal_next waits for them */
	int ended_by;          /* the signal that stops the program; 0: none has arrived */
	DataDir datadir;
	Bus *bus;
	Timers *timers;        /* NULL: no service arms timers */
	ProgramSystems systems;
	ProcessService services[PROGRAM_SERVICES_MAX]; /* borrowed by the process until it stops */
	size_t opened;         /* the number of services whose opening has begun, from index 0 on */
	HttpRoute routes[PROGRAM_ROUTES_MAX];
	HttpServer *http;
	_Atomic(Process *) process; /* NULL: not started */
	char url[URL_SIZE];
	atomic_bool draining;
} ProgramState;

/* ---- program_state.c */
/* Waits at most wait_ms for a signal. True once SIGTERM or SIGINT has arrived, in this call or an earlier one (ended_by). */
bool program_ended(ProgramState *state, int wait_ms);

/* ---- program.c */
/* As settings_read_or_report, for Program.settings; applies Program.defaults and requires Program.required. */
Settings *program_settings(const Program *program);

/* ---- program_systems.c */
/*
 * Opens bus and timers. A distributed program retries until until_us on the monotonic clock, or until SIGTERM or SIGINT arrives
 * (ended_by).
 */
Result systems_open(ProgramState *state, int64_t until_us);
/* For the stop: limits how long calls wait for Kafka to wait_ms from now, with the exceptions of bus_set_deadline. */
void systems_set_deadline(ProgramState *state, int64_t wait_ms);
/*
 * Makes queued records durable and closes bus and timers. The program stays a member of its consumer group: it keeps its
 * partitions if it starts again under the same name before its session expires.
 */
void systems_close(ProgramState *state);

/* ---- program_ops.c */
/* True when the program is ready (program.h). Appends a line for each dependency to lines. */
bool program_ready(ProgramState *state, Buffer *lines);
/* Adds /livez, /readyz and /metrics. Sets options->refuse, the function that refuses other requests, if no service has set it. */
void program_serve(ProgramState *state, HttpServerOptions *options);

#endif
