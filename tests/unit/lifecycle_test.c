#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/response/core/roles.h"
#include "shared/domain/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the texts of the transitions */

static bool is_wildcard(Slice word)
{
	return slice_is(word, "any") || slice_is(word, "open") || slice_is(word, "finished");
}

static bool is_status_of(Kind kind, Slice word)
{
	for (int status = 0; status < STATUSES; status++)
		if (slice_is(word, status_words[status]))
			return status_exists((int)kind, status);
	return false;
}

/* Appends from each transition the first name that is not a status of the kind. */
static void faults_add(Kind kind, const char *transitions, char faults[static 256])
{
	Slice from, to;
	while (transitions && transition_next(&transitions, &from, &to)) {
		Slice wrong = SLICE_NONE;
		if (!is_wildcard(from) && !is_status_of(kind, from))
			wrong = from;
		else if (to.size > 0 && !is_status_of(kind, to))
			wrong = to;
		snprintf(faults + strlen(faults), 256 - strlen(faults), "%.*s%s", (int)wrong.size, wrong.data ? wrong.data : "",
			 wrong.size ? " " : "");
	}
}

static void every_name_in_a_transition_is_a_status_of_its_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < command_count; i++)
		for (int kind = 0; kind < KINDS; kind++) {
			char faults[256] = "";
			faults_add((Kind)kind, commands[i].transitions[kind], faults);
			if (faults[0])
				fail_msg("%s, %s: no status of this kind: %s", commands[i].name, kind_words[kind], faults);
		}
}

static void a_wrong_transition_is_found_by_name(void **state)
{
	(void)state;
	char faults[256] = "";
	faults_add(KIND_INCIDENT, "reported>assesing triaging>closed open any>closed opened", faults);
	assert_string_equal(faults, "assesing triaging opened ");
}

/* ---- what can be reached */

/* Marks the statuses to which a command of the table leads from a marked status. True if a status was newly marked. */
static bool reach(Kind kind, const Command *table, size_t count, bool reached[static STATUSES])
{
	bool more = false;
	for (int status = 0; status < STATUSES; status++)
		for (size_t i = 0; reached[status] && i < count; i++) {
			Transition transition = command_transition(&table[i], (int)kind, status);
			if (transition.taken && !reached[transition.next])
				more = reached[transition.next] = true;
		}
	return more;
}

/* Writes to `out` the statuses, of all kinds, that the commands of a table cannot reach from the kind's opening status. */
static void unreached_list(const Command *table, size_t count, char out[static 256])
{
	out[0] = '\0';
	for (int kind = 0; kind < KINDS; kind++) {
		bool reached[STATUSES] = { false };
		reached[status_of_opening((Kind)kind)] = true;
		while (reach((Kind)kind, table, count, reached))
			;
		for (int status = 0; status < STATUSES; status++)
			if (status_exists(kind, status) && !reached[status])
				snprintf(out + strlen(out), 256 - strlen(out), "%s/%s ", kind_words[kind], status_words[status]);
	}
}

static void every_status_can_be_reached_except_those_of_commands_to_come(void **state)
{
	char unreached[256];
	(void)state;
	unreached_list(commands, command_count, unreached);
	assert_string_equal(unreached, "event/linked event/duplicate incident/merged weakness/accepted ");
}

static void a_status_that_nobody_reaches_is_found_by_name(void **state)
{
	Command fewer[COMMANDS_MAX];
	size_t count = 0;
	char unreached[256];
	(void)state;
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(commands[i].name, "cancel") != 0 && strcmp(commands[i].name, "verify") != 0)
			fewer[count++] = commands[i];
	unreached_list(fewer, count, unreached);
	assert_non_null(strstr(unreached, "incident/cancelled "));
	assert_non_null(strstr(unreached, "weakness/verified "));
}

/* ---- statuses */

static void every_status_belongs_to_a_kind_and_every_kind_opens_in_an_open_one(void **state)
{
	(void)state;
	for (int status = 0; status < STATUSES; status++) {
		bool exists = false;
		for (int kind = 0; kind < KINDS; kind++)
			exists = exists || status_exists(kind, status);
		assert_true(exists);
	}
	for (int kind = 0; kind < KINDS; kind++) {
		assert_true(status_exists(kind, (int)status_of_opening((Kind)kind)));
		assert_true(status_is_open((int)status_of_opening((Kind)kind)));
		assert_true(status_exists(kind, STATUS_FALSE_ALARM)); /* an incident that is noise opens in this status */
		assert_true(command_transition(command_of("reopen"), kind, STATUS_FALSE_ALARM).taken);
	}
	assert_false(status_is_open(-1));
	assert_false(status_is_open(STATUSES));
	assert_null(kind_words[KINDS]);
	assert_null(status_words[STATUSES]);
}

