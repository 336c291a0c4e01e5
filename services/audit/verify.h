/* Verifying an audit file on disk, whoever wrote it: what `tocsin verify log` asks. Only the file is looked at. */
#ifndef TOCSIN_AUDIT_VERIFY_H
#define TOCSIN_AUDIT_VERIFY_H

#include "shared/base/error.h"
#include "services/audit/core/chain.h"

typedef struct {
	bool whole; /* every line fits */
	int64_t lines, size; /* that fit, and their bytes */
	char head[DIGEST_HEX]; /* hash of the last line that fits, 64 zeros where none does */
	int64_t bad_line; /* not whole: the first that does not fit, from 1 */
	char why[CHAIN_WHY]; /* and what is wrong with it, "its hash does not fit …" */
} AuditVerdict;

/*
 * Reads the file in pieces, so of any size. ERROR_NOT_FOUND: there is none; ERROR_AGAIN: it could not be read.
 * Otherwise OK, whatever
 * the verdict. An empty file is whole. A file being written to may end in an incomplete line.
 */
Result audit_verify_file(const char *path, AuditVerdict *out);

#endif
