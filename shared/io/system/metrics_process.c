#include "shared/io/system/metrics_process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Fields of /proc/self/stat, counted from the state, which follows the name in brackets and is field 3 in proc(5). */
enum {
	STAT_USER = 14 - 3,
	STAT_SYSTEM = 15 - 3,
	STAT_START = 22 - 3,
	STAT_VIRTUAL = 23 - 3,
	STAT_PAGES = 24 - 3,
	STAT_FIELDS,
};

static bool file_line(const char *path, const char *prefix, char *out, size_t out_size)
{
	FILE *file = fopen(path, "re");
	bool found = false;
	while (file != NULL && !found && fgets(out, (int)out_size, file) != NULL)
		found = strncmp(out, prefix, strlen(prefix)) == 0;
	if (file != NULL)
		fclose(file);
	return found;
}

static bool stat_read(double fields[static STAT_FIELDS])
{
	char line[1024];
	char *after = file_line("/proc/self/stat", "", line, sizeof line) ? strrchr(line, ')') : NULL;
	if (after == NULL)
		return false;
	char *rest = NULL;
	char *word = strtok_r(after + 1, " ", &rest);
	for (int i = 0; i < STAT_FIELDS; i++, word = strtok_r(NULL, " ", &rest)) {
		if (word == NULL)
			return false;
		fields[i] = strtod(word, NULL);
	}
	return true;
}

static double boot_seconds(void)
{
	char line[128];
	return file_line("/proc/stat", "btime ", line, sizeof line) ? strtod(line + strlen("btime "), NULL) : 0;
}

static void value_write(Buffer *out, const char *name, const char *type, const char *help, double value)
{
	buffer_format(out, "# HELP %s %s\n# TYPE %s %s\n%s %.*f\n", name, help, name, type, name, 2, value);
}

static void whole_write(Buffer *out, const char *name, const char *help, double value)
{
	buffer_format(out, "# HELP %s %s\n# TYPE %s gauge\n%s %.0f\n", name, help, name, name, value);
}

static void stat_write(Buffer *out)
{
	double fields[STAT_FIELDS], ticks = (double)sysconf(_SC_CLK_TCK);
	if (!stat_read(fields))
		return;
	value_write(out, "process_cpu_seconds_total", "counter", "CPU time, user and system.",
		    (fields[STAT_USER] + fields[STAT_SYSTEM]) / ticks);
	value_write(out, "process_start_time_seconds", "gauge", "Start time of the process, in seconds since 1970.",
		    boot_seconds() + fields[STAT_START] / ticks);
	whole_write(out, "process_virtual_memory_bytes", "Virtual memory.", fields[STAT_VIRTUAL]);
	whole_write(out, "process_resident_memory_bytes", "Resident memory.",
		    fields[STAT_PAGES] * (double)sysconf(_SC_PAGESIZE));
}

static void descriptors_write(Buffer *out)
{
	DIR *directory = opendir("/proc/self/fd");
	struct rlimit limit;
	int count = 0;
	if (directory != NULL) {
		for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
			count += entry->d_name[0] != '.';
		closedir(directory);
		whole_write(out, "process_open_fds", "Open file descriptors.", count - 1); /* without the descriptor of the directory */
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		whole_write(out, "process_max_fds", "Most file descriptors allowed.", (double)limit.rlim_cur);
}

void metrics_process_write(Buffer *out)
{
	buffer_text(out, "# HELP tocsin_build_info The running version.\n# TYPE tocsin_build_info gauge\n"
			 "tocsin_build_info{version=\"" TOCSIN_VERSION "\"} 1\n");
	stat_write(out);
	descriptors_write(out);
}
