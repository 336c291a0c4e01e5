/*
 * Prints the tables of the program as one JSON object: routes, problem codes, topics, record types, documents with their fields,
 * commands, settings. tools/contracts.py writes the generated parts of proto/ from it, and tests/contract compares the rest.
 */
#include "services/audit/audit.h"
#include "services/gateway/answers.h"
#include "services/gateway/description.h"
#include "services/gateway/gateway.h"
#include "services/intake/intake.h"
#include "services/classification/classification.h"
#include "services/notification/notification.h"
#include "services/response/response.h"
#include "shared/domain/commands.h"
#include "shared/domain/problem.h"
#include "shared/domain/types.h"
#include "shared/program/settings.h"
#include "tools/document_tables.h"

#include <stdio.h>
#include <stdlib.h>

static json_t *allocated(json_t *value)
{
	must(value != NULL);
	return value;
}

static void put(json_t *object, const char *name, json_t *value)
{
	must(json_object_set_new(object, name, allocated(value)) == 0);
}

static json_t *text(const char *value)
{
	return value ? json_string(value) : json_null();
}

/* The words of the list in their order, without repeats. */
static json_t *words(const char *const *list)
{
	json_t *array = allocated(json_array());

	for (size_t i = 0; list && list[i]; i++)
		if (choice_of(list, list[i]) == (int)i)
			must(json_array_append_new(array, json_string(list[i])) == 0);
	return array;
}

/* ---- field tables --------------------------------------------------------------------------------------------- */

static const char *const type_words[] = {
	[FIELD_TEXT] = "text", [FIELD_INTEGER] = "integer", [FIELD_BOOLEAN] = "boolean",
	[FIELD_TIME] = "time", [FIELD_CHOICE] = "choice",   [FIELD_OBJECT] = "object",
	[FIELD_LIST] = "list", [FIELD_FREE] = "free",       [FIELD_ANY] = "any",
};

static const struct {
	const char *name;
	unsigned flag;
} flags[] = {
	{ "required", FIELD_REQUIRED }, { "not_empty", FIELD_NOT_EMPTY },   { "personal", FIELD_PERSONAL },
	{ "always", FIELD_ALWAYS },     { "omit_empty", FIELD_OMIT_EMPTY }, { "filter", FIELD_FILTER },
	{ "indexed", FIELD_INDEXED },   { "search", FIELD_SEARCH },         { "in_notice", FIELD_IN_NOTICE },
	{ "restricted", FIELD_RESTRICTED },
};

static json_t *table_dump(const FieldTable *table);

static json_t *field_dump(const Field *field)
{
	json_t *row = allocated(json_object());

	put(row, "name", text(field->name));
	put(row, "type", text(type_words[field->type]));
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
		put(row, flags[i].name, json_boolean(field->flags & flags[i].flag));
	put(row, "min", json_integer(field->min));
	put(row, "max", json_integer(field->max));
	put(row, "choices", field->choices ? words(field->choices) : json_null());
	put(row, "item",
	    field->type == FIELD_LIST ? text(type_words[field->table ? FIELD_OBJECT : field->item]) : json_null());
	put(row, "item_max", json_integer((json_int_t)field->item_max));
	put(row, "table", field->table ? table_dump(field->table) : json_null());
	put(row, "pattern", text(field->form ? field->form->pattern : NULL));
	put(row, "form_is_checked", json_boolean(field->form && field->form->matches));
	put(row, "fallback", text(field->fallback));
	put(row, "since", text(field->since));
	put(row, "sentence", text(field->sentence));
	return row;
}

