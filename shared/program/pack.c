#include "shared/program/pack.h"

#include "shared/io/system/files.h"
#include "shared/program/report_error.h"
#include "shared/program/datadir.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 64, FILE_MAX = 1 << 20, NAME_MAX_SIZE = 256 };

/* The files of a pack, in memory. */
typedef struct {
	size_t count;
	PolicyFile files[FILES_MAX];
	Buffer bytes[FILES_MAX];
	char names[FILES_MAX][NAME_MAX_SIZE];
} PackFiles;

static void mistake_add(PolicyErrors *mistakes, const char *name, const char *what)
{
	if (mistakes->count == POLICY_ERRORS_MAX)
		mistakes->more = true;
	else
		snprintf(mistakes->list[mistakes->count++], POLICY_ERROR_SIZE, "%.200s:1:1: %.140s", name, what);
}

static bool ends_in(const char *name, const char *end)
{
	const char *dot = strrchr(name, '.');
	return dot != NULL && strcmp(dot, end) == 0;
}

/*
 * True for files that a pack may contain, and for .yml files. file_add reports a .yml file as a mistake; if it were skipped
 * without a message, its rules would be missing and nobody would notice in time.
 */
static int is_yaml(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && (ends_in(entry->d_name, ".yaml") || ends_in(entry->d_name, ".yml"));
}

static void file_add(PackFiles *pack, const char *directory, const char *name, PolicyErrors *mistakes)
{
	char path[PATH_SIZE];
	if (ends_in(name, ".yml")) {
		mistake_add(mistakes, name, "is not read: rename it to end in .yaml");
		return;
	}
	size_t index = pack->count;
	bool fits = index < FILES_MAX && strlen(name) < NAME_MAX_SIZE;
	if (!fits || snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path) {
		mistake_add(mistakes, name, "is one file too many, or its path is too long: a pack has at most 64 files with names of less than 256 bytes");
		return;
	}
	strcpy(pack->names[index], name);
	buffer_init(&pack->bytes[index], FILE_MAX);
	Result read = file_read(path, &pack->bytes[index]);
	if (result_failed(read))
		mistake_add(mistakes, name, read.text);
	pack->files[index] = (PolicyFile){ pack->names[index], buffer_slice(&pack->bytes[index]) };
	pack->count++;
}

/* Adds the YAML files directly under directory/below, ordered by name. */
static void directory_add(PackFiles *pack, const char *directory, const char *below, PolicyErrors *mistakes)
{
	char path[PATH_SIZE], name[NAME_MAX_SIZE * 2];
	struct dirent **entries;
	if (snprintf(path, sizeof path, "%s/%s", directory, below) >= (int)sizeof path)
		return;
	int count = scandir(path, &entries, is_yaml, alphasort);
	if (count < 0) {
		snprintf(name, sizeof name, "the directory cannot be read: %s", strerror(errno));
		mistake_add(mistakes, path, name);
		return;
	}
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof name, "%s%s", below, entries[i]->d_name);
		file_add(pack, directory, name, mistakes);
		free(entries[i]);
	}
	free(entries);
}

/* The default pack: ../share/tocsin/policy/default, relative to the program's directory. */
static void default_path(char out[static PATH_SIZE])
{
	char program[PATH_SIZE];
	must(!result_failed(program_directory(program, sizeof program)));
	must(snprintf(out, PATH_SIZE, "%s/../share/tocsin/policy/default", program) < PATH_SIZE);
}

bool pack_read(const Settings *settings, const char *directory, json_t **out, PolicyErrors *mistakes)
{
	char fallback[PATH_SIZE];
	PackFiles *pack = calloc(1, sizeof *pack);
	must(pack != NULL);
	mistakes->count = 0;
	mistakes->more = false;
	if (directory == NULL)
		directory = setting_text(settings, "TOCSIN_POLICY");
	if (directory == NULL) {
		default_path(fallback);
		directory = fallback;
	}
	directory_add(pack, directory, "", mistakes);
	if (mistakes->count == 0)
		directory_add(pack, directory, "words/", mistakes);
	bool valid = mistakes->count == 0 && policy_read(pack->files, pack->count, out, mistakes);
	for (size_t i = 0; i < pack->count; i++)
		buffer_release(&pack->bytes[i]);
	free(pack);
	return valid;
}

static void mistake_report(void *context, const char *mistake)
{
	(void)context;
	report_error("%s", mistake);
}

json_t *pack_read_or_report(const Settings *settings, const char *directory, PackReport report, void *context)
{
	json_t *message = NULL;
	PolicyErrors *mistakes = malloc(sizeof *mistakes);
	must(mistakes != NULL);
	if (report == NULL)
		report = mistake_report;
	bool valid = pack_read(settings, directory, &message, mistakes);
	for (size_t i = 0; !valid && i < mistakes->count; i++)
		report(context, mistakes->list[i]);
	if (!valid && mistakes->more)
		report(context, "there are more mistakes: correct these first");
	free(mistakes);
	return valid ? message : NULL;
}

Policy *pack_check(const Settings *settings, const char *directory)
{
	Policy *policy = NULL;
	json_t *message JSON_AUTO = pack_read_or_report(settings, directory, NULL, NULL);
	if (message == NULL)
		return NULL;
	Result compiled = policy_compile(message, &policy);
	if (result_failed(compiled)) {
		report_error("%s", compiled.text);
		return NULL;
	}
	printf("settings and policy %s are valid\n", policy_version(policy));
	return policy;
}
