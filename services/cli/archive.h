/*
 * What export, import and check ledger share: the two places that ledgers may be in, and words about progress.
 *
 *   default    bus.db in TOCSIN_HOME: the embedded mode
 *   --kafka    the topics on TOCSIN_KAFKA_BROKERS: the distributed mode; the audit log is in TOCSIN_HOME there, too,
 *              which is that of tocsin-audit
 */
#ifndef TOCSIN_CLI_ARCHIVE_H
#define TOCSIN_CLI_ARCHIVE_H

#include "services/cli/cli.h"
#include "shared/archive/export.h"
#include "shared/program/datadir.h"

typedef struct {
	Settings *settings;
	bool kafka;
	const char *file; /* the argument, or NULL */
	const char *client; /* "tocsin-export": as Kafka knows it */
	const char *usage;
	DataDir home;
	int64_t said_us; /* when progress was said last */
} ArchiveCommand;

/* Arguments and settings; EXIT_DONE, or what to end with (said). wants_file: an argument besides --kafka is needed. */
ExitCode archive_open(ArchiveCommand *carriage, char **arguments, int count, bool wants_file);
/* Releases locks and settings. */
void archive_close(ArchiveCommand *carriage);

/* All services, as export and import want them. */
extern const Service *const carried_services[];
enum { ARCHIVED_SERVICES = 6 };

/* The locks of who runs all services from this home; ERROR_CONFLICT: somebody runs one, with what to do. */
Result archive_lock(ArchiveCommand *carriage);

/* ERROR_NOT_FOUND: TOCSIN_HOME has no bus. */
Result archive_datadir_check(const ArchiveCommand *carriage);

/* group: whose positions are to be known (Kafka), or NULL; it is not joined yet. */
Result archive_bus_open(ArchiveCommand *carriage, const Service *group, Bus **out);

void archive_audit_path(const ArchiveCommand *carriage, char out[static PATH_SIZE]);

/* A line on stderr now and then; context is the ArchiveCommand. */
void archive_progress(void *context, const char *what, uint64_t lines);

#endif
