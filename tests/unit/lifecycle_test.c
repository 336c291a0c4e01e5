#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/response/core/lifecycle.h"
#include "services/response/core/roles.h"
#include "shared/domain/documents.h"
#include "shared/domain/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Every cell of every lifecycle. The columns are the commands acknowledge, assign, note, close, reopen, false-alarm, escalated,
 * link and campaign. "-": the command is refused; "=": it is accepted and does not change the status; otherwise: the next status.
 */
static const struct {
	const char *kind, *status;
	const char *cells[COMMANDS];
} expected[] = {
	{ "event", "received", { "triaging", "=", "=", "informational", "-", "false-alarm", "=", "=", "=" } },
	{ "event", "triaging", { "=", "=", "=", "informational", "-", "false-alarm", "=", "=", "=" } },
	{ "event", "linked", { "-", "-", "=", "-", "-", "-", "-", "=", "=" } },
	{ "event", "weakness", { "-", "-", "=", "-", "-", "-", "-", "=", "=" } },
	{ "event", "duplicate", { "-", "-", "=", "-", "-", "-", "-", "=", "=" } },
	{ "event", "informational", { "-", "-", "=", "-", "triaging", "-", "-", "=", "=" } },
	{ "event", "false-alarm", { "-", "-", "=", "-", "triaging", "-", "-", "=", "=" } },
	{ "incident", "reported", { "assessing", "=", "=", "closed", "-", "false-alarm", "=", "=", "=" } },
	{ "incident", "assessing", { "=", "=", "=", "closed", "-", "false-alarm", "=", "=", "=" } },
	{ "incident", "confirmed", { "=", "=", "=", "closed", "-", "false-alarm", "=", "=", "=" } },
	{ "incident", "containing", { "=", "=", "=", "closed", "-", "false-alarm", "=", "=", "=" } },
	{ "incident", "eradicating", { "=", "=", "=", "closed", "-", "false-alarm", "=", "=", "=" } },
	{ "incident", "recovering", { "=", "=", "=", "closed", "-", "false-alarm", "=", "=", "=" } },
	{ "incident", "reviewing", { "=", "=", "=", "closed", "-", "false-alarm", "=", "=", "=" } },
	{ "incident", "reopened", { "assessing", "=", "=", "closed", "-", "false-alarm", "=", "=", "=" } },
	{ "incident", "closed", { "-", "-", "=", "-", "reopened", "-", "-", "=", "=" } },
	{ "incident", "merged", { "-", "-", "=", "-", "-", "-", "-", "=", "=" } },
	{ "incident", "cancelled", { "-", "-", "=", "-", "-", "-", "-", "=", "=" } },
	{ "incident", "false-alarm", { "-", "-", "=", "-", "reopened", "-", "-", "=", "=" } },
	{ "weakness", "reported", { "=", "=", "=", "closed", "-", "false-alarm", "=", "=", "=" } },
	{ "weakness", "validated", { "=", "=", "=", "closed", "-", "false-alarm", "=", "=", "=" } },
	{ "weakness", "planned", { "=", "=", "=", "closed", "-", "false-alarm", "=", "=", "=" } },
	{ "weakness", "fixing", { "=", "=", "=", "closed", "-", "false-alarm", "=", "=", "=" } },
	{ "weakness", "verified", { "=", "=", "=", "closed", "-", "false-alarm", "=", "=", "=" } },
	{ "weakness", "closed", { "-", "-", "=", "-", "reported", "-", "-", "=", "=" } },
	{ "weakness", "accepted", { "-", "-", "=", "-", "-", "-", "-", "=", "=" } },
	{ "weakness", "false-alarm", { "-", "-", "=", "-", "reported", "-", "-", "=", "=" } },
};
enum { EXPECTED = sizeof(expected) / sizeof(expected[0]) };

static const char *cell_text(const LifecycleCell *cell)
{
	return !cell->taken ? "-" : cell->next ? cell->next : "=";
}

static void every_cell_agrees_with_the_contract(void **state)
{
	(void)state;
	for (size_t i = 0; i < EXPECTED; i++)
		for (unsigned id = 0; id < COMMANDS; id++) {
			const LifecycleCell *cell = lifecycle_cell(expected[i].kind, expected[i].status, (CommandId)id);
			if (strcmp(cell_text(cell), expected[i].cells[id]) != 0)
				fail_msg("%s in %s, %s: %s, expected %s", expected[i].kind, expected[i].status,
					 commands[id].name, cell_text(cell), expected[i].cells[id]);
		}
}

static void the_table_has_no_other_status(void **state)
{
	(void)state;
	size_t rows = 0;
	for (size_t i = 0; i < LIFECYCLES; i++)
		rows += lifecycles[i].count;
	assert_int_equal(rows, EXPECTED);
}

