/*
 * What program.c (command line), program_state.c, program_edges.c and program_ops.c share. Nothing else includes it.
 *
 * Threads: the life is lived by the program's first thread, which takes the signals in turn; the HTTP server's threads
 * read it through program_ops.c, from before the runtimes are there until after the server has stopped.
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
	sigset_t signals;      /* blocked, taken with signal_next */
	int ended_by;          /* the signal that ended it while it waited; 0: none */
	DataDir home;
	Bus *bus;
	Timers *timers;        /* NULL: no service arms any */
	ProgramEdges edges;
	ProcessService services[PROGRAM_SERVICES_MAX]; /* the process borrows them for its life */
	size_t opened;         /* services whose environments are there */
	HttpRoute routes[PROGRAM_ROUTES_MAX];
	HttpServer *http;
	_Atomic(Process *) process; /* NULL: not started */
	char url[URL_SIZE];
	atomic_bool draining;
} ProgramState;

/* ---- program_state.c */
/* Waits so long for a signal that ends the program. True: there was one, now or before (ended_by). */
bool program_ended(ProgramState *life, int wait_ms);

/* ---- program.c */
/* The program's settings, its own defaults and demands included; NULL with every mistake said. */
Settings *program_settings(const Program *program);

/* ---- program_edges.c */
/*
 * Bus and timers. Distributed: tried until until_us on the monotonic clock; a signal to end gives up at once (ended_by).
 */
Result edges_open(ProgramState *life, int64_t until_us);
/* The program ends: from here on nothing waits longer than wait_ms for Kafka (bus.h). */
void edges_set_deadline(ProgramState *life, int64_t wait_ms);
/* What is queued is made durable. The group is not left: its session ends by itself, or the same name comes back before. */
void edges_close(ProgramState *life);

/* ---- program_ops.c */
/* True when the program can do its work; a line a dependency is appended to lines. */
bool program_ready(ProgramState *life, Buffer *lines);
/* Adds /livez, /readyz, /metrics, and for a program without routes of its own the answers to everything else. */
void program_serve(ProgramState *life, HttpServerOptions *options);

#endif
