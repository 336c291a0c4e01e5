#include "shared/io/system/log.h"

#include "shared/base/instant.h"
#include "shared/io/system/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* A line of MEMBERS_MAX members fits even if each byte is escaped to six (\u001f). */
enum { VALUE_BYTES_MAX = 512, MEMBERS_MAX = 24, LINE_BYTES_MAX = (MEMBERS_MAX + 4) * (VALUE_BYTES_MAX * 6 + 128) };

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

static void line_send(Slice line)
{
	while (line.size > 0) {
		ssize_t sent = write(STDOUT_FILENO, line.data, line.size);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return; /* stdout is closed: the failure cannot be reported */
		line.data += sent;
		line.size -= (size_t)sent;
	}
}

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
	char now[INSTANT_TEXT];
	Buffer line;
	instant_format(clock_now(), now);
	buffer_init(&line, LINE_BYTES_MAX);
	buffer_format(&line, "{\"ts\":\"%s\",\"level\":\"%s\",", now, log_levels[level]);
	text_member(&line, "event", slice_of(event));
	buffer_byte(&line, ',');
	text_member(&line, "service", service_of(service));
	for (size_t i = 0; i < count && i < MEMBERS_MAX; i++)
		member_write(&line, &members[i]);
	buffer_text(&line, "}\n");
	line_send(buffer_slice(&line));
	buffer_release(&line);
}
