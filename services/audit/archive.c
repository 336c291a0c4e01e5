#include "services/audit/archive.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

enum { PIECE = 4096, STAGED_BYTES = 4 << 20 };

static Result checkpoint_read(Slice body, ChainHead *out)
{
	*out = (ChainHead){ 0 };
	if (body.size == 0)
		return result_ok();
	json_t *tree JSON_AUTO = NULL;
	TRY(json_read(body, &tree));
	out->size = json_integer_value(json_object_get(tree, "size"));
	out->count = json_integer_value(json_object_get(tree, "count"));
	const char *head = json_string_value(json_object_get(tree, "head"));
	return digest_from_hex(slice_of(head), &out->head) ? result_ok()
							   : result_fail(ERROR_INPUT, "a checkpoint has no valid head");
}

/* ---- export */

typedef struct {
	ArchiveWriter *writer;
	ChainVerify verify;
	Buffer partial; /* the beginning of a line whose end has not been read yet */
} AuditExport;

static Result line_export(AuditExport *export, Slice line)
{
	buffer_append(&export->partial, line);
	if (export->partial.overflowed)
		return result_fail(ERROR_INTERNAL, "a line is longer than the limit of %d bytes: the file was changed", CHAIN_LINE_MAX);
	TRY(archive_write_audit(export->writer, buffer_slice(&export->partial)));
	buffer_clear(&export->partial);
	return result_ok();
}

static Result piece_export(AuditExport *export, Slice piece)
{
	const char *end;
	if (!chain_verify_feed(&export->verify, piece))
		return result_fail(ERROR_INTERNAL, "line %" PRId64 ": %s", export->verify.bad_line,
				   export->verify.why);
	while (piece.size > 0 && (end = memchr(piece.data, '\n', piece.size)) != NULL) {
		size_t size = (size_t)(end - piece.data);
		TRY(line_export(export, (Slice){ piece.data, size }));
		piece = (Slice){ end + 1, piece.size - size - 1 };
	}
	buffer_append(&export->partial, piece);
	return result_ok();
}

static Result file_export(FILE *file, int64_t size, AuditExport *export)
{
	char piece[PIECE];
	while (size > 0) {
		size_t got = fread(piece, 1, size < PIECE ? (size_t)size : PIECE, file);
		if (got == 0 && ferror(file))
			return result_fail(ERROR_AGAIN, "it cannot be read: %s", strerror(errno));
		if (got == 0)
			return result_fail(ERROR_INTERNAL, "it is shorter than its last checkpoint states: lines that were accepted are missing");
		TRY(piece_export(export, (Slice){ piece, got }));
		size -= (int64_t)got;
	}
	return result_ok();
}

static Result path_export(const char *path, const ChainHead *head, AuditExport *export)
{
	FILE *file = fopen(path, "rbe");
	if (!file)
		return result_fail(errno == ENOENT ? ERROR_INTERNAL : ERROR_AGAIN, "it cannot be opened: %s",
				   strerror(errno));
	Result result = file_export(file, head->size, export);
	fclose(file);
	if (!result_failed(result) && !chain_verify_end(&export->verify, head))
		result = result_fail(ERROR_INTERNAL, "%s", export->verify.why);
	return result;
}

Result audit_export(const char *path, Slice checkpoint, ArchiveWriter *writer)
{
	ChainHead head;
	AuditExport export = { .writer = writer };
	TRY(checkpoint_read(checkpoint, &head));
	if (head.count == 0)
		return result_ok();
	chain_verify_init(&export.verify);
	buffer_init(&export.partial, CHAIN_LINE_MAX);
	Result result = path_export(path, &head, &export);
	buffer_release(&export.partial);
	chain_verify_release(&export.verify);
	return result_wrap(result, "%s", path);
}

/* ---- import */

Result audit_import_open(AuditImport *import, const char *path)
{
	struct stat found;
	*import = (AuditImport){ .file = NULL };
	chain_verify_init(&import->verify);
	buffer_init(&import->staged, STAGED_BYTES + CHAIN_LINE_MAX + 1);
	if (stat(path, &found) == 0 && found.st_size > 0)
		return result_fail(ERROR_CONFLICT,
				   "%s is not empty: import into a TOCSIN_HOME that has never been used", path);
	return append_file_open(path, 0, &import->file);
}

static Result staged_write(AuditImport *import)
{
	TRY(append_file_write(import->file, buffer_slice(&import->staged)));
	buffer_clear(&import->staged);
	return result_ok();
}

Result audit_import_line(AuditImport *import, Slice line)
{
	if (!chain_verify_feed(&import->verify, line) || !chain_verify_feed(&import->verify, SLICE("\n")))
		return result_fail(ERROR_INPUT, "line %" PRId64 " of the audit log: %s", import->verify.bad_line,
				   import->verify.why);
	buffer_append(&import->staged, line);
	buffer_byte(&import->staged, '\n');
	return import->staged.size > STAGED_BYTES ? staged_write(import) : result_ok();
}

Result audit_import_end(AuditImport *import, Slice checkpoint)
{
	ChainHead head;
	TRY(checkpoint_read(checkpoint, &head));
	if (!chain_verify_end(&import->verify, &head))
		return result_fail(ERROR_INPUT, "the audit log does not end where its checkpoint states: %s",
				   import->verify.why);
	return staged_write(import);
}

void audit_import_close(AuditImport *import)
{
	append_file_close(import->file);
	buffer_release(&import->staged);
	chain_verify_release(&import->verify);
}
