/*
 * What export, import and check ledger share: the two places that ledgers may be in, and words about progress.
 *
 *   default    bus.db in TOCSIN_HOME: the embedded mode
 *   --kafka    the topics on TOCSIN_KAFKA_BROKERS: the distributed mode; the audit log is in TOCSIN_HOME there, too,
 *              which is that of tocsin-audit
 */
#ifndef TOCSIN_CLI_CARRY_H
#define TOCSIN_CLI_CARRY_H

#include "services/cli/cli.h"
#include "shared/service/export.h"
#include "shared/service/home.h"

typedef struct {
	Settings *settings;
	bool kafka;
	const char *file; /* the argument, or NULL */
	const char *client; /* "tocsin-export": as Kafka knows it */
	const char *usage;
	Home home;
	int64_t said_us; /* when progress was said last */
} Carriage;

/* Arguments and settings; EXIT_DONE, or what to end with (said). wants_file: an argument besides --kafka is needed. */
ExitCode carriage_open(Carriage *carriage, char **arguments, int count, bool wants_file);
/* Releases locks and settings. */
void carriage_close(Carriage *carriage);

/* All services, as export and import want them. */
extern const Service *const carried_services[];
enum { CARRIED_SERVICES = 6 };

/* The locks of who runs all services from this home; ERROR_CONFLICT: somebody runs one, with what to do. */
Result carriage_lock(Carriage *carriage);

/* ERROR_NOT_FOUND: TOCSIN_HOME has no bus. */
Result carriage_home_check(const Carriage *carriage);

/* group: whose positions are to be known (Kafka), or NULL; it is not joined yet. */
Result carriage_bus_open(Carriage *carriage, const Service *group, Bus **out);

void carriage_audit_path(const Carriage *carriage, char out[static PATH_SIZE]);

/* A line on stderr now and then; context is the Carriage. */
void carriage_progress(void *context, const char *what, uint64_t lines);

#endif
