/*
 * Checks the examples in proto/ against the field tables. A valid example decodes; an invalid one is refused with the pointer in
 * the .pointer file beside it. An example's file name begins with the name of its table; the longest matching name counts.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/base/json.h"
#include "shared/domain/commands.h"
#include "shared/io/system/files.h"
#include "tools/document_tables.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 512, EXAMPLE_MAX = 1 << 20, DOCUMENT_MAX = 4096 };

static const char valid[] = "proto/examples/valid", invalid[] = "proto/examples/invalid";

static bool begins(const char *file, const char *name)
{
	size_t size = strlen(name);
	return strncmp(file, name, size) == 0 && (file[size] == '-' || file[size] == '.');
}

static const FieldTable *table_of(const char *file)
{
	const FieldTable *best = NULL;
	for (size_t i = 0; i < sizeof document_tables / sizeof document_tables[0]; i++)
		if (begins(file, document_tables[i]->name) && (!best || strlen(document_tables[i]->name) > strlen(best->name)))
			best = document_tables[i];
	return best;
}

static const Command *command_of_file(const char *file)
{
	for (size_t i = 0; i < command_count; i++)
		if (begins(file, commands[i].name))
			return &commands[i];
	return NULL;
}

static json_t *example(const char *directory, const char *file)
{
	char path[PATH_SIZE];
	Buffer bytes;
	json_t *tree = NULL;
	snprintf(path, sizeof path, "%s/%s", directory, file);
	buffer_init(&bytes, EXAMPLE_MAX);
	assert_false(result_failed(file_read(path, &bytes)));
	Result result = json_read(buffer_slice(&bytes), &tree);
	if (result_failed(result))
		fail_msg("%s: %s", path, result.text);
	buffer_release(&bytes);
	return tree;
}

/* False if the document is refused. Commands are checked by command_decode, like in the gateway. */
static bool decode(const char *file, json_t *tree, FieldErrors *errors)
{
	_Alignas(max_align_t) char document[DOCUMENT_MAX];
	CommandArguments arguments;
	const FieldTable *table = table_of(file);
	const Command *command = command_of_file(file);
	if (!table && command)
		return command_decode(command, tree, true, &arguments, errors);
	if (!table)
		fail_msg("%s: begins with the name of no document", file);
	assert_true(table->size <= sizeof document);
	return json_decode(table, tree, table->use != TABLE_RECORD, document, errors);
}

static size_t each_example(const char *directory, void (*check)(const char *file))
{
	DIR *list = opendir(directory);
	size_t count = 0;
	if (!list)
		fail_msg("%s does not exist: run at the root of the source tree", directory);
	for (struct dirent *entry = readdir(list); entry; entry = readdir(list)) {
		const char *end = strrchr(entry->d_name, '.');
		if (!end || strcmp(end, ".json") != 0)
			continue;
		check(entry->d_name);
		count++;
	}
	closedir(list);
	return count;
}

static void check_valid(const char *file)
{
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	json_t *tree JSON_AUTO = example(valid, file);
	if (!decode(file, tree, &errors))
		fail_msg("%s: %s %s", file, errors.list[0].pointer, errors.list[0].detail);
}

static void every_valid_example_decodes(void **state)
{
	(void)state;
	assert_true(each_example(valid, check_valid) >= 30);
}

static void check_invalid(const char *file)
{
	char path[PATH_SIZE];
	Buffer pointer;
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	json_t *tree JSON_AUTO = example(invalid, file);
	if (decode(file, tree, &errors))
		fail_msg("%s is not refused", file);
	snprintf(path, sizeof path, "%s/%.*s.pointer", invalid, (int)(strlen(file) - strlen(".json")), file);
	buffer_init(&pointer, PATH_SIZE);
	assert_false(result_failed(file_read(path, &pointer)));
	assert_true(pointer.size > 0 && pointer.data[pointer.size - 1] == '\n');
	pointer.data[pointer.size - 1] = '\0';
	if (errors.count != 1 || strcmp(errors.list[0].pointer, pointer.data) != 0)
		fail_msg("%s: %zu errors, the first at '%s' (%s), not one at '%s'", file, errors.count,
			 errors.list[0].pointer, errors.list[0].detail, pointer.data);
	buffer_release(&pointer);
}

static void every_invalid_example_is_refused_with_its_pointer(void **state)
{
	(void)state;
	assert_true(each_example(invalid, check_invalid) >= 30);
}

/* A record that is decoded and encoded again is unchanged. */
static void check_round(const char *file)
{
	_Alignas(max_align_t) char document[DOCUMENT_MAX];
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	const FieldTable *table = table_of(file);
	if (!table || table->use == TABLE_REQUEST)
		return;
	json_t *tree JSON_AUTO = example(valid, file);
	assert_true(json_decode(table, tree, false, document, &errors));
	json_t *again JSON_AUTO = json_encode(table, document);
	json_t *present JSON_AUTO = json_encode_present(table, document);
	if (!json_equal(tree, again) && !json_equal(tree, present))
		fail_msg("%s: differs from the document that was read", file);
}

static void records_are_decoded_and_encoded_unchanged(void **state)
{
	(void)state;
	assert_true(each_example(valid, check_round) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_valid_example_decodes),
		cmocka_unit_test(every_invalid_example_is_refused_with_its_pointer),
		cmocka_unit_test(records_are_decoded_and_encoded_unchanged),
	};
	return cmocka_run_group_tests_name("examples", tests, NULL, NULL);
}
