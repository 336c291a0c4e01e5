#include "tests/support/caught.h"

#include "shared/base/error.h"
#include "shared/io/system/log.h"

#include <stdio.h>
#include <unistd.h>

enum { FLUSH_MS = 10000 };

static char caught[CAUGHT_MAX + 1];
static FILE *file;
static int kept_stdout;

void catch_begin(void)
{
	must(log_flush(FLUSH_MS));
	fflush(stdout);
	file = tmpfile();
	kept_stdout = dup(STDOUT_FILENO);
	must(file != NULL && kept_stdout >= 0 && dup2(fileno(file), STDOUT_FILENO) >= 0);
}

const char *catch_end(void)
{
	must(log_flush(FLUSH_MS));
	fflush(stdout);
	must(dup2(kept_stdout, STDOUT_FILENO) >= 0);
	close(kept_stdout);
	rewind(file);
	caught[fread(caught, 1, CAUGHT_MAX, file)] = '\0';
	fclose(file);
	return caught;
}
