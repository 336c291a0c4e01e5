#include "services/cli/demo_alerts.h"
#include "services/cli/demo_server.h"

#include "shared/io/system/clock.h"
#include "shared/io/http/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	ANSWER_MAX = 8 << 20,
	KEYS_MAX = 64,
	CALL_MS = 15000,
	WAIT_MS = 20000,
	POLL_MS = 50,
	BAR = 40,
	HOUR_MS = 3600000
};

/* The number of alerts sent that have the same correlation key. */
typedef struct {
	char key[32];
	unsigned sent;
} DemoKey;

typedef struct {
	HttpClient *client;
	Buffer answer;
	DemoKey keys[KEYS_MAX];
	unsigned key_count, sent;
	int64_t began_us;
} Demo;

static void progress(const Demo *demo, unsigned total)
{
	unsigned filled = demo->sent * BAR / total;
	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r  [%.*s%*s] %u of %u alerts", (int)filled, "########################################",
		(int)(BAR - filled), "", demo->sent, total);
	if (demo->sent == total)
		fputs("\n", stderr);
}

static void key_count(Demo *demo, const char *key)
{
	unsigned at = 0;
	while (at < demo->key_count && strcmp(demo->keys[at].key, key) != 0)
		at++;
	must(at < KEYS_MAX);
	if (at == demo->key_count) {
		must(text_copy(slice_of(key), demo->keys[at].key, sizeof demo->keys[at].key));
		demo->key_count++;
	}
	demo->keys[at].sent++;
}

/* Calls the server and parses its answer into *out, a new reference. ERROR_CONFLICT: the HTTP status is not `expected`. */
static Result call(Demo *demo, const char *method, const char *path, Slice body, unsigned expected, json_t **out)
{
	unsigned status = 0;
	TRY(http_client_call(demo->client, method, path, body, &demo->answer, &status));
	if (status != expected)
		return result_fail(ERROR_CONFLICT, "%s %s: the server answered %u: %.100s", method, path, status,
				   demo->answer.data == NULL ? "" : demo->answer.data);
	return json_read(buffer_slice(&demo->answer), out);
}

static Result step_send(Demo *demo, const DemoStep *step, Instant start)
{
	json_t *document JSON_AUTO = demo_document(step, start);
	json_t *accepted JSON_AUTO = NULL;
	Buffer body;
	buffer_init(&body, 65536);
	json_write(document, &body);
	Result result = call(demo, "POST", step->alert->path, buffer_slice(&body), 202, &accepted);
	buffer_release(&body);
	TRY(result);
	key_count(demo, json_string_value(json_object_get(accepted, "correlation_key")));
	demo->sent++;
	return result_ok();
}

static Result play(Demo *demo)
{
	unsigned total;
	Instant start = clock_now() - HOUR_MS;
	DemoStep *steps = demo_steps(&total);
	Result result = result_ok();
	demo->began_us = clock_monotonic_us();
	for (unsigned i = 0; i < total && !result_failed(result); i++) {
		result = step_send(demo, &steps[i], start);
		if (!result_failed(result) && (i % 16 == 0 || i + 1 == total))
			progress(demo, total);
	}
	free(steps);
	return result;
}

/* Waits until the newest incident of a key counts all alerts sent with that key; *out is a new reference. */
static Result incident_await(Demo *demo, const DemoKey *key, json_t **out)
{
	char path[128];
	int64_t until_us = clock_monotonic_us() + WAIT_MS * 1000LL;
	snprintf(path, sizeof path, "/v1/incidents?correlation_key=%s&limit=1", key->key);
	while (clock_monotonic_us() < until_us) {
		json_t *page JSON_AUTO = NULL;
		TRY(call(demo, "GET", path, SLICE_NONE, 200, &page));
		json_t *incident = json_array_get(json_object_get(page, "items"), 0);
		if (json_integer_value(json_object_get(incident, "event_count")) >= (json_int_t)key->sent) {
			*out = json_incref(incident);
			return result_ok();
		}
		clock_sleep_ms(POLL_MS);
	}
	return result_fail(ERROR_AGAIN, "an incident does not count its %u alerts after %d s: see the server's log", key->sent,
			   WAIT_MS / 1000);
}

