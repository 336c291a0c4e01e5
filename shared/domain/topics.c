#include "shared/domain/topics.h"

enum { DAY_MS = 86400000 };

const Topic topics[TOPICS] = {
	[TOPIC_EVENTS] = { "tocsin.events", "events", TOPIC_STREAM, true, 7LL * DAY_MS,
			   "Events and reports as sent, closings and reopenings of incidents" },
	[TOPIC_REPORTS] = { "tocsin.reports", "reports", TOPIC_LEDGER, true, 30LL * DAY_MS,
			    "Ledger of intake: incidents opened, events counted" },
	[TOPIC_ASSESSMENTS] = { "tocsin.assessments", "assessments", TOPIC_STREAM, true, 30LL * DAY_MS,
				"Kind, category and grade of each report, with the reason" },
	[TOPIC_COMMANDS] = { "tocsin.commands", "commands", TOPIC_STREAM, true, COMMANDS_KEPT_MS,
			     "Requests of people and services to change an incident" },
	[TOPIC_JOURNAL] = { "tocsin.journal", "journal", TOPIC_LEDGER, true, 0,
			    "Ledger of response: every entry of every incident, and every refused command" },
	[TOPIC_DELIVERIES] = { "tocsin.deliveries", "deliveries", TOPIC_LEDGER, true, 365LL * DAY_MS,
			       "Ledger of notification: escalation plans, messages and their outcome" },
	[TOPIC_POLICIES] = { "tocsin.policies", "policies", TOPIC_TABLE, false, 0,
			     "The policy pack in force, one message a pack" },
	[TOPIC_CHECKPOINTS] = { "tocsin.checkpoints", "checkpoints", TOPIC_LEDGER, false, 0,
				"Ledger of audit: accepted size and last hash of the audit log" },
	[TOPIC_DEAD_LETTERS] = { "tocsin.dead-letters", "dead-letters", TOPIC_STREAM, false, 365LL * DAY_MS,
				 "Records that a service could not process, with the reason" },
	[TOPIC_JOINS] = { "tocsin.joins", "joins", TOPIC_STREAM, true, 30LL * DAY_MS,
			  "Join keys of open incidents: hashes of their asset and actor" },
	[TOPIC_INCIDENTS] = { "tocsin.incidents", "incidents", TOPIC_TABLE, true, 0,
			      "Current state of each incident, for outside readers; written only where the bus is Kafka" },
};

unsigned topic_partitions(TopicId topic, unsigned partitions)
{
	return topics[topic].slotted ? partitions : 1;
}

TopicId topic_of(Slice short_name)
{
	unsigned id = 0;
	while (id < TOPICS && !slice_is(short_name, topics[id].short_name))
		id++;
	return (TopicId)id;
}