static void every_kind_has_a_lifecycle_whose_statuses_exist(void **state)
{
	(void)state;
	for (size_t i = 0; kind_words[i]; i++) {
		const Lifecycle *lifecycle = lifecycle_of(kind_words[i]);
		assert_non_null(lifecycle);
		assert_true(lifecycle_cell(lifecycle->kind, lifecycle->opening, COMMAND_CLOSE)->taken);
		assert_true(lifecycle_cell(lifecycle->kind, lifecycle->false_alarm, COMMAND_REOPEN)->taken);
		for (size_t k = 0; k < lifecycle->count; k++)
			for (unsigned id = 0; id < COMMANDS; id++) {
				const char *next = lifecycle->rows[k].cells[id].next;
				assert_true(!next || lifecycle_cell(lifecycle->kind, next, COMMAND_NOTE)->taken);
			}
	}
	assert_null(lifecycle_of("incidents"));
	assert_null(lifecycle_of(NULL));
}

static void open_statuses_are_those_that_can_be_closed(void **state)
{
	(void)state;
	for (size_t i = 0; i < EXPECTED; i++)
		assert_int_equal(status_is_open(expected[i].status),
				 lifecycle_cell(expected[i].kind, expected[i].status, COMMAND_CLOSE)->taken);
}

static void unknown_kinds_and_statuses_refuse_every_command(void **state)
{
	(void)state;
	for (unsigned id = 0; id <= COMMANDS; id++) {
		assert_false(lifecycle_cell("incident", "triaging", (CommandId)id)->taken);
		assert_false(lifecycle_cell("accident", "reported", (CommandId)id)->taken);
		assert_false(lifecycle_cell(NULL, NULL, (CommandId)id)->taken);
	}
	assert_false(lifecycle_cell("incident", "reported", COMMANDS)->taken);
}

static void assert_allowed(const char *kind, const char *status, const char *text)
{
	json_t *allowed = lifecycle_allowed(kind, status);
	char *got = json_dumps(allowed, JSON_COMPACT);
	assert_string_equal(got, text);
	free(got);
	json_decref(allowed);
}

static void allowed_lists_the_commands_that_would_be_taken(void **state)
{
	(void)state;
	assert_allowed("incident", "reported", "[\"acknowledge\",\"assign\",\"note\",\"close\",\"false-alarm\"]");
	assert_allowed("incident", "closed", "[\"note\",\"reopen\"]");
	assert_allowed("event", "linked", "[\"note\"]");
	assert_allowed("event", "nowhere", "[]");
}

static void a_status_is_translated_to_another_kind(void **state)
{
	(void)state;
	assert_string_equal(lifecycle_translated("received", "event", "incident"), "reported");
	assert_string_equal(lifecycle_translated("triaging", "event", "incident"), "reported");
	assert_string_equal(lifecycle_translated("containing", "incident", "event"), "received");
	assert_string_equal(lifecycle_translated("planned", "weakness", "incident"), "reported");
	assert_string_equal(lifecycle_translated("containing", "incident", "incident"), "containing");
	assert_string_equal(lifecycle_translated("false-alarm", "event", "incident"), "false-alarm");
	assert_string_equal(lifecycle_translated("closed", "incident", "weakness"), "closed");
	assert_string_equal(lifecycle_translated("informational", "event", "weakness"), "false-alarm");
}

static void the_diagram_shows_exactly_the_transitions(void **state)
{
	(void)state;
	Buffer text;
	char line[128];
	for (size_t i = 0; i < LIFECYCLES; i++) {
		size_t arrows = 0, transitions = 1; /* 1: the arrow to the opening status */
		buffer_init(&text, 1 << 14);
		lifecycle_print(&lifecycles[i], &text);
		for (size_t k = 0; k < EXPECTED; k++)
			for (unsigned id = 0; id < COMMANDS && strcmp(expected[k].kind, lifecycles[i].kind) == 0; id++) {
				const char *cell = expected[k].cells[id];
				if (strcmp(cell, "-") == 0 || strcmp(cell, "=") == 0)
					continue;
				snprintf(line, sizeof(line), "    %s --> %s : %s\n", expected[k].status, cell, commands[id].name);
				assert_non_null(strstr(text.data, line));
				transitions++;
			}
		for (size_t k = 0; k < EXPECTED; k++)
			transitions += strcmp(expected[k].kind, lifecycles[i].kind) == 0 && !status_is_open(expected[k].status);
		for (const char *at = text.data; (at = strstr(at, "-->")); at++)
			arrows++;
		assert_int_equal(arrows, transitions);
		buffer_release(&text);
	}
}

/* ---- commands and roles */

