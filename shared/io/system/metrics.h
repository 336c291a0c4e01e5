/*
 * Metrics in Prometheus text format 0.0.4. One table has a row for each family, with at most two labels whose values come from
 * small closed sets (never ids, addresses or user text). Counters and gauges are atomics; histograms have fixed buckets. A family
 * holds METRIC_SERIES_MAX - 1 label combinations; all further combinations share one series with the label value "other". Label
 * values are cut to 63 bytes.
 */
#ifndef TOCSIN_IO_SYSTEM_METRICS_H
#define TOCSIN_IO_SYSTEM_METRICS_H

#include "shared/base/text.h"

#include <stdint.h>

typedef enum {
	METRIC_HTTP_REQUESTS,        /* tocsin_http_requests_total{route,code} */
	METRIC_HTTP_SECONDS,         /* tocsin_http_request_duration_seconds{route} histogram */
	METRIC_HTTP_INFLIGHT,        /* tocsin_http_inflight_requests gauge */
	METRIC_INGEST_EVENTS,        /* tocsin_ingest_events_total{result} */
	METRIC_DEAD_LETTERS,         /* tocsin_dead_letters_total{service} */
	METRIC_NOTIFICATIONS,        /* tocsin_notifications_total{channel,result} */
	METRIC_INCIDENTS_OPENED,     /* tocsin_incidents_opened_total{kind,grade} */
	METRIC_LEDGER_CLAIMS,        /* tocsin_ledger_claims_total{service} */
	METRIC_LEDGER_SUPERSEDED,       /* tocsin_ledger_deposed_total{service} */
	METRIC_LEDGER_DROPPED,       /* tocsin_ledger_dropped_records_total{service} */
	METRIC_LEDGER_DOUBTS,        /* tocsin_ledger_doubts_total{service} */
	METRIC_LEDGER_READBACK,      /* tocsin_ledger_readback_seconds{service} histogram */
	METRIC_LEDGER_OWNER,         /* tocsin_ledger_owner{service,partition} gauge */
	METRIC_BUS_APPENDED,         /* tocsin_bus_appended_total */
	METRIC_BUS_COMMIT_SECONDS,   /* tocsin_bus_commit_seconds histogram */
	METRIC_BUS_PRODUCERS_REPLACED, /* tocsin_bus_producers_replaced_total */
	METRIC_BUS_LAG,              /* tocsin_bus_lag_records{service,topic} gauge: sum over the partitions read by this process */
	METRIC_REDIS_UP,             /* tocsin_redis_up gauge: 1 where Redis answered the last call of this process */
	METRIC_TIMERS_FIRED,         /* tocsin_timers_fired_total{source} */
	METRIC_AUDIT_RECORDS,        /* tocsin_audit_records_total */
	METRIC_POLICY_RELOADS,       /* tocsin_policy_reloads_total{result} */
	METRIC_LOG_DROPPED,          /* tocsin_log_lines_dropped_total */
	METRICS,
} MetricId;

typedef enum { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM } MetricType;

typedef struct {
	const char *name;
	MetricType type;
	const char *labels[2];
	const char *help;
} Metric;

extern const Metric metrics_table[METRICS];

enum { METRIC_SERIES_MAX = 128 };

/*
 * Any thread; after the first use of a series no lock is taken, except for combinations that count as "other". Values for labels
 * that the family does not have are ignored; NULL is "". metric_add is for counters and gauges, metric_set for gauges,
 * metric_observe_us for histograms; the process aborts if the family has another type.
 */
void metric_add(MetricId id, const char *first, const char *second, int64_t amount);
void metric_set(MetricId id, const char *first, const char *second, int64_t value);
void metric_observe_us(MetricId id, const char *first, const char *second, int64_t microseconds);

/* Appends all families, tocsin_build_info and process_* in text format. */
void metrics_write(Buffer *out);

#endif
