/* An outside that sends nothing: it keeps what it was given, and answers as the test says. */
#ifndef TOCSIN_TESTS_SUPPORT_FAKE_OUTBOUND_H
#define TOCSIN_TESTS_SUPPORT_FAKE_OUTBOUND_H

#include "shared/base/json.h"
#include "shared/io/outbound/outbound.h"

enum { FAKE_OUTBOUND_MAX = 512 };

typedef struct {
	char key[OUTBOUND_KEY], to[128], subject[512]; /* to: address of a mail, URL of a webhook */
	int attempt;
	OutsideKind kind;
	json_t *body; /* of a webhook */
} FakeMessage;

typedef struct {
	Outbound outside; /* first: what the service is given */
	FakeMessage sent[FAKE_OUTBOUND_MAX];
	size_t sent_count, answered;
	bool silent; /* no answers yet */
	bool full; /* the queue takes nothing */
	OutboundOutcome answer;
} FakeOutbound;

/* Answers that all was sent, until told otherwise. */
void fake_outbound_init(FakeOutbound *fake);
void fake_outside_release(FakeOutbound *fake);

/* What becomes of messages from now on: OUTCOME_…, and a detail. */
void fake_outside_answers(FakeOutbound *fake, int outcome, const char *detail);

#endif
