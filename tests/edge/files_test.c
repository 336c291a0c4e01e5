#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/system/clock.h"
#include "shared/io/system/files.h"
#include "tests/support/scratch.h"
#include "tests/support/succeeds.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
	Scratch scratch;
	char path[SCRATCH_PATH];
	Buffer text;
	AppendFile *file;
} Edge;

static int setup(void **state)
{
	Edge *edge = calloc(1, sizeof *edge);
	scratch_make(&edge->scratch);
	scratch_path(&edge->scratch, "file", edge->path);
	buffer_init(&edge->text, 100);
	*state = edge;
	return 0;
}

static int teardown(void **state)
{
	Edge *edge = *state;
	append_file_close(edge->file);
	buffer_release(&edge->text);
	scratch_remove(&edge->scratch);
	free(edge);
	return 0;
}

static void assert_holds(Edge *edge, const char *text)
{
	buffer_clear(&edge->text);
	assert_int_equal(file_read(edge->path, &edge->text).kind, ERROR_NONE);
	assert_true(slice_is(buffer_slice(&edge->text), text));
}

static int entries(const char *path)
{
	int count = 0;
	DIR *directory = opendir(path);
	for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}

static void a_written_file_has_its_mode_and_leaves_no_temporary_file(void **state)
{
	Edge *edge = *state;
	struct stat found;
	assert_int_equal(file_write(edge->path, SLICE("one"), 0640).kind, ERROR_NONE);
	assert_int_equal(file_write(edge->path, SLICE("two"), 0600).kind, ERROR_NONE);
	assert_holds(edge, "two");
	assert_int_equal(stat(edge->path, &found), 0);
	assert_int_equal(found.st_mode & 0777, 0600);
	assert_int_equal(entries(edge->scratch.directory), 1);
}

static void a_missing_file_is_not_found(void **state)
{
	Edge *edge = *state;
	assert_int_equal(file_read(edge->path, &edge->text).kind, ERROR_NOT_FOUND);
}

static void a_file_larger_than_the_buffer_is_refused_and_adds_nothing(void **state)
{
	Edge *edge = *state;
	char bytes[100];
	memset(bytes, 'x', sizeof bytes);
	assert_int_equal(file_write(edge->path, (Slice){ bytes, sizeof bytes }, 0600).kind, ERROR_NONE);
	assert_int_equal(file_read(edge->path, &edge->text).kind, ERROR_NONE);
	assert_int_equal(edge->text.size, 100);
	buffer_clear(&edge->text);
	buffer_byte(&edge->text, '!');
	assert_int_equal(file_read(edge->path, &edge->text).kind, ERROR_INPUT);
	assert_int_equal(edge->text.size, 1);
	assert_false(edge->text.overflowed);
}

static void a_file_cannot_be_written_without_its_directory(void **state)
{
	Edge *edge = *state;
	scratch_path(&edge->scratch, "nowhere/file", edge->path);
	assert_int_not_equal(file_write(edge->path, SLICE("x"), 0600).kind, ERROR_NONE);
}

static void a_directory_is_created_with_its_parents_and_may_exist(void **state)
{
	Edge *edge = *state;
	scratch_path(&edge->scratch, "a/b/c", edge->path);
	assert_int_equal(directory_make(edge->path, 0700).kind, ERROR_NONE);
	assert_int_equal(directory_make(edge->path, 0700).kind, ERROR_NONE);
	scratch_path(&edge->scratch, "a/b/c/file", edge->path);
	assert_int_equal(file_write(edge->path, SLICE("x"), 0600).kind, ERROR_NONE);
	assert_int_equal(directory_make(edge->path, 0700).kind, ERROR_AGAIN);
}

static void a_lock_is_exclusive_until_its_descriptor_is_closed(void **state)
{
	Edge *edge = *state;
	int one, other;
	assert_int_equal(file_lock(edge->path, &one).kind, ERROR_NONE);
	assert_int_equal(file_lock(edge->path, &other).kind, ERROR_CONFLICT);
	close(one);
	assert_int_equal(file_lock(edge->path, &other).kind, ERROR_NONE);
	close(other);
}

