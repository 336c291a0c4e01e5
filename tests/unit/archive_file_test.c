/* The archive file: records are read back as written, and damaged or foreign files are refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/archive/file.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES = 1 << 20, RECORDS = 20, LINES = 3 };

/* ---- writing to memory */

static const ArchiveRecord binary = { .topic = TOPIC_DEAD_LETTERS,
				     .key = { "k\x80", 2 },
				     .headers = { "ce_id\0e\xff\0a\0\0a\0twice\0", 20 },
				     .body = { "\0\xfe\n\"", 4 } };

static ArchiveRecord record_of(int number, char key[static 8])
{
	snprintf(key, 8, "k%d", number);
	return (ArchiveRecord){ .topic = TOPIC_JOURNAL,
			      .slot = (unsigned)number * 200,
			      .key = slice_of(key),
			      .headers = { "ce_id\0rec_1\0ce_type\0t\0", 22 },
			      .body = SLICE("{\"text\":\"报警 \\\"quoted\\\"\"}") };
}

static void everything_write(ArchiveWriter *writer)
{
	char key[8];
	assert_false(result_failed(archive_write_manifest(writer, 12, "cluster", 1795420800000)));
	assert_false(result_failed(archive_write_record(writer, &binary)));
	for (int i = 0; i < RECORDS; i++) {
		ArchiveRecord record = record_of(i, key);
		assert_false(result_failed(archive_write_record(writer, &record)));
	}
	for (int i = 0; i < LINES; i++)
		assert_false(result_failed(archive_write_audit(writer, SLICE("{\"seq\":1}"))));
	assert_false(result_failed(archive_write_end(writer)));
}

static int file_make(void **state)
{
	Buffer *bytes = calloc(1, sizeof *bytes);
	char *text;
	size_t size;
	ArchiveWriter writer;
	FILE *file = open_memstream(&text, &size);
	archive_writer_init(&writer, file);
	everything_write(&writer);
	archive_writer_release(&writer);
	fclose(file);
	buffer_init(bytes, FILE_BYTES);
	buffer_append(bytes, (Slice){ text, size });
	free(text);
	*state = bytes;
	return 0;
}

static int file_drop(void **state)
{
	buffer_release(*state);
	free(*state);
	return 0;
}

/* ---- reading */

static Result items_read(ArchiveReader *reader, size_t *items)
{
	ArchiveItem item = { .kind = ARCHIVE_RECORD };
	while (item.kind != ARCHIVE_END) {
		Result result = archive_read(reader, &item);
		if (result_failed(result))
			return result;
		++*items;
	}
	return result_ok();
}

/* Reads an archive from memory. *items: number of items read; the end of the archive counts as an item. */
static Result bytes_read(Slice bytes, size_t *items)
{
	ArchiveReader *reader = malloc(sizeof *reader);
	FILE *file = bytes.size > 0 ? fmemopen((void *)(uintptr_t)bytes.data, bytes.size, "r") : tmpfile();
	*items = 0;
	Result result = archive_reader_init(reader, file);
	if (!result_failed(result))
		result = items_read(reader, items);
	archive_reader_release(reader);
	free(reader);
	fclose(file);
	return result;
}

static void assert_refused(Slice bytes, const char *word)
{
	size_t items;
	Result result = bytes_read(bytes, &items);
	assert_int_equal(result.kind, ERROR_INPUT);
	if (!strstr(result.text, word))
		fail_msg("'%s' does not contain '%s'", result.text, word);
}

/* ---- the tests */

static void assert_slices(Slice one, Slice other)
{
	assert_int_equal(one.size, other.size);
	assert_memory_equal(one.data, other.data, one.size);
}

static void records_are_read_as_they_were_written(void **state)
{
	const Buffer *bytes = *state;
	ArchiveReader *reader = malloc(sizeof *reader);
	ArchiveItem item;
	char key[8];
	FILE *file = fmemopen(bytes->data, bytes->size, "r");
	assert_false(result_failed(archive_reader_init(reader, file)));
	assert_int_equal(reader->partitions, 12);
	assert_false(result_failed(archive_read(reader, &item)));
	assert_int_equal(item.record.topic, TOPIC_DEAD_LETTERS);
	assert_slices(item.record.key, binary.key);
	assert_slices(item.record.headers, binary.headers);
	assert_slices(item.record.body, binary.body);
	for (int i = 0; i < RECORDS; i++) {
		ArchiveRecord record = record_of(i, key);
		assert_false(result_failed(archive_read(reader, &item)));
		assert_int_equal(item.record.topic, TOPIC_JOURNAL);
		assert_int_equal(item.record.slot, record.slot);
		assert_slices(item.record.key, record.key);
		assert_slices(item.record.headers, record.headers);
		assert_slices(item.record.body, record.body);
	}
	assert_false(result_failed(archive_read(reader, &item)));
	assert_int_equal(item.kind, ARCHIVE_AUDIT);
	assert_true(slice_is(item.audit, "{\"seq\":1}"));
	archive_reader_release(reader);
	free(reader);
	fclose(file);
}

static void the_end_is_returned_for_an_intact_file(void **state)
{
	size_t items;
	assert_false(result_failed(bytes_read(buffer_slice(*state), &items)));
	assert_int_equal(items, 1 + RECORDS + LINES + 1);
}

static void a_file_truncated_anywhere_is_refused(void **state)
{
	Slice bytes = buffer_slice(*state);
	for (size_t size = 0; size < bytes.size; size++)
		assert_refused((Slice){ bytes.data, size }, size < 20 ? "not an export" : "");
	assert_refused((Slice){ bytes.data, bytes.size - 1 }, "cut off");
}

static void every_changed_byte_is_detected(void **state)
{
	Buffer *bytes = *state;
	for (size_t at = 0; at < bytes->size; at++) {
		char before = bytes->data[at];
		bytes->data[at] = before == '7' ? '8' : '7';
		assert_refused(buffer_slice(bytes), "");
		bytes->data[at] = before;
	}
}

static void a_removed_line_is_detected(void **state)
{
	Buffer *bytes = *state, without;
	const char *first = strchr(bytes->data, '\n') + 1, *second = strchr(first, '\n') + 1;
	buffer_init(&without, FILE_BYTES);
	buffer_append(&without, (Slice){ bytes->data, (size_t)(first - bytes->data) });
	buffer_append(&without, (Slice){ second, bytes->size - (size_t)(second - bytes->data) });
	assert_refused(buffer_slice(&without), "digest");
	buffer_release(&without);
}

static void bytes_after_the_end_are_refused(void **state)
{
	buffer_text(*state, "{}\n");
	assert_refused(buffer_slice(*state), "bytes after the end");
}

static void other_formats_and_other_files_are_refused(void **state)
{
	(void)state;
	assert_refused(SLICE("{\"tocsin\":\"export\",\"format\":2,\"partitions\":1}\n"), "newer");
	assert_refused(SLICE("{\"tocsin\":\"backup\",\"format\":1}\n"), "not an export");
	assert_refused(SLICE("not at all\n"), "not an export");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, file_make, file_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(records_are_read_as_they_were_written),
		TEST(the_end_is_returned_for_an_intact_file),
		TEST(a_file_truncated_anywhere_is_refused),
		TEST(every_changed_byte_is_detected),
		TEST(a_removed_line_is_detected),
		TEST(bytes_after_the_end_are_refused),
		TEST(other_formats_and_other_files_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
