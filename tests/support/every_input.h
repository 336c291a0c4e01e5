/*
 * Every type of record that a service reads: an example of it, and the service alone to read it. Tests and fuzz targets change the
 * example.
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
	bool keyed;              /* the record's key is the correlation key, as on events and joins; else the incident */
	const char *header;      /* of an event (event_header.h); NULL: none */
	const FieldTable *table; /* of the body; NULL: the service does not read the body */
	const char *example;     /* name in proto/examples/valid; NULL: the body is {} */
} EveryInput;

extern const EveryInput every_input[];
extern const size_t every_input_count;

/* A service alone, with what it needs around it. Not to be moved while it runs. */
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

/* Reads the example. */
void every_input_body(const EveryInput *input, Buffer *out);

/* The key of the example, and its headers with this id. */
Slice every_input_key(const EveryInput *input);
void every_input_headers(EveryService *bench, const EveryInput *input, Slice id, Buffer *out);

/* Adds the mark with which the record continues its ledger, so that readers accept it; nothing where the topic is no ledger. */
void every_input_mark(EveryService *bench, TopicId topic, Buffer *headers);

/* Replaces all occurrences; both texts have the same size. */
void every_text_replace(Buffer *text, const char *from, const char *to);

/* Appends a valid input about another incident, which the number determines. True when the service has processed it. */
bool every_service_works(EveryService *bench, unsigned number);

#endif
