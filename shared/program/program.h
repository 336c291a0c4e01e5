/*
 * The code that all programs of Tocsin share. A program is one table (Program). This module does the rest: command line,
 * settings, signals, TOCSIN_HOME, systems (bus and timers), start, readiness, policy, drain, stop, and /livez, /readyz and
 * /metrics. There are two sets of systems:
 *
 *   embedded      `tocsin serve`: all services; the bus and the timers are SQLite files in TOCSIN_HOME
 *   distributed   a program for each service, with any number of replicas; the bus is on Kafka, the timers are on Redis
 *
 * Start, in this order: settings and policy pack are read (every mistake is reported; exit 2), locks are taken, systems are
 * opened (distributed: retried for TOCSIN_START_TIMEOUT_MS), services open their environments, HTTP starts and answers 503, the
 * consumer group is joined, runtimes start, the policy is published, the program is ready and prints its greeting.
 *
 * Stop, on SIGTERM or SIGINT: /readyz answers 503 for TOCSIN_DRAIN_DELAY_MS while requests are still served. Then, within
 * TOCSIN_DRAIN_TIMEOUT_MS, new connections are refused, requests are answered, batches are finished, and queued records are
 * made durable; exit 0. The process ends at most five seconds after this timeout, even if Kafka and Redis do not answer.
 * Records that Kafka has not acknowledged by then are dropped; no client has got an answer that they were accepted. The
 * program does not leave its consumer group, so that a restart under the same name keeps its partitions. A second signal ends
 * the process at once.
 *
 * Waiting for Kafka and Redis: while neither answers during the start, a signal ends the wait within about two seconds. After the
 * start, a program waits without a limit. While Kafka cannot be reached, /readyz answers 503; `/readyz?verbose=1` gives the reason.
 *
 * A program is ready when the bus can be reached, a policy has been published if a service needs one, no service reports that it
 * cannot serve, and every runtime has caught up. An unreachable Redis does not make a program unready: timers fire from state. A
 * standby (a replica without an assigned partition) is ready once it follows the ledgers closely enough to take over.
 */
#ifndef TOCSIN_PROGRAM_PROGRAM_H
#define TOCSIN_PROGRAM_PROGRAM_H

#include "shared/io/http/server.h"
#include "shared/program/report_error.h"
#include "shared/program/process.h"
#include "shared/program/settings.h"

/* Exit codes of all programs; README lists them. A process that ends by a signal like SIGSEGV or SIGABRT has a defect. */
typedef enum {
	EXIT_OK = 0,
	EXIT_CHECK_FAILED = 1, /* check, verify, healthcheck, plan or import found something wrong */
	EXIT_USAGE = 2,        /* invalid usage, settings or policy */
	EXIT_ENVIRONMENT = 3,  /* a port, directory, other process, Kafka or Redis prevents the start; a runtime failed */
} ExitCode;

/* The paragraph on exit codes in help texts; ends with a line feed. */
#define EXIT_CODES_HELP \
	"Exit codes: 0 success, 1 the check failed, 2 invalid usage, settings or policy, 3 environment error.\n"

/*
 * Reads the settings of `users` (SETTING_…) from the environment; the caller frees them with settings_free. Reports mistakes, at
 * most SETTINGS_MISTAKES_MAX, and returns NULL if there are any.
 */
Settings *settings_read_or_report(unsigned users);

/* ---- services */

/* Passed to the hooks that open a service's environment; borrowed until the service is closed. */
typedef struct {
	const Settings *settings;
	Bus *bus;
	const char *url; /* http:// and the address that HTTP listens on; "" before HTTP starts; HTTP starts before the runtimes */
} ProgramSystems;

/* Functions that a service adds to its program, besides its runtimes. Each may be NULL. */
typedef struct {
	/* Fills environment and outbound of *out. If it fails, close is called too. */
	Result (*open)(const ProgramSystems *systems, ProcessService *out);
	void (*close)(ProcessService *service);
	/* Adds the service's routes, their context, and the functions that authenticate and refuse requests. */
	void (*serve)(const ProcessService *service, HttpServerOptions *out);
	/*
	 * Publishes a policy pack to all programs. ERROR_INPUT: the pack is invalid; ERROR_AGAIN: it cannot be published now.
	 * Succeeds and publishes nothing if the policy in force has the same id and either the same version or, unless `always`,
	 * a higher version.
	 */
	Result (*publish)(const ProcessService *service, json_t *pack, bool always);
	/* Fails with the reason while the service cannot serve requests; the state of its runtimes is checked separately. */
	Result (*ready)(const ProcessService *service);
	/* Answers every request that waits for its command; from then on, requests are answered without waiting. */
	void (*drain)(const ProcessService *service);
	/* Appends to the greeting the commands to try first; ends with a line feed. */
	void (*greet)(const ProgramSystems *systems, Buffer *out);
} ServiceHooks;

/* A service in a program. */
typedef struct {
	const Service *service;
	const ServiceHooks *hooks;
	bool timers; /* true: the service arms timers */
} ProgramService;

/* ---- programs */

enum { PROGRAM_SERVICES_MAX = 6, PROGRAM_DEFAULTS_MAX = 2 };

typedef struct {
	const char *name, *value;
} SettingDefault;

typedef struct {
	const char *name;      /* "tocsin-intake" */
	unsigned settings;     /* SETTING_INTAKE …: the program reads the settings of these users */
	SettingDefault defaults[PROGRAM_DEFAULTS_MAX]; /* replace the defaults of settings_table */
	const char *required;  /* a setting without which the program does not start; NULL: none */
	const char *required_why; /* why it is required, for the error text */
	bool distributed;      /* true: the distributed set of systems; false: embedded */
	TopicId shared;        /* topic whose partition numbers the group assigns to replicas; TOPICS: each replica reads all */
	int64_t append_timeout_ms; /* an append that is not acknowledged within this time fails; 0: 30,000 */
	ProgramService services[PROGRAM_SERVICES_MAX];
	size_t service_count;
	/* Called once the locks are held: creates files in TOCSIN_HOME at the first start. May be NULL. */
	Result (*prepare)(Settings *settings);
} Program;

/* The main function of a distributed program: handles options like --help, else calls program_run. Returns the exit code. */
int program_main(const Program *program, int argc, char **argv);

/*
 * Reads the settings and, in a program that publishes the policy, the pack. Starts the program, serves until SIGTERM or SIGINT
 * arrives or a runtime fails, and stops. SIGHUP makes a ready program that publishes the policy reload the pack; it has no other
 * effect while a program starts or serves.
 */
ExitCode program_run(const Program *program);

/* The routes /livez, /readyz and /metrics, which every program serves besides its own routes. */
extern const HttpRoute program_routes[];
enum { PROGRAM_ROUTES = 3 };

#endif
