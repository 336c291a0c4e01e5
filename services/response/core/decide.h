/*
 * Decides a command on an incident, under a policy. Pure; the time is an argument.
 *
 * The checks, in this order: command and incident exist, a role permits the command, the arguments are valid, the version is the
 * expected one, the lifecycle takes the command in this status. The first check that fails refuses the command.
 */
#ifndef TOCSIN_RESPONSE_DECIDE_H
#define TOCSIN_RESPONSE_DECIDE_H

#include "services/response/core/entries.h"
#include "shared/domain/commands.h"

typedef enum {
	DECIDED_NOTHING,   /* a service sent a command that does not apply any more: no record, no answer */
	DECIDED_ENTERED,   /* the entries change the incident */
	DECIDED_UNCHANGED, /* allowed, but the incident is already in the state that the command would set */
	DECIDED_REFUSED,
} DecisionKind;

typedef struct {
	DecisionKind kind;
	Entries entries;  /* the list is owned, and empty unless DECIDED_ENTERED */
	json_t *problem;  /* the first check that failed: {code, detail, allowed, errors}, owned; NULL: none failed */
	int64_t version;  /* of the incident after the command; INT64_MIN: no such incident */
} Decision;

/* incident NULL: it does not exist. *actor: decoded from record->actor. The caller calls decision_release. */
Decision command_decide(const Incident *incident, const IncidentExtras *extras, const CommandRecord *record, const Actor *actor,
			const Policy *policy, Instant now);

void decision_release(Decision *decision);

#endif
