#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/base/instant.h"
#include "shared/io/system/clock.h"
#include "shared/io/system/log.h"
#include "tests/support/caught.h"
#include "tests/support/metric_value.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_line_is_one_json_object_with_time_level_event_and_service(void **state)
{
	(void)state;
	Instant before = clock_now(), at;
	catch_begin();
	log_line(LOG_WARN, "intake", "record_dropped", L_STRING("topic", "events"), L_INTEGER("offset", -7));
	const char *caught = catch_end();
	json_t *line = json_loads(caught, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(line);
	assert_string_equal(json_string_value(json_object_get(line, "level")), "warn");
	assert_string_equal(json_string_value(json_object_get(line, "event")), "record_dropped");
	assert_string_equal(json_string_value(json_object_get(line, "service")), "intake");
	assert_string_equal(json_string_value(json_object_get(line, "topic")), "events");
	assert_int_equal(json_integer_value(json_object_get(line, "offset")), -7);
	assert_int_equal(instant_parse(slice_of(json_string_value(json_object_get(line, "ts"))), &at).kind, ERROR_NONE);
	assert_true(at >= before && at <= clock_now());
	assert_int_equal(json_object_size(line), 6);
	assert_ptr_equal(strchr(caught, '\n') + 1, caught + strlen(caught));
	json_decref(line);
}

static void lines_of_a_program_name_its_service(void **state)
{
	(void)state;
	catch_begin();
	log_line(LOG_WARN, "tocsin-intake", "stopping", L_INTEGER("signal", 15));
	log_line(LOG_WARN, "tocsin", "stopping", L_INTEGER("signal", 15));
	const char *caught = catch_end();
	assert_non_null(strstr(caught, "\"service\":\"intake\""));
	assert_non_null(strstr(caught, "\"service\":\"tocsin\""));
}

static void values_are_escaped_and_cut_so_that_a_line_stays_valid(void **state)
{
	(void)state;
	char tail[1026], control[512];
	memset(tail, 'x', 511);
	memset(control, '\x01', sizeof control);
	for (size_t i = 511; i < 1026; i += 3)
		memcpy(tail + i, "事", i + 3 <= 1026 ? 3 : 1026 - i);
	catch_begin();
	log_line(LOG_ERROR, "s", "e", L_STRING("quotes", "a\"b\\c\nd"), L_TEXT("long", ((Slice){ tail, 1024 })),
		 L_STRING("latin", "caf\xe9"), L_TEXT("none", SLICE_NONE), L_TEXT("control", ((Slice){ control, 512 })));
	const char *caught = catch_end();
	json_t *line = json_loads(caught, 0, NULL);
	assert_non_null(line);
	assert_string_equal(json_string_value(json_object_get(line, "quotes")), "a\"b\\c\nd");
	assert_int_equal(strlen(json_string_value(json_object_get(line, "long"))), 511); /* not 512: no character is split */
	assert_string_equal(json_string_value(json_object_get(line, "latin")), "caf?");
	assert_string_equal(json_string_value(json_object_get(line, "none")), "");
	assert_int_equal(json_string_length(json_object_get(line, "control")), 512);
	json_decref(line);
}

static void a_limited_line_is_due_once_per_pause(void **state)
{
	(void)state;
	_Atomic int64_t quiet_until_us = 0;
	assert_true(log_due(&quiet_until_us, 3600000000));
	assert_false(log_due(&quiet_until_us, 3600000000));
	quiet_until_us = clock_monotonic_us();
	assert_true(log_due(&quiet_until_us, 3600000000));
	assert_false(log_due(&quiet_until_us, 3600000000));
}

static void lines_below_the_level_are_not_written(void **state)
{
	(void)state;
	assert_true(log_enabled(LOG_INFO));
	assert_false(log_enabled(LOG_DEBUG));
	log_set_level(LOG_ERROR);
	catch_begin();
	log_line(LOG_WARN, "s", "no", L_INTEGER("n", 1));
	log_line(LOG_ERROR, "s", "yes", L_INTEGER("n", 1));
	const char *caught = catch_end();
	log_set_level(LOG_INFO);
	assert_null(strstr(caught, "\"no\""));
	assert_non_null(strstr(caught, "\"yes\""));
}

/* ---- a pipe as stdout ---- */

enum { FLUSH_MS = 60000, THREADS = 4, STUCK_LINES = 100000, LONG_LINES = 500, LONG_MEMBERS = 20, READ_BYTES = 65536 };

static const char dropped_total[] = "tocsin_log_lines_dropped_total";

/* Stdout while a test has replaced it. */
typedef struct {
	int kept, read_end;
	pthread_t reader;
	Buffer text; /* the bytes that the thread `reader` has read */
} Pipe;

static void stdout_replace(int *kept, int with)
{
	assert_true(log_flush(FLUSH_MS));
	fflush(stdout);
	*kept = dup(STDOUT_FILENO);
	assert_true(*kept >= 0 && dup2(with, STDOUT_FILENO) >= 0);
	close(with);
}

static void stdout_restore(int kept)
{
	assert_true(dup2(kept, STDOUT_FILENO) >= 0);
	close(kept);
}

static Pipe pipe_begin(void)
{
	int ends[2];
	Pipe made;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	made.read_end = ends[0];
	buffer_init(&made.text, 256 << 20);
	stdout_replace(&made.kept, ends[1]);
	return made;
}

static void *read_all(void *context)
{
	Pipe *of = context;
	char *bytes = malloc(READ_BYTES);
	for (ssize_t got; (got = read(of->read_end, bytes, READ_BYTES)) > 0;)
		buffer_append(&of->text, (Slice){ bytes, (size_t)got });
	free(bytes);
	return NULL;
}

static void pipe_read(Pipe *of)
{
	assert_int_equal(pthread_create(&of->reader, NULL, read_all, of), 0);
}

/* After pipe_read: waits for all lines, and restores stdout. */
static void pipe_end(Pipe *of)
{
	bool flushed = log_flush(FLUSH_MS);
	stdout_restore(of->kept);
	pthread_join(of->reader, NULL);
	close(of->read_end);
	assert_true(flushed);
	assert_false(of->text.overflowed);
}

typedef struct {
	int64_t lines, reported;  /* lines: the test's lines; reported: sum of `count` in log-lines-dropped */
	int64_t next[THREADS];    /* by thread: the number after that of its last line */
	bool in_order;
} Found;

static void line_take(Slice text, Found *found)
{
	json_t *line = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
	if (line == NULL)
		fail_msg("not a whole line: %.*s", (int)text.size, text.data);
	if (strcmp(json_string_value(json_object_get(line, "event")), "log-lines-dropped") == 0) {
		found->reported += json_integer_value(json_object_get(line, "count"));
	} else {
		json_int_t thread = json_integer_value(json_object_get(line, "thread"));
		json_int_t number = json_integer_value(json_object_get(line, "number"));
		found->lines++;
		found->in_order = found->in_order && number >= found->next[thread];
		found->next[thread] = number + 1;
	}
	json_decref(line);
}

static Found lines_take(Slice text)
{
	Found found = { .in_order = true };
	while (text.size > 0) {
		const char *end = memchr(text.data, '\n', text.size);
		assert_non_null(end);
		size_t size = (size_t)(end - text.data);
		line_take((Slice){ text.data, size }, &found);
		text = (Slice){ text.data + size + 1, text.size - size - 1 };
	}
	return found;
}

/* ---- threads that log ---- */

typedef struct {
	int thread, lines;
	bool are_long;
	int64_t slowest_us; /* duration of the slowest call of this thread */
	pthread_t id;
} Caller;

static void long_line(const Caller *caller, int number)
{
	static const char text[512 + 1] = { [0 ... 511] = 'x' };
	static const char *const names[LONG_MEMBERS] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j",
							 "k", "l", "m", "n", "o", "p", "q", "r", "s", "t" };
	LogMember members[LONG_MEMBERS + 2] = { L_INTEGER("thread", caller->thread), L_INTEGER("number", number) };
	for (int i = 0; i < LONG_MEMBERS; i++)
		members[i + 2] = L_STRING(names[i], text);
	log_line_(LOG_WARN, "test", "long", members, LONG_MEMBERS + 2);
}

