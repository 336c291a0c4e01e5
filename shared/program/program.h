/*
 * Programs: what every process of Tocsin does in the same way, once. A program says who it is (Program: one table); this
 * says how it lives: command line, settings, signals, home, edges, start, ready, policy, drain, stop, and /livez, /readyz
 * and /metrics. There are two sets of edges and one life:
 *
 *   embedded      `tocsin serve`: all services, the bus and the timers in SQLite files of TOCSIN_HOME
 *   distributed   a program a service, any number of replicas each: the bus on Kafka, timers on Redis
 *
 * ProgramState: settings and policy pack are read (every mistake is said, exit 2) → locks → edges, tried for TOCSIN_START_TIMEOUT_MS →
 * services' environments → HTTP, which says 503 → the group is joined, runtimes → policy → ready, greeting → … → SIGTERM:
 * /readyz says 503, TOCSIN_DRAIN_DELAY_MS, no new connections, requests answered, batches finished, what is queued made durable
 * (all within TOCSIN_DRAIN_TIMEOUT_MS), exit 0. At most five seconds later it has ended, whatever Kafka and Redis do: what they
 * did not acknowledge by then is given up, and nobody was told that it is done. A group is not left: a restart under the same
 * name keeps its partitions. A second signal ends it at once; one while it waits for Kafka or Redis, within about two
 * seconds. After the start these are waited for without end: /readyz says 503 and why.
 *
 * Ready means: every dependency can be reached, a policy is there for who needs one, and every runtime has caught up. A
 * replica that the group gives nothing, a standby, is ready once it follows: it could take over.
 */
#ifndef TOCSIN_PROGRAM_PROGRAM_H
#define TOCSIN_PROGRAM_PROGRAM_H

#include "shared/io/http/server.h"
#include "shared/program/report_error.h"
#include "shared/program/process.h"
#include "shared/program/settings.h"

/* What the shell sees. A signal is a defect. */
typedef enum {
	EXIT_DONE = 0,
	EXIT_NO = 1,           /* the answer is no: check, verify, healthcheck found something */
	EXIT_USAGE = 2,        /* wrong use, settings or policy */
	EXIT_ENVIRONMENT = 3, /* port, directory, another process, Kafka, Redis */
} ExitCode;

/* The settings of these users out of the environment; NULL, and every mistake complained about, when there are any. */
Settings *settings_read_or_report(unsigned users);

/* ---- services */

/* What a program has for the environments of its services; borrowed for their life. */
typedef struct {
	const Settings *settings;
	Bus *bus;
	const char *url; /* http:// and the listener as bound: empty while environments are made, there when runtimes start */
} ProgramEdges;

/* What a service needs of its program besides its runtimes. NULL: nothing. */
typedef struct {
	/* Makes what handlers are given: fills environment and outside. Released also after a failure. */
	Result (*open)(const ProgramEdges *edges, ProcessService *out);
	void (*close)(ProcessService *service);
	/* Its routes, what their handlers are given, whom to admit and how to refuse. */
	void (*serve)(const ProcessService *service, HttpServerOptions *out);
	/*
	 * Puts a policy pack in force, for all: ERROR_INPUT: it is no valid one; ERROR_AGAIN: it cannot be published now.
	 * Without `always` one that is older than what is in force changes nothing.
	 */
	Result (*publish)(const ProcessService *service, json_t *pack, bool always);
	/* Whether it can take requests, besides what its runtimes say; the reason where it cannot. */
	Result (*ready)(const ProcessService *service);
	/* Every request that waits is answered, and none waits any more. */
	void (*drain)(const ProcessService *service);
	/* What to try first, for the greeting; ends with a line end. */
	void (*greet)(const ProgramEdges *edges, Buffer *out);
} ServiceHooks;

/* A service in a program. */
typedef struct {
	const Service *service;
	const ServiceHooks *hooks;
	bool timers; /* it arms timers */
} ProgramService;

/* ---- programs */

enum { PROGRAM_SERVICES_MAX = 6, PROGRAM_DEFAULTS_MAX = 2 };

typedef struct {
	const char *name, *value;
} SettingDefault;

typedef struct {
	const char *name;      /* "tocsin-intake" */
	unsigned settings;     /* SETTING_INTAKE: which ones it reads */
	SettingDefault defaults[PROGRAM_DEFAULTS_MAX]; /* where they are not the table's */
	const char *required;  /* a setting that must be given, and */
	const char *required_why; /* the reason; NULL: none must */
	bool distributed;      /* which edges */
	TopicId shared;        /* whose partition numbers its replicas share out; TOPICS: each replica takes them all */
	int64_t append_timeout_ms; /* an append not acknowledged by then failed; 0: the bus's own */
	ProgramService services[PROGRAM_SERVICES_MAX];
	size_t service_count;
	/* After the locks are taken: what a program makes in its home at its first start. NULL: nothing. */
	Result (*prepare)(Settings *settings);
} Program;

/* The whole main of a distributed program: its options, else its life. */
int program_main(const Program *program, int argc, char **argv);

/* A life: reads settings and pack, and returns at its end. */
ExitCode program_run(const Program *program);

/* The rows of /livez, /readyz and /metrics, which every program serves besides its own. */
extern const HttpRoute program_routes[];
enum { PROGRAM_ROUTES = 3 };

#endif
