/*
 * Shared by the commands export, import and check ledger: arguments, locks, the bus to open, and progress on stderr.
 *
 *   default    the ledgers are in TOCSIN_HOME/bus.db (embedded mode)
 *   --kafka    the ledgers are topics on TOCSIN_KAFKA_BROKERS (distributed mode); the audit log is in TOCSIN_HOME, which must
 *              be the TOCSIN_HOME of tocsin-audit
 */
#ifndef TOCSIN_CLI_ARCHIVE_H
#define TOCSIN_CLI_ARCHIVE_H

#include "services/cli/cli.h"
#include "shared/archive/export.h"
#include "shared/program/datadir.h"

typedef struct {
	Settings *settings;
	bool kafka;
	const char *file; /* the argument FILE; NULL: not given */
	const char *client; /* client id on Kafka, e.g. "tocsin-export" */
	const char *usage; /* e.g. "tocsin export [--kafka] FILE" */
	DataDir datadir;
	int64_t reported_us; /* time of the last progress line */
} ArchiveCommand;

/*
 * Reads arguments and settings. wants_file: true if FILE is required, false if it is not allowed. Returns EXIT_OK, or reports the
 * mistakes and returns EXIT_USAGE. Call archive_close in any case.
 */
ExitCode archive_open(ArchiveCommand *command, char **arguments, int count, bool wants_file);
/* Releases locks and frees settings. */
void archive_close(ArchiveCommand *command);

/* All services, for ExportOptions and ImportOptions. */
extern const Service *const archived_services[];
enum { ARCHIVED_SERVICES = 6 };

/* Creates TOCSIN_HOME if missing, and takes the locks of all services there. ERROR_CONFLICT: another process runs a service. */
Result archive_lock(ArchiveCommand *command);

/* ERROR_NOT_FOUND: TOCSIN_HOME holds no bus.db. Always OK with --kafka. */
Result archive_datadir_check(const ArchiveCommand *command);

/*
 * Opens the bus; the caller closes *out. group: the service whose committed positions on Kafka are needed; NULL: no positions
 * are needed. Does not join the service's group.
 */
Result archive_bus_open(ArchiveCommand *command, const Service *group, Bus **out);

/* TOCSIN_HOME/audit/ledger.jsonl. */
void archive_audit_path(const ArchiveCommand *command, char out[static PATH_SIZE]);

/* Writes a progress line to stderr, at most one every three seconds. context is the ArchiveCommand. */
void archive_progress(void *context, const char *step, uint64_t lines);

#endif