static void a_record_can_be_closed_exactly_while_its_status_is_open(void **state)
{
	static const char *const closing[] = { "close", "false-alarm" };
	(void)state;
	for (int kind = 0; kind < KINDS; kind++)
		for (int status = 0; status < STATUSES; status++)
			for (size_t i = 0; status_exists(kind, status) && i < 2; i++) {
				Transition transition = command_transition(command_of(closing[i]), kind, status);
				assert_int_equal(transition.taken, status_is_open(status));
				assert_true(!transition.taken || !status_is_open((int)transition.next));
			}
}

static void unknown_kinds_and_statuses_refuse_every_command(void **state)
{
	(void)state;
	for (size_t i = 0; i < command_count; i++) {
		assert_false(command_transition(&commands[i], KIND_INCIDENT, STATUS_TRIAGING).taken);
		assert_false(command_transition(&commands[i], KINDS, STATUS_REPORTED).taken);
		assert_false(command_transition(&commands[i], -1, -1).taken);
		assert_false(command_transition(&commands[i], KIND_INCIDENT, STATUSES).taken);
	}
	assert_false(transition_of(NULL, KIND_EVENT, STATUS_RECEIVED).taken);
	assert_false(transition_of("", KIND_EVENT, STATUS_RECEIVED).taken);
}

static void the_first_word_that_matches_decides(void **state)
{
	(void)state;
	const char *text = " received>triaging  open>informational finished";
	assert_int_equal(transition_of(text, KIND_EVENT, STATUS_RECEIVED).next, STATUS_TRIAGING);
	assert_int_equal(transition_of(text, KIND_EVENT, STATUS_TRIAGING).next, STATUS_INFORMATIONAL);
	assert_int_equal(transition_of(text, KIND_EVENT, STATUS_LINKED).next, STATUS_LINKED);
	assert_true(transition_of(text, KIND_EVENT, STATUS_LINKED).taken);
}

static void assert_allowed(int kind, int status, const char *text)
{
	json_t *allowed = commands_allowed(kind, status);
	char *got = json_dumps(allowed, JSON_COMPACT);
	assert_string_equal(got, text);
	free(got);
	json_decref(allowed);
}

static void allowed_lists_the_commands_that_would_be_taken(void **state)
{
	(void)state;
	assert_allowed(KIND_INCIDENT, STATUS_REPORTED,
		       "[\"acknowledge\",\"assign\",\"note\",\"confirm\",\"close\",\"cancel\",\"false-alarm\"]");
	assert_allowed(KIND_INCIDENT, STATUS_CLOSED, "[\"note\",\"reopen\"]");
	assert_allowed(KIND_EVENT, STATUS_LINKED, "[\"note\"]");
	assert_allowed(KIND_EVENT, -1, "[]");
}

static void a_status_is_translated_to_another_kind(void **state)
{
	(void)state;
	assert_int_equal(status_translated(STATUS_RECEIVED, KIND_EVENT, KIND_INCIDENT), STATUS_REPORTED);
	assert_int_equal(status_translated(STATUS_TRIAGING, KIND_EVENT, KIND_INCIDENT), STATUS_REPORTED);
	assert_int_equal(status_translated(STATUS_CONTAINING, KIND_INCIDENT, KIND_EVENT), STATUS_RECEIVED);
	assert_int_equal(status_translated(STATUS_PLANNED, KIND_WEAKNESS, KIND_INCIDENT), STATUS_REPORTED);
	assert_int_equal(status_translated(STATUS_CONTAINING, KIND_INCIDENT, KIND_INCIDENT), STATUS_CONTAINING);
	assert_int_equal(status_translated(STATUS_FALSE_ALARM, KIND_EVENT, KIND_INCIDENT), STATUS_FALSE_ALARM);
	assert_int_equal(status_translated(STATUS_CLOSED, KIND_INCIDENT, KIND_WEAKNESS), STATUS_CLOSED);
	assert_int_equal(status_translated(STATUS_INFORMATIONAL, KIND_EVENT, KIND_WEAKNESS), STATUS_FALSE_ALARM);
}

static size_t transitions_of(Kind kind)
{
	size_t count = 1; /* the arrow to the opening status */
	for (int status = 0; status < STATUSES; status++) {
		count += status_exists((int)kind, status) && !status_is_open(status);
		for (size_t i = 0; i < command_count; i++) {
			Transition transition = command_transition(&commands[i], (int)kind, status);
			count += transition.taken && (commands[i].promotes || (int)transition.next != status);
		}
	}
	return count;
}

static void the_diagram_shows_each_transition_once(void **state)
{
	(void)state;
	Buffer text;
	for (int kind = 0; kind < KINDS; kind++) {
		size_t arrows = 0;
		buffer_init(&text, 1 << 14);
		lifecycle_print((Kind)kind, &text);
		for (const char *at = text.data; (at = strstr(at, "-->")); at++)
			arrows++;
		assert_int_equal(arrows, transitions_of((Kind)kind));
		if (kind == KIND_INCIDENT)
			assert_non_null(strstr(text.data, "    confirmed --> containing : contain\n"));
		if (kind == KIND_EVENT)
			assert_non_null(strstr(text.data, "    received --> [*] : promote\n"));
		buffer_release(&text);
	}
}

