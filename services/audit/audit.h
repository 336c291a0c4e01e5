/*
 * audit: keeps the verifiable log (core/chain.h) of all assessments, incident changes and deliveries. Its ledger,
 * tocsin.checkpoints, records the accepted size, line count and head of the log.
 *
 * Invariants
 *   1. A checkpoint is drafted only when all lines that it counts are on disk (written and fsynced).
 *   2. Lines after the last accepted checkpoint are not of record: they are cut off, and their inputs are read again. This
 *      happens once the partition is owned, never before: a state file that is behind its ledger must not cut anything.
 *   3. The file must hold at least the accepted lines and end with the accepted head; otherwise it was tampered with, and
 *      audit stops.
 *   4. A replica whose file lacks accepted lines claims nothing, so that a complete one can; /readyz and the log say so.
 *   5. An input position is stated only by the checkpoint that covers its line.
 *   6. Assessments are delivered at least once; the log holds each of them once. Their ids are remembered for 60 days of
 *      record time, twice as long as their topic keeps them.
 */
#ifndef TOCSIN_AUDIT_AUDIT_H
#define TOCSIN_AUDIT_AUDIT_H

#include "shared/program/program.h"

extern const Service audit_service;

/* Opens the log file for the program. */
extern const ServiceHooks audit_hooks;

/* The log file. */
typedef struct AuditLedger AuditLedger;

typedef struct {
	/* Truncates the file to size bytes. ERROR_INTERNAL: the file is shorter. */
	Result (*cut)(AuditLedger *ledger, int64_t size);
	/* Appends lines to the file; they are durable when the call returns. Call cut once before the first write. */
	Result (*write)(AuditLedger *ledger, Slice lines);
	/* Reads exactly size bytes, starting at offset `from`, and appends them to out. ERROR_INTERNAL: the file is shorter. */
	Result (*read)(AuditLedger *ledger, int64_t from, size_t size, Buffer *out);
	void (*close)(AuditLedger *ledger);
} AuditLedgerOperations;

struct AuditLedger {
	const AuditLedgerOperations *operations;
};

/* handler->environment. */
typedef struct {
	AuditLedger *ledger; /* not owned; outlives the runtime */
} AuditEnvironment;

/*
 * A log in a file, whose directory must exist; it is opened by the first cut. Lines in the file although none was ever
 * accepted belong to another bus: the file is renamed to PATH.unaccepted-1, -2 …, never overwritten.
 */
Result audit_file_new(const char *path, AuditLedger **out);
void audit_ledger_close(AuditLedger *ledger); /* NULL is allowed */

#endif
