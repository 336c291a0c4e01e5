/*
 * Export and import of the audit log: its lines up to the last accepted checkpoint, each verified on export and on import.
 */
#ifndef TOCSIN_AUDIT_ARCHIVE_H
#define TOCSIN_AUDIT_ARCHIVE_H

#include "services/audit/core/chain.h"
#include "shared/archive/file.h"
#include "shared/io/system/files.h"

/*
 * Writes the lines of the file at path that the checkpoint counts; checkpoint: the body of its record, empty: no lines.
 * ERROR_INTERNAL: the file is shorter or was changed; ERROR_AGAIN: it cannot be read, or the archive not written.
 */
Result audit_export(const char *path, Slice checkpoint, ArchiveWriter *writer);

/* A new audit log that is being written. */
typedef struct {
	AppendFile *file;
	Buffer staged;
	ChainVerify verify;
} AuditImport;

/* Creates the file; its directory must exist. ERROR_CONFLICT: it exists already. Call audit_import_close in any case. */
Result audit_import_open(AuditImport *import, const char *path);
/* Verifies and appends a line, without its line feed. ERROR_INPUT: it does not continue the chain. */
Result audit_import_line(AuditImport *import, Slice line);
/* Makes all lines durable. ERROR_INPUT: they are not exactly those that the checkpoint counts. */
Result audit_import_end(AuditImport *import, Slice checkpoint);
void audit_import_close(AuditImport *import);

#endif
