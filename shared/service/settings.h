/*
 * Settings: one table, a row a setting; environment only. Any TOCSIN_X may be given as TOCSIN_X_FILE (a path whose content
 * is the value, a final newline dropped). All mistakes are reported at once; an unknown TOCSIN_* is a warning, since
 * Kubernetes injects some. `tocsin --settings` and README are compared with this table in a test.
 */
#ifndef TOCSIN_SERVICE_SETTINGS_H
#define TOCSIN_SERVICE_SETTINGS_H

#include "shared/base/error.h"
#include "shared/base/text.h"

#include <stdint.h>

typedef enum { SETTING_TEXT, SETTING_INTEGER, SETTING_CHOICE } SettingType;

/* Who reads it. Settings of the distributed programs are known to all, so that one environment file serves both modes. */
typedef enum { SETTING_SERVER, SETTING_CLIENT, SETTING_DISTRIBUTED } SettingUser;

typedef struct {
	const char *name;        /* "TOCSIN_HOME" */
	SettingType type;
	SettingUser user;
	bool secret;             /* never printed */
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

/* Reads the given environment ("NAME=value", NULL at the end). false: there are mistakes, *out is still there for what is right. */
bool settings_read(char *const *environment, Settings **out, SettingsReport *report);
void settings_free(Settings *settings); /* wipes secrets */

/* The name must be one of the table's. */
const char *setting_text(const Settings *settings, const char *name);   /* NULL where unset */
int64_t setting_integer(const Settings *settings, const char *name);
/* True where the environment says so itself, false for defaults. */
bool setting_given(const Settings *settings, const char *name);
bool setting_known(const char *name);

/* The manual: a line or two a setting, with default and sentence. */
void settings_write_manual(Buffer *out);

#endif
