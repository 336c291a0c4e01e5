/*
 * The audit log on its way from one home to another: its lines up to the last accepted checkpoint, verified line by
 * line when they leave and when they arrive.
 */
#ifndef TOCSIN_AUDIT_CARRY_H
#define TOCSIN_AUDIT_CARRY_H

#include "shared/io/system/files.h"
#include "shared/archive/file.h"
#include "services/audit/core/chain.h"

/*
 * Writes the lines of the file that the checkpoint counts; an empty checkpoint counts none. ERROR_INTERNAL: the file is
 * shorter, or was changed.
 */
Result audit_export(const char *path, Slice checkpoint, ArchiveWriter *writer);

/* A new file being filled. */
typedef struct {
	AppendFile *file;
	Buffer staged;
	ChainVerify verify;
} AuditImport;

/* ERROR_CONFLICT: there is one already. Its directory must be there. Closed in any case. */
Result audit_import_open(AuditImport *arrival, const char *path);
Result audit_import_line(AuditImport *arrival, Slice line);
/* Durable, and exactly what the checkpoint counts; else ERROR_INPUT. */
Result audit_import_end(AuditImport *arrival, Slice checkpoint);
void audit_import_close(AuditImport *arrival);

#endif
