#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/homes.h"

#include "services/audit/audit.h"
#include "services/audit/carry.h"
#include "services/classification/classification.h"
#include "services/gateway/core/accept.h"
#include "services/gateway/gateway.h"
#include "services/intake/intake.h"
#include "services/notification/notification.h"
#include "services/response/response.h"
#include "shared/domain/types.h"
#include "shared/io/sqlite/bus.h"
#include "shared/io/system/clock.h"
#include "shared/io/system/files.h"
#include "shared/runtime/replay.h"
#include "shared/archive/quiesce.h"

#include <inttypes.h>
#include <string.h>

enum { HOLD_MS = 20, LIMIT_MS = 20000 };

static const Service *const services[] = { &gateway_service,  &intake_service,       &classification_service,
					   &response_service, &notification_service, &audit_service };
enum { SERVICES = sizeof services / sizeof services[0] };

static BusTopic rows[TOPICS];

/* ---- opening */

static void rows_fill(void)
{
	for (TopicId topic = 0; topic < TOPICS; topic++)
		rows[topic] = (BusTopic){ topics[topic].short_name, topics[topic].keep_ms,
					  topics[topic].kind == TOPIC_STREAM };
}

static void home_open(DataDir *home)
{
	char path[SCRATCH_PATH + 32];
	snprintf(path, sizeof path, "%s/bus.db", home->path);
	BusSqliteOptions options = {
		.path = path, .topics = rows, .topic_count = TOPICS, .partitions = home->partitions
	};
	Result result = bus_sqlite_open(&options, &home->bus);
	if (result_failed(result))
		fail_msg("%s", result.text);
}

static void home_close(DataDir *home)
{
	home->bus->operations->close(home->bus);
	home->bus = NULL;
}

DataDir *home_new(Homes *homes, unsigned partitions)
{
	char name[32];
	must(homes->count < HOMES_MAX);
	DataDir *home = &homes->homes[homes->count];
	snprintf(name, sizeof name, "home-%zu/audit", homes->count);
	must(!result_failed(directory_make(scratch_path(&homes->scratch, name, home->audit), 0700)));
	snprintf(name, sizeof name, "home-%zu", homes->count);
	scratch_path(&homes->scratch, name, home->path);
	snprintf(name, sizeof name, "home-%zu/audit/ledger.jsonl", homes->count++);
	scratch_path(&homes->scratch, name, home->audit);
	home->partitions = partitions;
	home->policy = homes->policy;
	home_open(home);
	return home;
}

static Result home_rest(DataDir *home)
{
	AuditEnvironment audit = { .ledger = NULL };
	NotificationEnvironment notification = { .public_url = "http://127.0.0.1" };
	must(!result_failed(audit_file_new(home->audit, &audit.ledger)));
	const QuiesceService all[] = { { &intake_service, NULL, home->bus },
				    { &classification_service, NULL, home->bus },
				    { &response_service, NULL, home->bus },
				    { &notification_service, &notification, home->bus },
				    { &audit_service, &audit, home->bus } };
	QuiesceOptions options = { .home = home->path,
				.services = all,
				.service_count = sizeof all / sizeof all[0],
				.hold_ms = HOLD_MS,
				.limit_ms = LIMIT_MS };
	Result result = quiesce_await(&options, &home->rested);
	audit_ledger_close(audit.ledger);
	return result;
}

void home_settle(DataDir *home)
{
	Result result = home_rest(home);
	if (result_failed(result))
		fail_msg("%s", result.text);
}

void homes_make(Homes *homes, const Policy *policy)
{
	*homes = (Homes){ .policy = policy };
	rows_fill();
	scratch_make(&homes->scratch);
}

void homes_drop(Homes *homes)
{
	for (size_t i = 0; i < homes->count; i++)
		home_close(&homes->homes[i]);
	scratch_remove(&homes->scratch);
}

/* ---- what happens in one */

void home_append(DataDir *home, TopicId topic, unsigned partition, Slice key, Slice headers, Slice body)
{
	BusRecord record = { .key = key, .headers = headers, .body = body };
	must(!result_failed(bus_append(home->bus, topic, partition, &record, NULL, NULL)));
}

