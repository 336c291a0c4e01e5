/*
 * Import: writes the records of an archive (file.h) to an empty bus, the target. The target may have any number of partitions.
 *
 * Each record goes to the partition of its slot. A ledger partition begins with a new claim and an opening record, followed by
 * the archived records and one `advanced` record. Only this last record states positions: the ends of all inputs, and that
 * everything is derived. So no archived record is decided, derived, sent or logged a second time, and every position in a
 * ledger directly follows an accepted record, as readers expect.
 *
 * An import is complete, or no program runs on its target. It begins with the ledger of audit's checkpoints, whose claim states
 * how many archived records follow (ce_carried). The last record of this ledger is appended only when everything else is
 * durable. While that record is missing, every program refuses to run on the bus (import_check). An import refuses a target
 * that is not empty: after a crash, clear the target, then import again.
 *
 * A service without state has its positions only in its consumer group. The import commits them at the ends of the inputs
 * (BusOperations.commit); they are durable only once the bus is closed. Therefore an import has two steps (import_write,
 * import_finish), and the caller closes the bus and opens it again between them. The second step also reads the true ends of
 * all partitions. On Kafka, only a member of a group can commit: the bus must have joined the group of the service without
 * state. There is only one such service.
 */
#ifndef TOCSIN_ARCHIVE_IMPORT_H
#define TOCSIN_ARCHIVE_IMPORT_H

#include "shared/io/bus.h"
#include "shared/archive/file.h"
#include "shared/archive/export.h"

typedef struct Import Import;

typedef struct {
	const Service *const *services; /* all services */
	size_t service_count;
	uint64_t owner_id; /* random */
	/* Called for each line of the audit log in order; then audit_end once, with the last checkpoint's body (empty: none). */
	Result (*audit_line)(void *context, Slice line);
	Result (*audit_end)(void *context, Slice checkpoint);
	ArchiveProgress progress; /* may be NULL */
	void *context; /* of all callbacks */
	Instant now; /* ce_time of the claims, openings and advances */
} ImportOptions;

/* Reads and checks the whole file from its current position; writes nothing. Errors: see archive_reader_init, archive_read. */
Result import_file_check(FILE *file, const ImportOptions *options, ArchiveCounts *out);

/* Checks that the target is empty. ERROR_CONFLICT: the bus has or had records; other errors: see import_check. */
Result import_target_check(Bus *bus);

/*
 * Every program calls import_check before it runs. ERROR_INPUT with the remedy: an import to this bus was begun but not completed;
 * ERROR_AGAIN: the bus cannot be read now.
 */
Result import_check(Bus *bus);

/* counts: from import_file_check. Free the Import only after the bus is closed: acknowledgements of appends refer to it. */
Import *import_new(const ImportOptions *options, const ArchiveCounts *counts);
void import_free(Import *import);

/*
 * Writes everything except the last record of the checkpoints ledger. The file must be at its beginning. ERROR_CONFLICT:
 * another program writes to the target or runs on it; ERROR_AGAIN: the bus does not accept or acknowledge a record, or the file
 * cannot be read; ERROR_INPUT: the file was changed after import_file_check. Also fails with errors of the callbacks.
 */
Result import_write(Import *import, Bus *bus, FILE *file);

/*
 * Second step; bus: the target, opened again. Checks the ends and the committed positions, then appends the last record of the
 * checkpoints ledger. ERROR_CONFLICT: another program writes to the target, or records were lost; ERROR_AGAIN: a committed position
 * was lost or cannot be read, or the bus does not accept or acknowledge a record.
 */
Result import_finish(Import *import, Bus *bus);

#endif
