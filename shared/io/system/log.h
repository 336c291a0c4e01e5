/*
 * Log lines on stdout: one JSON object per line. One thread writes all lines, in the order in which they were logged, so the lines
 * of a process never interleave, however long. A thread that logs never waits for stdout: 512 KiB to 1 MiB of lines wait for a
 * reader that does not read, or for a slow disk. Further lines are dropped, and so are lines that cannot be written
 * (tocsin_log_lines_dropped_total); when a line can be written again, an event log-lines-dropped reports their number. When the
 * process exits or aborts, it waits at most a second until the lines that wait are written; lines are lost when it is killed or
 * calls _exit.
 *
 * Members: ts, level, event (a constant name), service (the name of a service, a program or a client, without the prefix
 * "tocsin-"), then the members given by the caller: ids, counts, names. Document contents and secrets are never logged. Values are
 * escaped and cut to 512 bytes. Code in shared/base, shared/domain and the services' cores never logs.
 */
#ifndef TOCSIN_IO_SYSTEM_LOG_H
#define TOCSIN_IO_SYSTEM_LOG_H

#include "shared/base/text.h"

#include <stdint.h>

typedef enum { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG } LogLevel;

extern const char *const log_levels[]; /* "error", "warn", "info", "debug", NULL */

/* Sets the level of the whole process, which is LOG_INFO at start. */
void log_set_level(LogLevel level);
bool log_enabled(LogLevel level);

typedef struct {
	const char *name;
	enum { LOG_TEXT_VALUE, LOG_INTEGER_VALUE } type;
	Slice text;
	int64_t integer;
} LogMember;

/*
 * Limits how often a line is logged: true for the first call and then at most once in pause_us, over all threads. The caller
 * initialises *quiet_until_us with 0.
 */
bool log_due(_Atomic int64_t *quiet_until_us, int64_t pause_us);

#define L_TEXT(name_, slice_) ((LogMember){ .name = (name_), .type = LOG_TEXT_VALUE, .text = (slice_) })
#define L_STRING(name_, string_) L_TEXT(name_, slice_of(string_))
#define L_INTEGER(name_, n_) ((LogMember){ .name = (name_), .type = LOG_INTEGER_VALUE, .integer = (n_) })

void log_line_(LogLevel level, const char *service, const char *event, const LogMember *members, size_t count);
/* Any thread. Needs at least one member; members beyond 24 are dropped. Never waits for stdout. */
#define log_line(level, service, event, ...)                                             \
	log_line_((level), (service), (event), (const LogMember[]){ __VA_ARGS__ },       \
		  sizeof((const LogMember[]){ __VA_ARGS__ }) / sizeof(LogMember))

/* Waits until no logged line is left to write, at most wait_ms. False: a line is left to write. Async-signal-safe. */
bool log_flush(int64_t wait_ms);

#endif
