/* Verifies an audit log on disk, for `tocsin verify log`. Reads no other file and no bus. */
#ifndef TOCSIN_AUDIT_VERIFY_H
#define TOCSIN_AUDIT_VERIFY_H

#include "shared/base/error.h"
#include "services/audit/core/chain.h"

typedef struct {
	bool whole; /* every line is intact */
	int64_t lines, size; /* lines before the first bad line, and their bytes */
	char head[DIGEST_HEX]; /* hash of the last of these lines; 64 zeros: there are none */
	int64_t bad_line; /* if not whole: number of the first bad line, from 1 */
	char why[CHAIN_WHY]; /* the fault of the bad line: "its hash does not match …" */
} AuditVerdict;

/*
 * Reads the file in pieces, so it may have any size. ERROR_NOT_FOUND: the file does not exist; ERROR_AGAIN: it cannot be
 * read. Otherwise OK, even if a line is bad. An empty file is whole. A file that is being written may end with an incomplete line,
 * which counts as bad.
 */
Result audit_verify_file(const char *path, AuditVerdict *out);

#endif