void home_policy(DataDir *home)
{
	Buffer headers, body;
	buffer_init(&headers, 4096);
	buffer_init(&body, BUS_RECORD_MAX);
	header_add(&headers, "ce_id", SLICE("pol_test"));
	header_add(&headers, "ce_type", SLICE(TYPE_POLICY_PUBLISHED));
	header_add(&headers, "ce_time", SLICE("2026-01-01T00:00:00.000Z"));
	json_write(policy_message(home->policy), &body);
	home_append(home, TOPIC_POLICIES, 0, SLICE("default"), buffer_slice(&headers), buffer_slice(&body));
	buffer_release(&headers);
	buffer_release(&body);
}

void home_event(DataDir *home, int source, int number)
{
	char body[256];
	Accepted accepted;
	FieldErrors errors;
	ProblemCode code;
	/* Three sources share an asset, so that what concerns it is linked. */
	snprintf(body, sizeof body,
		 "{\"source\":\"siem\",\"rule\":\"r%d\",\"title\":\"r%d fired\",\"id\":\"%d-%d\",\"severity\":\"high\","
		 "\"asset\":\"host-%d\"}",
		 source, source, source, number, source / 3);
	AcceptInput input = { .body = slice_of(body), .key_id = "tests", .received_at = clock_now() };
	assert_false(result_failed(accept_event(home->policy, &input, &accepted, &errors, &code)));
	home_append(home, TOPIC_EVENTS, accepted.slot % home->partitions, slice_of(accepted.correlation_key),
		    buffer_slice(&accepted.headers), input.body);
	if (number == 0 && home->incidents[source].text[0] == '\0')
		home->incidents[source] = id_of_incident(input.received_at, accepted.slot, id_slice(&accepted.id));
	accepted_release(&accepted);
}

void home_closing(DataDir *home, int source)
{
	unsigned slot;
	Instant opened_at;
	char time[INSTANT_TEXT], body[512];
	Slice incident = id_slice(&home->incidents[source]);
	Id id = id_of_pair("cmd_", SLICE("tests"), incident);
	Buffer headers;
	must(id_incident_parse(incident, &slot, &opened_at));
	instant_format(clock_now(), time);
	snprintf(body, sizeof body,
		 "{\"incident_id\":\"%s\",\"command\":\"close\",\"issued_at\":\"%s\",\"actor\":{\"kind\":\"key\","
		 "\"id\":\"tests\",\"name\":\"tests\",\"roles\":[\"administrator\"]},\"arguments\":{\"resolution\":"
		 "\"resolved\","
		 "\"reason\":\"it is over\"}}",
		 incident.data, time);
	buffer_init(&headers, 1024);
	header_add(&headers, "ce_id", id_slice(&id));
	header_add(&headers, "ce_type", SLICE(TYPE_COMMAND));
	header_add(&headers, "ce_time", slice_of(time));
	header_add(&headers, "ce_subject", incident);
	home_append(home, TOPIC_COMMANDS, slot % home->partitions, incident, buffer_slice(&headers), slice_of(body));
	buffer_release(&headers);
}

void home_zombie(DataDir *home)
{
	Buffer headers;
	LedgerMark mark = { .epoch = 0, .owner = 77, .seq = 5 };
	buffer_init(&headers, 1024);
	header_add(&headers, "ce_id", SLICE("rec_zombie"));
	header_add(&headers, "ce_type", SLICE(TYPE_JOURNAL_ENTERED));
	header_add(&headers, "ce_time", SLICE("2026-01-01T00:00:00.000Z"));
	ledger_mark_write(&headers, &mark);
	home_append(home, TOPIC_JOURNAL, 0, SLICE("inc_0"), buffer_slice(&headers), SLICE("{}"));
	buffer_release(&headers);
}

void home_happenings(DataDir *home)
{
	home_policy(home);
	for (int number = 0; number < HOME_REPEATS; number++)
		for (int source = 0; source < HOME_SOURCES; source++)
			home_event(home, source, number);
	home_settle(home);
	home_closing(home, HOME_SOURCES - 1);
	home_zombie(home);
	home_settle(home);
}

/* ---- reading */

typedef struct {
	Replay *replay;
	size_t entries; /* records of the service's own */
} Reading;

static void finding_fail(void *context, int64_t offset, const char *text)
{
	(void)context;
	fail_msg("offset %" PRId64 ": %s", offset, text);
}

