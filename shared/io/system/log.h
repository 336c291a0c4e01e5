/*
 * Log lines on stdout: one JSON object per line, written by one write(2). Members: ts, level, event (a constant name), service
 * (the name of a service, a program or a client, without the prefix "tocsin-"), then the members given by the caller: ids,
 * counts, names. Document contents and secrets are never logged. Values are escaped and cut to 512 bytes. Code in shared/base,
 * shared/domain and the services' cores never logs.
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
 * Limits how often a line is logged: true for the first call and then at most once in pause_us, over all threads. *quiet_until_us
 * starts as 0.
 */
bool log_due(_Atomic int64_t *quiet_until_us, int64_t pause_us);

#define L_TEXT(name_, slice_) ((LogMember){ .name = (name_), .type = LOG_TEXT_VALUE, .text = (slice_) })
#define L_STRING(name_, string_) L_TEXT(name_, slice_of(string_))
#define L_INTEGER(name_, n_) ((LogMember){ .name = (name_), .type = LOG_INTEGER_VALUE, .integer = (n_) })

void log_line_(LogLevel level, const char *service, const char *event, const LogMember *members, size_t count);
/* Needs at least one member; those beyond 24 are dropped. Blocks while stdout is full; lines are lost if stdout is closed. */
#define log_line(level, service, event, ...)                                             \
	log_line_((level), (service), (event), (const LogMember[]){ __VA_ARGS__ },       \
		  sizeof((const LogMember[]){ __VA_ARGS__ }) / sizeof(LogMember))

#endif