static const char *word(json_t *incident, const char *member)
{
	const char *text = json_string_value(json_object_get(incident, member));
	return text == NULL ? "-" : text;
}

static void incident_print(json_t *incident)
{
	printf("%-18s %-9s %-5s %-9s %-12s %6lld  %s\n%20s%s\n", word(incident, "number"), word(incident, "kind"),
	       word(incident, "grade"), word(incident, "severity"), word(incident, "status"),
	       (long long)json_integer_value(json_object_get(incident, "event_count")), word(incident, "title"), "",
	       word(incident, "reason"));
}

/* Sorts by grade, the worst first; within a grade by the number of events, the largest first. */
static int incident_compare(const void *one, const void *other)
{
	json_t *left = *(json_t *const *)one, *right = *(json_t *const *)other;
	int by_grade = choice_of(grade_words, word(left, "grade")) - choice_of(grade_words, word(right, "grade"));
	json_int_t left_count = json_integer_value(json_object_get(left, "event_count"));
	json_int_t right_count = json_integer_value(json_object_get(right, "event_count"));
	return by_grade != 0 ? by_grade : left_count < right_count ? 1 : left_count > right_count ? -1 : 0;
}

static Result table_print(Demo *demo)
{
	json_t *incidents[KEYS_MAX];
	unsigned count = 0;
	Result result = result_ok();
	for (; count < demo->key_count && !result_failed(result); count += !result_failed(result))
		result = incident_await(demo, &demo->keys[count], &incidents[count]);
	int64_t took_ms = (clock_monotonic_us() - demo->began_us) / 1000;
	qsort(incidents, count, sizeof incidents[0], incident_compare);
	if (!result_failed(result)) {
		printf("\n%u alerts became %u records in %lld.%lld s:\n\n", demo->sent, count,
		       (long long)took_ms / 1000, (long long)took_ms % 1000 / 100);
		printf("%-18s %-9s %-5s %-9s %-12s %6s  %s\n", "NUMBER", "KIND", "GRADE", "SEVERITY", "STATUS", "COUNT",
		       "TITLE, REASON");
	}
	for (unsigned i = 0; i < count; i++) {
		if (!result_failed(result))
			incident_print(incidents[i]);
		json_decref(incidents[i]);
	}
	return result;
}

static ExitCode play_to(const char *url, const char *key)
{
	Demo *demo = calloc(1, sizeof *demo);
	must(demo != NULL);
	buffer_init(&demo->answer, ANSWER_MAX);
	demo->client = http_client_new(url, key, CALL_MS);
	fprintf(stderr, "Sending an hour of alerts to %s\n", url);
	Result result = play(demo);
	if (!result_failed(result))
		result = table_print(demo);
	http_client_free(demo->client);
	buffer_release(&demo->answer);
	free(demo);
	if (!result_failed(result))
		return EXIT_OK;
	report_error("%s", result.text);
	return EXIT_ENVIRONMENT;
}

static ExitCode play_to_given(const Settings *settings)
{
	char key[ADMIN_KEY_SIZE];
	Result result = admin_key_of_client(settings, key);
	if (!result_failed(result))
		return play_to(setting_text(settings, "TOCSIN_URL"), key);
	report_error("%s; set TOCSIN_KEY to the key of the server", result.text);
	return EXIT_ENVIRONMENT;
}

static ExitCode play_to_own(void)
{
	DemoServer server;
	char key[ADMIN_KEY_SIZE];
	ExitCode code = EXIT_ENVIRONMENT;
	Result result = demo_server_start(&server);
	if (!result_failed(result))
		result = admin_key_of_datadir(server.datadir, key);
	if (result_failed(result))
		report_error("%s", result.text);
	else
		code = play_to(server.url, key);
	demo_server_stop(&server);
	return code;
}

ExitCode demo_run(char **arguments, int count)
{
	(void)arguments;
	(void)count;
	Settings *settings = settings_read_or_report(SETTING_COMMANDS);
	if (settings == NULL)
		return EXIT_USAGE;
	ExitCode code = setting_given(settings, "TOCSIN_URL") ? play_to_given(settings) : play_to_own();
	settings_free(settings);
	return code;
}
