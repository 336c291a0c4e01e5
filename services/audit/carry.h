/*
 * The audit log on its way from one home to another: its lines up to the last accepted checkpoint, verified line by
 * line when they leave and when they arrive.
 */
#ifndef TOCSIN_AUDIT_CARRY_H
#define TOCSIN_AUDIT_CARRY_H

#include "shared/edge/files.h"
#include "shared/service/carry_file.h"
#include "services/audit/core/chain.h"

/*
 * Writes the lines of the file that the checkpoint counts; an empty checkpoint counts none. ERROR_INTERNAL: the file is
 * shorter, or was changed.
 */
Result audit_carry_out(const char *path, Slice checkpoint, CarryWriter *writer);

/* A new file being filled. */
typedef struct {
	AppendFile *file;
	Buffer staged;
	ChainVerify verify;
} AuditArrival;

/* ERROR_CONFLICT: there is one already. Its directory must be there. Closed in any case. */
Result audit_arrival_open(AuditArrival *arrival, const char *path);
Result audit_arrival_line(AuditArrival *arrival, Slice line);
/* Durable, and exactly what the checkpoint counts; else ERROR_INPUT. */
Result audit_arrival_end(AuditArrival *arrival, Slice checkpoint);
void audit_arrival_close(AuditArrival *arrival);

#endif
