/*
 * Log lines: one JSON object a line on stdout, written by one write(2), members ts, level, event (a constant name),
 * service (the name of a service, a program or a client, without the prefix "tocsin-"), then what the caller adds:
 * ids, counts, names of things. Never document contents, never secrets; values are escaped and cut to 512 bytes.
 * Only programs, the runtime and handlers log: base, domain and cores never do.
 */
#ifndef TOCSIN_IO_SYSTEM_LOG_H
#define TOCSIN_IO_SYSTEM_LOG_H

#include "shared/base/text.h"

#include <stdint.h>

typedef enum { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG } LogLevel;

extern const char *const log_levels[]; /* "error", "warn", "info", "debug", NULL */

void log_set_level(LogLevel level);
bool log_enabled(LogLevel level);

typedef struct {
	const char *name;
	enum { LOG_TEXT_VALUE, LOG_INTEGER_VALUE } type;
	Slice text;
	int64_t integer;
} LogMember;

/*
 * For lines that come by the thousand: true for the first and then once in pause_us, however many threads ask. *quiet_until_us
 * begins as 0.
 */
bool log_due(_Atomic int64_t *quiet_until_us, int64_t pause_us);

#define L_TEXT(name_, slice_) ((LogMember){ .name = (name_), .type = LOG_TEXT_VALUE, .text = (slice_) })
#define L_STRING(name_, string_) L_TEXT(name_, slice_of(string_))
#define L_INTEGER(name_, n_) ((LogMember){ .name = (name_), .type = LOG_INTEGER_VALUE, .integer = (n_) })

void log_line_(LogLevel level, const char *service, const char *event, const LogMember *members, size_t count);
/* At least one member. */
#define log_line(level, service, event, ...)                                             \
	log_line_((level), (service), (event), (const LogMember[]){ __VA_ARGS__ },       \
		  sizeof((const LogMember[]){ __VA_ARGS__ }) / sizeof(LogMember))

#endif