static bool reading_visit(void *context, const BusRecord *record)
{
	Reading *reading = context;
	uint64_t dropped = replay_figures(reading->replay).dropped;
	replay_take(reading->replay, record);
	if (replay_figures(reading->replay).dropped == dropped)
		reading->entries += !slice_starts(header_get(record->headers, "ce_type"), SLICE("tocsin.ledger."));
	return true;
}

/* Every ledger holds what it promises; how many records of services there are in all partitions. */
static size_t entries_of(DataDir *home, TopicId ledger)
{
	const BusOperations *operations = home->bus->operations;
	size_t entries = 0;
	BusReader *reader;
	assert_false(result_failed(operations->reader_open(home->bus, &reader)));
	for (unsigned partition = 0; partition < (topics[ledger].slotted ? home->partitions : 1); partition++) {
		Reading reading = { .replay = replay_new(ledger, partition, finding_fail, NULL) };
		int64_t at = 0, end = operations->end(home->bus, ledger, partition);
		while (at < end)
			assert_false(result_failed(operations->read(reader, (BusPosition){ ledger, partition, at }, 1000,
								    true, reading_visit, &reading, &at)));
		assert_int_equal(replay_figures(reading.replay).findings, 0);
		entries += reading.entries;
		replay_free(reading.replay);
	}
	operations->reader_close(reader);
	return entries;
}

HomeCensus home_census(DataDir *home)
{
	HomeCensus all = { { 0 } };
	for (TopicId topic = 0; topic < TOPICS; topic++)
		if (topics[topic].kind == TOPIC_LEDGER)
			all.counts[topic] = entries_of(home, topic);
		else
			for (unsigned i = 0; i < home->partitions; i++)
				all.counts[topic] += (size_t)home->bus->operations->end(home->bus, topic, i);
	return all;
}

/* ---- carrying */

static Result audit_leave(void *context, Slice checkpoint, ArchiveWriter *writer)
{
	return audit_export(((DataDir *)context)->audit, checkpoint, writer);
}

Result home_export_to(DataDir *home, FILE *file, ArchiveCounts *counts)
{
	ExportOptions options = { .bus = home->bus,
				  .services = services,
				  .service_count = SERVICES,
				  .audit = audit_leave,
				  .file = file,
				  .rested = &home->rested,
				  .context = home,
				  .now = clock_now() };
	return export_write(&options, counts, &home->carried);
}

FILE *home_export(DataDir *home, ArchiveCounts *counts)
{
	FILE *file = tmpfile();
	Result result = home_export_to(home, file, counts);
	if (result_failed(result))
		fail_msg("%s", result.text);
	rewind(file);
	return file;
}

static Result audit_line(void *context, Slice line)
{
	return audit_import_line(context, line);
}

static Result audit_end(void *context, Slice checkpoint)
{
	return audit_import_end(context, checkpoint);
}

static ImportOptions import_options(AuditImport *arrival)
{
	return (ImportOptions){ .services = services,
				.service_count = SERVICES,
				.owner_id = 99,
				.audit_line = audit_line,
				.audit_end = audit_end,
				.context = arrival,
				.now = clock_now() };
}

Result home_import_steps(DataDir *home, FILE *file, bool finished)
{
	AuditImport arrival;
	ArchiveCounts counts;
	ImportOptions options = import_options(&arrival);
	Import *import = NULL;
	Result result = import_file_check(file, &options, &counts);
	if (!result_failed(result))
		result = import_target_check(home->bus);
	if (result_failed(result))
		return result;
	rewind(file);
	import = import_new(&options, &counts);
	result = audit_import_open(&arrival, home->audit);
	if (!result_failed(result))
		result = import_write(import, home->bus, file);
	audit_import_close(&arrival);
	home_close(home);
	home_open(home);
	if (!result_failed(result) && finished)
		result = import_finish(import, home->bus);
	home_close(home);
	import_free(import);
	home_open(home);
	rewind(file);
	return result;
}

void home_import(DataDir *home, FILE *file)
{
	Result result = home_import_steps(home, file, true);
	if (result_failed(result))
		fail_msg("%s", result.text);
	assert_false(result_failed(import_check(home->bus)));
	memset(&home->rested, -1, sizeof home->rested); /* nobody looked */
}