static json_t *table_dump(const FieldTable *table)
{
	static const char *const uses[] = {
		[TABLE_RECORD] = "record", [TABLE_REQUEST] = "request", [TABLE_ANSWER] = "answer"
	};
	json_t *row = allocated(json_object()), *fields = allocated(json_array());

	for (size_t i = 0; i < table->count; i++)
		must(json_array_append_new(fields, field_dump(&table->fields[i])) == 0);
	put(row, "name", text(table->name));
	put(row, "title", text(table->title));
	put(row, "sentence", text(table->sentence));
	put(row, "use", text(uses[table->use]));
	put(row, "fields", fields);
	return row;
}

static json_t *documents_dump(void)
{
	json_t *array = allocated(json_array());

	for (size_t i = 0; i < sizeof document_tables / sizeof document_tables[0]; i++)
		must(json_array_append_new(array, table_dump(document_tables[i])) == 0);
	return array;
}

static json_t *commands_dump(void)
{
	json_t *object = allocated(json_object());

	for (size_t i = 0; i < command_count; i++) {
		const Command *command = &commands[i];
		json_t *row = allocated(json_object());
		put(row, "internal", json_boolean(!command_is_public(command)));
		put(row, "arguments", table_dump(command->arguments));
		put(row, "one_of", command->one_of ? words(command->one_of) : json_null());
		put(row, "sentence", text(command->sentence));
		put(object, command->name, row);
	}
	return object;
}

/* The state diagram of each kind. */
static json_t *lifecycles_dump(void)
{
	json_t *object = allocated(json_object());

	for (int kind = 0; kind < KINDS; kind++) {
		Buffer diagram;
		buffer_init(&diagram, 1 << 16);
		lifecycle_print((Kind)kind, &diagram);
		put(object, kind_words[kind], json_stringn(diagram.data, diagram.size));
		buffer_release(&diagram);
	}
	return object;
}

/* ---- the rest ------------------------------------------------------------------------------------------------- */

/* Routes of the gateway, then the routes that every program has. */
static json_t *routes_dump(void)
{
	json_t *array = allocated(json_array());

	for (size_t i = 0; i < gateway_route_count + PROGRAM_ROUTES; i++) {
		const HttpRoute *route = i < gateway_route_count ? &gateway_route_table[i]
								 : &program_routes[i - gateway_route_count];
		json_t *row = allocated(json_object());
		put(row, "method", text(route->method));
		put(row, "path", text(route->path));
		put(row, "operation", text(route->operation));
		put(row, "open", json_boolean(route->open));
		put(row, "body", json_boolean(route->body_max > 0));
		must(json_array_append_new(array, row) == 0);
	}
	return array;
}

static json_t *problems_dump(void)
{
	json_t *object = allocated(json_object());

	for (unsigned code = 0; code < PROBLEMS; code++) {
		json_t *row = allocated(json_object());
		put(row, "status", json_integer(problem_kinds[code].status));
		put(row, "title", text(problem_kinds[code].title));
		put(object, problem_words[code], row);
	}
	return object;
}

static json_t *topics_dump(void)
{
	static const char *const kinds[] = {
		[TOPIC_STREAM] = "stream", [TOPIC_LEDGER] = "ledger", [TOPIC_TABLE] = "table"
	};
	json_t *object = allocated(json_object());

	for (unsigned id = 0; id < TOPICS; id++) {
		json_t *row = allocated(json_object());
		put(row, "kind", text(kinds[topics[id].kind]));
		put(row, "slotted", json_boolean(topics[id].slotted));
		put(row, "retention_ms", json_integer(topics[id].retention_ms));
		put(row, "sentence", text(topics[id].sentence));
		put(object, topics[id].name, row);
	}
	return object;
}

