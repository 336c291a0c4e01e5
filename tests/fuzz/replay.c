/* Runs the fuzz target with which it is linked on every file of the given directories. A failed assertion aborts the program. */
#include "tests/fuzz/fuzz.h"

#include "shared/io/system/files.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX_BYTES = 1 << 20, PATTERN_MAX = 4096 };

static void play(const char *path)
{
	Buffer bytes;
	buffer_init(&bytes, FILE_MAX_BYTES);
	Result result = file_read(path, &bytes);
	if (result_failed(result))
		fprintf(stderr, "%s\n", result.text);
	must(!result_failed(result));
	fprintf(stderr, "%s\n", path); /* the last path printed is the one that failed */
	uint8_t *exact = malloc(bytes.size > 0 ? bytes.size : 1); /* exact size, so that a sanitizer detects reads past the end */
	must(exact != NULL);
	memcpy(exact, bytes.data ? bytes.data : "", bytes.size);
	LLVMFuzzerTestOneInput(exact, bytes.size);
	free(exact);
	buffer_release(&bytes);
}

int main(int count, char **directories)
{
	size_t played = 0;
	for (int i = 1; i < count; i++) {
		char pattern[PATTERN_MAX];
		glob_t found = { 0 };
		snprintf(pattern, sizeof pattern, "%s/*", directories[i]);
		if (glob(pattern, 0, NULL, &found) == 0)
			for (size_t k = 0; k < found.gl_pathc; k++)
				play(found.gl_pathv[k]);
		played += found.gl_pathc;
		globfree(&found);
	}
	printf("%zu passed, %d failed, 0 skipped\n", played, played == 0);
	return played == 0;
}
