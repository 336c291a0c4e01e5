#include "shared/io/system/metrics.h"

#include "shared/io/system/metrics_process.h"

#include "shared/base/error.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL_SIZE = 64, CELLS_PER_FAMILY = 2 * METRIC_SERIES_MAX, BUCKETS = 14 };

const Metric metrics_table[METRICS] = {
	[METRIC_HTTP_REQUESTS] = { "tocsin_http_requests_total", METRIC_COUNTER, { "route", "code" },
				   "HTTP requests answered." },
	[METRIC_HTTP_SECONDS] = { "tocsin_http_request_duration_seconds", METRIC_HISTOGRAM, { "route" },
				  "Time from a request's headers to its answer." },
	[METRIC_HTTP_INFLIGHT] = { "tocsin_http_inflight_requests", METRIC_GAUGE, { NULL },
				   "HTTP requests not answered yet." },
	[METRIC_INGEST_EVENTS] = { "tocsin_ingest_events_total", METRIC_COUNTER, { "result" },
				   "Events received, by result." },
	[METRIC_DEAD_LETTERS] = { "tocsin_dead_letters_total", METRIC_COUNTER, { "service" },
				  "Records that a service could not process." },
	[METRIC_NOTIFICATIONS] = { "tocsin_notifications_total", METRIC_COUNTER, { "channel", "result" },
				   "Notifications, by outcome: sent, queued again, failed, skipped." },
	[METRIC_INCIDENTS_OPENED] = { "tocsin_incidents_opened_total", METRIC_COUNTER, { "kind", "grade" },
				      "Incidents opened." },
	[METRIC_LEDGER_CLAIMS] = { "tocsin_ledger_claims_total", METRIC_COUNTER, { "service" },
				   "Claims of a ledger partition made by this process." },
	[METRIC_LEDGER_SUPERSEDED] = { "tocsin_ledger_deposed_total", METRIC_COUNTER, { "service" },
				    "Ownerships that ended because another replica claimed the partition." },
	[METRIC_LEDGER_DROPPED] = { "tocsin_ledger_dropped_records_total", METRIC_COUNTER, { "service" },
				    "Ledger records that the rule did not accept." },
	[METRIC_LEDGER_DOUBTS] = { "tocsin_ledger_doubts_total", METRIC_COUNTER, { "service" },
				   "Batches abandoned because an append was in doubt." },
	[METRIC_LEDGER_READBACK] = { "tocsin_ledger_readback_seconds", METRIC_HISTOGRAM, { "service" },
				     "Time from the append of a batch until it was read back as accepted." },
	[METRIC_LEDGER_OWNER] = { "tocsin_ledger_owner", METRIC_GAUGE, { "service", "partition" },
				  "1 where this process owns the partition of the ledger." },
	[METRIC_BUS_APPENDED] = { "tocsin_bus_appended_total", METRIC_COUNTER, { NULL },
				  "Records durably appended to the bus." },
	[METRIC_BUS_COMMIT_SECONDS] = { "tocsin_bus_commit_seconds", METRIC_HISTOGRAM, { NULL },
					"Duration of one durable commit of the bus." },
	[METRIC_BUS_PRODUCERS_REPLACED] = { "tocsin_bus_producers_replaced_total", METRIC_COUNTER, { NULL },
					    "Producers replaced after a fatal error." },
	[METRIC_BUS_LAG] = { "tocsin_bus_lag_records", METRIC_GAUGE, { "service", "topic" },
			     "Records of a topic that a service has not read yet, in the partitions that this process reads." },
	[METRIC_REDIS_UP] = { "tocsin_redis_up", METRIC_GAUGE, { NULL },
			      "1 where Redis answered the last call of this process, 0 while it cannot be reached." },
	[METRIC_TIMERS_FIRED] = { "tocsin_timers_fired_total", METRIC_COUNTER, { "source" },
				  "Timers fired, by source: store (the timer store reported them) or state (it did not)." },
	[METRIC_AUDIT_RECORDS] = { "tocsin_audit_records_total", METRIC_COUNTER, { NULL },
				   "Records written to the audit log." },
	[METRIC_POLICY_RELOADS] = { "tocsin_policy_reloads_total", METRIC_COUNTER, { "result" },
				    "Reloads of the policy pack, by result." },
	[METRIC_LOG_DROPPED] = { "tocsin_log_lines_dropped_total", METRIC_COUNTER, { NULL },
				 "Log lines dropped because stdout took none." },
};

