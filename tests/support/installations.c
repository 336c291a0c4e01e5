#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/installations.h"

#include "services/audit/archive.h"
#include "services/audit/audit.h"
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
		rows[topic] = (BusTopic){ topics[topic].short_name, topics[topic].retention_ms,
					  topics[topic].kind == TOPIC_STREAM };
}

static void installation_open(Installation *installation)
{
	char path[SCRATCH_PATH + 32];
	snprintf(path, sizeof path, "%s/bus.db", installation->path);
	BusSqliteOptions options = {
		.path = path, .topics = rows, .topic_count = TOPICS, .partitions = installation->partitions
	};
	Result result = bus_sqlite_open(&options, &installation->bus);
	if (result_failed(result))
		fail_msg("%s", result.text);
}

static void installation_close(Installation *installation)
{
	installation->bus->operations->close(installation->bus);
	installation->bus = NULL;
}

Installation *installation_new(Installations *installations, unsigned partitions)
{
	char name[32];
	must(installations->count < INSTALLATIONS_MAX);
	Installation *installation = &installations->installations[installations->count];
	snprintf(name, sizeof name, "home-%zu/audit", installations->count);
	must(!result_failed(directory_make(scratch_path(&installations->scratch, name, installation->audit), 0700)));
	snprintf(name, sizeof name, "home-%zu", installations->count);
	scratch_path(&installations->scratch, name, installation->path);
	snprintf(name, sizeof name, "home-%zu/audit/ledger.jsonl", installations->count++);
	scratch_path(&installations->scratch, name, installation->audit);
	installation->partitions = partitions;
	installation->policy = installations->policy;
	installation_open(installation);
	return installation;
}

static Result installation_quiesce(Installation *installation)
{
	AuditEnvironment audit = { .ledger = NULL };
	NotificationEnvironment notification = { .public_url = "http://127.0.0.1" };
	must(!result_failed(audit_file_new(installation->audit, &audit.ledger)));
	const QuiesceService all[] = { { &intake_service, NULL, installation->bus },
				    { &classification_service, NULL, installation->bus },
				    { &response_service, NULL, installation->bus },
				    { &notification_service, &notification, installation->bus },
				    { &audit_service, &audit, installation->bus } };
	QuiesceOptions options = { .datadir = installation->path,
				.services = all,
				.service_count = sizeof all / sizeof all[0],
				.hold_ms = HOLD_MS,
				.limit_ms = LIMIT_MS };
	Result result = quiesce_await(&options, &installation->quiesced);
	audit_ledger_close(audit.ledger);
	return result;
}

void installation_settle(Installation *installation)
{
	Result result = installation_quiesce(installation);
	if (result_failed(result))
		fail_msg("%s", result.text);
}

void installations_make(Installations *installations, const Policy *policy)
{
	*installations = (Installations){ .policy = policy };
	rows_fill();
	scratch_make(&installations->scratch);
}

void installations_drop(Installations *installations)
{
	for (size_t i = 0; i < installations->count; i++)
		installation_close(&installations->installations[i]);
	scratch_remove(&installations->scratch);
}

/* ---- activity */

void installation_append(Installation *installation, TopicId topic, unsigned partition, Slice key, Slice headers, Slice body)
{
	BusRecord record = { .key = key, .headers = headers, .body = body };
	must(!result_failed(bus_append(installation->bus, topic, partition, &record, NULL, NULL)));
}

void installation_policy(Installation *installation)
{
	Buffer headers, body;
	buffer_init(&headers, 4096);
	buffer_init(&body, BUS_RECORD_MAX);
	header_add(&headers, "ce_id", SLICE("pol_test"));
	header_add(&headers, "ce_type", SLICE(TYPE_POLICY_PUBLISHED));
	header_add(&headers, "ce_time", SLICE("2026-01-01T00:00:00.000Z"));
	json_write(policy_message(installation->policy), &body);
	installation_append(installation, TOPIC_POLICIES, 0, SLICE("default"), buffer_slice(&headers), buffer_slice(&body));
	buffer_release(&headers);
	buffer_release(&body);
}

void installation_event(Installation *installation, int source, int number)
{
	char body[256];
	Accepted accepted;
	FieldErrors errors;
	ProblemCode code;
	/* Three sources share an asset, so that their incidents are joined. */
	snprintf(body, sizeof body,
		 "{\"source\":\"siem\",\"rule\":\"r%d\",\"title\":\"r%d fired\",\"id\":\"%d-%d\",\"severity\":\"high\","
		 "\"asset\":\"host-%d\"}",
		 source, source, source, number, source / 3);
	AcceptInput input = { .body = slice_of(body), .key_id = "tests", .received_at = clock_now() };
	assert_false(result_failed(accept_event(installation->policy, &input, &accepted, &errors, &code)));
	installation_append(installation, TOPIC_EVENTS, accepted.slot % installation->partitions,
			    slice_of(accepted.correlation_key), buffer_slice(&accepted.headers), input.body);
	if (number == 0 && installation->incidents[source].text[0] == '\0')
		installation->incidents[source] = id_of_incident(input.received_at, accepted.slot, id_slice(&accepted.id));
	accepted_release(&accepted);
}

