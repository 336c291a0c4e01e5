#include "shared/io/kafka/admin.h"

#include "shared/io/system/clock.h"
#include "shared/io/kafka/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 1000, REQUEST_MS = 15000, REPLY_MS = REQUEST_MS + 5000, PAUSE_MS = 50, WHY_SIZE = 160 };

struct KafkaAdmin {
	rd_kafka_t *handle;
	char why[WHY_SIZE]; /* the last connection error */
	bool has_controller; /* one of the brokers is the controller; without a controller, administrative requests time out */
};

/* ---- connecting -------------------------------------------------------------------------------------------------- */

/* Runs in rd_kafka_poll, on the caller's thread. "All brokers down" is ignored, because the error before it is more precise. */
static void error_keep(rd_kafka_t *handle, int code, const char *reason, void *context)
{
	KafkaAdmin *admin = context;
	(void)handle;
	if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		snprintf(admin->why, sizeof admin->why, "%s", reason);
}

Result kafka_admin_open(const char *brokers, const char *options, const char *client, KafkaAdmin **out)
{
	KafkaAddress address = { .brokers = brokers, .options = options, .client = client };
	rd_kafka_conf_t *conf;
	TRY(kafka_conf_new(&address, NULL, 0, &conf));
	KafkaAdmin *admin = calloc(1, sizeof *admin);
	must(admin != NULL);
	/* librdkafka's lines are not logged, because the caller reports each error in one sentence. */
	rd_kafka_conf_set_log_cb(conf, NULL);
	rd_kafka_conf_set_error_cb(conf, error_keep);
	rd_kafka_conf_set_opaque(conf, admin);
	Result result = kafka_new(RD_KAFKA_PRODUCER, conf, &admin->handle);
	if (result_failed(result)) {
		free(admin);
		return result;
	}
	*out = admin;
	return result;
}

void kafka_admin_close(KafkaAdmin *admin)
{
	rd_kafka_destroy(admin->handle);
	free(admin);
}

/* ---- reading: the topics ----------------------------------------------------------------------------- */

/* Requests all topics: a request that names a missing topic would create it if the cluster creates topics automatically. */
static Result cluster_read(KafkaAdmin *admin, int64_t wait_ms, const rd_kafka_metadata_t **out)
{
	int64_t until_us = clock_monotonic_us() + wait_ms * 1000;
	rd_kafka_resp_err_t err;
	do {
		err = rd_kafka_metadata(admin->handle, 1, NULL, out, LOOK_MS);
		if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
			return result_ok();
		rd_kafka_poll(admin->handle, PAUSE_MS);
	} while (clock_monotonic_us() < until_us);
	return result_fail(ERROR_AGAIN, "Kafka does not answer: %s",
			   admin->why[0] != '\0' ? admin->why : rd_kafka_err2str(err));
}

static unsigned smaller(unsigned one, unsigned other)
{
	return one < other ? one : other;
}

static void topic_read(const rd_kafka_metadata_topic_t *topic, KafkaTopicFound *out)
{
	out->there = topic->err == RD_KAFKA_RESP_ERR_NO_ERROR || topic->err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
	out->partitions = (unsigned)topic->partition_cnt;
	out->replicas = topic->partition_cnt > 0 ? (unsigned)topic->partitions[0].replica_cnt : 0;
	for (int i = 0; i < topic->partition_cnt; i++) {
		out->replicas = smaller(out->replicas, (unsigned)topic->partitions[i].replica_cnt);
		out->leaderless += topic->partitions[i].leader < 0;
	}
}

static const rd_kafka_metadata_topic_t *topic_find(const rd_kafka_metadata_t *cluster, const char *name)
{
	for (int i = 0; i < cluster->topic_cnt; i++)
		if (strcmp(cluster->topics[i].topic, name) == 0)
			return &cluster->topics[i];
	return NULL;
}

