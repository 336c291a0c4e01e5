/* Small things of the file system. */
#ifndef TOCSIN_IO_SYSTEM_FILES_H
#define TOCSIN_IO_SYSTEM_FILES_H

#include "shared/base/error.h"
#include "shared/base/text.h"

#include <sys/types.h>

/* The umask of our programs: what they write, databases too, holds reports and personal data, and nobody else reads it. */
enum { PRIVATE_UMASK = 077 };

/* Whole file appended to out; ERROR_NOT_FOUND, ERROR_INPUT when larger than out can take, ERROR_AGAIN otherwise. */
Result file_read(const char *path, Buffer *out);

/* Written to a temporary name beside it, fsynced, renamed: there whole or not at all. */
Result file_write(const char *path, Slice bytes, mode_t mode);

/* The new name, durably; whatever had it before is replaced. Both are in one directory. */
Result file_rename(const char *from, const char *to);

/* The directory and its parents; fine when it is there already. */
Result directory_make(const char *path, mode_t mode);

/* Takes `path` exclusively for the life of the process (or until *fd is closed); ERROR_CONFLICT when another has it. */
Result file_lock(const char *path, int *fd);

/* The directory of the running program, "/usr/local/bin". */
Result program_directory(char *out, size_t out_size);

/*
 * An append-only file of lines for audit. Open: cut back to `size` bytes (what the ledger accepted) when it is longer;
 * ERROR_INTERNAL when it is shorter.
 */
typedef struct AppendFile AppendFile;
Result append_file_open(const char *path, int64_t size, AppendFile **out);
Result append_file_write(AppendFile *file, Slice bytes); /* written and fsynced when it returns */
int64_t append_file_size(const AppendFile *file);
void append_file_close(AppendFile *file);

#endif
