/*
 * Export: writes all accepted records of a bus, and its audit log, to one file (file.h).
 *
 * The bus must be quiescent (quiesce.h): the position of every input is at its end, so the file needs no positions.
 * ExportOptions.quiesced holds these ends; export_check verifies afterwards that they have not moved. The file contains
 *
 *   of ledgers   the accepted records in their order, except those of the protocol itself (claims, openings, advances):
 *                epochs and owners have no meaning in another ledger
 *   of streams   all kept records: intake reads events again to recognise repeated ids, and audit reads assessments again to
 *                recognise repeated ones
 *   of tables    the last record, which is the one in force
 *   audit log    the lines up to the last accepted checkpoint, verified while they are written
 *
 * The partitions of a topic are merged by record time, and the order within each partition is kept. So records that were
 * close in time stay close, and intake remembers the youngest ids, however many partitions the target has.
 *
 * An export is complete or fails. ERROR_CONFLICT: records were appended meanwhile; ERROR_INTERNAL: the ledgers or the audit
 * log are inconsistent (`tocsin check ledger` and `tocsin verify log` report details).
 */
#ifndef TOCSIN_ARCHIVE_EXPORT_H
#define TOCSIN_ARCHIVE_EXPORT_H

#include "shared/archive/file.h"
#include "shared/runtime/handler.h"
#include "shared/io/bus.h"

/* Called every thousand lines: the name of the current step, and the lines so far. */
typedef void (*ArchiveProgress)(void *context, const char *step, uint64_t lines);

typedef struct {
	Bus *bus;
	const Service *const *services; /* all services */
	size_t service_count;
	/* Writes the lines of the audit log up to checkpoint, the body of the last accepted checkpoint; empty: no lines. */
	Result (*audit)(void *context, Slice checkpoint, ArchiveWriter *writer);
	FILE *file;
	const ArchiveEnds *quiesced; /* ends that must not have moved; NULL: not checked */
	ArchiveProgress progress; /* may be NULL */
	void *context; /* of audit and progress */
	Instant now; /* written to the manifest */
} ExportOptions;

/* Writes the whole archive to options->file; flushes it, does not fsync. *ends: the exported end of each partition. */
Result export_write(const ExportOptions *options, ArchiveCounts *out, ArchiveEnds *ends);

/* ERROR_CONFLICT: records were appended after ends. If other programs may write to the bus, open it again first. */
Result export_check(Bus *bus, const ArchiveEnds *ends);

#endif
