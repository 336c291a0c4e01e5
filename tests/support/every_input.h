/*
 * Examples of records that services read, at least one for each input topic except policies, and each service run alone. Tests and
 * fuzz targets change an example and append it to the service's input.
 */
#ifndef TOCSIN_TESTS_EVERY_INPUT_H
#define TOCSIN_TESTS_EVERY_INPUT_H

#include "tests/support/fake_outbound.h"
#include "services/audit/audit.h"
#include "services/notification/notification.h"
#include "tests/support/lone_service.h"

#define EVERY_INCIDENT "inc_01m858jhdjd5rf5wtp1m92ym3r"
#define EVERY_KEY "r68v9mbg5rj5whh1q57y25cvky"

typedef struct {
	const Service *service;
	TopicId topic;
	const char *type;
	bool keyed;              /* true: the record's key is EVERY_KEY, the correlation key; false: EVERY_INCIDENT */
	const char *header;      /* value of the header EVENT_HEADER (event_header.h); NULL: no such header */
	const FieldTable *table; /* describes the body; NULL: the service does not decode the body */
	const char *example;     /* name in proto/examples/valid; NULL: the body is {} */
} EveryInput;

extern const EveryInput every_input[];
extern const size_t every_input_count;

/* One service that runs alone, with its environment. Its address must not change until every_service_stop. */
typedef struct {
	LoneService lone;
	NotificationEnvironment notification;
	FakeOutbound outbound;
	AuditLedger ledger;
	AuditEnvironment audit;
	Buffer file; /* the audit log */
} EveryService;

void every_service_start(EveryService *bench, const Service *service, const Policy *policy, Instant now);
void every_service_stop(EveryService *bench);

/* Appends the body of the example to `out`. Aborts if the file cannot be read. */
void every_input_body(const EveryInput *input, Buffer *out);

/* The record's key: EVERY_KEY or EVERY_INCIDENT. */
Slice every_input_key(const EveryInput *input);

/* Appends the record's headers with `id` as ce_id, without a ledger mark. */
void every_input_headers(EveryService *bench, const EveryInput *input, Slice id, Buffer *out);

/*
 * Appends the next ledger mark to `headers`, so that readers accept the record. Before the first record of a ledger, also appends
 * the owner's claim to the bus. Does nothing if the topic is not a ledger.
 */
void every_input_mark(EveryService *bench, TopicId topic, Buffer *headers);

/* Replaces all occurrences of `from` by `to`. Aborts if the sizes of `from` and `to` differ. */
void every_text_replace(Buffer *text, const char *from, const char *to);

/*
 * Appends a valid input about another incident, whose id depends on `number`, and runs the service for one second. True if the
 * service processed the input without a failure. Each call needs a new number.
 */
bool every_service_works(EveryService *bench, unsigned number);

#endif
