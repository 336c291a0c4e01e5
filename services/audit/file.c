/* The audit log in a file. */
#include "services/audit/audit.h"

#include "shared/io/system/files.h"
#include "shared/io/system/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ASIDE_MAX = 1000, ASIDE_PATH = 4096 };

typedef struct {
	AuditLedger ledger;
	AppendFile *file; /* NULL before the first cut */
	char *path;
} AuditFile;

/* Renames the file to a name that is not used. link(2), unlike rename(2), never replaces an existing file. */
static Result set_aside(const char *path)
{
	char aside[ASIDE_PATH];
	for (int i = 1; i <= ASIDE_MAX; i++) {
		int wanted = snprintf(aside, sizeof(aside), "%s.unaccepted-%d", path, i);
		if (wanted < 0 || (size_t)wanted >= sizeof(aside))
			break;
		if (link(path, aside) == 0)
			return unlink(path) == 0 ? result_ok()
						 : result_fail(ERROR_AGAIN, "%s: %s", path, strerror(errno));
		if (errno != EEXIST)
			return result_fail(ERROR_AGAIN, "%s cannot be set aside: %s", path, strerror(errno));
	}
	return result_fail(ERROR_INTERNAL, "%s cannot be set aside: there are %d files of that name with .unaccepted-N already", path, ASIDE_MAX);
}

static bool holds_bytes(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 && status.st_size > 0;
}

static Result file_cut(AuditLedger *ledger, int64_t size)
{
	AuditFile *file = (AuditFile *)ledger;
	if (file->file)
		append_file_close(file->file);
	file->file = NULL;
	if (size == 0 && holds_bytes(file->path))
		TRY(set_aside(file->path));
	struct stat status;
	if (size > 0 && stat(file->path, &status) == 0 && status.st_size > size)
		log_line(LOG_WARN, "audit", "unaccepted-lines-cut", L_INTEGER("bytes", status.st_size - size));
	return append_file_open(file->path, size, &file->file);
}

static Result file_append(AuditLedger *ledger, Slice lines)
{
	AuditFile *file = (AuditFile *)ledger;
	must(file->file);
	return append_file_write(file->file, lines);
}

static Result read_all(int fd, const char *path, int64_t from, size_t size, Buffer *out)
{
	char piece[1 << 16];
	while (size > 0) {
		ssize_t got = pread(fd, piece, size < sizeof(piece) ? size : sizeof(piece), (off_t)from);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return result_fail(ERROR_AGAIN, "%s cannot be read: %s", path, strerror(errno));
		if (got == 0)
			return result_fail(ERROR_INTERNAL, "%s is shorter than expected", path);
		buffer_append(out, (Slice){ piece, (size_t)got });
		from += got;
		size -= (size_t)got;
	}
	return result_ok();
}

static Result ledger_read(AuditLedger *ledger, int64_t from, size_t size, Buffer *out)
{
	const AuditFile *file = (AuditFile *)ledger;
	int fd = open(file->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return result_fail(ERROR_AGAIN, "%s cannot be opened: %s", file->path, strerror(errno));
	Result result = read_all(fd, file->path, from, size, out);
	close(fd);
	return result;
}

static void file_close(AuditLedger *ledger)
{
	AuditFile *file = (AuditFile *)ledger;
	if (file->file)
		append_file_close(file->file);
	free(file->path);
	free(file);
}

static const AuditLedgerOperations operations = {
	.cut = file_cut,
	.write = file_append,
	.read = ledger_read,
	.close = file_close,
};

Result audit_file_new(const char *path, AuditLedger **out)
{
	AuditFile *file = calloc(1, sizeof(*file));
	must(file);
	file->ledger.operations = &operations;
	file->path = slice_copy(slice_of(path));
	*out = &file->ledger;
	return result_ok();
}

void audit_ledger_close(AuditLedger *ledger)
{
	if (ledger)
		ledger->operations->close(ledger);
}
