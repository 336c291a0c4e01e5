/*
 * Shared by program.c (command line), program_state.c (start, serve, stop), program_systems.c and program_ops.c (/readyz and the
 * like). Private to them.
 *
 * Threads: the first thread starts, serves and stops the program, and takes its signals. Threads of the HTTP server read
 * ProgramState through program_ops.c, from before the runtimes start until the server has stopped.
 */
#ifndef TOCSIN_PROGRAM_PROGRAM_INTERNAL_H
#define TOCSIN_PROGRAM_PROGRAM_INTERNAL_H

#include "shared/io/timers.h"
#include "shared/program/datadir.h"
#include "shared/program/program.h"

#include <signal.h>
#include <stdatomic.h>

enum { PROGRAM_ROUTES_MAX = 24, URL_SIZE = 64 };

typedef struct {
	const Program *program;
	Settings *settings;
	sigset_t signals;      /* blocked; taken with signal_next */
	int ended_by;          /* the signal that asked the program to stop; 0: none yet */
	DataDir datadir;
	Bus *bus;
	Timers *timers;        /* NULL: no service arms timers */
	ProgramSystems systems;
	ProcessService services[PROGRAM_SERVICES_MAX]; /* borrowed by the process until it stops */
	size_t opened;         /* services whose open hook was called */
	HttpRoute routes[PROGRAM_ROUTES_MAX];
	HttpServer *http;
	_Atomic(Process *) process; /* NULL: not started */
	char url[URL_SIZE];
	atomic_bool draining;
} ProgramState;

/* ---- program_state.c */
/* Waits at most wait_ms for SIGTERM or SIGINT. True once one has arrived (ended_by), now or earlier. */
bool program_ended(ProgramState *state, int wait_ms);

/* ---- program.c */
/* The program's settings, with its own defaults and its required setting; NULL after every mistake was reported. */
Settings *program_settings(const Program *program);

/* ---- program_systems.c */
/*
 * Opens bus and timers. Distributed: retries until until_us on the monotonic clock; SIGTERM and SIGINT end the attempt
 * (ended_by).
 */
Result systems_open(ProgramState *state, int64_t until_us);
/* Stopping: from now on no call waits longer than wait_ms for Kafka (bus.h). */
void systems_set_deadline(ProgramState *state, int64_t wait_ms);
/* Makes queued records durable and closes. The group is not left: the same name may rejoin before its session expires. */
void systems_close(ProgramState *state);

/* ---- program_ops.c */
/* True when the program is ready; appends one line for each dependency to lines. */
bool program_ready(ProgramState *state, Buffer *lines);
/* Adds /livez, /readyz and /metrics and, unless a service has set one, the function that refuses other requests. */
void program_serve(ProgramState *state, HttpServerOptions *options);

#endif
