#include "services/audit/verify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PIECE = 4096 };

static Result file_feed(FILE *file, const char *path, ChainVerify *verify)
{
	char piece[PIECE];
	size_t size;
	while ((size = fread(piece, 1, sizeof(piece), file)) > 0)
		if (!chain_verify_feed(verify, (Slice){ piece, size }))
			return result_ok();
	if (ferror(file))
		return result_fail(ERROR_AGAIN, "%s cannot be read: %s", path, strerror(errno));
	(void)chain_verify_end(verify, NULL);
	return result_ok();
}

static void verdict_fill(const ChainVerify *verify, AuditVerdict *out)
{
	*out = (AuditVerdict){ .whole = verify->bad_line == 0,
			       .lines = verify->head.count,
			       .size = verify->head.size,
			       .bad_line = verify->bad_line };
	digest_hex(&verify->head.head, out->head);
	memcpy(out->why, verify->why, sizeof(out->why));
}

Result audit_verify_file(const char *path, AuditVerdict *out)
{
	FILE *file = fopen(path, "rbe");
	if (!file)
		return result_fail(errno == ENOENT ? ERROR_NOT_FOUND : ERROR_AGAIN, "%s cannot be opened: %s", path,
				   strerror(errno));
	ChainVerify verify;
	chain_verify_init(&verify);
	Result result = file_feed(file, path, &verify);
	if (!result_failed(result))
		verdict_fill(&verify, out);
	chain_verify_release(&verify);
	fclose(file);
	return result;
}
