/* Reads the files of a pack into one message, and locates every error by file, line and column. */
#include "shared/domain/policy.h"

#include "shared/base/hash.h"
#include "shared/base/yaml.h"
#include "shared/domain/policy_check.h"
#include "shared/domain/policy_tables.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READ_FILES_MAX = 256, LANGUAGE_SIZE = 64 };

typedef struct {
	const char *name;
	YamlMarks *marks; /* NULL: the file is not readable as YAML */
} ReadFile;

typedef struct {
	unsigned file; /* index into Reader.files; Reader.file_count: the file is missing */
	unsigned line, column;
	char text[POLICY_ERROR_SIZE];
} Mistake;

typedef struct {
	json_t *message;
	const PolicyFile *sorted[READ_FILES_MAX];
	ReadFile files[READ_FILES_MAX]; /* files[i] belongs to sorted[i] */
	unsigned file_count;
	Mistake mistakes[POLICY_ERRORS_MAX];
	size_t mistake_count;
	bool more;
	Slice parts[READ_FILES_MAX * 4]; /* input of the hash in policy_version: four for each file */
} Reader;

/* ---- errors, sorted by file, line and column */
static bool comes_after(const Mistake *one, const Mistake *other)
{
	if (one->file != other->file)
		return one->file > other->file;
	return one->line != other->line ? one->line > other->line : one->column > other->column;
}

static void mistake_put(Reader *reader, const Mistake *mistake)
{
	size_t at = reader->mistake_count;
	if (at == POLICY_ERRORS_MAX) {
		reader->more = true;
		return;
	}
	for (; at > 0 && comes_after(&reader->mistakes[at - 1], mistake); at--)
		reader->mistakes[at] = reader->mistakes[at - 1];
	reader->mistakes[at] = *mistake;
	reader->mistake_count++;
}

/* Adds an error at a pointer in a file; at the beginning of the file if pointer is NULL, or the file is missing or unreadable. */
static void mistake_at(Reader *reader, unsigned file, const char *name, const char *pointer, const char *detail)
{
	Mistake mistake = { .file = file, .line = 1, .column = 1 };
	if (pointer != NULL && file < reader->file_count && reader->files[file].marks != NULL)
		yaml_mark(reader->files[file].marks, pointer, &mistake.line, &mistake.column);
	snprintf(mistake.text, sizeof mistake.text, "%s:%u:%u: %s", name, mistake.line, mistake.column, detail);
	mistake_put(reader, &mistake);
}

static unsigned file_named(const Reader *reader, const char *name)
{
	unsigned file = 0;
	while (file < reader->file_count && strcmp(reader->files[file].name, name) != 0)
		file++;
	return file;
}

/* mistake_at with the member's name before the detail, "title: is required"; without a name for a pointer to an item of a list. */
static void field_mistake(Reader *reader, unsigned file, const char *name, const char *pointer, const char *detail)
{
	char text[POLICY_ERROR_SIZE];
	const char *last = strrchr(pointer, '/');
	if (last != NULL && last[1] != '\0' && strspn(last + 1, "0123456789") != strlen(last + 1))
		snprintf(text, sizeof text, "%s: %s", last + 1, detail);
	else
		snprintf(text, sizeof text, "%s", detail);
	mistake_at(reader, file, name, pointer, text);
}

static void field_mistakes(Reader *reader, unsigned file, const char *name, const FieldErrors *errors)
{
	for (size_t i = 0; i < errors->count; i++)
		field_mistake(reader, file, name, errors->list[i].pointer, errors->list[i].detail);
	reader->more |= errors->more;
}

/* ---- from pointers into the message to locations in files */
static bool part_is(const char *pointer, const char *part)
{
	size_t size = strlen(part);
	return strncmp(pointer + 1, part, size) == 0 && (pointer[size + 1] == '/' || pointer[size + 1] == '\0');
}

/* Adds an error in a words file: the pointer /words/en/mail.subject is /mail.subject in words/en.yaml. */
static void words_mistake(Reader *reader, const char *pointer, const char *detail)
{
	char name[LANGUAGE_SIZE + 16];
	const char *language = pointer + strlen("/words/");
	size_t size = strcspn(language, "/");
	snprintf(name, sizeof name, "words/%.*s.yaml", size < LANGUAGE_SIZE ? (int)size : LANGUAGE_SIZE, language);
	if (language[size] == '\0')
		mistake_at(reader, file_named(reader, name), name, "", detail);
	else
		field_mistake(reader, file_named(reader, name), name, language + size, detail);
}