/* False for a mock cluster, whose controller is not one of its brokers. */
static bool controller_exists(const KafkaAdmin *admin, const rd_kafka_metadata_t *cluster)
{
	int32_t controller = rd_kafka_controllerid(admin->handle, LOOK_MS);
	for (int i = 0; i < cluster->broker_cnt; i++)
		if (cluster->brokers[i].id == controller)
			return true;
	return false;
}

static Result topics_look(KafkaAdmin *admin, const KafkaTopics *wanted, int64_t wait_ms, KafkaFound *out)
{
	const rd_kafka_metadata_t *cluster;
	TRY(cluster_read(admin, wait_ms, &cluster));
	admin->has_controller = controller_exists(admin, cluster);
	out->brokers = (unsigned)cluster->broker_cnt;
	for (size_t i = 0; i < wanted->count; i++) {
		const rd_kafka_metadata_topic_t *topic = topic_find(cluster, wanted->list[i].name);
		if (topic != NULL)
			topic_read(topic, &out->topics[i]);
	}
	rd_kafka_metadata_destroy(cluster);
	return result_ok();
}

/* ---- requests and replies --------------------------------------------------------------------------- */

typedef struct {
	rd_kafka_queue_t *queue;
	rd_kafka_AdminOptions_t *options;
	rd_kafka_event_t *event;
} Reply;

static Reply reply_begin(KafkaAdmin *admin, rd_kafka_admin_op_t operation)
{
	char reason[128];
	Reply reply = { .queue = rd_kafka_queue_new(admin->handle),
			.options = rd_kafka_AdminOptions_new(admin->handle, operation) };
	must(reply.queue != NULL && reply.options != NULL);
	must(rd_kafka_AdminOptions_set_request_timeout(reply.options, REQUEST_MS, reason, sizeof reason) == 0);
	return reply;
}

static bool is_temporary(rd_kafka_resp_err_t err)
{
	switch (err) {
	case RD_KAFKA_RESP_ERR__TIMED_OUT:
	case RD_KAFKA_RESP_ERR__TRANSPORT:
	case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
	case RD_KAFKA_RESP_ERR_NOT_CONTROLLER:
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
	case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION: return true;
	default: return false;
	}
}

static Result failure(rd_kafka_resp_err_t err, const char *reason)
{
	if (err == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE)
		return result_fail(ERROR_INTERNAL, "this cluster does not support administration: is it a mock?");
	return result_fail(is_temporary(err) ? ERROR_AGAIN : ERROR_DENIED, "the request to Kafka failed: %s",
			   reason != NULL && reason[0] != '\0' ? reason : rd_kafka_err2str(err));
}

static Result reply_await(Reply *reply)
{
	reply->event = rd_kafka_queue_poll(reply->queue, REPLY_MS);
	if (reply->event == NULL)
		return result_fail(ERROR_AGAIN, "Kafka did not answer the request within %d s: try again", REPLY_MS / 1000);
	rd_kafka_resp_err_t err = rd_kafka_event_error(reply->event);
	return err == RD_KAFKA_RESP_ERR_NO_ERROR ? result_ok()
						 : failure(err, rd_kafka_event_error_string(reply->event));
}

static void reply_end(Reply *reply)
{
	if (reply->event != NULL)
		rd_kafka_event_destroy(reply->event);
	rd_kafka_AdminOptions_destroy(reply->options);
	rd_kafka_queue_destroy(reply->queue);
}

/* ---- reading: the topics' settings ------------------------------------------------------------------------------- */

typedef struct {
	const rd_kafka_ConfigResource_t **list;
	size_t count;
} Resources;

