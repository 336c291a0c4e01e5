/*
 * Every document that has a schema, in the order of the components of openapi.yaml. Each table is defined beside the function that
 * reads or writes the document; this is their only list. dump_tables prints them, tests check the examples with them.
 */
#ifndef TOCSIN_TOOLS_DOCUMENT_TABLES_H
#define TOCSIN_TOOLS_DOCUMENT_TABLES_H

#include "services/audit/audit.h"
#include "services/gateway/command_requests.h"
#include "services/gateway/ingest.h"
#include "services/gateway/view.h"
#include "services/notification/channels/channel.h"
#include "shared/domain/documents.h"
#include "shared/domain/policy_tables.h"
#include "shared/domain/problem.h"
#include "shared/runtime/outputs.h"

static const FieldTable *const document_tables[] = {
	&event_table,
	&report_table,
	&accepted_table,
	&incident_table,
	&entry_table,
	&actor_table,
	&delivery_answer_table,
	&problem_table,
	&command_status_table,
	&webhook_table,
	&report_record_table,
	&assessment_table,
	&assessment_record_table,
	&command_record_table,
	&journal_entry_table,
	&journal_record_table,
	&delivery_record_table,
	&resumption_table,
	&join_table,
	&join_record_table,
	&message_table,
	&checkpoint_table,
	&dead_letter_table,
};

#endif
