/*
 * Export: everything of record on a bus, and the audit log that belongs to it, into one file (file.h).
 *
 * The bus must be at rest (quiesce.h): every position of every input at its end, so that what is carried needs no
 * position of its own; `rested` says where that was, and export_check whether it still is so in the end. Carried are
 *
 *   of ledgers   the accepted records, in their order, without the protocol's own (claims, openings, advances): whose
 *                term a record was written in means nothing in another log
 *   of streams   all that is kept: intake knows repeated ids by re-reading its events, audit repeated assessments
 *   of tables    the last message, which is the one in force
 *   audit        the lines up to the last accepted checkpoint, verified on the way
 *
 * Records of several partitions are merged by their time, each partition's order kept: what was near in time stays
 * near, so that intake remembers the youngest ids, however many partitions the target has.
 *
 * An export is whole or fails: ERROR_CONFLICT when something was appended meanwhile, ERROR_INTERNAL when the ledgers
 * or the audit log are not what they promise (`tocsin check ledger` and `tocsin verify log` say more).
 */
#ifndef TOCSIN_ARCHIVE_EXPORT_H
#define TOCSIN_ARCHIVE_EXPORT_H

#include "shared/archive/file.h"
#include "shared/runtime/handler.h"
#include "shared/io/bus.h"

/* Called now and then: what is under way, and how many lines there are so far. */
typedef void (*CarryProgress)(void *context, const char *what, uint64_t lines);

typedef struct {
	Bus *bus;
	const Service *const *services; /* all of them */
	size_t service_count;
	/* Writes the audit log's lines that the checkpoint counts: its last accepted record's body; empty: none. */
	Result (*audit)(void *context, Slice checkpoint, ArchiveWriter *writer);
	FILE *file;
	const ArchiveEnds *rested; /* NULL: known to be at rest */
	CarryProgress progress; /* may be NULL */
	void *context; /* of audit and progress */
	Instant now;
} ExportOptions;

/* Everything to options->file, in one go; flushed, not synced. *ends: up to where was carried. */
Result export_write(const ExportOptions *options, ArchiveCounts *out, ArchiveEnds *ends);

/* On a bus that was opened again where it may have been written to by others: nothing came after what was carried. */
Result export_check(Bus *bus, const ArchiveEnds *ends);

#endif
