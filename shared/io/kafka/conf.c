#include "shared/io/kafka/conf.h"

#include "shared/base/text.h"
#include "shared/io/system/clock.h"
#include "shared/io/system/log.h"

#include <stdatomic.h>
#include <string.h>
#include <strings.h>

enum { OPTION_NAME_MAX = 64, OPTION_VALUE_MAX = 4096, REPEAT_US = 10000000 };

static const KafkaSetting common[] = {
	{ "allow.auto.create.topics", "false" },
	{ "socket.nagle.disable", "true" },
	{ "socket.keepalive.enable", "true" },
	{ "reconnect.backoff.ms", "50" },
	{ "reconnect.backoff.max.ms", "1000" },
	{ "topic.metadata.refresh.interval.ms", "60000" },
	{ "log.connection.close", "false" },
};

/* Options that operators may not set; each alias of librdkafka has its own row. */
static const struct {
	const char *name, *why;
} refused[] = {
	{ "bootstrap.servers", "the brokers have a setting of their own" },
	{ "metadata.broker.list", "the brokers have a setting of their own" },
	{ "delivery.report.only.error", "every append waits for its delivery report" },
	{ "log.queue", "its log lines would be queued and never written" },
	{ "client.id", "it is the service's name" },
	{ "group.id", "it is the service's name" },
	{ "group.instance.id", "the replica's name is a setting of its own" },
	{ "acks", "a record is durable only when all replicas have it" },
	{ "request.required.acks", "a record is durable only when all replicas have it" },
	{ "enable.idempotence", "without it records would be duplicated and reordered" },
	{ "enable.gapless.guarantee", "a failed record must not stop later ones" },
	{ "max.in.flight", "more would reorder records" },
	{ "max.in.flight.requests.per.connection", "more would reorder records" },
	{ "retries", "message.timeout.ms limits the time of an append" },
	{ "message.send.max.retries", "message.timeout.ms limits the time of an append" },
	{ "message.timeout.ms", "the service limits the time of an append" },
	{ "delivery.timeout.ms", "the service limits the time of an append" },
	{ "queuing.strategy", "records must keep their order" },
	{ "transactional.id", "no transactions are used" },
	{ "message.max.bytes", "it follows from the largest record" },
	{ "allow.auto.create.topics", "topics are created only by tocsin topics apply" },
	{ "enable.auto.commit", "positions are committed by the service" },
	{ "auto.commit.enable", "positions are committed by the service" },
	{ "enable.auto.offset.store", "positions are committed by the service" },
	{ "auto.offset.reset", "a gap must be reported, never skipped" },
	{ "enable.partition.eof", "the bus does not use it" },
	{ "isolation.level", "no transactions are used" },
	{ "check.crcs", "damaged records must be detected" },
	{ "partition.assignment.strategy", "a replica must get the same partition number of every topic" },
	{ "plugin.library.paths", "no plugins are loaded" },
	{ "test.mock.num.brokers", "it would keep all records in memory" },
};

/* ---- the log ----------------------------------------------------------------------------------------------------- */

/*
 * The warning GETPID is logged as information: it is usual while a new Kafka starts, and librdkafka retries its request for the
 * producer id.
 */
static LogLevel level_of(int syslog_level, const char *facility)
{
	if (syslog_level == 4 && strcmp(facility, "GETPID") == 0)
		return LOG_INFO;
	return syslog_level <= 3 ? LOG_ERROR : syslog_level == 4 ? LOG_WARN : syslog_level <= 6 ? LOG_INFO : LOG_DEBUG;
}

/* Facilities of librdkafka's log that write the same line again and again while brokers are away. */
static struct {
	const char *facility;
	_Atomic int64_t quiet_until_us;
} repeating[] = { { .facility = "FAIL" }, { .facility = "ERROR" }, { .facility = "REQTMOUT" }, { .facility = "GETSUBSCRIPTIONS" },
		  { .facility = "COMMITFAIL" }, { .facility = "FETCH" }, { .facility = "OFFSET" }, { .facility = "AUTOCREATE" },
		  { .facility = "GETPID" } };

static bool repeats(const char *facility)
{
	for (size_t i = 0; i < sizeof repeating / sizeof repeating[0]; i++)
		if (strcmp(repeating[i].facility, facility) == 0)
			return !log_due(&repeating[i].quiet_until_us, REPEAT_US);
	return false;
}

/* Writes the name of the handle's client: "tocsin-intake" for "tocsin-intake#producer-1"; "kafka" if there is no handle. */
static void client_of(const rd_kafka_t *handle, char out[static KAFKA_CLIENT_MAX + 1])
{
	Slice name = slice_of(handle == NULL ? NULL : rd_kafka_name(handle));
	const char *end = name.size == 0 ? NULL : memchr(name.data, '#', name.size);
	if (end != NULL)
		name.size = (size_t)(end - name.data);
	if (name.size == 0 || !text_copy(name, out, KAFKA_CLIENT_MAX + 1))
		strcpy(out, "kafka");
}

