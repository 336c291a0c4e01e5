/*
 * The ce_type of every record. A new meaning gets a new version of the type; the meaning of a type never changes. Readers
 * ignore unknown types and members.
 */
#ifndef TOCSIN_DOMAIN_TYPES_H
#define TOCSIN_DOMAIN_TYPES_H

/* tocsin.events; key: the incident's correlation key */
#define TYPE_EVENT_RECEIVED "tocsin.event.received.v1"
#define TYPE_REPORT_RECEIVED "tocsin.report.received.v1"
#define TYPE_INCIDENT_CLOSED "tocsin.incident.closed.v1" /* from response: events of the key no longer count for the incident */
#define TYPE_INCIDENT_REOPENED "tocsin.incident.reopened.v1" /* from response: events of the key count for the incident again */

/* tocsin.reports */
#define TYPE_REPORT_OPENED "tocsin.report.opened.v1"
#define TYPE_REPORT_REPEATED "tocsin.report.repeated.v1"
#define TYPE_REPORT_RELEASED "tocsin.report.released.v1" /* the correlation key is released; the record has the final count */
#define TYPE_REPORT_RESUMED "tocsin.report.resumed.v1" /* events of the correlation key count for a reopened incident again */
#define TYPE_JOIN_KEPT "tocsin.join.kept.v1" /* the open incidents of a join key (JoinRecord) */

/* tocsin.incidents */
#define TYPE_INCIDENT_STATED "tocsin.incident.stated.v1" /* from response: current state of an incident */

/* tocsin.joins */
#define TYPE_JOIN_ANNOUNCED "tocsin.join.announced.v1" /* from response: an incident has a join key, or no longer has it */

/* tocsin.assessments */
#define TYPE_ASSESSED "tocsin.assessment.made.v1"
#define TYPE_ASSESSED_REPEAT "tocsin.assessment.repeated.v1"

/* tocsin.commands */
#define TYPE_COMMAND "tocsin.command.issued.v1"

/* tocsin.journal */
#define TYPE_JOURNAL_ENTERED "tocsin.journal.entered.v1"
#define TYPE_JOURNAL_UNCHANGED "tocsin.journal.unchanged.v1" /* a command that changed nothing; answered with 200 */
#define TYPE_JOURNAL_REFUSED "tocsin.journal.refused.v1"

/* tocsin.deliveries */
#define TYPE_ESCALATION_PLANNED "tocsin.escalation.planned.v1"
#define TYPE_ESCALATION_STOPPED "tocsin.escalation.stopped.v1"
#define TYPE_ESCALATION_REACHED "tocsin.escalation.reached.v1"
#define TYPE_DELIVERY_ATTEMPTED "tocsin.delivery.attempted.v1"

/* tocsin.policies, tocsin.checkpoints, tocsin.dead-letters */
#define TYPE_POLICY_PUBLISHED "tocsin.policy.published.v1"
#define TYPE_CHECKPOINT "tocsin.audit.checkpoint.v1"
#define TYPE_DEAD_LETTER "tocsin.dead-letter.v1"

/* every ledger */
#define TYPE_LEDGER_CLAIMED "tocsin.ledger.claimed.v1"
#define TYPE_LEDGER_OPENED "tocsin.ledger.opened.v1"
#define TYPE_LEDGER_ADVANCED "tocsin.ledger.advanced.v1"

#endif