/* Requests the settings of all wanted topics. *out is borrowed from the reply; a missing topic is in it, with an error. */
static Result settings_ask(const KafkaAdmin *admin, const KafkaTopics *wanted, Reply *reply, Resources *out)
{
	rd_kafka_ConfigResource_t *asked[BUS_TOPICS_MAX];
	for (size_t i = 0; i < wanted->count; i++)
		asked[i] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, wanted->list[i].name);
	rd_kafka_DescribeConfigs(admin->handle, asked, wanted->count, reply->options, reply->queue);
	rd_kafka_ConfigResource_destroy_array(asked, wanted->count);
	TRY(reply_await(reply));
	out->list = rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(reply->event),
							      &out->count);
	return result_ok();
}

static unsigned topic_index(const KafkaTopics *wanted, const char *name)
{
	unsigned i = 0;
	while (i < wanted->count && strcmp(wanted->list[i].name, name) != 0)
		i++;
	return i;
}

static unsigned setting_index(const char *name)
{
	unsigned i = 0;
	while (i < KAFKA_SETTINGS && strcmp(kafka_setting_names[i], name) != 0)
		i++;
	return i;
}

static void settings_read(const rd_kafka_ConfigResource_t *resource, KafkaTopicFound *out)
{
	size_t count;
	const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);
	for (size_t i = 0; i < count; i++) {
		unsigned setting = setting_index(rd_kafka_ConfigEntry_name(entries[i]));
		const char *value = rd_kafka_ConfigEntry_value(entries[i]);
		if (setting < KAFKA_SETTINGS)
			snprintf(out->setting[setting], KAFKA_VALUE_SIZE, "%s", value != NULL ? value : "");
	}
	out->settings_known = true;
}

static Result settings_take(const KafkaTopics *wanted, const rd_kafka_ConfigResource_t *resource, KafkaFound *out)
{
	unsigned topic = topic_index(wanted, rd_kafka_ConfigResource_name(resource));
	rd_kafka_resp_err_t err = rd_kafka_ConfigResource_error(resource);
	if (topic == wanted->count || !out->topics[topic].there)
		return result_ok();
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
		return failure(err, rd_kafka_ConfigResource_error_string(resource));
	settings_read(resource, &out->topics[topic]);
	return result_ok();
}