static void commands_are_found_by_name(void **state)
{
	(void)state;
	for (unsigned id = 0; id < COMMANDS; id++) {
		assert_int_equal(command_of(commands[id].name), id);
		assert_true(choice_of(entry_words, commands[id].entry) >= 0);
	}
	assert_int_equal(command_of("Close"), COMMANDS);
	assert_int_equal(command_of(NULL), COMMANDS);
}

/* pointer: JSON pointer of the first error; NULL: the arguments are valid. */
static const struct {
	CommandId id;
	const char *arguments, *pointer;
} arguments[] = {
	{ COMMAND_ACKNOWLEDGE, "{}", NULL },
	{ COMMAND_ACKNOWLEDGE, "{\"note\":\"on it\"}", NULL },
	{ COMMAND_ACKNOWLEDGE, "{\"notes\":\"on it\"}", "/notes" },
	{ COMMAND_ASSIGN, "{}", "" },
	{ COMMAND_ASSIGN, "{\"note\":\"x\"}", "" },
	{ COMMAND_ASSIGN, "{\"team\":null,\"person\":null}", "" },
	{ COMMAND_ASSIGN, "{\"team\":\"\"}", "/team" },
	{ COMMAND_ASSIGN, "{\"team\":\"soc\"}", NULL },
	{ COMMAND_ASSIGN, "{\"person\":\"li\"}", NULL },
	{ COMMAND_NOTE, "{\"text\":\"\"}", "/text" },
	{ COMMAND_NOTE, "{}", "/text" },
	{ COMMAND_CLOSE, "{\"resolution\":\"resolved\",\"reason\":\"patched\"}", NULL },
	{ COMMAND_CLOSE, "{\"resolution\":\"solved\",\"reason\":\"patched\"}", "/resolution" },
	{ COMMAND_CLOSE, "{\"resolution\":\"resolved\"}", "/reason" },
	{ COMMAND_REOPEN, "{}", "/reason" },
	{ COMMAND_FALSE_ALARM, "{\"reason\":\"a test\"}", NULL },
	{ COMMAND_ESCALATED, "{\"escalation_level\":0}", "/escalation_level" },
	{ COMMAND_ESCALATED, "{\"escalation_level\":2}", NULL },
};

static void arguments_are_checked_by_the_commands_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
		FieldErrors errors = { 0 };
		CommandArguments out;
		json_t *tree = json_loads(arguments[i].arguments, 0, NULL);
		bool good = command_decode(arguments[i].id, tree, true, &out, &errors);
		assert_int_equal(good, arguments[i].pointer == NULL);
		if (!good)
			assert_string_equal(errors.list[0].pointer, arguments[i].pointer);
		json_decref(tree);
	}
	FieldErrors errors = { 0 };
	CommandArguments out;
	assert_true(command_decode(COMMAND_ACKNOWLEDGE, NULL, true, &out, &errors));
}

static void services_and_administrators_have_separate_commands(void **state)
{
	(void)state;
	json_t *administrator = json_pack("[s]", "administrator"), *impostor = json_pack("[s,s]", "system", "auditor");
	const Actor actors[] = {
		{ .kind = choice_of(actor_words, "key"), .id = "k", .roles = administrator },
		{ .kind = choice_of(actor_words, "system"), .id = "notification", .roles = NULL },
		{ .kind = choice_of(actor_words, "person"), .id = "p", .roles = impostor },
	};
	assert_true(commands[COMMAND_ESCALATED].internal && commands[COMMAND_LINK].internal && commands[COMMAND_CAMPAIGN].internal);
	for (unsigned id = 0; id < COMMANDS; id++) {
		assert_int_equal(role_allows(&actors[0], (CommandId)id), !commands[id].internal);
		assert_int_equal(role_allows(&actors[1], (CommandId)id), commands[id].internal);
		assert_false(role_allows(&actors[2], (CommandId)id));
	}
	json_decref(administrator);
	json_decref(impostor);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell_agrees_with_the_contract),
		cmocka_unit_test(the_table_has_no_other_status),
		cmocka_unit_test(every_kind_has_a_lifecycle_whose_statuses_exist),
		cmocka_unit_test(open_statuses_are_those_that_can_be_closed),
		cmocka_unit_test(unknown_kinds_and_statuses_refuse_every_command),
		cmocka_unit_test(allowed_lists_the_commands_that_would_be_taken),
		cmocka_unit_test(a_status_is_translated_to_another_kind),
		cmocka_unit_test(the_diagram_shows_exactly_the_transitions),
		cmocka_unit_test(commands_are_found_by_name),
		cmocka_unit_test(arguments_are_checked_by_the_commands_table),
		cmocka_unit_test(services_and_administrators_have_separate_commands),
	};
	return cmocka_run_group_tests_name("lifecycle", tests, NULL, NULL);
}
