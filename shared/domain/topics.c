#include "shared/domain/topics.h"

enum { DAY_MS = 86400000 };

const Topic topics[TOPICS] = {
	[TOPIC_EVENTS] = { "tocsin.events", "events", TOPIC_STREAM, true, 7LL * DAY_MS,
			   "Events and reports as their senders wrote them, closings and reopenings of incidents" },
	[TOPIC_REPORTS] = { "tocsin.reports", "reports", TOPIC_LEDGER, true, 30LL * DAY_MS,
			    "Ledger of intake: what was opened, how often it repeated" },
	[TOPIC_ASSESSMENTS] = { "tocsin.assessments", "assessments", TOPIC_STREAM, true, 30LL * DAY_MS,
				"What a report is and how bad, with the reason" },
	[TOPIC_COMMANDS] = { "tocsin.commands", "commands", TOPIC_STREAM, true, 30LL * DAY_MS,
			     "What people and services ask to be done to an incident" },
	[TOPIC_JOURNAL] = { "tocsin.journal", "journal", TOPIC_LEDGER, true, 0,
			    "Ledger of response: every entry of every incident, and every command refused" },
	[TOPIC_DELIVERIES] = { "tocsin.deliveries", "deliveries", TOPIC_LEDGER, true, 365LL * DAY_MS,
			       "Ledger of notification: who was to be told, who was told, how it went" },
	[TOPIC_POLICIES] = { "tocsin.policies", "policies", TOPIC_TABLE, false, 0,
			     "The policy pack in force, one message a pack" },
	[TOPIC_CHECKPOINTS] = { "tocsin.checkpoints", "checkpoints", TOPIC_LEDGER, false, 0,
				"Ledger of audit: size and head of the audit file" },
	[TOPIC_DEAD_LETTERS] = { "tocsin.dead-letters", "dead-letters", TOPIC_STREAM, false, 365LL * DAY_MS,
				 "Records that could not be understood, with the reason" },
	[TOPIC_JOINS] = { "tocsin.joins", "joins", TOPIC_STREAM, true, 30LL * DAY_MS,
			  "What open incidents have in common: which asset, which actor" },
	[TOPIC_INCIDENTS] = { "tocsin.incidents", "incidents", TOPIC_TABLE, true, 0,
			      "Each incident as it stands, for readers outside; kept up where the bus is Kafka" },
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