static Result settings_look(KafkaAdmin *admin, const KafkaTopics *wanted, KafkaFound *out)
{
	if (!admin->has_controller)
		return failure(RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, NULL);
	Reply reply = reply_begin(admin, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
	Resources resources = { NULL, 0 };
	Result result = settings_ask(admin, wanted, &reply, &resources);
	for (size_t i = 0; !result_failed(result) && i < resources.count; i++)
		result = settings_take(wanted, resources.list[i], out);
	reply_end(&reply);
	return result;
}

Result kafka_admin_read(KafkaAdmin *admin, const KafkaTopics *wanted, int64_t wait_ms, KafkaFound *out)
{
	memset(out, 0, sizeof *out);
	must(wanted->count <= BUS_TOPICS_MAX);
	TRY(topics_look(admin, wanted, wait_ms, out));
	Result result = settings_look(admin, wanted, out);
	if (!result_failed(result) || result.kind == ERROR_AGAIN)
		return result;
	snprintf(out->unseen, sizeof out->unseen, "%.*s", WHY_SIZE - 1, result.text);
	return result_ok();
}

/* ---- creating ---------------------------------------------------------------------------------------------------- */

static rd_kafka_NewTopic_t *creation(const KafkaTopics *wanted, const KafkaTopic *topic)
{
	char value[KAFKA_VALUE_SIZE], reason[128];
	rd_kafka_NewTopic_t *new_topic = rd_kafka_NewTopic_new(topic->name, (int)topic->partitions,
							       (int)wanted->replicas, reason, sizeof reason);
	must(new_topic != NULL);
	for (unsigned setting = 0; setting < KAFKA_SETTINGS; setting++)
		if (kafka_setting_wanted(topic, wanted->replicas, setting, value))
			must(rd_kafka_NewTopic_set_config(new_topic, kafka_setting_names[setting], value) == 0);
	return new_topic;
}

typedef struct {
	const KafkaTopics *wanted;
	const KafkaDifferences *differences;
	KafkaDone done;
	void *context;
} Repair;

/* Reports each difference of this kind in the topic as repaired. */
static void repaired(const Repair *repair, KafkaDifferenceKind kind, const char *topic)
{
	for (size_t i = 0; i < repair->differences->count; i++) {
		const KafkaDifference *difference = &repair->differences->list[i];
		if (difference->kind == kind && strcmp(repair->wanted->list[difference->topic].name, topic) == 0)
			repair->done(repair->context, difference);
	}
}

/* Reports all topics that were created, then fails with the first error. */
static Result created(const Repair *repair, const rd_kafka_event_t *event)
{
	size_t count;
	Result result = result_ok();
	const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(
		rd_kafka_event_CreateTopics_result((rd_kafka_event_t *)event), &count);
	for (size_t i = 0; i < count; i++) {
		rd_kafka_resp_err_t err = rd_kafka_topic_result_error(topics[i]);
		if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
			repaired(repair, KAFKA_MISSING, rd_kafka_topic_result_name(topics[i]));
		else if (err != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS && !result_failed(result))
			result = result_wrap(failure(err, rd_kafka_topic_result_error_string(topics[i])), "creating %s",
					     rd_kafka_topic_result_name(topics[i]));
	}
	return result;
}

static Result create(KafkaAdmin *admin, const Repair *repair, rd_kafka_NewTopic_t **list, size_t count)
{
	Reply reply = reply_begin(admin, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	rd_kafka_CreateTopics(admin->handle, list, count, reply.options, reply.queue);
	Result result = reply_await(&reply);
	if (!result_failed(result))
		result = created(repair, reply.event);
	reply_end(&reply);
	return result;
}

static Result create_missing(KafkaAdmin *admin, const Repair *repair)
{
	rd_kafka_NewTopic_t *list[BUS_TOPICS_MAX];
	const KafkaTopics *wanted = repair->wanted;
	size_t count = 0;
	for (size_t i = 0; i < repair->differences->count; i++)
		if (repair->differences->list[i].kind == KAFKA_MISSING)
			list[count++] = creation(wanted, &wanted->list[repair->differences->list[i].topic]);
	Result result = count > 0 ? create(admin, repair, list, count) : result_ok();
	rd_kafka_NewTopic_destroy_array(list, count);
	return result;
}

/* ---- changing settings ------------------------------------------------------------------------------------------- */

/* The topic's difference in this setting (setting NULL: in any setting); NULL: there is no difference. */
static const KafkaDifference *change_of(const Repair *repair, unsigned topic, const char *setting)
{
	for (size_t i = 0; i < repair->differences->count; i++) {
		const KafkaDifference *difference = &repair->differences->list[i];
		if (difference->kind == KAFKA_SETTING && difference->topic == topic &&
		    (setting == NULL || strcmp(kafka_setting_names[difference->setting], setting) == 0))
			return difference;
	}
	return NULL;
}

/*
 * An AlterConfigs request replaces all settings of the topic. Therefore it also contains the settings that do not change, with
 * their present values.
 */
static void keep_others(const Repair *repair, unsigned topic, const rd_kafka_ConfigResource_t *now,
			rd_kafka_ConfigResource_t *out)
{
	size_t count;
	const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(now, &count);
	for (size_t i = 0; i < count; i++) {
		const char *name = rd_kafka_ConfigEntry_name(entries[i]),
			   *value = rd_kafka_ConfigEntry_value(entries[i]);
		if (rd_kafka_ConfigEntry_source(entries[i]) == RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG &&
		    value != NULL && change_of(repair, topic, name) == NULL)
			rd_kafka_ConfigResource_set_config(out, name, value);
	}
}

static rd_kafka_ConfigResource_t *alteration(const Repair *repair, unsigned topic,
					     const rd_kafka_ConfigResource_t *now)
{
	rd_kafka_ConfigResource_t *out =
		rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, repair->wanted->list[topic].name);
	keep_others(repair, topic, now, out);
	for (size_t i = 0; i < repair->differences->count; i++) {
		const KafkaDifference *difference = &repair->differences->list[i];
		if (difference->kind == KAFKA_SETTING && difference->topic == topic)
			rd_kafka_ConfigResource_set_config(out, kafka_setting_names[difference->setting],
							   difference->wanted);
	}
	return out;
}

static size_t alterations(const Repair *repair, const Resources *now, rd_kafka_ConfigResource_t **out)
{
	size_t count = 0;
	for (size_t i = 0; i < now->count; i++) {
		unsigned topic = topic_index(repair->wanted, rd_kafka_ConfigResource_name(now->list[i]));
		if (topic < repair->wanted->count && change_of(repair, topic, NULL) != NULL &&
		    rd_kafka_ConfigResource_error(now->list[i]) == RD_KAFKA_RESP_ERR_NO_ERROR)
			out[count++] = alteration(repair, topic, now->list[i]);
	}
	return count;
}

static Result altered(const Repair *repair, const rd_kafka_event_t *event)
{
	size_t count;
	Result result = result_ok();
	const rd_kafka_ConfigResource_t **resources = rd_kafka_AlterConfigs_result_resources(
		rd_kafka_event_AlterConfigs_result((rd_kafka_event_t *)event), &count);
	for (size_t i = 0; i < count; i++) {
		rd_kafka_resp_err_t err = rd_kafka_ConfigResource_error(resources[i]);
		const char *name = rd_kafka_ConfigResource_name(resources[i]);
		if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
			repaired(repair, KAFKA_SETTING, name);
		else if (!result_failed(result))
			result = result_wrap(failure(err, rd_kafka_ConfigResource_error_string(resources[i])),
					     "changing %s", name);
	}
	return result;
}

static Result alter(KafkaAdmin *admin, const Repair *repair, rd_kafka_ConfigResource_t **list, size_t count)
{
	Reply reply = reply_begin(admin, RD_KAFKA_ADMIN_OP_ALTERCONFIGS);
	rd_kafka_AlterConfigs(admin->handle, list, count, reply.options, reply.queue);
	Result result = reply_await(&reply);
	if (!result_failed(result))
		result = altered(repair, reply.event);
	reply_end(&reply);
	return result;
}

static Result change_settings(KafkaAdmin *admin, const Repair *repair)
{
	rd_kafka_ConfigResource_t *list[BUS_TOPICS_MAX];
	Resources now = { NULL, 0 };
	size_t count = 0;
	Reply reply = reply_begin(admin, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
	Result result = settings_ask(admin, repair->wanted, &reply, &now);
	if (!result_failed(result))
		count = alterations(repair, &now, list);
	reply_end(&reply);
	if (count > 0)
		result = alter(admin, repair, list, count);
	rd_kafka_ConfigResource_destroy_array(list, count);
	return result;
}

static bool any(const KafkaDifferences *differences, KafkaDifferenceKind kind)
{
	for (size_t i = 0; i < differences->count; i++)
		if (differences->list[i].kind == kind)
			return true;
	return false;
}

Result kafka_admin_repair(KafkaAdmin *admin, const KafkaTopics *wanted, const KafkaFound *found,
			  const KafkaDifferences *differences, KafkaDone done, void *context)
{
	Repair repair = { wanted, differences, done, context };
	if (any(differences, KAFKA_MISSING) && found->unseen[0] != '\0')
		return result_fail(ERROR_INTERNAL, "topics cannot be created: %s", found->unseen);
	TRY(kafka_topics_can_create(wanted, differences, found->brokers));
	TRY(create_missing(admin, &repair));
	return any(differences, KAFKA_SETTING) ? change_settings(admin, &repair) : result_ok();
}