static void log_take(const rd_kafka_t *handle, int syslog_level, const char *facility, const char *text)
{
	char client[KAFKA_CLIENT_MAX + 1];
	/*
	 * CONFWARN is dropped: producers and consumers get one list of settings, and each warns of settings that only the other
	 * uses.
	 */
	if (strcmp(facility, "CONFWARN") == 0 || !log_enabled(level_of(syslog_level, facility)) || repeats(facility))
		return;
	client_of(handle, client);
	log_line(level_of(syslog_level, facility), client, "kafka", L_STRING("facility", facility), L_STRING("detail", text));
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static Result setting_put(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char reason[256];
	switch (rd_kafka_conf_set(conf, name, value, reason, sizeof reason)) {
	case RD_KAFKA_CONF_OK:
		return result_ok();
	case RD_KAFKA_CONF_UNKNOWN:
		return result_fail(ERROR_INPUT, "librdkafka has no option \"%s\": remove it", name);
	default:
		return result_fail(ERROR_INPUT, "the value of the Kafka option \"%s\" is invalid: see the manual of librdkafka", name);
	}
}

static Result name_check(const char *name)
{
	if (name[0] == '\0')
		return result_fail(ERROR_INPUT, "the Kafka options are written name=value,name=value");
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		if (strcasecmp(refused[i].name, name) == 0)
			return result_fail(ERROR_INPUT, "the Kafka option \"%s\" may not be set: %s", name, refused[i].why);
	return result_ok();
}

/*
 * Copies the text at `from` up to the next unescaped `end`, or to the end of the text. Copies "\," and "\\" without
 * the first backslash. Returns the address at which the copy stopped; NULL: the copy has more than room - 1 bytes.
 */
static const char *part_take(const char *from, char end, char *out, size_t room)
{
	size_t size = 0;
	for (; *from != '\0' && *from != end; from++) {
		if (*from == '\\' && (from[1] == ',' || from[1] == '\\'))
			from++;
		if (size + 1 == room)
			return NULL;
		out[size++] = *from;
	}
	out[size] = '\0';
	return from;
}

static void blanks_cut(char *name)
{
	size_t size = strlen(name);
	while (size > 0 && name[size - 1] == ' ')
		name[--size] = '\0';
}

/* Applies the option "name=value" at *at, and moves *at to the next option. */
static Result option_take(rd_kafka_conf_t *conf, const char **at)
{
	char name[OPTION_NAME_MAX], value[OPTION_VALUE_MAX];
	const char *from = *at + strspn(*at, " ");
	from = part_take(from, '=', name, sizeof name);
	if (from == NULL || *from != '=')
		return result_fail(ERROR_INPUT, "the Kafka options are written name=value,name=value");
	blanks_cut(name);
	TRY(name_check(name));
	from = part_take(from + 1, ',', value, sizeof value);
	if (from == NULL)
		return result_fail(ERROR_INPUT, "the Kafka option \"%s\" has more than %d bytes", name, OPTION_VALUE_MAX - 1);
	*at = *from == ',' ? from + 1 : from;
	return setting_put(conf, name, value);
}

static Result options_take(rd_kafka_conf_t *conf, const char *options)
{
	while (options[strspn(options, " ")] != '\0')
		TRY(option_take(conf, &options));
	return result_ok();
}

static Result settings_put(rd_kafka_conf_t *conf, const KafkaSetting *settings, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (settings[i].value != NULL)
			TRY(setting_put(conf, settings[i].name, settings[i].value));
	return result_ok();
}

static Result address_put(rd_kafka_conf_t *conf, const KafkaAddress *address)
{
	if (address->brokers == NULL || address->brokers[0] == '\0')
		return result_fail(ERROR_INPUT, "no Kafka broker is named: write host:port,host:port");
	if (strlen(address->client) > KAFKA_CLIENT_MAX)
		return result_fail(ERROR_INPUT, "the name of a Kafka client may have at most %d characters", KAFKA_CLIENT_MAX);
	TRY(setting_put(conf, "bootstrap.servers", address->brokers));
	return setting_put(conf, "client.id", address->client);
}

Result kafka_conf_new(const KafkaAddress *address, const KafkaSetting *ours, size_t count, rd_kafka_conf_t **out)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	Result result = address_put(conf, address);
	if (!result_failed(result))
		result = settings_put(conf, common, sizeof common / sizeof common[0]);
	if (!result_failed(result))
		result = settings_put(conf, ours, count);
	if (!result_failed(result) && address->options != NULL)
		result = options_take(conf, address->options);
	if (result_failed(result)) {
		rd_kafka_conf_destroy(conf);
		return result;
	}
	rd_kafka_conf_set_log_cb(conf, log_take);
	*out = conf;
	return result_ok();
}

Result kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **out)
{
	char reason[200];
	rd_kafka_t *handle = rd_kafka_new(type, conf, reason, sizeof reason);
	if (handle == NULL) {
		rd_kafka_conf_destroy(conf);
		return result_fail(ERROR_INPUT, "librdkafka refuses its settings: %s", reason);
	}
	*out = handle;
	return result_ok();
}