static void *call_all(void *context)
{
	Caller *caller = context;
	for (int number = 0; number < caller->lines; number++) {
		int64_t begun_us = clock_monotonic_us();
		if (caller->are_long)
			long_line(caller, number);
		else
			log_line(LOG_WARN, "test", "short", L_INTEGER("thread", caller->thread), L_INTEGER("number", number));
		int64_t took_us = clock_monotonic_us() - begun_us;
		caller->slowest_us = took_us > caller->slowest_us ? took_us : caller->slowest_us;
	}
	return NULL;
}

/* Logs `lines` lines in THREADS threads; returns the duration of the slowest call in ms. */
static int64_t log_in_threads(int lines, bool are_long)
{
	Caller callers[THREADS];
	int64_t slowest_us = 0;
	for (int i = 0; i < THREADS; i++) {
		callers[i] = (Caller){ .thread = i, .lines = lines / THREADS, .are_long = are_long };
		assert_int_equal(pthread_create(&callers[i].id, NULL, call_all, &callers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(callers[i].id, NULL);
		slowest_us = callers[i].slowest_us > slowest_us ? callers[i].slowest_us : slowest_us;
	}
	return slowest_us / 1000;
}

static void lines_of_threads_do_not_interleave_however_long(void **state)
{
	(void)state;
	int64_t before = metric_value(dropped_total);
	Pipe out = pipe_begin();
	pipe_read(&out);
	/* The log's queue holds at most 90 lines of 11 KB. The lines are logged in small groups, so that none is dropped. */
	for (int i = 0; i < LONG_LINES / (8 * THREADS); i++) {
		log_in_threads(8 * THREADS, true);
		assert_true(log_flush(FLUSH_MS));
	}
	pipe_end(&out);
	Found found = lines_take(buffer_slice(&out.text));
	assert_int_equal(found.lines, LONG_LINES / (8 * THREADS) * 8 * THREADS);
	assert_int_equal(metric_value(dropped_total), before);
	buffer_release(&out.text);
}

static void a_reader_that_does_not_read_blocks_nobody_and_what_is_dropped_is_counted(void **state)
{
	(void)state;
	int64_t before = metric_value(dropped_total), begun_us = clock_monotonic_us();
	Pipe out = pipe_begin();
	int64_t slowest_ms = log_in_threads(STUCK_LINES, false);
	int64_t took_ms = (clock_monotonic_us() - begun_us) / 1000;
	bool stuck = !log_flush(10);
	pipe_read(&out);
	bool flushed = log_flush(FLUSH_MS);
	log_line(LOG_WARN, "test", "short", L_INTEGER("thread", 0), L_INTEGER("number", STUCK_LINES));
	pipe_end(&out);
	print_message("100,000 lines took %lld ms, the slowest call %lld ms\n", (long long)took_ms, (long long)slowest_ms);
	assert_true(stuck && flushed);
	assert_true(took_ms < 10000 && slowest_ms < 1000);
	Found found = lines_take(buffer_slice(&out.text));
	assert_true(found.in_order);
	assert_int_equal(found.next[0], STUCK_LINES + 1); /* the reader had resumed, so the last line was not dropped */
	assert_true(found.reported > STUCK_LINES / 2);
	assert_int_equal(found.lines + found.reported, STUCK_LINES + 1);
	assert_int_equal(metric_value(dropped_total) - before, found.reported);
	buffer_release(&out.text);
}

static void lines_that_cannot_be_written_are_reported_with_the_next_one_that_can(void **state)
{
	(void)state;
	int64_t before = metric_value(dropped_total);
	int kept, full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_true(full >= 0);
	stdout_replace(&kept, full);
	for (int i = 0; i < 3; i++) {
		log_line(LOG_WARN, "test", "lost", L_INTEGER("number", i));
		assert_true(log_flush(FLUSH_MS));
	}
	stdout_restore(kept);
	assert_int_equal(metric_value(dropped_total) - before, 3);
	Pipe out = pipe_begin();
	pipe_read(&out);
	log_line(LOG_WARN, "test", "short", L_INTEGER("thread", 0), L_INTEGER("number", 0));
	pipe_end(&out);
	Found found = lines_take(buffer_slice(&out.text));
	assert_int_equal(found.lines, 1);
	assert_int_equal(found.reported, 3);
	buffer_release(&out.text);
}

/* ---- the end of a process ---- */

enum { LAST_LINES = 2000 };

/* Starts a child process that logs LAST_LINES lines to a pipe and then exits, or aborts if `aborts`. */
static pid_t child_start(bool aborts, int *read_end)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	fflush(stdout);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
		if (dup2(ends[1], STDOUT_FILENO) < 0 || dup2(quiet, STDERR_FILENO) < 0)
			_exit(1);
		close(ends[0]);
		close(ends[1]);
		for (int i = 0; i < LAST_LINES; i++)
			log_line(LOG_WARN, "test", "short", L_INTEGER("thread", 0), L_INTEGER("number", i));
		must(!aborts);
		exit(0);
	}
	close(ends[1]);
	*read_end = ends[0];
	return child;
}

