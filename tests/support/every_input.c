#include "tests/support/every_input.h"

#include "services/classification/classification.h"
#include "services/gateway/gateway.h"
#include "services/intake/intake.h"
#include "services/response/response.h"
#include "shared/base/header.h"
#include "shared/domain/documents.h"
#include "shared/domain/event_header.h"
#include "shared/domain/types.h"
#include "shared/io/system/files.h"

#include <stdio.h>
#include <string.h>

enum { BODY_MAX = 1 << 20, FILE_MAX = 64 << 20, SLOT = 0 };

#define EVENT_WINDOW "window=900;cap=86400;severity=4;clock=-120"

const EveryInput every_input[] = {
	{ &intake_service, TOPIC_EVENTS, TYPE_EVENT_RECEIVED, true, EVENT_WINDOW, &event_table, "event-full" },
	{ &intake_service, TOPIC_EVENTS, TYPE_REPORT_RECEIVED, true, EVENT_WINDOW, &report_table, "report-theft" },
	{ &intake_service, TOPIC_EVENTS, TYPE_INCIDENT_CLOSED, true, NULL, NULL, NULL },
	{ &intake_service, TOPIC_EVENTS, TYPE_INCIDENT_REOPENED, true, NULL, &resumption_table, "resumption-next-day" },
	{ &intake_service, TOPIC_JOINS, TYPE_JOIN_ANNOUNCED, true, NULL, &join_table, "join-entered" },
	{ &classification_service, TOPIC_REPORTS, TYPE_REPORT_OPENED, false, NULL, &report_record_table, "report-record-opened" },
	{ &classification_service, TOPIC_REPORTS, TYPE_REPORT_REPEATED, false, NULL, &report_record_table, "report-record-repeated" },
	{ &response_service, TOPIC_ASSESSMENTS, TYPE_ASSESSED, false, NULL, &assessment_record_table, "assessment-record-opened" },
	{ &response_service, TOPIC_ASSESSMENTS, TYPE_ASSESSED_REPEAT, false, NULL, &assessment_record_table, "assessment-record-repeated" },
	{ &response_service, TOPIC_COMMANDS, TYPE_COMMAND, false, NULL, &command_record_table, "command-record-close" },
	{ &response_service, TOPIC_COMMANDS, TYPE_COMMAND, false, NULL, &command_record_table, "command-record-link" },
	{ &notification_service, TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED, false, NULL, &journal_record_table, "journal-record-joined" },
	{ &audit_service, TOPIC_ASSESSMENTS, TYPE_ASSESSED, false, NULL, NULL, "assessment-record-opened" },
	{ &audit_service, TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED, false, NULL, NULL, "journal-record-joined" },
	{ &audit_service, TOPIC_DELIVERIES, TYPE_DELIVERY_ATTEMPTED, false, NULL, NULL, "delivery-record-attempted" },
	{ &gateway_service, TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED, false, NULL, &journal_record_table, "journal-record-joined" },
	{ &gateway_service, TOPIC_JOURNAL, TYPE_JOURNAL_REFUSED, false, NULL, &journal_record_table, "journal-record-refused" },
	{ &gateway_service, TOPIC_DELIVERIES, TYPE_DELIVERY_ATTEMPTED, false, NULL, &delivery_record_table, "delivery-record-attempted" },
	{ &gateway_service, TOPIC_COMMANDS, TYPE_COMMAND, false, NULL, &command_record_table, "command-record-close" },
};
const size_t every_input_count = sizeof(every_input) / sizeof(every_input[0]);

/* ---- the service alone */

static const char *setting(void *context, const char *name)
{
	(void)context;
	return strcmp(name, "TOCSIN_WEBHOOK_URL") == 0 ? "https://hooks.example.org/" : NULL;
}

static EveryService *bench_of(AuditLedger *ledger)
{
	return (EveryService *)((char *)ledger - offsetof(EveryService, ledger));
}

static Result ledger_cut(AuditLedger *ledger, int64_t size)
{
	Buffer *file = &bench_of(ledger)->file;
	if ((int64_t)file->size < size)
		return result_fail(ERROR_INTERNAL, "the file is shorter than accepted");
	buffer_cut(file, (size_t)size);
	return result_ok();
}

static Result ledger_write(AuditLedger *ledger, Slice lines)
{
	Buffer *file = &bench_of(ledger)->file;
	buffer_append(file, lines);
	must(!file->overflowed);
	return result_ok();
}

static Result ledger_read(AuditLedger *ledger, int64_t from, size_t size, Buffer *out)
{
	const Buffer *file = &bench_of(ledger)->file;
	if ((size_t)from + size > file->size)
		return result_fail(ERROR_INTERNAL, "the file ends too early");
	buffer_append(out, (Slice){ file->data + from, size });
	return result_ok();
}

static const AuditLedgerOperations ledger_operations = { .cut = ledger_cut, .write = ledger_write, .read = ledger_read };

