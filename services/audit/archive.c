#include "services/audit/carry.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

enum { PIECE = 1 << 16, STAGED_BYTES = 4 << 20 };

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
							   : result_fail(ERROR_INPUT, "a checkpoint has no head");
}

/* ---- leaving */

/* Whole lines of what is left of size, one piece after the other; the rest of a line waits in `partial`. */
typedef struct {
	ArchiveWriter *writer;
	ChainVerify verify;
	Buffer partial;
} Departure;

static Result line_leave(Departure *departure, Slice line)
{
	buffer_append(&departure->partial, line);
	if (departure->partial.overflowed)
		return result_fail(ERROR_INTERNAL, "a line of it is longer than one can be");
	TRY(archive_write_audit(departure->writer, buffer_slice(&departure->partial)));
	buffer_clear(&departure->partial);
	return result_ok();
}

static Result piece_leave(Departure *departure, Slice piece)
{
	const char *end;
	if (!chain_verify_feed(&departure->verify, piece))
		return result_fail(ERROR_INTERNAL, "line %" PRId64 ": %s", departure->verify.bad_line,
				   departure->verify.why);
	while (piece.size > 0 && (end = memchr(piece.data, '\n', piece.size)) != NULL) {
		size_t size = (size_t)(end - piece.data);
		TRY(line_leave(departure, (Slice){ piece.data, size }));
		piece = (Slice){ end + 1, piece.size - size - 1 };
	}
	buffer_append(&departure->partial, piece);
	return result_ok();
}

static Result file_leave(FILE *file, int64_t size, Departure *departure)
{
	char piece[PIECE];
	while (size > 0) {
		size_t got = fread(piece, 1, size < PIECE ? (size_t)size : PIECE, file);
		if (got == 0 && ferror(file))
			return result_fail(ERROR_AGAIN, "it cannot be read: %s", strerror(errno));
		if (got == 0)
			return result_fail(ERROR_INTERNAL, "it is shorter than what was accepted: it was changed");
		TRY(piece_leave(departure, (Slice){ piece, got }));
		size -= (int64_t)got;
	}
	return result_ok();
}

static Result leave(const char *path, const ChainHead *head, Departure *departure)
{
	FILE *file = fopen(path, "rbe");
	if (!file)
		return result_fail(errno == ENOENT ? ERROR_INTERNAL : ERROR_AGAIN, "it cannot be opened: %s",
				   strerror(errno));
	Result result = file_leave(file, head->size, departure);
	fclose(file);
	if (!result_failed(result) && !chain_verify_end(&departure->verify, head))
		result = result_fail(ERROR_INTERNAL, "%s", departure->verify.why);
	return result;
}

Result audit_export(const char *path, Slice checkpoint, ArchiveWriter *writer)
{
	ChainHead head;
	Departure departure = { .writer = writer };
	TRY(checkpoint_read(checkpoint, &head));
	if (head.count == 0)
		return result_ok();
	chain_verify_init(&departure.verify);
	buffer_init(&departure.partial, CHAIN_LINE_MAX);
	Result result = leave(path, &head, &departure);
	buffer_release(&departure.partial);
	chain_verify_release(&departure.verify);
	return result_wrap(result, "%s", path);
}

/* ---- arriving */

Result audit_import_open(AuditImport *arrival, const char *path)
{
	struct stat found;
	*arrival = (AuditImport){ .file = NULL };
	chain_verify_init(&arrival->verify);
	buffer_init(&arrival->staged, STAGED_BYTES + CHAIN_LINE_MAX + 1);
	if (stat(path, &found) == 0 && found.st_size > 0)
		return result_fail(ERROR_CONFLICT,
				   "%s is there already: an import needs a home in which nothing ever ran", path);
	return append_file_open(path, 0, &arrival->file);
}

static Result staged_write(AuditImport *arrival)
{
	TRY(append_file_write(arrival->file, buffer_slice(&arrival->staged)));
	buffer_clear(&arrival->staged);
	return result_ok();
}

Result audit_import_line(AuditImport *arrival, Slice line)
{
	if (!chain_verify_feed(&arrival->verify, line) || !chain_verify_feed(&arrival->verify, SLICE("\n")))
		return result_fail(ERROR_INPUT, "line %" PRId64 " of the audit log: %s", arrival->verify.bad_line,
				   arrival->verify.why);
	buffer_append(&arrival->staged, line);
	buffer_byte(&arrival->staged, '\n');
	return arrival->staged.size > STAGED_BYTES ? staged_write(arrival) : result_ok();
}

Result audit_import_end(AuditImport *arrival, Slice checkpoint)
{
	ChainHead head;
	TRY(checkpoint_read(checkpoint, &head));
	if (!chain_verify_end(&arrival->verify, &head))
		return result_fail(ERROR_INPUT, "the audit log does not end where its checkpoint says: %s",
				   arrival->verify.why);
	return staged_write(arrival);
}

void audit_import_close(AuditImport *arrival)
{
	append_file_close(arrival->file);
	buffer_release(&arrival->staged);
	chain_verify_release(&arrival->verify);
}
