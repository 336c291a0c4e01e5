/* An Outbound that sends nothing: it records requests and returns the outcome chosen by the test. */
#ifndef TOCSIN_TESTS_SUPPORT_FAKE_OUTBOUND_H
#define TOCSIN_TESTS_SUPPORT_FAKE_OUTBOUND_H

#include "shared/base/json.h"
#include "shared/io/outbound/outbound.h"

enum { FAKE_OUTBOUND_MAX = 512 };

typedef struct {
	char key[OUTBOUND_KEY], to[128], subject[512]; /* to: the recipient's mail address, or the webhook's URL */
	int attempt;
	OutboundKind kind;
	json_t *body; /* the body of a webhook; NULL for mail */
} FakeMessage;

typedef struct {
	Outbound outbound; /* must be the first member */
	FakeMessage sent[FAKE_OUTBOUND_MAX];
	size_t sent_count, answered;
	bool silent; /* set by a test: return no outcomes */
	bool full; /* set by a test: refuse requests with ERROR_AGAIN */
	OutboundOutcome answer;
} FakeOutbound;

/* Every outcome is OUTCOME_SENT until fake_outbound_answers is called. Request number FAKE_OUTBOUND_MAX + 1 aborts. */
void fake_outbound_init(FakeOutbound *fake);
void fake_outbound_release(FakeOutbound *fake);

/* Sets the outcome (OUTCOME_…) and the detail of all outcomes that were not returned yet. */
void fake_outbound_answers(FakeOutbound *fake, int outcome, const char *detail);

#endif
