#include "shared/io/system/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 4096 };

static Result fail_errno(const char *path, const char *problem)
{
	int number = errno;
	ErrorKind kind = number == ENOENT || number == ENOTDIR ? ERROR_NOT_FOUND : ERROR_AGAIN;
	return result_fail(kind, "%s %s: %s", path, problem, strerror(number));
}

/* ---- whole files ------------------------------------------------------------------------------------------------- */

static Result descriptor_read(int fd, const char *path, Buffer *out)
{
	char chunk[CHUNK];
	for (;;) {
		ssize_t got = read(fd, chunk, sizeof chunk);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail_errno(path, "cannot be read");
		if (got == 0)
			return result_ok();
		if ((size_t)got > out->max - out->size)
			return result_fail(ERROR_INPUT, "%s is larger than %zu bytes: shorten it", path, out->max);
		buffer_append(out, (Slice){ chunk, (size_t)got });
	}
}

Result file_read(const char *path, Buffer *out)
{
	size_t before = out->size;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(path, "cannot be opened");
	Result result = descriptor_read(fd, path, out);
	if (result_failed(result))
		buffer_cut(out, before);
	close(fd);
	return result;
}

static bool bytes_write(int fd, Slice bytes, off_t at)
{
	while (bytes.size > 0) {
		ssize_t put = pwrite(fd, bytes.data, bytes.size, at);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		bytes.data += put;
		bytes.size -= (size_t)put;
		at += put;
	}
	return true;
}

/* A new name is durable once its directory is fsynced. */
static bool directory_sync_of(const char *path)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t size = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
	if (!text_copy(size == 0 ? SLICE(".") : (Slice){ path, size }, directory, sizeof directory))
		return false;
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool synced = fsync(fd) == 0;
	close(fd);
	return synced;
}

static Result temporary_fill(int fd, const char *path, Slice bytes, mode_t mode)
{
	if (fchmod(fd, mode) != 0 || !bytes_write(fd, bytes, 0) || fsync(fd) != 0)
		return fail_errno(path, "cannot be written");
	return result_ok();
}

Result file_rename(const char *from, const char *to)
{
	if (rename(from, to) != 0)
		return fail_errno(to, "cannot be replaced");
	return directory_sync_of(to) ? result_ok() : fail_errno(to, "cannot be synced to disk");
}

Result file_write(const char *path, Slice bytes, mode_t mode)
{
	char temporary[PATH_MAX];
	if (snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= (int)sizeof temporary)
		return result_fail(ERROR_INPUT, "the path is too long");
	int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return fail_errno(path, "cannot be written");
	Result result = temporary_fill(fd, path, bytes, mode);
	close(fd);
	if (!result_failed(result))
		result = file_rename(temporary, path);
	if (result_failed(result))
		unlink(temporary);
	return result;
}

/* ---- directories, locks ------------------------------------------------------------------------------------------ */

static Result directory_make_one(const char *path, mode_t mode)
{
	struct stat found;
	if (mkdir(path, mode) == 0)
		return result_ok();
	if (errno != EEXIST)
		return fail_errno(path, "cannot be created");
	if (stat(path, &found) != 0)
		return fail_errno(path, "cannot be inspected");
	if (!S_ISDIR(found.st_mode))
		return result_fail(ERROR_AGAIN, "%s exists and is not a directory: remove it", path);
	return result_ok();
}

Result directory_make(const char *path, mode_t mode)
{
	char part[PATH_MAX];
	if (path[0] == '\0' || !text_copy(slice_of(path), part, sizeof part))
		return result_fail(ERROR_INPUT, "the path is empty or too long");
	for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		TRY(directory_make_one(part, mode));
		*slash = '/';
	}
	return directory_make_one(part, mode);
}

Result file_lock(const char *path, int *fd)
{
	int opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (opened < 0)
		return fail_errno(path, "cannot be opened");
	if (flock(opened, LOCK_EX | LOCK_NB) != 0) {
		Result result = errno == EWOULDBLOCK ? result_fail(ERROR_CONFLICT, "%s is locked by another process", path)
						     : fail_errno(path, "cannot be locked");
		close(opened);
		return result;
	}
	*fd = opened;
	return result_ok();
}

Result program_directory(char *out, size_t out_size)
{
	char path[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
	if (size < 0)
		return fail_errno("/proc/self/exe", "cannot be read");
	path[size] = '\0';
	char *slash = strrchr(path, '/');
	size_t kept = slash == NULL || slash == path ? 1 : (size_t)(slash - path);
	if (!text_copy((Slice){ path, kept }, out, out_size))
		return result_fail(ERROR_INPUT, "the path is too long");
	return result_ok();
}

/* ---- append files ------------------------------------------------------------------------------------------------ */

struct AppendFile {
	int fd;
	int64_t size;
	bool broken; /* bytes of a failed write are after the first `size` and could not be removed */
	char path[];
};

static Result append_file_truncate(int fd, const char *path, int64_t size)
{
	struct stat found;
	if (fstat(fd, &found) != 0)
		return fail_errno(path, "cannot be inspected");
	if (found.st_size < size)
		return result_fail(ERROR_INTERNAL, "%s has %lld bytes, but %lld were accepted: restore it from a backup", path,
				   (long long)found.st_size, (long long)size);
	if (found.st_size > size && (ftruncate(fd, size) != 0 || fsync(fd) != 0))
		return fail_errno(path, "cannot be truncated");
	if (size == 0 && !directory_sync_of(path))
		return fail_errno(path, "cannot be synced to disk");
	return result_ok();
}

Result append_file_open(const char *path, int64_t size, AppendFile **out)
{
	must(size >= 0);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_errno(path, "cannot be opened");
	Result result = append_file_truncate(fd, path, size);
	if (result_failed(result)) {
		close(fd);
		return result;
	}
	AppendFile *file = malloc(sizeof *file + strlen(path) + 1);
	must(file != NULL);
	*file = (AppendFile){ .fd = fd, .size = size };
	strcpy(file->path, path);
	*out = file;
	return result_ok();
}

/* After a failure the file is truncated, so that the next write follows the last durable byte. */
Result append_file_write(AppendFile *file, Slice bytes)
{
	if (file->broken && ftruncate(file->fd, file->size) != 0)
		return fail_errno(file->path, "cannot be truncated");
	file->broken = false;
	if (bytes_write(file->fd, bytes, file->size) && fdatasync(file->fd) == 0) {
		file->size += (int64_t)bytes.size;
		return result_ok();
	}
	Result result = fail_errno(file->path, "cannot be written");
	file->broken = ftruncate(file->fd, file->size) != 0;
	return result;
}

int64_t append_file_size(const AppendFile *file)
{
	return file->size;
}

void append_file_close(AppendFile *file)
{
	if (file == NULL)
		return;
	close(file->fd);
	free(file);
}
