/* A temporary directory for a test. The default is on disk, because /tmp may be a tmpfs, where a sync stores nothing durably. */
#ifndef TOCSIN_TESTS_SCRATCH_H
#define TOCSIN_TESTS_SCRATCH_H

#include <stddef.h>

typedef struct {
	char directory[128];
} Scratch;

/* Creates the directory under TMPDIR, or under /var/tmp if TMPDIR is not set. Aborts on failure. */
void scratch_make(Scratch *scratch);

/* Removes the directory and its contents. */
void scratch_remove(Scratch *scratch);

enum { SCRATCH_PATH = 256 };

/* Writes DIRECTORY/name to `out` and returns `out`. Aborts if the path is too long. */
char *scratch_path(const Scratch *scratch, const char *name, char out[static SCRATCH_PATH]);

#endif