void installation_closing(Installation *installation, int source)
{
	unsigned slot;
	Instant opened_at;
	char time[INSTANT_TEXT], body[512];
	Slice incident = id_slice(&installation->incidents[source]);
	Id id = id_of_pair(ID_COMMAND_OF_REQUEST, SLICE("tests"), incident);
	Buffer headers;
	must(id_incident_parse(incident, &slot, &opened_at));
	instant_format(clock_now(), time);
	snprintf(body, sizeof body,
		 "{\"incident_id\":\"%s\",\"command\":\"close\",\"issued_at\":\"%s\",\"actor\":{\"kind\":\"key\","
		 "\"id\":\"tests\",\"name\":\"tests\",\"roles\":[\"administrator\"]},\"arguments\":{\"resolution\":"
		 "\"resolved\","
		 "\"reason\":\"resolved\"}}",
		 incident.data, time);
	buffer_init(&headers, 1024);
	header_add(&headers, "ce_id", id_slice(&id));
	header_add(&headers, "ce_type", SLICE(TYPE_COMMAND));
	header_add(&headers, "ce_time", slice_of(time));
	header_add(&headers, "ce_subject", incident);
	installation_append(installation, TOPIC_COMMANDS, slot % installation->partitions, incident, buffer_slice(&headers),
			    slice_of(body));
	buffer_release(&headers);
}

void installation_late_record(Installation *installation)
{
	Buffer headers;
	LedgerMark mark = { .epoch = 0, .owner = 77, .seq = 5 };
	buffer_init(&headers, 1024);
	header_add(&headers, "ce_id", SLICE("rec_late"));
	header_add(&headers, "ce_type", SLICE(TYPE_JOURNAL_ENTERED));
	header_add(&headers, "ce_time", SLICE("2026-01-01T00:00:00.000Z"));
	ledger_mark_write(&headers, &mark);
	installation_append(installation, TOPIC_JOURNAL, 0, SLICE("inc_0"), buffer_slice(&headers), SLICE("{}"));
	buffer_release(&headers);
}

void installation_populate(Installation *installation)
{
	installation_policy(installation);
	for (int number = 0; number < INSTALLATION_REPEATS; number++)
		for (int source = 0; source < INSTALLATION_SOURCES; source++)
			installation_event(installation, source, number);
	installation_settle(installation);
	installation_closing(installation, INSTALLATION_SOURCES - 1);
	installation_late_record(installation);
	installation_settle(installation);
}

/* ---- reading */

typedef struct {
	Replay *replay;
	size_t entries; /* accepted records, without those of the ledger protocol */
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
		reading->entries += !slice_starts_with(header_get(record->headers, "ce_type"), SLICE("tocsin.ledger."));
	return true;
}

/* Counts the entries of a ledger in all partitions; fails if the ledger is inconsistent. */
static size_t entries_of(Installation *installation, TopicId ledger)
{
	const BusOperations *operations = installation->bus->operations;
	size_t entries = 0;
	BusReader *reader;
	assert_false(result_failed(operations->reader_open(installation->bus, &reader)));
	for (unsigned partition = 0; partition < (topics[ledger].slotted ? installation->partitions : 1); partition++) {
		Reading reading = { .replay = replay_new(ledger, partition, finding_fail, NULL) };
		int64_t at = 0, end = operations->end(installation->bus, ledger, partition);
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

InstallationCensus installation_census(Installation *installation)
{
	InstallationCensus all = { { 0 } };
	for (TopicId topic = 0; topic < TOPICS; topic++)
		if (topics[topic].kind == TOPIC_LEDGER)
			all.counts[topic] = entries_of(installation, topic);
		else
			for (unsigned i = 0; i < installation->partitions; i++)
				all.counts[topic] += (size_t)installation->bus->operations->end(installation->bus, topic, i);
	return all;
}

/* ---- export and import */

static Result audit_write(void *context, Slice checkpoint, ArchiveWriter *writer)
{
	return audit_export(((Installation *)context)->audit, checkpoint, writer);
}

Result installation_export_to(Installation *installation, FILE *file, ArchiveCounts *counts)
{
	ExportOptions options = { .bus = installation->bus,
				  .services = services,
				  .service_count = SERVICES,
				  .audit = audit_write,
				  .file = file,
				  .quiesced = &installation->quiesced,
				  .context = installation,
				  .now = clock_now() };
	return export_write(&options, counts, &installation->exported);
}

FILE *installation_export(Installation *installation, ArchiveCounts *counts)
{
	FILE *file = tmpfile();
	Result result = installation_export_to(installation, file, counts);
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

static ImportOptions import_options(AuditImport *audit)
{
	return (ImportOptions){ .services = services,
				.service_count = SERVICES,
				.owner_id = 99,
				.audit_line = audit_line,
				.audit_end = audit_end,
				.context = audit,
				.now = clock_now() };
}

Result installation_import_steps(Installation *installation, FILE *file, bool finished)
{
	AuditImport audit;
	ArchiveCounts counts;
	ImportOptions options = import_options(&audit);
	Import *import = NULL;
	Result result = import_file_check(file, &options, &counts);
	if (!result_failed(result))
		result = import_target_check(installation->bus);
	if (result_failed(result))
		return result;
	rewind(file);
	import = import_new(&options, &counts);
	result = audit_import_open(&audit, installation->audit);
	if (!result_failed(result))
		result = import_write(import, installation->bus, file);
	audit_import_close(&audit);
	installation_close(installation);
	installation_open(installation);
	if (!result_failed(result) && finished)
		result = import_finish(import, installation->bus);
	installation_close(installation);
	import_free(import);
	installation_open(installation);
	rewind(file);
	return result;
}

void installation_import(Installation *installation, FILE *file)
{
	Result result = installation_import_steps(installation, file, true);
	if (result_failed(result))
		fail_msg("%s", result.text);
	assert_false(result_failed(import_check(installation->bus)));
	memset(&installation->quiesced, -1, sizeof installation->quiesced); /* -1: not known yet */
}