/* ---- commands and roles */

static void commands_are_found_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < command_count; i++)
		assert_ptr_equal(command_of(commands[i].name), &commands[i]);
	assert_null(command_of("Close"));
	assert_null(command_of(NULL));
}

static void every_row_is_complete(void **state)
{
	(void)state;
	for (size_t i = 0; i < command_count; i++) {
		bool known = choice_of(entry_words, commands[i].entry) >= 0, taken = false;
		for (int kind = 0; kind < KINDS; kind++)
			taken = taken || commands[i].transitions[kind] != NULL;
		if (!known || !taken || !commands[i].arguments || !commands[i].sentence)
			fail_msg("the row of %s lacks its entry, transitions, arguments or sentence", commands[i].name);
	}
}

/* pointer: JSON pointer of the first error; NULL: the arguments are valid. */
static const struct {
	const char *command, *arguments, *pointer;
} arguments[] = {
	{ "acknowledge", "{}", NULL },
	{ "acknowledge", "{\"note\":\"on it\"}", NULL },
	{ "acknowledge", "{\"notes\":\"on it\"}", "/notes" },
	{ "assign", "{}", "" },
	{ "assign", "{\"note\":\"x\"}", "" },
	{ "assign", "{\"team\":null,\"person\":null}", "" },
	{ "assign", "{\"team\":\"\"}", "/team" },
	{ "assign", "{\"team\":\"soc\"}", NULL },
	{ "assign", "{\"person\":\"li\"}", NULL },
	{ "note", "{\"text\":\"\"}", "/text" },
	{ "note", "{}", "/text" },
	{ "close", "{\"resolution\":\"resolved\",\"reason\":\"patched\"}", NULL },
	{ "close", "{\"resolution\":\"solved\",\"reason\":\"patched\"}", "/resolution" },
	{ "close", "{\"resolution\":\"resolved\"}", "/reason" },
	{ "reopen", "{}", "/reason" },
	{ "false-alarm", "{\"reason\":\"a test\"}", NULL },
	{ "escalated", "{\"escalation_level\":0}", "/escalation_level" },
	{ "escalated", "{\"escalation_level\":2}", NULL },
};

static void arguments_are_checked_by_the_commands_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
		FieldErrors errors FIELD_ERRORS_AUTO = { 0 };
		CommandArguments out;
		json_t *tree = json_loads(arguments[i].arguments, 0, NULL);
		bool good = command_decode(command_of(arguments[i].command), tree, true, &out, &errors);
		assert_int_equal(good, arguments[i].pointer == NULL);
		if (!good)
			assert_string_equal(errors.list[0].pointer, arguments[i].pointer);
		json_decref(tree);
	}
	FieldErrors errors FIELD_ERRORS_AUTO = { 0 };
	CommandArguments out;
	assert_true(command_decode(command_of("acknowledge"), NULL, true, &out, &errors));
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
	for (size_t i = 0; i < command_count; i++) {
		bool public = command_is_public(&commands[i]);
		assert_int_equal(role_allows(&actors[0], &commands[i]), public);
		assert_int_equal(role_allows(&actors[1], &commands[i]), !public);
		assert_false(role_allows(&actors[2], &commands[i]));
	}
	json_decref(administrator);
	json_decref(impostor);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_in_a_transition_is_a_status_of_its_kind),
		cmocka_unit_test(a_wrong_transition_is_found_by_name),
		cmocka_unit_test(every_status_can_be_reached_except_those_of_commands_to_come),
		cmocka_unit_test(a_status_that_nobody_reaches_is_found_by_name),
		cmocka_unit_test(every_status_belongs_to_a_kind_and_every_kind_opens_in_an_open_one),
		cmocka_unit_test(a_record_can_be_closed_exactly_while_its_status_is_open),
		cmocka_unit_test(unknown_kinds_and_statuses_refuse_every_command),
		cmocka_unit_test(the_first_word_that_matches_decides),
		cmocka_unit_test(allowed_lists_the_commands_that_would_be_taken),
		cmocka_unit_test(a_status_is_translated_to_another_kind),
		cmocka_unit_test(the_diagram_shows_each_transition_once),
		cmocka_unit_test(commands_are_found_by_name),
		cmocka_unit_test(every_row_is_complete),
		cmocka_unit_test(arguments_are_checked_by_the_commands_table),
		cmocka_unit_test(services_and_administrators_have_separate_commands),
	};
	return cmocka_run_group_tests_name("lifecycle", tests, NULL, NULL);
}
