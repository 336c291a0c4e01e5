#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/system/metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static Buffer written;

static void assert_has(const char *line)
{
	char whole[256];
	buffer_clear(&written);
	metrics_write(&written);
	assert_false(written.overflowed);
	snprintf(whole, sizeof whole, "\n%s\n", line);
	if (strstr(written.data, whole) == NULL)
		fail_msg("no line %s", line);
}

static int setup(void **state)
{
	(void)state;
	buffer_init(&written, 4 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buffer_release(&written);
	return 0;
}

static void a_counter_adds_up_for_each_combination_of_labels(void **state)
{
	(void)state;
	metric_add(METRIC_HTTP_REQUESTS, "getIncident", "200", 2);
	metric_add(METRIC_HTTP_REQUESTS, "getIncident", "200", 3);
	metric_add(METRIC_HTTP_REQUESTS, "getIncident", "404", 1);
	assert_has("tocsin_http_requests_total{route=\"getIncident\",code=\"200\"} 5");
	assert_has("tocsin_http_requests_total{route=\"getIncident\",code=\"404\"} 1");
	assert_has("# TYPE tocsin_http_requests_total counter");
}

static void a_gauge_is_set_and_adjusted(void **state)
{
	(void)state;
	assert_has("tocsin_http_inflight_requests 0"); /* the metric is written before its first change */
	metric_add(METRIC_HTTP_INFLIGHT, NULL, NULL, 3);
	metric_add(METRIC_HTTP_INFLIGHT, "ignored", "too", -1);
	assert_has("tocsin_http_inflight_requests 2");
	metric_set(METRIC_LEDGER_OWNER, "response", "0", 1);
	metric_set(METRIC_LEDGER_OWNER, "response", "0", 0);
	assert_has("tocsin_ledger_owner{service=\"response\",partition=\"0\"} 0");
}

static void a_histogram_counts_cumulatively_in_seconds(void **state)
{
	(void)state;
	/* A value equal to a bucket's upper bound counts in that bucket. */
	metric_observe_us(METRIC_LEDGER_READBACK, "intake", NULL, 500);
	metric_observe_us(METRIC_LEDGER_READBACK, "intake", NULL, 501);
	metric_observe_us(METRIC_LEDGER_READBACK, "intake", NULL, 11000000);
	assert_has("tocsin_ledger_readback_seconds_bucket{service=\"intake\",le=\"0.0005\"} 1");
	assert_has("tocsin_ledger_readback_seconds_bucket{service=\"intake\",le=\"0.001\"} 2");
	assert_has("tocsin_ledger_readback_seconds_bucket{service=\"intake\",le=\"10\"} 2");
	assert_has("tocsin_ledger_readback_seconds_bucket{service=\"intake\",le=\"+Inf\"} 3");
	assert_has("tocsin_ledger_readback_seconds_sum{service=\"intake\"} 11.001001");
	assert_has("tocsin_ledger_readback_seconds_count{service=\"intake\"} 3");
	assert_has("tocsin_bus_commit_seconds_bucket{le=\"+Inf\"} 0");
}

static void label_values_are_escaped_and_a_missing_one_is_empty(void **state)
{
	(void)state;
	metric_add(METRIC_NOTIFICATIONS, "a\"b\\c\nd", NULL, 1);
	assert_has("tocsin_notifications_total{channel=\"a\\\"b\\\\c\\nd\",result=\"\"} 1");
}

static void combinations_beyond_the_bound_are_counted_as_other(void **state)
{
	(void)state;
	for (int i = 0; i < METRIC_SERIES_MAX + 50; i++) {
		char code[16];
		snprintf(code, sizeof code, "%d", i);
		metric_add(METRIC_INCIDENTS_OPENED, "kind", code, 1);
	}
	metric_add(METRIC_INCIDENTS_OPENED, "kind", "0", 1);
	assert_has("tocsin_incidents_opened_total{kind=\"kind\",grade=\"0\"} 2");
	assert_has("tocsin_incidents_opened_total{kind=\"kind\",grade=\"126\"} 1");
	assert_has("tocsin_incidents_opened_total{kind=\"other\",grade=\"other\"} 51");
	for (int i = 0; i < 2 * METRIC_SERIES_MAX; i++) {
		char service[16];
		snprintf(service, sizeof service, "s%d", i);
		metric_add(METRIC_DEAD_LETTERS, service, NULL, 1);
	}
	assert_has("tocsin_dead_letters_total{service=\"other\"} 129");
}

enum { THREADS = 4, EACH = 50000 };

static void *count_in_thread(void *context)
{
	(void)context;
	static const char *const results[] = { "accepted", "duplicate", "refused" };
	for (int i = 0; i < EACH; i++)
		metric_add(METRIC_INGEST_EVENTS, results[i % 3], NULL, 1);
	return NULL;
}

static void threads_that_create_a_series_at_once_lose_no_counts(void **state)
{
	(void)state;
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, count_in_thread, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_has("tocsin_ingest_events_total{result=\"accepted\"} 66668");
	assert_has("tocsin_ingest_events_total{result=\"refused\"} 66664");
}

static double value_of(const char *name)
{
	char start[80];
	buffer_clear(&written);
	metrics_write(&written);
	snprintf(start, sizeof start, "\n%s ", name);
	const char *line = strstr(written.data, start);
	assert_non_null(line);
	return strtod(line + strlen(start), NULL);
}

static void metrics_of_the_process_are_plausible(void **state)
{
	(void)state;
	assert_has("tocsin_build_info{version=\"" TOCSIN_VERSION "\"} 1");
	assert_true(value_of("process_resident_memory_bytes") > 1e6);
	assert_true(value_of("process_virtual_memory_bytes") >= value_of("process_resident_memory_bytes"));
	double before = value_of("process_open_fds");
	FILE *file = fopen("/dev/null", "r");
	assert_true(value_of("process_open_fds") == before + 1);
	fclose(file);
	assert_true(value_of("process_max_fds") >= before);
	assert_true(value_of("process_start_time_seconds") > 1.6e9);
	assert_true(value_of("process_cpu_seconds_total") >= 0);
}

static void every_family_has_a_row_with_help(void **state)
{
	(void)state;
	for (int id = 0; id < METRICS; id++) {
		assert_non_null(metrics_table[id].name);
		assert_non_null(metrics_table[id].help);
		assert_int_equal(strncmp(metrics_table[id].name, "tocsin_", 7), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_counter_adds_up_for_each_combination_of_labels),
		cmocka_unit_test(a_gauge_is_set_and_adjusted),
		cmocka_unit_test(a_histogram_counts_cumulatively_in_seconds),
		cmocka_unit_test(label_values_are_escaped_and_a_missing_one_is_empty),
		cmocka_unit_test(combinations_beyond_the_bound_are_counted_as_other),
		cmocka_unit_test(threads_that_create_a_series_at_once_lose_no_counts),
		cmocka_unit_test(metrics_of_the_process_are_plausible),
		cmocka_unit_test(every_family_has_a_row_with_help),
	};
	return cmocka_run_group_tests_name("metrics", tests, setup, teardown);
}
