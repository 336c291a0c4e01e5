/*
 * Export: writes all accepted records of a bus, and its audit log, to one file (file.h).
 *
 * The bus must be quiescent (quiesce.h): every service has read each of its inputs to the end, so the file needs no positions.
 * ExportOptions.quiesced holds these ends; export_check verifies after the export that they have not moved. The file contains
 *
 *   of ledgers   the accepted records in their order, except those of the ledger protocol (claims, openings, advances): their
 *                epochs and owners have no meaning in another ledger
 *   of streams   all records that retention has kept: intake reads events again to recognise repeated ids, and audit reads
 *                assessments again to recognise repeated assessments
 *   of tables    the last record of a partition (the policy in force); nothing of tables that a service derives from its state
 *   audit log    the lines up to the last accepted checkpoint, verified while they are written
 *
 * The partitions of a topic are merged by record time, and the order within each partition is kept. So records that were
 * close in time stay close. After an import, intake therefore remembers the youngest ids, however many partitions the target
 * bus has.
 *
 * An export is complete or fails. export_write detects records that were appended after quiescing; export_check, called after it,
 * detects those appended during the export. Each of them then fails with ERROR_CONFLICT.
 */
#ifndef TOCSIN_ARCHIVE_EXPORT_H
#define TOCSIN_ARCHIVE_EXPORT_H

#include "shared/archive/file.h"
#include "shared/runtime/handler.h"
#include "shared/io/bus.h"

/* Called every 1,024 lines with the name of the current step and the number of lines so far. An export counts only records. */
typedef void (*ArchiveProgress)(void *context, const char *step, uint64_t lines);

typedef struct {
	Bus *bus;
	const Service *const *services; /* all services */
	size_t service_count;
	/* Writes the lines of the audit log up to checkpoint, the body of the last accepted checkpoint; empty: no lines. */
	Result (*audit)(void *context, Slice checkpoint, ArchiveWriter *writer);
	FILE *file;
	const ArchiveEnds *quiesced; /* the ends that quiesce_await returned, which must not have moved; NULL: not checked */
	ArchiveProgress progress; /* may be NULL */
	void *context; /* of audit and progress */
	Instant now; /* written to the manifest */
} ExportOptions;

/*
 * Writes the whole archive to options->file and flushes it, without fsync. *ends: the end of each partition when the export began;
 * records from there on are not exported. ERROR_INTERNAL: the ledgers or the audit log are inconsistent (`tocsin check ledger` and
 * `tocsin verify log` report details); ERROR_AGAIN: the bus cannot be read, or the file cannot be written.
 */
Result export_write(const ExportOptions *options, ArchiveCounts *out, ArchiveEnds *ends);

/*
 * ERROR_CONFLICT: records were appended behind `ends`. If other programs may write to the bus, open it again before this call:
 * an open bus need not know the records of others.
 */
Result export_check(Bus *bus, const ArchiveEnds *ends);

#endif
