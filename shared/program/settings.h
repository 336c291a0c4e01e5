/*
 * Settings: environment variables, one row of a table each. TOCSIN_X may also be given as TOCSIN_X_FILE, the path of a file
 * that contains the value (a final line feed is dropped). Mistakes are reported together, at most SETTINGS_MISTAKES_MAX. An unknown
 * TOCSIN_* variable is only a warning, because Kubernetes sets variables named after its services, which may begin with TOCSIN_. A
 * test compares `tocsin --settings` and README with the table.
 */
#ifndef TOCSIN_PROGRAM_SETTINGS_H
#define TOCSIN_PROGRAM_SETTINGS_H

#include "shared/base/error.h"
#include "shared/base/text.h"

#include <stdint.h>

typedef enum { SETTING_TEXT, SETTING_INTEGER, SETTING_CHOICE } SettingType;

/* Users of a setting: the programs that read it, one bit each. A program ignores the settings of others, without a warning. */
enum {
	SETTING_GATEWAY = 1 << 0,
	SETTING_INTAKE = 1 << 1,
	SETTING_CLASSIFICATION = 1 << 2,
	SETTING_RESPONSE = 1 << 3,
	SETTING_NOTIFICATION = 1 << 4,
	SETTING_AUDIT = 1 << 5,
	SETTING_PROGRAMS = (1 << 6) - 1, /* all six above: the distributed mode */
	SETTING_SERVE = 1 << 6,          /* tocsin serve: the embedded mode */
	SETTING_COMMANDS = 1 << 7,       /* the other commands of tocsin */
	SETTING_ALL = (1 << 8) - 1,
};

typedef struct {
	const char *name;        /* "TOCSIN_HOME" */
	SettingType type;
	unsigned users;          /* SETTING_GATEWAY | …; 0: reserved, no program reads it yet */
	bool secret;             /* documents that the value is confidential; no code reads this member */
	bool channels;           /* ${NAME} in channels.yaml may refer to it */
	const char *fallback;    /* the default, as text; NULL: unset */
	int64_t min, max;        /* SETTING_INTEGER */
	const char *const *choices; /* SETTING_CHOICE: ends with NULL */
	const char *(*check)(const char *value); /* SETTING_TEXT: returns NULL for a valid value, else "must …"; NULL: no check */
	const char *sentence;    /* for --settings and README */
} Setting;

extern const Setting settings_table[];
extern const size_t settings_count;

typedef struct Settings Settings;

enum { SETTINGS_MISTAKES_MAX = 32 };

/* The first SETTINGS_MISTAKES_MAX mistakes and warnings. */
typedef struct {
	size_t mistakes, warnings;
	char mistake[SETTINGS_MISTAKES_MAX][256];
	char warning[SETTINGS_MISTAKES_MAX][256];
} SettingsReport;

/* A report takes 16 KiB, so it is allocated; the caller frees it. */
SettingsReport *settings_report_new(void);

/*
 * Reads the settings of `users` (SETTING_…) from an environment ("NAME=value", NULL at the end). False: report holds mistakes.
 * The caller frees *out in both cases; after False, do not use the settings that report names.
 */
bool settings_read(char *const *environment, unsigned users, Settings **out, SettingsReport *report);
void settings_free(Settings *settings); /* wipes the texts of all values; NULL is allowed */

/* Replaces the default of a SETTING_TEXT by a copy of value; has no effect if the environment gives a value. Aborts as below. */
void setting_default(Settings *settings, const char *name, const char *value);

/* These four functions abort for a name that is not in the table, and for a setting that the users do not read. */
const char *setting_text(const Settings *settings, const char *name); /* borrowed; NULL: unset */
int64_t setting_integer(const Settings *settings, const char *name);  /* SETTING_INTEGER only */
bool setting_given(const Settings *settings, const char *name);       /* true: the environment gives it; false: default or unset */
const char *setting_file(const Settings *settings, const char *name); /* the path in TOCSIN_X_FILE, borrowed; NULL: not given */

/* True when settings_table has a setting of this name. */
bool setting_known(const char *name);

/*
 * The value of ${NAME} in channels.yaml, borrowed; NULL: unset, unknown, or a setting that packs may not read. Aborts for a setting
 * that packs may read but the users do not.
 */
const char *setting_of_channel(const Settings *settings, const char *name);

/*
 * The manual (--settings). The introduction says how to give settings. settings_write_manual appends a line for each setting
 * that the users of `settings` read and the users in but_not (SETTING_…) do not: name, sentence and value. To print the
 * defaults, pass settings that were read from an empty environment.
 */
void settings_write_introduction(Buffer *out);
void settings_write_manual(const Settings *settings, unsigned but_not, Buffer *out);

#endif