static json_t *types_dump(void)
{
	static const char *const types[] = {
		TYPE_EVENT_RECEIVED,
		TYPE_REPORT_RECEIVED,
		TYPE_INCIDENT_CLOSED,
		TYPE_INCIDENT_REOPENED,
		TYPE_REPORT_OPENED,
		TYPE_REPORT_REPEATED,
		TYPE_REPORT_RELEASED,
		TYPE_REPORT_RESUMED,
		TYPE_JOIN_KEPT,
		TYPE_JOIN_ANNOUNCED,
		TYPE_INCIDENT_STATED,
		TYPE_ASSESSED,
		TYPE_ASSESSED_REPEAT,
		TYPE_COMMAND,
		TYPE_JOURNAL_ENTERED,
		TYPE_JOURNAL_UNCHANGED,
		TYPE_JOURNAL_REFUSED,
		TYPE_ESCALATION_PLANNED,
		TYPE_ESCALATION_STOPPED,
		TYPE_ESCALATION_REACHED,
		TYPE_DELIVERY_ATTEMPTED,
		TYPE_POLICY_PUBLISHED,
		TYPE_CHECKPOINT,
		TYPE_DEAD_LETTER,
		TYPE_LEDGER_CLAIMED,
		TYPE_LEDGER_OPENED,
		TYPE_LEDGER_ADVANCED,
		NULL,
	};
	return words(types);
}

/* Inputs and outputs of the services, from their tables. */
static json_t *services_dump(void)
{
	static const Service *const services[] = { &gateway_service,  &intake_service,       &classification_service,
						   &response_service, &notification_service, &audit_service };
	json_t *object = allocated(json_object());

	for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
		const Service *service = services[i];
		json_t *row = allocated(json_object()), *inputs = allocated(json_array()), *outputs = allocated(json_array());
		for (size_t k = 0; k < service->input_count; k++)
			must(json_array_append_new(inputs, text(topics[service->inputs[k].topic].name)) == 0);
		for (size_t k = 0; k < service->output_count; k++)
			must(json_array_append_new(outputs, text(topics[service->outputs[k]].name)) == 0);
		if (service->projection.state)
			must(json_array_append_new(outputs, text(topics[service->projection.topic].name)) == 0);
		put(row, "ledger", service->ledger == TOPICS ? json_null() : text(topics[service->ledger].name));
		put(row, "inputs", inputs);
		put(row, "outputs", outputs);
		put(row, "sentence", text(service->sentence));
		put(object, service->name, row);
	}
	return object;
}

static json_t *settings_dump(void)
{
	static const char *const types[] = {
		[SETTING_TEXT] = "text", [SETTING_INTEGER] = "integer", [SETTING_CHOICE] = "choice"
	};
	json_t *object = allocated(json_object());

	for (size_t i = 0; i < settings_count; i++) {
		const Setting *setting = &settings_table[i];
		json_t *row = allocated(json_object());
		put(row, "type", text(types[setting->type]));
		put(row, "default", text(setting->fallback));
		put(row, "min", json_integer(setting->min));
		put(row, "max", json_integer(setting->max));
		put(row, "choices", setting->choices ? words(setting->choices) : json_null());
		put(row, "secret", json_boolean(setting->secret));
		put(row, "sentence", text(setting->sentence));
		put(object, setting->name, row);
	}
	return object;
}

/* The answer to /openapi.json. */
static json_t *description_dump(void)
{
	json_t *tree = NULL;
	Buffer out;

	buffer_init(&out, ANSWER_MAX);
	if (!result_failed(description_write(&out)))
		tree = json_loadb(out.data, out.size, 0, NULL);
	buffer_release(&out);
	return tree ? tree : json_null();
}

int main(void)
{
	json_t *all = allocated(json_object());

	put(all, "routes", routes_dump());
	put(all, "problems", problems_dump());
	put(all, "topics", topics_dump());
	put(all, "types", types_dump());
	put(all, "services", services_dump());
	put(all, "documents", documents_dump());
	put(all, "commands", commands_dump());
	put(all, "lifecycles", lifecycles_dump());
	put(all, "settings", settings_dump());
	put(all, "description", description_dump());
	bool written = json_dumpf(all, stdout, JSON_INDENT(1)) == 0 && putchar('\n') == '\n';
	json_decref(all);
	return written ? 0 : 3;
}