void every_service_start(EveryService *bench, const Service *service, const Policy *policy, Instant now)
{
	*bench = (EveryService){ .notification = { .setting = setting, .public_url = "http://127.0.0.1" },
				 .ledger = { &ledger_operations } };
	bench->audit.ledger = &bench->ledger;
	buffer_init(&bench->file, FILE_MAX);
	fake_outbound_init(&bench->outbound);
	void *environment = service == &notification_service ? (void *)&bench->notification :
			    service == &audit_service	      ? (void *)&bench->audit :
								NULL;
	Outbound *outbound = service == &notification_service ? &bench->outbound.outbound : NULL;
	lone_start(&bench->lone, service, environment, outbound, policy, now);
}

void every_service_stop(EveryService *bench)
{
	lone_stop(&bench->lone);
	fake_outbound_release(&bench->outbound);
	buffer_release(&bench->file);
}

/* ---- records */

void every_input_body(const EveryInput *input, Buffer *out)
{
	char path[128];
	if (!input->example) {
		buffer_text(out, "{}");
		return;
	}
	snprintf(path, sizeof(path), "proto/examples/valid/%s.json", input->example);
	must(!result_failed(file_read(path, out)));
}

Slice every_input_key(const EveryInput *input)
{
	return input->keyed ? SLICE(EVERY_KEY) : SLICE(EVERY_INCIDENT);
}

void every_input_mark(EveryService *bench, TopicId topic, Buffer *headers)
{
	enum { OWNER = 77 };
	LoneService *lone = &bench->lone;
	if (topics[topic].kind != TOPIC_LEDGER)
		return;
	if (lone->seq[topic] == 0)
		lone_claim(lone, topic);
	LedgerMark mark = { .epoch = 1, .owner = OWNER, .seq = lone->seq[topic]++ };
	ledger_mark_write(headers, &mark);
}

void every_input_headers(EveryService *bench, const EveryInput *input, Slice id, Buffer *out)
{
	char time[INSTANT_TEXT];
	instant_format(bench->lone.now, time);
	header_add(out, "ce_id", id);
	header_add(out, "ce_type", slice_of(input->type));
	header_add(out, "ce_time", slice_of(time));
	header_add(out, "ce_subject", SLICE(EVERY_INCIDENT));
	if (input->header)
		header_add(out, EVENT_HEADER, slice_of(input->header));
}

/* ---- does it still work? */

static int64_t number_in(const EveryService *bench, const char *sql)
{
	Statement *row = store_query_composed(bench->lone.store, sql, NULL, 0);
	int64_t number = statement_next(row) ? statement_integer(row, 0) : 0;
	must(!result_failed(statement_end(row)));
	return number;
}

static int64_t work_done(const EveryService *bench)
{
	const Service *service = bench->lone.service;
	if (service == &classification_service)
		return (int64_t)lone_outputs(&bench->lone, TOPIC_ASSESSMENTS, TYPE_ASSESSED);
	return number_in(bench, service == &audit_service  ? "SELECT count FROM checkpoint" :
				service == &intake_service ? "SELECT count(*) FROM windows" :
							     "SELECT count(*) FROM incidents");
}

void every_text_replace(Buffer *text, const char *from, const char *to)
{
	size_t size = strlen(from);
	must(strlen(to) == size);
	for (char *at = text->data; at && (at = memmem(at, text->size - (size_t)(at - text->data), from, size)) != NULL; at += size)
		memcpy(at, to, size);
}

bool every_service_works(EveryService *bench, unsigned number)
{
	const EveryInput *input = every_input;
	char name[32];
	Buffer headers, body;
	while (input->service != bench->lone.service)
		input++;
	snprintf(name, sizeof(name), "%u", number);
	Id incident = id_of_incident(bench->lone.now, SLOT, slice_of(name));
	Id key = id_of_pair(ID_CORRELATION_KEY_OF_ID, SLICE("works"), slice_of(name));
	Id event = id_of_pair(ID_KEY_EVENT, SLICE("works"), slice_of(name));
	buffer_init(&headers, 4096);
	buffer_init(&body, BODY_MAX);
	every_input_body(input, &body);
	every_text_replace(&body, EVERY_INCIDENT, incident.text);
	every_text_replace(&body, EVERY_KEY, key.text);
	every_input_headers(bench, input, id_slice(&event), &headers);
	every_text_replace(&headers, EVERY_INCIDENT, incident.text);
	every_input_mark(bench, input->topic, &headers);
	int64_t before = work_done(bench);
	BusRecord record = { .key = input->keyed ? id_slice(&key) : id_slice(&incident), .headers = buffer_slice(&headers),
			     .body = buffer_slice(&body) };
	must(!result_failed(lone_append(&bench->lone, input->topic, &record)));
	lone_until(&bench->lone, bench->lone.now + 1000);
	buffer_release(&headers);
	buffer_release(&body);
	return !result_failed(bench->lone.failure) && work_done(bench) > before;
}
