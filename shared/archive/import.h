/*
 * Import: writes the records of an archive (file.h) to an empty bus, which may have any number of partitions.
 *
 * Each record goes to the partition of its slot. A ledger begins with a new claim and an opening record, followed by the
 * archived records and one `advanced` record. Only this last record sets positions: the ends of all inputs, with everything
 * derived. So no archived record is decided, derived, sent or logged a second time, and every position in a ledger directly
 * follows an accepted record, as readers expect.
 *
 * Complete or not at all: the ledger of audit's checkpoints is begun first. Its claim states how many archived records follow
 * (ce_carried), and its last record is appended only when everything else is durable. A process that finds an import that was
 * begun and not completed refuses to run (import_check), and an import refuses a target that is not empty. After a crash the
 * target must be cleared before the import is repeated.
 *
 * For a service without state, the committed positions of its group record that it has read everything (Bus.commit). They
 * are durable once the bus is closed. Therefore an import has two steps (import_write, import_finish), and the caller closes
 * the bus and opens it again between them; the second step also reads the true ends. Where groups are joined (Kafka), the
 * bus is a member of the group of the service without state; there is only one such service.
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
	/* Called for the lines of the audit log in order, then once with the body of its last checkpoint (empty: none). */
	Result (*audit_line)(void *context, Slice line);
	Result (*audit_end)(void *context, Slice checkpoint);
	ArchiveProgress progress; /* may be NULL */
	void *context; /* of all callbacks */
	Instant now; /* time of the protocol's records */
} ImportOptions;

/* Reads and checks the whole file from its current position; writes nothing. Errors: see archive_read. */
Result import_file_check(FILE *file, const ImportOptions *options, ArchiveCounts *out);

/* ERROR_CONFLICT: the bus has held records; ERROR_INPUT: see import_check. */
Result import_target_check(Bus *bus);

/* ERROR_INPUT with the remedy: an import was begun and not completed, so nothing may run on this bus. */
Result import_check(Bus *bus);

/* counts: from import_file_check. Free it after the bus is closed, because acknowledgements of appends refer to it. */
Import *import_new(const ImportOptions *options, const ArchiveCounts *counts);
void import_free(Import *import);

/*
 * Writes everything except the last record; the file must be at its beginning. ERROR_CONFLICT: another program writes to the
 * target; ERROR_AGAIN: the bus does not accept records.
 */
Result import_write(Import *import, Bus *bus, FILE *file);

/* On the bus opened again: checks the ends and the committed positions, then appends the last record. Errors as above. */
Result import_finish(Import *import, Bus *bus);

#endif
