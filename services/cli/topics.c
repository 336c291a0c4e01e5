/* tocsin topics: compares the topics on Kafka with the topics that Tocsin needs; creates missing ones and corrects settings. */
#include "services/cli/cli.h"

#include "shared/io/system/clock.h"
#include "shared/program/topic_layout.h"

#include <stdio.h>
#include <stdlib.h>

enum { SENTENCE_MAX = 1024, RETRY_MS = 200 };

typedef struct {
	Settings *settings;
	KafkaAdmin *admin;
	KafkaTopic list[TOPICS];
	KafkaTopics wanted;
	KafkaFound found;
	KafkaDifferences differences;
	int64_t until_us; /* deadline of the command, on the monotonic clock */
} Work;

/* ---- output ------------------------------------------------------------------------------------------------------ */

typedef void (*Sentence)(const KafkaTopics *wanted, const KafkaDifference *difference, Buffer *out);

static void print(const Work *work, const KafkaDifference *difference, Sentence sentence, FILE *stream,
		  const char *before)
{
	Buffer text;
	buffer_init(&text, SENTENCE_MAX);
	sentence(&work->wanted, difference, &text);
	fprintf(stream, "%s%s\n", before, text.data);
	fflush(stream);
	buffer_release(&text);
}

static void difference_report(const Work *work, const KafkaDifference *difference)
{
	print(work, difference, kafka_difference_describe, stderr, "tocsin: ");
}

static bool can_repair(const KafkaDifference *difference)
{
	return difference->kind == KAFKA_MISSING || difference->kind == KAFKA_SETTING;
}

static void unseen_warn(const Work *work)
{
	if (work->found.unseen[0] != '\0')
		report_error("warning: the settings of topics cannot be checked: %s", work->found.unseen);
}

/* ---- the three commands ------------------------------------------------------------------------------------------ */

static Result look(Work *work)
{
	TRY(kafka_admin_read(work->admin, &work->wanted, clock_left_ms(work->until_us), &work->found));
	kafka_topics_compare(&work->wanted, work->found.topics, &work->differences);
	return result_ok();
}

static ExitCode failed(Result result)
{
	report_error("%s", result.text);
	return result.kind == ERROR_INPUT ? EXIT_USAGE : EXIT_ENVIRONMENT;
}

static ExitCode success(const Work *work)
{
	printf("%zu topics %s\n", work->wanted.count,
	       work->found.unseen[0] == '\0' ? "are as required" : "exist, each with its partitions");
	return EXIT_OK;
}

/* Reports every difference. The exit code is EXIT_CHECK_FAILED if there is any. */
static ExitCode verdict(Work *work)
{
	unseen_warn(work);
	for (size_t i = 0; i < work->differences.count; i++)
		difference_report(work, &work->differences.list[i]);
	return work->differences.count > 0 ? EXIT_CHECK_FAILED : success(work);
}

static ExitCode check(Work *work)
{
	Result result = look(work);
	if (result_failed(result))
		return failed(result);
	return verdict(work);
}

/* Prints the plan. It does not include missing leaders, because they are temporary. */
static ExitCode plan(Work *work)
{
	size_t steps = 0;
	Result result = look(work);
	if (result_failed(result))
		return failed(result);
	unseen_warn(work);
	for (size_t i = 0; i < work->differences.count; i++) {
		const KafkaDifference *difference = &work->differences.list[i];
		if (can_repair(difference))
			print(work, difference, kafka_difference_plan, stdout, "");
		else if (difference->kind != KAFKA_LEADERLESS)
			difference_report(work, difference);
		steps += difference->kind != KAFKA_LEADERLESS;
	}
	Result possible = kafka_topics_can_create(&work->wanted, &work->differences, work->found.brokers);
	if (result_failed(possible))
		return failed(possible);
	return steps > 0 ? EXIT_CHECK_FAILED : success(work);
}

static void done_print(void *context, const KafkaDifference *difference)
{
	print(context, difference, kafka_difference_plan, stdout, "done: ");
}

/* True while a difference remains that kafka_admin_repair or waiting can resolve. */
static bool unfinished(const Work *work)
{
	for (size_t i = 0; i < work->differences.count; i++)
		if (can_repair(&work->differences.list[i]) || work->differences.list[i].kind == KAFKA_LEADERLESS)
			return true;
	return false;
}

/* One attempt. ERROR_AGAIN and ERROR_INPUT may be temporary: brokers may still be starting. */
static Result attempt(Work *work)
{
	TRY(look(work));
	if (!unfinished(work))
		return result_ok();
	TRY(kafka_admin_repair(work->admin, &work->wanted, &work->found, &work->differences, done_print, work));
	return result_fail(ERROR_AGAIN, "Kafka does not list all topics with their leaders yet: try again");
}

static Result attempts(Work *work)
{
	bool reported = false;
	for (;;) {
		Result result = attempt(work);
		bool temporary = result.kind == ERROR_AGAIN || result.kind == ERROR_INPUT;
		if (!temporary || clock_left_ms(work->until_us) == 0)
			return result;
		if (result.kind == ERROR_INPUT && !reported)
			report_error("waiting %lld s: %s", (long long)(clock_left_ms(work->until_us) + 999) / 1000, result.text);
		reported = reported || result.kind == ERROR_INPUT;
		clock_sleep_ms(RETRY_MS);
	}
}

static ExitCode apply(Work *work)
{
	Result result = attempts(work);
	if (result_failed(result))
		return failed(result);
	return verdict(work);
}

/* ---- common to the three --------------------------------------------------------------------------------------------- */

static ExitCode work_do(Work *work, ExitCode (*command)(Work *work))
{
	const Settings *settings = work->settings;
	const char *brokers = setting_text(settings, "TOCSIN_KAFKA_BROKERS");
	Result result = kafka_admin_open(brokers, setting_text(settings, "TOCSIN_KAFKA_OPTIONS"), "tocsin-topics",
					 &work->admin);
	if (result_failed(result))
		return failed(result);
	work->wanted = topic_layout(settings, work->list);
	work->until_us = clock_monotonic_us() + setting_integer(settings, "TOCSIN_START_TIMEOUT_MS") * 1000;
	ExitCode code = command(work);
	kafka_admin_close(work->admin);
	return code;
}

static ExitCode run(ExitCode (*command)(Work *work))
{
	static Work work;
	work.settings = settings_read_or_report(SETTING_COMMANDS);
	if (work.settings == NULL)
		return EXIT_USAGE;
	ExitCode code = work_do(&work, command);
	settings_free(work.settings);
	return code;
}

ExitCode topics_plan_run(char **arguments, int count)
{
	(void)arguments, (void)count;
	return run(plan);
}

ExitCode topics_apply_run(char **arguments, int count)
{
	(void)arguments, (void)count;
	return run(apply);
}

ExitCode topics_check_run(char **arguments, int count)
{
	(void)arguments, (void)count;
	return run(check);
}
