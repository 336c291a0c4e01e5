/*
 * audit: keeps the verifiable log (core/chain.h) of all assessments, incident changes and deliveries. Its ledger,
 * tocsin.checkpoints, records the accepted size, line count and head of the log.
 *
 * Invariants
 *   1. A checkpoint is drafted only when all lines that it counts are on disk (written and fsynced).
 *   2. Lines after the last accepted checkpoint do not count: they are cut off, and their inputs are read again. Only
 *      the owner of the partition cuts them: the state of another replica may be behind the ledger, so it could cut accepted lines.
 *   3. The file must hold all accepted lines, and the last of them must have the accepted hash (head). Otherwise the file was
 *      tampered with, and audit stops.
 *   4. A replica whose file lacks accepted lines does not claim the partition, so that a replica with the whole file can
 *      claim it. /readyz and the program's log report this.
 *   5. A checkpoint states a position of an input only if it counts the lines of all records before that position.
 *   6. Assessments are delivered at least once; the log holds each of them once. For this audit keeps a hash of the id and body of
 *      each assessment for 60 days after the record's time, which is twice the retention of tocsin.assessments.
 */
#ifndef TOCSIN_AUDIT_AUDIT_H
#define TOCSIN_AUDIT_AUDIT_H

#include "shared/program/program.h"

extern const Service audit_service;

/* Opens the log file for the program. */
extern const ServiceHooks audit_hooks;

/* The body of a checkpoint. */
typedef struct {
	int64_t size, count;
	const char *head;
} Checkpoint;
extern const FieldTable checkpoint_table;

/* The file of the audit log, or a substitute in tests. */
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

/* The type of handler->environment. */
typedef struct {
	AuditLedger *ledger; /* borrowed; must outlive the runtime */
} AuditEnvironment;

/*
 * A log in the file at path; its directory must exist. The first cut opens the file. If a cut to size 0 finds lines, no checkpoint
 * has accepted them, and they may belong to another bus. It is then renamed to the first free name of PATH.unaccepted-1, -2 …
 */
Result audit_file_new(const char *path, AuditLedger **out);
void audit_ledger_close(AuditLedger *ledger); /* NULL is allowed */

#endif
