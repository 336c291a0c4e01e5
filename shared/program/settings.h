/*
 * Settings: one table, a row a setting; environment only. Any TOCSIN_X may be given as TOCSIN_X_FILE (a path whose content
 * is the value, a final newline dropped). All mistakes are reported at once; an unknown TOCSIN_* is a warning, since
 * Kubernetes injects some. `tocsin --settings` and README are compared with this table in a test.
 */
#ifndef TOCSIN_PROGRAM_SETTINGS_H
#define TOCSIN_PROGRAM_SETTINGS_H

#include "shared/base/error.h"
#include "shared/base/text.h"

#include <stdint.h>

typedef enum { SETTING_TEXT, SETTING_INTEGER, SETTING_CHOICE } SettingType;

/* Who reads it: a bit a program. All are known to all, so that one environment serves both modes and every program. */
enum {
	SETTING_GATEWAY = 1 << 0,
	SETTING_INTAKE = 1 << 1,
	SETTING_CLASSIFICATION = 1 << 2,
	SETTING_RESPONSE = 1 << 3,
	SETTING_NOTIFICATION = 1 << 4,
	SETTING_AUDIT = 1 << 5,
	SETTING_PROGRAMS = (1 << 6) - 1, /* those six: the distributed mode */
	SETTING_SERVE = 1 << 6,          /* tocsin serve: the embedded mode */
	SETTING_COMMANDS = 1 << 7,       /* the other commands of tocsin */
	SETTING_ALL = (1 << 8) - 1,
};

typedef struct {
	const char *name;        /* "TOCSIN_HOME" */
	SettingType type;
	unsigned users;          /* 0: known, and read by nobody yet */
	bool secret;             /* never printed */
	bool channels;           /* ${NAME} in a pack's channels.yaml may stand for it */
	const char *fallback;    /* default, as text; NULL: unset */
	int64_t min, max;        /* SETTING_INTEGER */
	const char *const *choices;
	const char *(*check)(const char *value); /* SETTING_TEXT: NULL when right, else what would be; may be NULL */
	const char *sentence;
} Setting;

extern const Setting settings_table[];
extern const size_t settings_count;

typedef struct Settings Settings;

enum { SETTINGS_MISTAKES_MAX = 32 };
typedef struct {
	size_t mistakes, warnings;
	char mistake[SETTINGS_MISTAKES_MAX][256];
	char warning[SETTINGS_MISTAKES_MAX][256];
} SettingsReport;

/*
 * Reads what these users read out of the given environment ("NAME=value", NULL at the end). false: there are mistakes,
 * *out is still there for what is right.
 */
bool settings_read(char *const *environment, unsigned users, Settings **out, SettingsReport *report);
void settings_free(Settings *settings); /* wipes secrets */

/* A default of the program's own, instead of the table's: counts where the environment says nothing. */
void setting_default(Settings *settings, const char *name, const char *value);

/* The name must be one of the table's, and of a setting that the users read. */
const char *setting_text(const Settings *settings, const char *name);   /* NULL where unset */
int64_t setting_integer(const Settings *settings, const char *name);
/* True where the environment says so itself, false for defaults. */
bool setting_given(const Settings *settings, const char *name);
const char *setting_file(const Settings *settings, const char *name); /* that TOCSIN_X_FILE named; NULL: none */
bool setting_known(const char *name);

/* What ${NAME} in a pack's channels.yaml stands for; NULL: unset, unknown, or none of a pack's business. */
const char *setting_of_channel(const Settings *settings, const char *name);

/*
 * The manual: how settings are given, then a line or two for each that the users of `settings` read and those of `but_not`
 * do not, with its value there (of an empty environment: the default) and sentence.
 */
void settings_write_introduction(Buffer *out);
void settings_write_manual(const Settings *settings, unsigned but_not, Buffer *out);

#endif
