/*
 * Export and import of the audit log: its lines up to the last accepted checkpoint, each verified on export and on import.
 */
#ifndef TOCSIN_AUDIT_ARCHIVE_H
#define TOCSIN_AUDIT_ARCHIVE_H

#include "services/audit/core/chain.h"
#include "shared/archive/file.h"
#include "shared/io/system/files.h"

/*
 * Writes the accepted lines of the log at path to the archive. checkpoint: the body of the last accepted checkpoint record;
 * empty: there is no checkpoint, and no lines are written. ERROR_INPUT: the checkpoint has no valid hash; ERROR_INTERNAL: the log
 * does not exist, is shorter than the checkpoint states, or was changed; ERROR_AGAIN: the log cannot be read, or the archive cannot
 * be written.
 */
Result audit_export(const char *path, Slice checkpoint, ArchiveWriter *writer);

/* A new audit log that is being written. */
typedef struct {
	AppendFile *file;
	Buffer staged;
	ChainVerify verify;
} AuditImport;

/* Creates the file; its directory must exist. ERROR_CONFLICT: the file is not empty. Call audit_import_close in any case. */
Result audit_import_open(AuditImport *import, const char *path);
/* Verifies and appends a line; `line` is without its line feed. ERROR_INPUT: the line does not continue the chain. */
Result audit_import_line(AuditImport *import, Slice line);
/* Makes all lines durable. ERROR_INPUT: the checkpoint is invalid, or it states another number, size or last hash of lines. */
Result audit_import_end(AuditImport *import, Slice checkpoint);
void audit_import_close(AuditImport *import);

#endif