static const struct {
	int64_t up_to_us;
	const char *text;
} buckets[BUCKETS] = {
	{ 500, "0.0005" }, { 1000, "0.001" }, { 2500, "0.0025" }, { 5000, "0.005" },  { 10000, "0.01" },
	{ 25000, "0.025" }, { 50000, "0.05" }, { 100000, "0.1" },  { 250000, "0.25" }, { 500000, "0.5" },
	{ 1000000, "1" },  { 2500000, "2.5" }, { 5000000, "5" },   { 10000000, "10" },
};

static const char *const type_names[] = {
	[METRIC_COUNTER] = "counter",
	[METRIC_GAUGE] = "gauge",
	[METRIC_HISTOGRAM] = "histogram",
};

/* One combination of label values. It is never freed, and only its numbers change. */
typedef struct {
	char labels[2][LABEL_SIZE];
	_Atomic int64_t value;               /* of a counter or gauge; the sum in µs of a histogram */
	_Atomic uint64_t counts[BUCKETS + 1]; /* number of observations in each bucket, not cumulative; the last bucket is +Inf */
} Series;

/* Cells are filled under the mutex and read without it; `made` lists the series in the order of their first use. */
typedef struct {
	_Atomic(Series *) cells[CELLS_PER_FAMILY];
	_Atomic(Series *) made[METRIC_SERIES_MAX];
	_Atomic size_t count;
} Family;

static Family families[METRICS];
static pthread_mutex_t families_mutex = PTHREAD_MUTEX_INITIALIZER;

/* ---- finding a series -------------------------------------------------------------------------------------------- */

static bool label_is(const char kept[LABEL_SIZE], const char *value)
{
	return strncmp(kept, value, LABEL_SIZE - 1) == 0;
}

static size_t labels_hash(const char *const labels[2])
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	for (int label = 0; label < 2; label++) {
		for (size_t i = 0; i < LABEL_SIZE - 1 && labels[label][i] != '\0'; i++)
			hash = (hash ^ (unsigned char)labels[label][i]) * UINT64_C(0x100000001b3);
		hash = (hash ^ 0xff) * UINT64_C(0x100000001b3);
	}
	return (size_t)(hash ^ hash >> 32);
}

/* The cell of the series, or the empty cell for it. There are twice as many cells as series, so that probing ends. */
static _Atomic(Series *) *cell_find(Family *family, const char *const labels[2])
{
	size_t cell = labels_hash(labels) % CELLS_PER_FAMILY;
	for (;; cell = (cell + 1) % CELLS_PER_FAMILY) {
		const Series *series = atomic_load_explicit(&family->cells[cell], memory_order_acquire);
		if (series == NULL || (label_is(series->labels[0], labels[0]) && label_is(series->labels[1], labels[1])))
			return &family->cells[cell];
	}
}

static void label_copy(char to[LABEL_SIZE], const char *value)
{
	size_t size = strnlen(value, LABEL_SIZE - 1);
	memcpy(to, value, size);
	to[size] = '\0';
}

/* With the mutex held. */
static Series *series_make(Family *family, const char *const labels[2])
{
	_Atomic(Series *) *cell = cell_find(family, labels);
	Series *series = atomic_load(cell);
	if (series != NULL)
		return series;
	series = calloc(1, sizeof *series);
	must(series != NULL);
	label_copy(series->labels[0], labels[0]);
	label_copy(series->labels[1], labels[1]);
	size_t count = family->count;
	atomic_store_explicit(cell, series, memory_order_release);
	atomic_store_explicit(&family->made[count], series, memory_order_release);
	atomic_store_explicit(&family->count, count + 1, memory_order_release);
	return series;
}

/* The last series of a family is reserved for "other". */
static Series *series_add(MetricId id, const char *const labels[2])
{
	const char *const other[2] = { "other", metrics_table[id].labels[1] == NULL ? "" : "other" };
	Family *family = &families[id];
	pthread_mutex_lock(&families_mutex);
	Series *series = atomic_load(cell_find(family, labels));
	if (series == NULL)
		series = series_make(family, family->count < METRIC_SERIES_MAX - 1 ? labels : other);
	pthread_mutex_unlock(&families_mutex);
	return series;
}

