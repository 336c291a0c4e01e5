/*
 * Files, directories, locks. ERROR_NOT_FOUND: the file or its directory does not exist; other failures are ERROR_AGAIN, unless the
 * function states another error.
 */
#ifndef TOCSIN_IO_SYSTEM_FILES_H
#define TOCSIN_IO_SYSTEM_FILES_H

#include "shared/base/error.h"
#include "shared/base/text.h"

#include <sys/types.h>

/* The umask of all programs: their files hold reports and personal data, readable by their user only. */
enum { PRIVATE_UMASK = 077 };

/* Appends the whole file to out. ERROR_INPUT: the file is larger than the room in out. On failure out is unchanged. */
Result file_read(const char *path, Buffer *out);

/*
 * Creates or replaces the file atomically and durably: writes a temporary file in the same directory, fsyncs, renames. After a
 * failure the file has its old or its new contents. ERROR_INPUT: the path is too long.
 */
Result file_write(const char *path, Slice bytes, mode_t mode);

/* Renames durably and replaces an existing file. Both names must be in the same directory. */
Result file_rename(const char *from, const char *to);

/* Creates the directory and its parents; succeeds if the directory exists. ERROR_INPUT: the path is empty or too long. */
Result directory_make(const char *path, mode_t mode);

/*
 * Locks `path` exclusively, and creates the file if necessary. The lock ends when the caller closes *fd, or with the process.
 * ERROR_CONFLICT: another process, or another descriptor of this process, holds the lock.
 */
Result file_lock(const char *path, int *fd);

/* Returns the directory of the running program, "/usr/local/bin". ERROR_INPUT: its path does not fit into out. */
Result program_directory(char *out, size_t out_size);

/*
 * An append-only file for the audit log. append_file_open creates the file if necessary, and truncates it to `size`, the bytes that
 * the ledger accepted. ERROR_INTERNAL: the file is shorter. append_file_close accepts NULL.
 */
typedef struct AppendFile AppendFile;
Result append_file_open(const char *path, int64_t size, AppendFile **out);
Result append_file_write(AppendFile *file, Slice bytes); /* durable; after a failure the next write overwrites the same bytes */
int64_t append_file_size(const AppendFile *file);
void append_file_close(AppendFile *file);

#endif
