#include "shared/program/settings.h"

#include "shared/base/hash.h"
#include "shared/io/http/listen.h"
#include "shared/io/system/files.h"
#include "shared/io/kafka/check.h"
#include "shared/io/outbound/egress.h"
#include "shared/io/system/log.h"
#include "shared/io/outbound/mail.h"
#include "shared/io/redis/client.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_MAX = 16384, KEY_MIN = 32, KEY_MAX = 128, INSTANCE_MAX = 100 };

/* ---- checks of texts: each returns NULL for a valid value, else the requirement, "must …" */

static const char *check_listen(const char *value)
{
	ListenAddress address;
	return listen_parse(value, &address) ? NULL : "must be " LISTEN_FORM;
}

static const char *check_key(const char *value)
{
	size_t size = strlen(value);
	bool printable = true;
	for (const char *at = value; *at != '\0'; at++)
		printable = printable && isgraph((unsigned char)*at);
	return printable && size >= KEY_MIN && size <= KEY_MAX
		       ? NULL
		       : "must be 32 to 128 printable characters without spaces";
}

static bool begins(const char *value, const char *start)
{
	return strncmp(value, start, strlen(start)) == 0 && value[strlen(start)] != '\0';
}

static const char *check_web_url(const char *value)
{
	return begins(value, "https://") || begins(value, "http://") ? NULL : "must begin with https:// or http://";
}

static const char *check_mail_url(const char *value)
{
	return begins(value, "smtp://") || begins(value, "smtps://")
		       ? NULL
		       : "must look like smtp://[user:password@]host:port";
}

static const char *check_webhook_secret(const char *value)
{
	Buffer key;
	buffer_init(&key, VALUE_MAX);
	bool valid =
		begins(value, "whsec_") && base64_decode(slice_of(value + strlen("whsec_")), &key) && key.size >= 24;
	explicit_bzero(key.data, key.data == NULL ? 0 : key.size);
	buffer_release(&key);
	return valid ? NULL : "must be whsec_ followed by the base64 of at least 24 bytes (openssl rand -base64 32)";
}

static const char *check_mail_address(const char *value)
{
	return mail_is_address(value) ? NULL : "must be a mail address, like tocsin@example.org";
}

/* Uses the parser that later reads this setting for webhooks, so that `tocsin check` and `tocsin serve` accept the same values. */
static const char *check_networks(const char *value)
{
	EgressRules rules;
	bool valid = !result_failed(egress_parse(value, &rules));
	return valid ? NULL : "must be networks separated by commas, like 10.0.0.0/8,127.0.0.1/32, without bits after the prefix";
}

/* Checks TOCSIN_INSTANCE, the name of a replica, which is passed to Kafka as group.instance.id. */
static const char *check_instance(const char *value)
{
	bool valid = strlen(value) <= INSTANCE_MAX;
	for (const char *at = value; *at != '\0'; at++)
		valid = valid && (isalnum((unsigned char)*at) || strchr(".-_", *at) != NULL);
	return valid ? NULL : "must be at most 100 letters, digits, '.', '-' and '_'";
}

/* ---- the table */

static const char *const standbys[] = { "all", "none", NULL };

enum {
	SERVERS = SETTING_SERVE | SETTING_PROGRAMS,
	GATEWAYS = SETTING_SERVE | SETTING_GATEWAY,
	NOTIFIERS = SETTING_SERVE | SETTING_NOTIFICATION,
	OWNERS = SETTING_INTAKE | SETTING_RESPONSE | SETTING_NOTIFICATION | SETTING_AUDIT, /* programs that own a ledger */
	BROKERED = SETTING_PROGRAMS | SETTING_COMMANDS,
};

