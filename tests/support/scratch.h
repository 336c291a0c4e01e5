/* A directory of a test's own, on disk (on tmpfs nothing is ever durable), removed with all that is in it. */
#ifndef TOCSIN_TESTS_SCRATCH_H
#define TOCSIN_TESTS_SCRATCH_H

#include <stddef.h>

typedef struct {
	char directory[128];
} Scratch;

/* Under TMPDIR, or /var/tmp; aborts when it cannot be made. */
void scratch_make(Scratch *scratch);
void scratch_remove(Scratch *scratch);

enum { SCRATCH_PATH = 256 };

/* DIRECTORY/name in out; returns out. */
char *scratch_path(const Scratch *scratch, const char *name, char out[static SCRATCH_PATH]);

#endif
