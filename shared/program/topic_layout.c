#include "shared/program/topic_layout.h"

#include "shared/io/system/log.h"

#include <stdlib.h>

enum { CHECK_MS = 5000, SENTENCE_MAX = 1024 };

/* Kafka must keep all records of a ledger: only the owner knows which are still needed, and trims the others. */
static KafkaKeep keep_of(const Topic *topic)
{
	if (topic->kind == TOPIC_TABLE)
		return KAFKA_KEEP_LAST;
	return topic->kind == TOPIC_STREAM && topic->retention_ms > 0 ? KAFKA_KEEP_FOR : KAFKA_KEEP_ALL;
}

KafkaTopics topic_layout(const Settings *settings, KafkaTopic out[static TOPICS])
{
	unsigned partitions = (unsigned)setting_integer(settings, "TOCSIN_KAFKA_PARTITIONS");
	for (unsigned i = 0; i < TOPICS; i++)
		out[i] = (KafkaTopic){ .name = topics[i].name,
				       .partitions = topic_partitions(i, partitions),
				       .keep = keep_of(&topics[i]),
				       .retention_ms = topics[i].retention_ms };
	return (KafkaTopics){ out, TOPICS, (unsigned)setting_integer(settings, "TOCSIN_KAFKA_REPLICAS") };
}

static Result difference_log(const KafkaTopics *wanted, const KafkaDifference *difference, const char *service)
{
	Buffer sentence;
	Result result = result_ok();
	buffer_init(&sentence, SENTENCE_MAX);
	kafka_difference_describe(wanted, difference, &sentence);
	log_line(difference->fatal ? LOG_ERROR : LOG_WARN, service, "topic-differs",
		 L_TEXT("detail", buffer_slice(&sentence)));
	if (difference->fatal)
		result = result_fail(ERROR_INPUT, "%s", sentence.data);
	buffer_release(&sentence);
	return result;
}

/* Logs all differences; fails with the first fatal difference. */
static Result differences_log(const KafkaTopics *wanted, const KafkaFound *found, const char *service)
{
	KafkaDifferences *differences = malloc(sizeof *differences);
	Result first = result_ok();
	must(differences != NULL);
	kafka_topics_compare(wanted, found->topics, differences);
	for (size_t i = 0; i < differences->count; i++) {
		Result result = difference_log(wanted, &differences->list[i], service);
		if (!result_failed(first))
			first = result;
	}
	free(differences);
	return first;
}

static Result check(KafkaAdmin *admin, const KafkaTopics *wanted, const char *service)
{
	static const char *const event = "topics-unseen";
	KafkaFound *found = malloc(sizeof *found);
	must(found != NULL);
	Result result = kafka_admin_read(admin, wanted, CHECK_MS, found);
	if (result_failed(result)) {
		log_line(LOG_WARN, service, event, L_STRING("detail", result.text));
		result = result_ok();
	} else {
		if (found->unseen[0] != '\0')
			log_line(LOG_WARN, service, event, L_STRING("detail", found->unseen));
		result = differences_log(wanted, found, service);
	}
	free(found);
	return result;
}

Result topic_layout_check(const Settings *settings, const char *service)
{
	KafkaTopic list[TOPICS];
	KafkaTopics wanted = topic_layout(settings, list);
	KafkaAdmin *admin;
	TRY(kafka_admin_open(setting_text(settings, "TOCSIN_KAFKA_BROKERS"),
			     setting_text(settings, "TOCSIN_KAFKA_OPTIONS"), "tocsin-topics", &admin));
	Result result = check(admin, &wanted, service);
	kafka_admin_close(admin);
	return result;
}
