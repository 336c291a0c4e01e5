/*
 * Shared by export, import and check ledger: where the ledgers are, and progress on stderr.
 *
 *   default    bus.db in TOCSIN_HOME: the embedded mode
 *   --kafka    the topics on TOCSIN_KAFKA_BROKERS: the distributed mode; the audit log is in TOCSIN_HOME, which must be
 *              that of tocsin-audit
 */
#ifndef TOCSIN_CLI_ARCHIVE_H
#define TOCSIN_CLI_ARCHIVE_H

#include "services/cli/cli.h"
#include "shared/archive/export.h"
#include "shared/program/datadir.h"

typedef struct {
	Settings *settings;
	bool kafka;
	const char *file; /* the argument; NULL: none */
	const char *client; /* client id on Kafka: "tocsin-export" */
	const char *usage; /* "tocsin export [--kafka] FILE" */
	DataDir datadir;
	int64_t reported_us; /* time of the last progress line */
} ArchiveCommand;

/*
 * Reads arguments and settings. wants_file: FILE is required, else not allowed. EXIT_OK, or the exit code after reporting the
 * mistakes. archive_close in both cases.
 */
ExitCode archive_open(ArchiveCommand *command, char **arguments, int count, bool wants_file);
/* Releases locks and frees settings. */
void archive_close(ArchiveCommand *command);

/* All services, for ExportOptions and ImportOptions. */
extern const Service *const archived_services[];
enum { ARCHIVED_SERVICES = 6 };

/* Takes the locks of all services in TOCSIN_HOME. ERROR_CONFLICT with the remedy: another process runs one of them. */
Result archive_lock(ArchiveCommand *command);

/* ERROR_NOT_FOUND: embedded, and TOCSIN_HOME holds no bus.db. */
Result archive_datadir_check(const ArchiveCommand *command);

/*
 * Opens the bus; the caller closes *out. group: on Kafka, the service whose committed positions are needed; NULL: none. The
 * group is not joined.
 */
Result archive_bus_open(ArchiveCommand *command, const Service *group, Bus **out);

/* TOCSIN_HOME/audit/ledger.jsonl. */
void archive_audit_path(const ArchiveCommand *command, char out[static PATH_SIZE]);

/* Writes a line to stderr every three seconds at most; context is the ArchiveCommand. */
void archive_progress(void *context, const char *step, uint64_t lines);

#endif