static void a_process_that_ends_or_aborts_writes_its_last_line(void **state)
{
	(void)state;
	for (int aborts = 0; aborts < 2; aborts++) {
		int status;
		Pipe out = { .kept = -1 };
		buffer_init(&out.text, 64 << 20);
		pid_t child = child_start(aborts == 1, &out.read_end);
		clock_sleep_ms(100); /* delays reading, so that the lines fill the pipe and some wait in the child */
		read_all(&out);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(aborts == 1 ? WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT
					: WIFEXITED(status) && WEXITSTATUS(status) == 0);
		Found found = lines_take(buffer_slice(&out.text));
		assert_int_equal(found.lines, LAST_LINES);
		close(out.read_end);
		buffer_release(&out.text);
	}
}

static void a_process_ends_though_nobody_reads_its_lines(void **state)
{
	(void)state;
	for (int aborts = 0; aborts < 2; aborts++) {
		int status, read_end;
		int64_t begun_us = clock_monotonic_us();
		pid_t child = child_start(aborts == 1, &read_end);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(clock_monotonic_us() - begun_us < 10000000);
		close(read_end);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_one_json_object_with_time_level_event_and_service),
		cmocka_unit_test(lines_of_a_program_name_its_service),
		cmocka_unit_test(values_are_escaped_and_cut_so_that_a_line_stays_valid),
		cmocka_unit_test(a_limited_line_is_due_once_per_pause),
		cmocka_unit_test(lines_below_the_level_are_not_written),
		cmocka_unit_test(lines_of_threads_do_not_interleave_however_long),
		cmocka_unit_test(a_reader_that_does_not_read_blocks_nobody_and_what_is_dropped_is_counted),
		cmocka_unit_test(lines_that_cannot_be_written_are_reported_with_the_next_one_that_can),
		cmocka_unit_test(a_process_that_ends_or_aborts_writes_its_last_line),
		cmocka_unit_test(a_process_ends_though_nobody_reads_its_lines),
	};
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
