#include "shared/io/system/log.h"

#include "shared/base/instant.h"
#include "shared/io/system/clock.h"
#include "shared/io/system/metrics.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A line of MEMBERS_MAX members fits even if each byte is escaped to six (\u001f). */
enum { VALUE_BYTES_MAX = 512, MEMBERS_MAX = 24, LINE_BYTES_MAX = (MEMBERS_MAX + 4) * (VALUE_BYTES_MAX * 6 + 128) };
enum {
	WAITING_BYTES_MAX = 512 * 1024, /* lines that wait; the writer may hold as many bytes again */
	KEPT_BYTES = 64 * 1024,         /* memory that the writer keeps when it has nothing to do */
	LAST_WAIT_MS = 1000,            /* for the lines that wait when the process exits or aborts */
	POLL_MS = 1,
};

const char *const log_levels[] = { "error", "warn", "info", "debug", NULL };

static _Atomic int level_max = LOG_INFO;

void log_set_level(LogLevel level)
{
	level_max = (int)level;
}

bool log_enabled(LogLevel level)
{
	return (int)level <= atomic_load_explicit(&level_max, memory_order_relaxed);
}

/*
 * Escapes and cuts a value. In a value with invalid UTF-8, which would make the line invalid JSON, all non-ASCII bytes become
 * question marks.
 */
static void text_escape(Buffer *line, Slice text)
{
	char ascii[VALUE_BYTES_MAX];
	if (text.size > VALUE_BYTES_MAX)
		text.size = text_cut_size(text.data, VALUE_BYTES_MAX);
	if (text_is_utf8(text)) {
		buffer_json_escape(line, text);
		return;
	}
	for (size_t i = 0; i < text.size; i++)
		ascii[i] = (unsigned char)text.data[i] < 0x80 ? text.data[i] : '?';
	buffer_json_escape(line, (Slice){ ascii, text.size });
}

static void text_member(Buffer *line, const char *name, Slice text)
{
	buffer_format(line, "\"%s\":\"", name);
	text_escape(line, text);
	buffer_byte(line, '"');
}

static void member_write(Buffer *line, const LogMember *member)
{
	buffer_byte(line, ',');
	if (member->type == LOG_TEXT_VALUE)
		text_member(line, member->name, member->text);
	else
		buffer_format(line, "\"%s\":%lld", member->name, (long long)member->integer);
}

static void line_begin(Buffer *line, LogLevel level, Slice service, const char *event)
{
	char now[INSTANT_TEXT];
	instant_format(clock_now(), now);
	buffer_init(line, LINE_BYTES_MAX);
	buffer_format(line, "{\"ts\":\"%s\",\"level\":\"%s\",", now, log_levels[level]);
	text_member(line, "event", slice_of(event));
	buffer_byte(line, ',');
	text_member(line, "service", service);
}

/* ---- the writer ---------------------------------------------------------------------------------------------------
 *
 * Threads that log append their line to `waiting`, under the mutex, and never wait for stdout. The writer, a thread of its own,
 * exchanges `waiting` for an empty buffer and writes the lines without the mutex. A line for which there is no room, or that
 * cannot be written, is dropped and counted. `unsaid` counts the dropped lines that no log-lines-dropped has reported yet. The
 * writer reports them after the lines that it took from `waiting`, because the lines that waited are older than those for which
 * there was no room.
 */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static Buffer waiting = { .max = WAITING_BYTES_MAX };
static int64_t unsaid;
static bool started;
static atomic_bool idle = true; /* no line waits, and the writer writes none; set under the mutex */
static bool torn;               /* the last line was written in part; used by the writer only */

static bool bytes_write(Slice bytes, bool *begun)
{
	while (bytes.size > 0) {
		ssize_t sent = write(STDOUT_FILENO, bytes.data, bytes.size);
		if (sent < 0 && errno == EAGAIN)
			(void)poll(&(struct pollfd){ .fd = STDOUT_FILENO, .events = POLLOUT }, 1, -1);
		else if (sent <= 0 && errno != EINTR)
			return false;
		if (sent <= 0)
			continue;
		*begun = true;
		bytes.data += sent;
		bytes.size -= (size_t)sent;
	}
	return true;
}

/* Writes a line with its line feed. If the line before was written only in part, a line feed ends it first. */
static bool line_write(Slice line)
{
	bool begun = false;
	if (torn && !bytes_write(SLICE("\n"), &begun))
		return false;
	begun = false;
	torn = false;
	bool written = bytes_write(line, &begun);
	torn = !written && begun;
	return written;
}

/* Returns the number of lines that could not be written. */
static int64_t lines_write(Slice lines)
{
	int64_t failed = 0;
	while (lines.size > 0) {
		size_t size = (size_t)((const char *)memchr(lines.data, '\n', lines.size) - lines.data) + 1;
		failed += !line_write((Slice){ lines.data, size });
		lines = (Slice){ lines.data + size, lines.size - size };
	}
	return failed;
}