static Series *series_of(MetricId id, const char *first, const char *second)
{
	const Metric *metric = &metrics_table[id];
	const char *const labels[2] = {
		metric->labels[0] == NULL || first == NULL ? "" : first,
		metric->labels[1] == NULL || second == NULL ? "" : second,
	};
	Series *series = atomic_load_explicit(cell_find(&families[id], labels), memory_order_acquire);
	return series != NULL ? series : series_add(id, labels);
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

void metric_add(MetricId id, const char *first, const char *second, int64_t amount)
{
	must(metrics_table[id].type != METRIC_HISTOGRAM);
	atomic_fetch_add_explicit(&series_of(id, first, second)->value, amount, memory_order_relaxed);
}

void metric_set(MetricId id, const char *first, const char *second, int64_t value)
{
	must(metrics_table[id].type == METRIC_GAUGE);
	atomic_store_explicit(&series_of(id, first, second)->value, value, memory_order_relaxed);
}

void metric_observe_us(MetricId id, const char *first, const char *second, int64_t microseconds)
{
	must(metrics_table[id].type == METRIC_HISTOGRAM);
	Series *series = series_of(id, first, second);
	size_t bucket = 0;
	while (bucket < BUCKETS && microseconds > buckets[bucket].up_to_us)
		bucket++;
	atomic_fetch_add_explicit(&series->counts[bucket], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&series->value, microseconds, memory_order_relaxed);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void label_escape(Buffer *out, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == '\n') {
			buffer_text(out, "\\n");
			continue;
		}
		if (*value == '"' || *value == '\\')
			buffer_byte(out, '\\');
		buffer_byte(out, *value);
	}
}

/* {route="…",code="…",le="…"}; nothing if there is no label. */
static void labels_write(Buffer *out, const Metric *metric, const Series *series, const char *le)
{
	char before = '{';
	for (int i = 0; i < 2 && metric->labels[i] != NULL; i++) {
		buffer_format(out, "%c%s=\"", before, metric->labels[i]);
		label_escape(out, series->labels[i]);
		buffer_byte(out, '"');
		before = ',';
	}
	if (le != NULL)
		buffer_format(out, "%cle=\"%s\"", before, le);
	if (le != NULL || before == ',')
		buffer_byte(out, '}');
}

static void histogram_write(Buffer *out, const Metric *metric, const Series *series)
{
	uint64_t count = 0;
	for (size_t i = 0; i <= BUCKETS; i++) {
		count += atomic_load_explicit(&series->counts[i], memory_order_relaxed);
		buffer_format(out, "%s_bucket", metric->name);
		labels_write(out, metric, series, i < BUCKETS ? buckets[i].text : "+Inf");
		buffer_format(out, " %llu\n", (unsigned long long)count);
	}
	int64_t sum_us = atomic_load_explicit(&series->value, memory_order_relaxed);
	buffer_format(out, "%s_sum", metric->name);
	labels_write(out, metric, series, NULL);
	buffer_format(out, " %lld.%06lld\n", (long long)(sum_us / 1000000), (long long)(sum_us % 1000000));
	buffer_format(out, "%s_count", metric->name);
	labels_write(out, metric, series, NULL);
	buffer_format(out, " %llu\n", (unsigned long long)count);
}

static void series_write(Buffer *out, const Metric *metric, const Series *series)
{
	if (metric->type == METRIC_HISTOGRAM) {
		histogram_write(out, metric, series);
		return;
	}
	buffer_text(out, metric->name);
	labels_write(out, metric, series, NULL);
	buffer_format(out, " %lld\n", (long long)atomic_load_explicit(&series->value, memory_order_relaxed));
}

/* A family without labels is written from the start, so that a scraper sees it start at 0. */
static void family_write(Buffer *out, MetricId id)
{
	const Metric *metric = &metrics_table[id];
	Family *family = &families[id];
	if (metric->labels[0] == NULL)
		(void)series_of(id, NULL, NULL);
	buffer_format(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name,
		      type_names[metric->type]);
	size_t count = atomic_load_explicit(&family->count, memory_order_acquire);
	for (size_t i = 0; i < count; i++)
		series_write(out, metric, atomic_load_explicit(&family->made[i], memory_order_acquire));
}

void metrics_write(Buffer *out)
{
	for (int id = 0; id < METRICS; id++)
		family_write(out, (MetricId)id);
	metrics_process_write(out);
}