static void message_mistake(Reader *reader, const char *pointer, const char *detail)
{
	if (part_is(pointer, "words")) {
		words_mistake(reader, pointer, detail);
		return;
	}
	for (size_t i = 0; i < pack_file_count * PARTS_OF_FILE_MAX; i++) {
		const PackFile *file = &pack_files[i / PARTS_OF_FILE_MAX];
		const char *part = file->parts[i % PARTS_OF_FILE_MAX];
		if (part == NULL || !part_is(pointer, part))
			continue;
		const char *within = file->whole ? pointer + 1 + strlen(part) : pointer;
		field_mistake(reader, file_named(reader, file->name), file->name, within, detail);
		return;
	}
}

/* ---- files */
static const PackFile *pack_file_of(const char *name)
{
	for (size_t i = 0; i < pack_file_count; i++)
		if (strcmp(pack_files[i].name, name) == 0)
			return &pack_files[i];
	return NULL;
}

/* The language of a words file; "" for any other file. */
static void words_language(const char *name, char language[static LANGUAGE_SIZE])
{
	size_t size = strlen(name);
	language[0] = '\0';
	if (strncmp(name, "words/", 6) == 0 && size > 11 && size - 11 < LANGUAGE_SIZE &&
	    strchr(name + 6, '/') == NULL && strcmp(name + size - 5, ".yaml") == 0)
		snprintf(language, LANGUAGE_SIZE, "%.*s", (int)size - 11, name + 6);
}

/* Adds the parts of a file to the message. tree is NULL if the file is unreadable, or required and missing: its parts are null. */
static void parts_put(Reader *reader, const PackFile *file, json_t *tree)
{
	for (size_t i = 0; i < PARTS_OF_FILE_MAX && file->parts[i] != NULL; i++) {
		json_t *part = file->whole ? tree : json_object_get(tree, file->parts[i]);
		if (part == NULL && tree != NULL && !file->whole)
			json_object_set_new(reader->message, file->parts[i], json_array());
		else
			json_object_set(reader->message, file->parts[i], part != NULL ? part : json_null());
	}
}

static void tree_check(Reader *reader, unsigned index, const PackFile *file, json_t *tree)
{
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	_Alignas(max_align_t) char scratch[sizeof(MessageDocument)];
	must(file->table->size <= sizeof scratch);
	json_decode(file->table, tree, true, scratch, &errors);
	field_mistakes(reader, index, file->name, &errors);
}

static void unknown_file(Reader *reader, unsigned index, const char *name)
{
	mistake_at(reader, index, name, NULL,
		   "is not a file of a pack: remove it, or name it pack, sources, categories, grading, rules, contacts, "
		   "escalation, channels or words/LANGUAGE, with .yaml");
}

/* Adds the error of yaml_read, whose text is "LINE:COLUMN: fault". */
static void unreadable_file(Reader *reader, unsigned index, const char *name, const char *text)
{
	Mistake mistake = { .file = index };
	int used = 0;
	if (sscanf(text, "%u:%u: %n", &mistake.line, &mistake.column, &used) < 2) {
		mistake_at(reader, index, name, NULL, text);
		return;
	}
	snprintf(mistake.text, sizeof mistake.text, "%s:%s", name, text);
	mistake_put(reader, &mistake);
}

static void file_take(Reader *reader, unsigned index, const PolicyFile *bytes)
{
	const PackFile *file = pack_file_of(bytes->name);
	char language[LANGUAGE_SIZE];
	json_t *tree JSON_AUTO = NULL;
	words_language(bytes->name, language);
	if (file == NULL && language[0] == '\0') {
		unknown_file(reader, index, bytes->name);
		return;
	}
	Result read = yaml_read(bytes->bytes, &tree, &reader->files[index].marks);
	if (result_failed(read))
		unreadable_file(reader, index, bytes->name, read.text);
	else if (file != NULL)
		tree_check(reader, index, file, tree);
	else if (!json_is_object(tree))
		mistake_at(reader, index, bytes->name, "", "must be a mapping of keys to texts");
	if (file != NULL)
		parts_put(reader, file, tree);
	else
		json_object_set(json_object_get(reader->message, "words"), language, tree != NULL ? tree : json_null());
}

