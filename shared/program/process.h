/*
 * The process: a set of runtimes over one bus, one thread a runtime. It starts the threads, waits for input, backs off,
 * drains and stops; a program only lists its services.
 */
#ifndef TOCSIN_PROGRAM_PROCESS_H
#define TOCSIN_PROGRAM_PROCESS_H

#include "shared/runtime/runtime.h"

typedef struct Process Process;

/* One service of this process; everything is borrowed until process_stop. */
typedef struct {
	const Service *service;
	void *environment;  /* passed to its handlers */
	Outbound *outbound; /* sends its messages; NULL: it sends none */
	Timers *timers;     /* NULL: it arms none */
} ProcessService;

typedef struct {
	const char *datadir; /* TOCSIN_HOME; state files: <service>/<partition>.db */
	Bus *bus;            /* not owned */
	const ProcessService *services;
	size_t service_count;
	bool standby;        /* follow ledgers that other processes own, ready to take over */
} ProcessOptions;

/*
 * Opens the state files and starts one thread a service and partition. The caller ends *out with process_stop. ERROR_INPUT:
 * a state file of a newer version, with the remedy; ERROR_AGAIN: no thread can be started.
 */
Result process_start(const ProcessOptions *options, Process **out);

/* True when every runtime has caught up and takes input. *who (may be NULL): the first service that has not; borrowed. */
bool process_ready(Process *process, const char **who);

/* True once a runtime has stopped after an error (a defect, a ledger that lost records). *why names service and error. */
bool process_failed(Process *process, Result *why);

/* Calls visit for each partition of each service, service by service. */
void process_each(Process *process, void (*visit)(void *context, const char *service, unsigned partition, bool ready,
						  RuntimePhase phase, RuntimeFigures figures), void *context);

/* Waits at most drain_ms for batches in progress, stops the threads, closes the state files, frees. NULL is allowed. */
void process_stop(Process *process, int64_t drain_ms);

#endif