const Setting settings_table[] = {
	{ "TOCSIN_HOME", .users = SETTING_ALL, .fallback = "./var",
	  .sentence = "directory of all data of this installation" },
	{ "TOCSIN_LISTEN", .users = SERVERS, .fallback = "127.0.0.1:8080", .check = check_listen,
	  .sentence = "address and port of the API, IPv4 or IPv6, like [::1]:8080; [::] is every IPv6 and IPv4 address; port 0 picks a free "
		      "port and prints it in the ready line" },
	{ "TOCSIN_OPS_LISTEN", .users = SERVERS | SETTING_COMMANDS, .check = check_listen,
	  .sentence = "when set, /livez, /readyz and /metrics are served only here" },
	{ "TOCSIN_PUBLIC_URL", .users = NOTIFIERS, .channels = true, .check = check_web_url,
	  .sentence = "the address at which people reach the API; notices link to it; unset: http:// and the listener" },
	{ "TOCSIN_ADMIN_KEY", .users = GATEWAYS, .secret = true, .check = check_key,
	  .sentence = "the API key, 32 to 128 printable characters; unset: serve generates one at its first start and stores it "
		      "in $TOCSIN_HOME/admin.key; tocsin-gateway requires it" },
	{ "TOCSIN_POLICY", .users = GATEWAYS | SETTING_COMMANDS,
	  .sentence = "directory of the policy pack; unset: the default pack" },
	{ "TOCSIN_LOG_LEVEL", .type = SETTING_CHOICE, .users = SERVERS, .choices = log_levels, .fallback = "info",
	  .sentence = "lowest level that is logged, as JSON lines on stdout: error, warn, info or debug" },
	{ "TOCSIN_BODY_MAX", .type = SETTING_INTEGER, .users = GATEWAYS, .fallback = "262144", .min = 256, .max = 786432,
	  .sentence = "maximum request body size in bytes" },
	{ "TOCSIN_COMMAND_WAIT_MS", .type = SETTING_INTEGER, .users = GATEWAYS, .fallback = "5000", .min = 0,
	  .max = 60000, .sentence = "how long a command waits for its effect before the answer is 202" },
	{ "TOCSIN_DRAIN_DELAY_MS", .type = SETTING_INTEGER, .users = SERVERS, .fallback = "0", .min = 0, .max = 600000,
	  .sentence = "how long to keep serving after SIGTERM while /readyz already fails" },
	{ "TOCSIN_DRAIN_TIMEOUT_MS", .type = SETTING_INTEGER, .users = SERVERS, .fallback = "20000", .min = 0,
	  .max = 600000, .sentence = "how long requests and batches in progress may then take to finish" },
	{ "TOCSIN_WEBHOOK_URL", .users = NOTIFIERS, .channels = true, .check = check_web_url,
	  .sentence = "target of the default pack's webhook; unset: its steps are recorded as skipped" },
	{ "TOCSIN_WEBHOOK_SECRET", .users = NOTIFIERS, .channels = true, .secret = true, .check = check_webhook_secret,
	  .sentence = "whsec_…; signs webhooks (Standard Webhooks)" },
	{ "TOCSIN_SMTP_URL", .users = NOTIFIERS, .channels = true, .secret = true, .check = check_mail_url,
	  .sentence = "smtp://[user:password@]host:port or smtps:; unset: mails are recorded as skipped" },
	{ "TOCSIN_MAIL_FROM", .users = NOTIFIERS, .channels = true, .check = check_mail_address,
	  .sentence = "sender address of mails" },
	{ "TOCSIN_EGRESS_ALLOW", .users = NOTIFIERS, .check = check_networks,
	  .sentence = "networks (CIDR, comma-separated) that webhooks may reach in addition to public addresses; plain http: is "
		      "allowed only to these" },

	{ "TOCSIN_URL", .users = SETTING_COMMANDS, .fallback = "http://127.0.0.1:8080", .check = check_web_url,
	  .sentence = "the server that healthcheck and demo use; when unset, healthcheck uses TOCSIN_OPS_LISTEN if that is set" },
	{ "TOCSIN_KEY", .users = SETTING_COMMANDS, .secret = true,
	  .sentence = "the key that they use; unset: $TOCSIN_HOME/admin.key" },

	{ "TOCSIN_KAFKA_BROKERS", .users = BROKERED, .fallback = "127.0.0.1:9092", .check = kafka_brokers_check,
	  .sentence = "Kafka brokers: host:port,host:port" },
	{ "TOCSIN_KAFKA_OPTIONS", .users = BROKERED, .secret = true, .check = kafka_options_check,
	  .sentence = "librdkafka options: name=value,… (TLS, SASL)" },
	{ "TOCSIN_KAFKA_PARTITIONS", .type = SETTING_INTEGER, .users = BROKERED, .fallback = "12", .min = 1, .max = 64,
	  .sentence = "partitions of every topic that carries incidents; fixed when the topics are created" },
	{ "TOCSIN_KAFKA_REPLICAS", .type = SETTING_INTEGER, .users = BROKERED, .fallback = "3", .min = 1, .max = 16,
	  .sentence = "replicas of each partition" },
	{ "TOCSIN_REDIS_URL", .users = SETTING_NOTIFICATION, .secret = true, .fallback = "redis://127.0.0.1:6379/0",
	  .check = redis_url_check, .sentence = "Redis for notification's timers; also unix:///path" },
	{ "TOCSIN_INSTANCE", .users = SETTING_PROGRAMS, .check = check_instance,
	  .sentence = "stable name of this replica, unique among all replicas; unset: the host name" },
	{ "TOCSIN_STANDBY", .type = SETTING_CHOICE, .users = OWNERS, .choices = standbys, .fallback = "all",
	  .sentence = "which other ledgers a replica follows so that it can take over at once: all or none" },
	{ "TOCSIN_START_TIMEOUT_MS", .type = SETTING_INTEGER, .users = BROKERED, .fallback = "30000", .min = 0,
	  .max = 600000, .sentence = "how long to wait for Kafka and Redis at startup" },

	{ "TOCSIN_BULK_MAX", .type = SETTING_INTEGER, .fallback = "8388608", .min = 65536, .max = 67108864,
	  .sentence = "maximum bulk body size in bytes" },
};
const size_t settings_count = sizeof settings_table / sizeof settings_table[0];

