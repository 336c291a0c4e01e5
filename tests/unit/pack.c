#include "tests/unit/pack.h"

#include "shared/io/system/files.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>

enum { FILES_MAX = 32, FILE_MAX_BYTES = 1 << 20 };

typedef struct {
	glob_t found;
	size_t count;
	PolicyFile files[FILES_MAX];
	Buffer bytes[FILES_MAX];
} Files;

static const PackChange *change_of(const PackChange *changes, const char *name)
{
	for (; changes != NULL && changes->name != NULL; changes++)
		if (strcmp(changes->name, name) == 0)
			return changes;
	return NULL;
}

static void file_add(Files *files, const char *name, Slice bytes)
{
	must(files->count < FILES_MAX);
	Buffer *buffer = &files->bytes[files->count];
	buffer_init(buffer, FILE_MAX_BYTES);
	buffer_append(buffer, bytes);
	files->files[files->count++] = (PolicyFile){ name, buffer_slice(buffer) };
}

static void files_read(Files *files, const PackChange *changes)
{
	must(glob(PACK_DEFAULT "/*.yaml", 0, NULL, &files->found) == 0);
	must(glob(PACK_DEFAULT "/words/*.yaml", GLOB_APPEND, NULL, &files->found) == 0);
	for (size_t i = 0; i < files->found.gl_pathc; i++) {
		const char *name = files->found.gl_pathv[i] + strlen(PACK_DEFAULT "/");
		Buffer bytes;
		if (change_of(changes, name) != NULL)
			continue;
		buffer_init(&bytes, FILE_MAX_BYTES);
		must(!result_failed(file_read(files->found.gl_pathv[i], &bytes)));
		file_add(files, name, buffer_slice(&bytes));
		buffer_release(&bytes);
	}
	for (; changes != NULL && changes->name != NULL; changes++)
		if (changes->text != NULL)
			file_add(files, changes->name, slice_of(changes->text));
}

bool pack_read_changed(const PackChange *changes, json_t **message, PolicyErrors *mistakes)
{
	Files files = { .count = 0 };
	files_read(&files, changes);
	bool right = policy_read(files.files, files.count, message, mistakes);
	for (size_t i = 0; i < files.count; i++)
		buffer_release(&files.bytes[i]);
	globfree(&files.found);
	return right;
}

Policy *pack_compiled(const PackChange *changes)
{
	static PolicyErrors mistakes;
	json_t *message JSON_AUTO = NULL;
	Policy *policy = NULL;
	if (!pack_read_changed(changes, &message, &mistakes))
		for (size_t i = 0; i < mistakes.count; i++)
			fprintf(stderr, "%s\n", mistakes.list[i]);
	must(mistakes.count == 0);
	must(!result_failed(policy_compile(message, &policy)));
	return policy;
}
