/*
 * What becomes of a command. Pure: the incident, the command and the policy in, a verdict out; the time is an argument.
 *
 * Checked in this order, the first that fails refuses it: the incident is there, the actor may, the arguments are right,
 * the version is the expected one, the incident's life takes the command.
 */
#ifndef TOCSIN_RESPONSE_DECIDE_H
#define TOCSIN_RESPONSE_DECIDE_H

#include "services/response/core/entries.h"
#include "services/response/core/extras.h"
#include "shared/domain/documents.h"
#include "shared/domain/policy.h"

typedef enum {
	DECIDED_NOTHING,   /* from a service of ours, and the incident has moved on: not even an answer */
	DECIDED_ENTERED,
	DECIDED_UNCHANGED, /* taken, and it was so already */
	DECIDED_REFUSED,
} DecisionKind;

typedef struct {
	DecisionKind kind;
	Entries entries;  /* ENTERED; list owned */
	json_t *problem;  /* REFUSED: {code, detail, allowed, errors}; owned */
	int64_t version;  /* of the incident after it; INT64_MIN: there is none */
} Decision;

/* incident is NULL where none is known. The command's actor must have been decoded into *actor. */
Decision command_decide(json_t *incident, const IncidentExtras *standing, const CommandRecord *command, const Actor *actor,
			const Policy *policy, Instant now);

void decision_release(Decision *decision);

#endif