static bool dropped_report(int64_t count)
{
	Buffer line;
	line_begin(&line, LOG_WARN, SLICE("log"), "log-lines-dropped");
	member_write(&line, &L_INTEGER("count", count));
	buffer_text(&line, "}\n");
	bool written = line_write(buffer_slice(&line));
	buffer_release(&line);
	return written;
}

/* The caller holds the mutex, which is released while the lines are written. */
static void waiting_write(void)
{
	Buffer lines = waiting;
	int64_t report = unsaid;
	buffer_init(&waiting, WAITING_BYTES_MAX);
	pthread_mutex_unlock(&mutex);
	int64_t failed = lines_write(buffer_slice(&lines));
	if (failed > 0)
		metric_add(METRIC_LOG_DROPPED, NULL, NULL, failed);
	bool reported = report + failed > 0 && dropped_report(report + failed);
	bool keep = lines.capacity <= KEPT_BYTES;
	if (!keep)
		buffer_release(&lines);
	pthread_mutex_lock(&mutex);
	unsaid += failed - (reported ? report + failed : 0);
	if (keep && waiting.capacity == 0) {
		buffer_clear(&lines);
		waiting = lines;
	} else if (keep) {
		buffer_release(&lines);
	}
}

static void *writer_run(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&mutex);
	for (;;) {
		while (waiting.size == 0) {
			atomic_store(&idle, true);
			pthread_cond_wait(&changed, &mutex);
		}
		waiting_write();
	}
	return NULL;
}

bool log_flush(int64_t wait_ms)
{
	int64_t until_us = clock_monotonic_us() + wait_ms * 1000;
	while (!atomic_load(&idle)) {
		if (clock_monotonic_us() >= until_us)
			return false;
		clock_sleep_ms(POLL_MS);
	}
	return true;
}

static void flush_at_exit(void)
{
	(void)log_flush(LAST_WAIT_MS);
}

/* On SIGABRT: waits for the writer, then the default action follows. log_flush takes no lock, so a signal handler may call it. */
static void flush_at_abort(int number)
{
	(void)log_flush(LAST_WAIT_MS);
	(void)number;
}

/* A forked child has no writer thread, and the lines that wait belong to the parent: the child begins with no lines. */
static void before_fork(void)
{
	pthread_mutex_lock(&mutex);
}

static void after_fork_in_parent(void)
{
	pthread_mutex_unlock(&mutex);
}

static void after_fork_in_child(void)
{
	static const pthread_cond_t without_waiters = PTHREAD_COND_INITIALIZER;
	changed = without_waiters; /* the copied condition still counts the parent's writer as a waiter */
	buffer_clear(&waiting);
	unsaid = 0;
	started = torn = false;
	atomic_store(&idle, true);
	pthread_mutex_unlock(&mutex);
}

/* The writer takes no signals: they are for the program's threads, and must not interrupt a write. */
static bool thread_start(void)
{
	pthread_t writer;
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool done = pthread_create(&writer, NULL, writer_run, NULL) == 0 && pthread_detach(writer) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return done;
}

/* With the mutex held. False if no thread can be started. */
static bool writer_start(void)
{
	static bool prepared;
	if (!prepared) {
		struct sigaction action = { .sa_handler = flush_at_abort, .sa_flags = (int)SA_RESETHAND };
		sigemptyset(&action.sa_mask);
		must(atexit(flush_at_exit) == 0 && sigaction(SIGABRT, &action, NULL) == 0 &&
		     pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0);
		prepared = true;
	}
	if (!started)
		started = thread_start();
	return started;
}

static void line_send(Slice line)
{
	bool dropped = false;
	pthread_mutex_lock(&mutex);
	if (writer_start() && waiting.size + line.size <= WAITING_BYTES_MAX) {
		buffer_append(&waiting, line);
		atomic_store(&idle, false);
		pthread_cond_signal(&changed);
	} else {
		dropped = true;
		unsaid++;
	}
	pthread_mutex_unlock(&mutex);
	if (dropped)
		metric_add(METRIC_LOG_DROPPED, NULL, NULL, 1);
}

/* ---- logging ---------------------------------------------------------------------------------------------------- */

bool log_due(_Atomic int64_t *quiet_until_us, int64_t pause_us)
{
	int64_t now_us = clock_monotonic_us(), until_us = atomic_load(quiet_until_us);
	return now_us >= until_us && atomic_compare_exchange_strong(quiet_until_us, &until_us, now_us + pause_us);
}

static Slice service_of(const char *name)
{
	static const char prefix[] = "tocsin-";
	return slice_of(strncmp(name, prefix, strlen(prefix)) == 0 ? name + strlen(prefix) : name);
}

void log_line_(LogLevel level, const char *service, const char *event, const LogMember *members, size_t count)
{
	if (!log_enabled(level))
		return;
	Buffer line;
	line_begin(&line, level, service_of(service), event);
	for (size_t i = 0; i < count && i < MEMBERS_MAX; i++)
		member_write(&line, &members[i]);
	buffer_text(&line, "}\n");
	line_send(buffer_slice(&line));
	buffer_release(&line);
}