enum { ROWS = sizeof settings_table / sizeof settings_table[0] };

struct Settings {
	unsigned users;
	char *text[ROWS]; /* owned; NULL: unset */
	int64_t integer[ROWS];
	bool given[ROWS];
	char *file[ROWS]; /* owned path of TOCSIN_X_FILE; NULL: not given */
};

/* ---- reading */

static void note(char list[][256], size_t *count, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void note(char list[][256], size_t *count, const char *format, ...)
{
	if (*count == SETTINGS_MISTAKES_MAX)
		return;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(list[*count], sizeof list[0], format, arguments);
	va_end(arguments);
	(*count)++;
}

#define MISTAKE(report, ...) note((report)->mistake, &(report)->mistakes, __VA_ARGS__)
#define WARNING(report, ...) note((report)->warning, &(report)->warnings, __VA_ARGS__)

/*
 * The value of the variable name + suffix, borrowed; NULL if it is absent or empty: a compose file unsets a variable by an empty
 * value.
 */
static const char *variable(char *const *environment, const char *name, const char *suffix)
{
	size_t size = strlen(name), more = strlen(suffix);
	for (; *environment != NULL; environment++) {
		const char *entry = *environment;
		if (strncmp(entry, name, size) == 0 && strncmp(entry + size, suffix, more) == 0 &&
		    entry[size + more] == '=')
			return entry[size + more + 1] == '\0' ? NULL : entry + size + more + 1;
	}
	return NULL;
}

/* The content of the file whose path TOCSIN_X_FILE gives; the caller frees it. NULL: a mistake was added to report. */
static char *value_of_file(const char *name, const char *path, SettingsReport *report)
{
	Buffer content;
	char *value = NULL;
	buffer_init(&content, VALUE_MAX);
	Result read = file_read(path, &content);
	if (result_failed(read)) {
		MISTAKE(report, "%s_FILE: %s", name, read.text);
	} else if (content.size == 0 || memchr(content.data, '\0', content.size) != NULL) {
		MISTAKE(report, "%s_FILE: %s is empty or binary: it must hold the value as text", name, path);
	} else {
		size_t size = content.data[content.size - 1] == '\n' ? content.size - 1 : content.size;
		value = slice_copy((Slice){ content.data, size });
	}
	if (content.data != NULL)
		explicit_bzero(content.data, content.size);
	buffer_release(&content);
	return value;
}

static void check_choice(const Setting *setting, const char *value, SettingsReport *report)
{
	WordList words = { .text = "" };

	for (size_t i = 0; setting->choices[i] != NULL; i++)
		if (strcmp(setting->choices[i], value) == 0)
			return;
	word_list_add_all(&words, setting->choices);
	MISTAKE(report, "%s must be one of %s", setting->name, words.text);
}

static void check_value(const Setting *setting, const char *value, int64_t *integer, SettingsReport *report)
{
	const char *wanted = NULL;
	switch (setting->type) {
	case SETTING_INTEGER:
		if (!slice_integer(slice_of(value), integer) || *integer < setting->min || *integer > setting->max)
			MISTAKE(report, "%s must be a whole number from %lld to %lld", setting->name,
				(long long)setting->min, (long long)setting->max);
		break;
	case SETTING_CHOICE: check_choice(setting, value, report); break;
	case SETTING_TEXT:
		wanted = setting->check == NULL ? NULL : setting->check(value);
		if (wanted != NULL)
			MISTAKE(report, "%s %s", setting->name, wanted);
		break;
	}
}

static void row_read(size_t row, char *const *environment, Settings *settings, SettingsReport *report)
{
	const Setting *setting = &settings_table[row];
	const char *plain = variable(environment, setting->name, "");
	const char *path = variable(environment, setting->name, "_FILE");
	if (plain != NULL && path != NULL)
		MISTAKE(report, "%s and %s_FILE are both set: unset one of them", setting->name, setting->name);
	settings->given[row] = plain != NULL || path != NULL;
	if (plain != NULL) {
		settings->text[row] = slice_copy(slice_of(plain));
	} else if (path != NULL) {
		settings->text[row] = value_of_file(setting->name, path, report);
		settings->file[row] = slice_copy(slice_of(path));
	} else if (setting->fallback != NULL) {
		settings->text[row] = slice_copy(slice_of(setting->fallback));
	}
	if (settings->text[row] != NULL)
		check_value(setting, settings->text[row], &settings->integer[row], report);
}

bool setting_known(const char *name)
{
	for (size_t row = 0; row < ROWS; row++)
		if (strcmp(settings_table[row].name, name) == 0)
			return true;
	return false;
}

static void warn_unknown(const char *entry, SettingsReport *report)
{
	static const char file[] = "_FILE";
	char name[128];
	size_t size = strcspn(entry, "=");
	if (strncmp(entry, "TOCSIN_", 7) != 0 || !text_copy((Slice){ entry, size }, name, sizeof name) ||
	    setting_known(name))
		return;
	if (size > strlen(file) && strcmp(name + size - strlen(file), file) == 0) {
		name[size - strlen(file)] = '\0';
		if (setting_known(name))
			return;
		name[size - strlen(file)] = '_';
	}
	WARNING(report, "%s is not a setting of Tocsin and has no effect: tocsin --settings lists the settings", name);
}

/* Warns of a webhook URL without a secret, which is valid but rarely intended. */
static void warn_unsigned(const Settings *settings, SettingsReport *report)
{
	if ((settings->users & NOTIFIERS) && setting_given(settings, "TOCSIN_WEBHOOK_URL") &&
	    !setting_given(settings, "TOCSIN_WEBHOOK_SECRET"))
		WARNING(report, "TOCSIN_WEBHOOK_SECRET is not set: webhooks are sent unsigned, so a receiver cannot detect forged ones");
}

SettingsReport *settings_report_new(void)
{
	SettingsReport *report = malloc(sizeof *report);
	must(report);
	return report;
}

bool settings_read(char *const *environment, unsigned users, Settings **out, SettingsReport *report)
{
	Settings *settings = calloc(1, sizeof *settings);
	must(settings != NULL);
	settings->users = users;
	report->mistakes = report->warnings = 0;
	for (size_t row = 0; row < ROWS; row++)
		if (settings_table[row].users & users)
			row_read(row, environment, settings, report);
	for (char *const *entry = environment; *entry != NULL; entry++)
		warn_unknown(*entry, report);
	warn_unsigned(settings, report);
	*out = settings;
	return report->mistakes == 0;
}

void settings_free(Settings *settings)
{
	if (settings == NULL)
		return;
	for (size_t row = 0; row < ROWS; row++) {
		if (settings->text[row] != NULL)
			explicit_bzero(settings->text[row], strlen(settings->text[row]));
		free(settings->text[row]);
		free(settings->file[row]);
	}
	free(settings);
}

/* The row of a setting that settings->users read; aborts for any other name. */
static size_t row_of(const Settings *settings, const char *name)
{
	size_t row = 0;
	while (row < ROWS && strcmp(settings_table[row].name, name) != 0)
		row++;
	must(row < ROWS && (settings_table[row].users & settings->users) != 0);
	return row;
}

void setting_default(Settings *settings, const char *name, const char *value)
{
	size_t row = row_of(settings, name);
	must(settings_table[row].type == SETTING_TEXT);
	if (settings->given[row])
		return;
	free(settings->text[row]);
	settings->text[row] = slice_copy(slice_of(value));
}

const char *setting_text(const Settings *settings, const char *name)
{
	return settings->text[row_of(settings, name)];
}

int64_t setting_integer(const Settings *settings, const char *name)
{
	size_t row = row_of(settings, name);
	must(settings_table[row].type == SETTING_INTEGER);
	return settings->integer[row];
}

bool setting_given(const Settings *settings, const char *name)
{
	return settings->given[row_of(settings, name)];
}

const char *setting_file(const Settings *settings, const char *name)
{
	return settings->file[row_of(settings, name)];
}

const char *setting_of_channel(const Settings *settings, const char *name)
{
	for (size_t row = 0; row < ROWS; row++)
		if (settings_table[row].channels && strcmp(settings_table[row].name, name) == 0)
			return setting_text(settings, name);
	return NULL;
}

/* ---- the manual */

void settings_write_introduction(Buffer *out)
{
	buffer_text(out,
		    "Settings are environment variables. Any TOCSIN_X may be given as TOCSIN_X_FILE: the path of\n"
		    "a file that contains the value. Defaults are in parentheses.\n");
}

void settings_write_manual(const Settings *settings, unsigned but_not, Buffer *out)
{
	for (size_t row = 0; row < ROWS; row++) {
		const Setting *setting = &settings_table[row];
		const char *value = settings->text[row] == NULL ? "unset" : settings->text[row];
		if ((setting->users & settings->users) != 0 && (setting->users & but_not) == 0)
			buffer_format(out, "%-26s%s (%s)\n", setting->name, setting->sentence, value);
	}
}