static void the_program_knows_its_directory(void **state)
{
	(void)state;
	char directory[4096], small[2];
	assert_int_equal(program_directory(directory, sizeof directory).kind, ERROR_NONE);
	assert_int_equal(directory[0], '/');
	assert_int_equal(access(directory, X_OK), 0);
	assert_int_equal(program_directory(small, sizeof small).kind, ERROR_INPUT);
}

/* ---- append files ------------------------------------------------------------------------------------------------ */

static Result append_open(Edge *edge, int64_t size)
{
	append_file_close(edge->file);
	edge->file = NULL;
	return append_file_open(edge->path, size, &edge->file);
}

static void appended_lines_follow_each_other(void **state)
{
	Edge *edge = *state;
	assert_int_equal(append_open(edge, 0).kind, ERROR_NONE);
	assert_int_equal(append_file_write(edge->file, SLICE("one\n")).kind, ERROR_NONE);
	assert_int_equal(append_file_write(edge->file, SLICE("two\n")).kind, ERROR_NONE);
	assert_int_equal(append_file_size(edge->file), 8);
	assert_holds(edge, "one\ntwo\n");
}

static void bytes_beyond_the_accepted_size_are_truncated(void **state)
{
	Edge *edge = *state;
	assert_int_equal(append_open(edge, 0).kind, ERROR_NONE);
	succeeds(append_file_write(edge->file, SLICE("one\ntwo\n")));
	assert_int_equal(append_open(edge, 4).kind, ERROR_NONE);
	succeeds(append_file_write(edge->file, SLICE("2\n")));
	assert_holds(edge, "one\n2\n");
}

static void a_file_shorter_than_accepted_is_an_internal_error(void **state)
{
	Edge *edge = *state;
	assert_int_equal(append_open(edge, 0).kind, ERROR_NONE);
	succeeds(append_file_write(edge->file, SLICE("one\n")));
	assert_int_equal(append_open(edge, 5).kind, ERROR_INTERNAL);
	assert_holds(edge, "one\n");
}

static void files_limit(rlim_t bytes)
{
	struct rlimit limit;
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_failed_write_leaves_no_bytes(void **state)
{
	Edge *edge = *state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(append_open(edge, 0).kind, ERROR_NONE);
	succeeds(append_file_write(edge->file, SLICE("one\n")));
	files_limit(6);
	Result result = append_file_write(edge->file, SLICE("two\n"));
	files_limit(RLIM_INFINITY);
	assert_int_equal(result.kind, ERROR_AGAIN);
	assert_int_equal(append_file_size(edge->file), 4);
	assert_holds(edge, "one\n");
	assert_int_equal(append_file_write(edge->file, SLICE("3\n")).kind, ERROR_NONE);
	assert_holds(edge, "one\n3\n");
}

/* ---- the clock --------------------------------------------------------------------------------------------------- */

static void clocks_advance_and_random_bytes_differ(void **state)
{
	(void)state;
	uint8_t one[32] = { 0 }, other[32] = { 0 };
	int64_t before_us = clock_monotonic_us();
	Instant before = clock_now();
	clock_sleep_ms(20);
	assert_in_range(clock_monotonic_us() - before_us, 20000, 5000000);
	assert_true(clock_now() - before >= 15);
	assert_true(before > INT64_C(1600000000000));
	clock_random(one, sizeof one);
	clock_random(other, sizeof other);
	assert_memory_not_equal(one, other, sizeof one);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_written_file_has_its_mode_and_leaves_no_temporary_file),
		CASE(a_missing_file_is_not_found),
		CASE(a_file_larger_than_the_buffer_is_refused_and_adds_nothing),
		CASE(a_file_cannot_be_written_without_its_directory),
		CASE(a_directory_is_created_with_its_parents_and_may_exist),
		CASE(a_lock_is_exclusive_until_its_descriptor_is_closed),
		CASE(the_program_knows_its_directory),
		CASE(appended_lines_follow_each_other),
		CASE(bytes_beyond_the_accepted_size_are_truncated),
		CASE(a_file_shorter_than_accepted_is_an_internal_error),
		CASE(a_failed_write_leaves_no_bytes),
		CASE(clocks_advance_and_random_bytes_differ),
	};
	return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
