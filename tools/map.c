/* Prints the inputs, the ledger and the outputs of each service, from the tables of the six services, and then all topics. */
#include "services/audit/audit.h"
#include "services/classification/classification.h"
#include "services/gateway/gateway.h"
#include "services/intake/intake.h"
#include "services/notification/notification.h"
#include "services/response/response.h"

#include <stdio.h>

static const Service *const services[] = { &gateway_service,  &intake_service,	     &classification_service,
					   &response_service, &notification_service, &audit_service };

static void topic_print(const char *arrow, TopicId topic, const char *how)
{
	printf("    %s %-20s %s\n", arrow, topics[topic].name, how);
}

static void service_print(const Service *service)
{
	printf("%s: %s\n", service->name, service->sentence);
	for (size_t i = 0; i < service->input_count; i++)
		topic_print("reads ", service->inputs[i].topic, service->inputs[i].keys_only ? "keys only" : "");
	if (service->ledger != TOPICS)
		topic_print("owns  ", service->ledger, "its ledger");
	for (size_t i = 0; i < service->output_count; i++)
		topic_print("writes", service->outputs[i], "");
	if (service->projection.state)
		topic_print("states", service->projection.topic, "a table for external readers");
	printf("    keeps  %s%s\n\n", service->schema == NULL ? "nothing" : "a view of its ledger or its inputs",
	       service->single ? "; one instance" : "");
}

int main(void)
{
	for (size_t i = 0; i < sizeof services / sizeof services[0]; i++)
		service_print(services[i]);
	for (TopicId topic = 0; topic < TOPICS; topic++)
		printf("%-20s %s\n", topics[topic].name, topics[topic].sentence);
	return 0;
}
