/*
 * audit: keeps the verifiable log of everything of record (core/chain.h) and says in its ledger, tocsin.checkpoints,
 * how far it goes and where it stands.
 *
 * Invariants
 *   1. A checkpoint is drafted only when the lines it speaks of are on disk (written and fsynced).
 *   2. What is on disk beyond the last accepted checkpoint is of nobody's record: it is cut off, and its inputs are
 *      read again. This happens when the partition is owned, never before: a state file that is still behind its
 *      ledger must not cut anything.
 *   3. The file must hold at least what was accepted and end with the accepted head, or audit stops: it was tampered
 *      with.
 *   4. A replica without what was accepted, beside others, claims nothing and says so.
 *   5. An input position is claimed only by the checkpoint that holds its line.
 *   6. Assessments come at least once; the log holds each once. They are known by their ids for 60 days of record time,
 *      twice as long as their topic keeps them.
 */
#ifndef TOCSIN_AUDIT_AUDIT_H
#define TOCSIN_AUDIT_AUDIT_H

#include "shared/program/program.h"

extern const Service audit_service;

/* For the program it runs in: the file. */
extern const ServiceHooks audit_hooks;

/* The file of lines, as audit uses it. */
typedef struct AuditLedger AuditLedger;

typedef struct {
	/* Cut back to size bytes; ERROR_INTERNAL when it is shorter. */
	Result (*cut)(AuditLedger *ledger, int64_t size);
	/* Appended behind what is there, and durable when it returns. Only after a cut. */
	Result (*write)(AuditLedger *ledger, Slice lines);
	/* Appends exactly size bytes from there to out; ERROR_INTERNAL where the file ends before. */
	Result (*read)(AuditLedger *ledger, int64_t from, size_t size, Buffer *out);
	void (*close)(AuditLedger *ledger);
} AuditLedgerOperations;

struct AuditLedger {
	const AuditLedgerOperations *operations;
};

/* What the program gives the handlers (handler->environment). */
typedef struct {
	AuditLedger *ledger; /* not owned; outlives the runtime */
} AuditEnvironment;

/*
 * The ledger in a file; its directory must be there. Opened at the first cut. A file that holds lines while nothing was
 * ever accepted belongs to another bus: it is set aside as PATH.unaccepted-1, -2 …, never overwritten.
 */
Result audit_file_new(const char *path, AuditLedger **out);
void audit_ledger_close(AuditLedger *ledger); /* NULL ok */

#endif
