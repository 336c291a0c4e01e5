/*
 * Import: what an export holds (file.h) into a bus that holds nothing yet, however many partitions it has.
 *
 * Each record goes to the partition of its slot. A ledger begins with a claim of its own and an opening record, then
 * come the carried records, and last an `advanced` record: it alone says where the owners go on, at the ends of all
 * inputs, with everything derived. So nothing carried is decided, derived, sent or logged a second time; and a
 * position in a ledger stands right behind an accepted record, as every reader expects.
 *
 * Whole or not at all: the ledger of audit's checkpoints is begun first, its claim says how many carried
 * records follow (ce_carried), and its last record is appended only when everything else is durable. A process that
 * finds one begun and not ended refuses to run (import_check), and an import refuses a target that is not empty: after
 * a crash the target is cleared and the import done again.
 *
 * Readers that keep no state are told through their group's positions that they have read everything (Bus.commit).
 * These are durable when the bus is closed: hence two steps, with the bus closed and opened in between, which also
 * shows the real ends. Where groups are joined (Kafka) the bus is a member of that reader's group; there is only one
 * such service.
 */
#ifndef TOCSIN_ARCHIVE_IMPORT_H
#define TOCSIN_ARCHIVE_IMPORT_H

#include "shared/io/bus.h"
#include "shared/archive/file.h"
#include "shared/archive/export.h"

typedef struct Import Import;

typedef struct {
	const Service *const *services; /* all of them */
	size_t service_count;
	uint64_t owner_id; /* random */
	/* The audit log's lines in their order; then its end, with the body of its last checkpoint (empty: none). */
	Result (*audit_line)(void *context, Slice line);
	Result (*audit_end)(void *context, Slice checkpoint);
	CarryProgress progress; /* may be NULL */
	void *context;
	Instant now;
} ImportOptions;

/* Reads the file from its beginning to its end and checks all of it, writing nothing. */
Result import_file_check(FILE *file, const ImportOptions *options, ArchiveCounts *out);

/* ERROR_CONFLICT where the bus holds anything at all. */
Result import_target_check(Bus *bus);

/* ERROR_INPUT, with what to do, where an import was begun and has not ended: nothing may run on such a bus. */
Result import_check(Bus *bus);

/* counts: of import_file_check. Freed after the bus is closed: what was appended reports to it. */
Import *import_new(const ImportOptions *options, const ArchiveCounts *counts);
void import_free(Import *import);

/*
 * Writes everything but the last record, from the file's beginning. ERROR_CONFLICT: somebody else writes to the target;
 * ERROR_AGAIN: the bus cannot be written to.
 */
Result import_write(Import *import, Bus *bus, FILE *file);

/* On the bus opened again: everything is there, and the last record ends the import. */
Result import_finish(Import *import, Bus *bus);

#endif
