/*
 * The process: a set of runtimes, each driven by its own thread, over one bus. It knows how to live (start, wait, back
 * off, drain, stop), so that a program only says who it is.
 */
#ifndef TOCSIN_PROGRAM_PROCESS_H
#define TOCSIN_PROGRAM_PROCESS_H

#include "shared/runtime/runtime.h"

typedef struct Process Process;

/* One service to be run in this process. */
typedef struct {
	const Service *service;
	void *environment;   /* handed to its handlers */
	Outbound *outside;    /* or NULL */
	Timers *timers;      /* or NULL */
} ProcessService;

typedef struct {
	const char *home;    /* state files: HOME/<service>/<partition>.db */
	Bus *bus;            /* not owned */
	const ProcessService *services;
	size_t service_count;
	bool standby;        /* follow partitions that other processes own, to take over at once */
} ProcessOptions;

/* Opens the state files and starts a thread a partition. ERROR_INPUT: a file of a newer version, with what to do. */
Result process_start(const ProcessOptions *options, Process **out);

/* True when every runtime has caught up and takes input. *who (may be NULL) is the first that has not. */
bool process_ready(Process *process, const char **who);

/* True once a runtime stopped for good (a defect, a ledger that lost records); *why says which and what. */
bool process_failed(Process *process, Result *why);

/*
 * Called with each service's name and its state: for /readyz?verbose=1.
 */
void process_each(Process *process, void (*visit)(void *context, const char *service, unsigned partition, bool ready,
						  RuntimePhase phase, RuntimeFigures figures), void *context);

/* Lets batches under way finish for at most drain_ms, then stops the threads, closes the state files, frees. */
void process_stop(Process *process, int64_t drain_ms);

#endif
