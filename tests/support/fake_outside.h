/* An outside that sends nothing: it keeps what it was given, and answers as the test says. */
#ifndef TOCSIN_TESTS_FAKE_OUTSIDE_H
#define TOCSIN_TESTS_FAKE_OUTSIDE_H

#include "shared/base/json.h"
#include "shared/edge/outside.h"

enum { FAKE_OUTSIDE_MAX = 512 };

typedef struct {
	char key[OUTSIDE_KEY], to[128], subject[512]; /* to: address of a mail, URL of a webhook */
	int attempt;
	OutsideKind kind;
	json_t *body; /* of a webhook */
} FakeMessage;

typedef struct {
	Outside outside; /* first: what the service is given */
	FakeMessage sent[FAKE_OUTSIDE_MAX];
	size_t sent_count, answered;
	bool silent; /* no answers yet */
	bool full; /* the queue takes nothing */
	OutsideOutcome answer;
} FakeOutside;

/* Answers that all was sent, until told otherwise. */
void fake_outside_init(FakeOutside *fake);
void fake_outside_release(FakeOutside *fake);

/* What becomes of messages from now on: OUTCOME_…, and a detail. */
void fake_outside_answers(FakeOutside *fake, int outcome, const char *detail);

#endif
