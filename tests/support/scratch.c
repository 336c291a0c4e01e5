#include "tests/support/scratch.h"

#include "shared/base/error.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

void scratch_make(Scratch *scratch)
{
	const char *parent = getenv("TMPDIR");
	int size = snprintf(scratch->directory, sizeof scratch->directory, "%s/tocsin-test-XXXXXX",
			    parent == NULL || parent[0] == '\0' ? "/var/tmp" : parent);
	must(size > 0 && size < (int)sizeof scratch->directory);
	must(mkdtemp(scratch->directory) != NULL);
}

static int remove_one(const char *path, const struct stat *found, int kind, struct FTW *walk)
{
	(void)found, (void)kind, (void)walk;
	return remove(path);
}

void scratch_remove(Scratch *scratch)
{
	nftw(scratch->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

char *scratch_path(const Scratch *scratch, const char *name, char out[static SCRATCH_PATH])
{
	int size = snprintf(out, SCRATCH_PATH, "%s/%s", scratch->directory, name);
	must(size > 0 && size < SCRATCH_PATH);
	return out;
}