static void missing_files_fill(Reader *reader)
{
	json_t *empty JSON_AUTO = json_object();
	for (size_t i = 0; i < pack_file_count; i++) {
		const PackFile *file = &pack_files[i];
		if (file_named(reader, file->name) < reader->file_count)
			continue;
		parts_put(reader, file, file->required ? NULL : empty);
		if (file->required)
			mistake_at(reader, reader->file_count, file->name, NULL,
				   "this file is missing; every pack requires it");
	}
}

static void checks_run(Reader *reader)
{
	for (size_t i = 0; i < pack_check_count; i++) {
		FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
		pack_checks[i].check(reader->message, &errors);
		for (size_t j = 0; j < errors.count; j++)
			message_mistake(reader, errors.list[j].pointer, errors.list[j].detail);
		reader->more |= errors.more;
	}
}

/* ---- policy_version: id, version and hash of the files */
static void version_put(Reader *reader, size_t count)
{
	json_t *message = reader->message;
	Slice *parts = reader->parts;
	char hex[DIGEST_HEX];
	json_t *pack = json_object_get(message, "pack"), *version = json_object_get(pack, "version");
	for (size_t i = 0; i < count; i++) {
		parts[i * 4] = slice_of(reader->sorted[i]->name);
		parts[i * 4 + 1] = (Slice){ "", 1 };
		parts[i * 4 + 2] = reader->sorted[i]->bytes;
		parts[i * 4 + 3] = (Slice){ "", 1 };
	}
	Digest digest = digest_of(parts, count * 4);
	digest_hex(&digest, hex);
	json_t *text = json_is_string(version) ? json_incref(version)
					       : json_sprintf("%lld", (long long)json_integer_value(version));
	json_object_set_new(message, "policy_version",
			    json_sprintf("%s@%s+%.12s", part_text(pack, "id"), json_string_value(text), hex));
	json_object_set(message, "id", json_object_get(pack, "id"));
	json_object_set_new(message, "version", text);
}

/* ---- the pack */
static int by_name(const void *one, const void *other)
{
	return strcmp((*(const PolicyFile *const *)one)->name, (*(const PolicyFile *const *)other)->name);
}

static void files_read(Reader *reader, const PolicyFile *const *files, size_t count)
{
	for (size_t i = 0; i < count; i++)
		reader->files[reader->file_count++].name = files[i]->name;
	for (unsigned i = 0; i < count; i++) {
		if (i > 0 && strcmp(files[i - 1]->name, files[i]->name) == 0)
			mistake_at(reader, i, files[i]->name, NULL, "this file is given twice; give it once");
		file_take(reader, i, files[i]);
	}
	missing_files_fill(reader);
	checks_run(reader);
}

static void mistakes_copy(const Reader *reader, PolicyErrors *out)
{
	out->count = reader->mistake_count;
	out->more = reader->more;
	for (size_t i = 0; i < reader->mistake_count; i++)
		memcpy(out->list[i], reader->mistakes[i].text, POLICY_ERROR_SIZE);
}

static void reader_free(Reader *reader)
{
	for (unsigned i = 0; i < reader->file_count; i++)
		yaml_marks_free(reader->files[i].marks);
	json_decref(reader->message);
	free(reader);
}

bool policy_read(const PolicyFile *files, size_t count, json_t **out, PolicyErrors *mistakes)
{
	Reader *reader = calloc(1, sizeof *reader);
	must(reader != NULL && count <= READ_FILES_MAX);
	reader->message = json_pack("{s:{}}", "words");
	for (size_t i = 0; i < count; i++)
		reader->sorted[i] = &files[i];
	qsort(reader->sorted, count, sizeof reader->sorted[0], by_name);
	files_read(reader, reader->sorted, count);
	mistakes_copy(reader, mistakes);
	bool valid = reader->mistake_count == 0;
	if (valid) {
		version_put(reader, count);
		*out = json_incref(reader->message);
	}
	reader_free(reader);
	return valid;
}
