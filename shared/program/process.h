/*
 * The process: a set of runtimes on one bus, each with its own thread. This module starts the threads, waits for input, backs
 * off, drains and stops; a program only lists its services.
 */
#ifndef TOCSIN_PROGRAM_PROCESS_H
#define TOCSIN_PROGRAM_PROCESS_H

#include "shared/runtime/runtime.h"

typedef struct Process Process;

/* One service of this process; everything is borrowed until process_stop. */
typedef struct {
	const Service *service;
	void *environment;  /* passed to its handlers */
	Outbound *outbound; /* sends its messages; NULL: the service sends none */
	Timers *timers;     /* NULL: the service arms no timers */
} ProcessService;

typedef struct {
	const char *datadir; /* TOCSIN_HOME; state files: <service>/<partition>.db */
	Bus *bus;            /* not owned */
	const ProcessService *services;
	size_t service_count;
	bool standby;        /* true: also follow partitions that other processes own, ready to take over */
} ProcessOptions;

/*
 * Opens the state files and starts one thread for each partition of each service. The caller ends *out with process_stop.
 * ERROR_INPUT with the remedy: a newer version wrote a state file, or an import was not completed (import_check); ERROR_AGAIN:
 * no thread can be started, or the bus could not be read within 30 s. Also fails with errors of directory_make, store_open and
 * runtime_new.
 */
Result process_start(const ProcessOptions *options, Process **out);

/* True when every runtime is ready (runtime_is_ready). Else *who (may be NULL) is the name of a service that is not; borrowed. */
bool process_ready(Process *process, const char **who);

/* True once a runtime has stopped after an error, for example because its ledger lost records. *why names service and error. */
bool process_failed(Process *process, Result *why);

/* Calls visit for each partition of each service, service by service. */
void process_each(Process *process, void (*visit)(void *context, const char *service, unsigned partition, bool ready,
						  RuntimePhase phase, RuntimeFigures figures), void *context);

/*
 * Waits at most drain_ms for batches in progress, then, without a limit, until each thread has finished its current step. Closes
 * the state files and frees process (may be NULL).
 */
void process_stop(Process *process, int64_t drain_ms);

#endif
