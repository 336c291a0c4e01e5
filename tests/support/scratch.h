/* A temporary directory for a test, on disk because tmpfs has no durable writes; removed with its contents. */
#ifndef TOCSIN_TESTS_SCRATCH_H
#define TOCSIN_TESTS_SCRATCH_H

#include <stddef.h>

typedef struct {
	char directory[128];
} Scratch;

/* Created under TMPDIR, or /var/tmp; aborts on failure. */
void scratch_make(Scratch *scratch);
void scratch_remove(Scratch *scratch);

enum { SCRATCH_PATH = 256 };

/* Writes DIRECTORY/name to out; returns out. */
char *scratch_path(const Scratch *scratch, const char *name, char out[static SCRATCH_PATH]);

#endif
