/* Policy packs: every kind of error with its file, line and column, and the queries that a compiled pack answers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/pack.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 65536, CHANGES_MAX = 6 };

#define WORDS_EN                                                                                                       \
	{                                                                                                              \
		"words/en.yaml", "a: one {x}\nb: two\n"                                                                \
	}
#define WORDS_ZH                                                                                                       \
	{                                                                                                              \
		"words/zh-CN.yaml", "a: 一 {x}\nb: 二\n"                                                             \
	}

/* ---- errors. A case is the default pack with changed files, and the expected errors in their order, one on each line */
typedef struct {
	PackChange changes[CHANGES_MAX];
	const char *mistakes;
} Mistaken;

static const Mistaken invalid_packs[] = {
	/* files */
	{ { { "sources.yaml", NULL } }, "sources.yaml:1:1: this file is missing; every pack requires it\n" },
	{ { { "grading.yaml", NULL } }, "grading.yaml:1:1: this file is missing; every pack requires it\n" },
	{ { { "pack.yaml", NULL } }, "pack.yaml:1:1: this file is missing; every pack requires it\n" },
	{ { { "notes.yaml", "a: b\n" } },
	  "notes.yaml:1:1: is not a file of a pack: remove it, or name it pack, sources, categories, grading, rules, contacts, "
	  "escalation, "
	  "channels or words/LANGUAGE, with .yaml\n" },
	{ { { "rules.yaml", "rules:\n  - {id: a, then: {kind: event}\n" } },
	  "rules.yaml:3:1: did not find expected ',' or '}'\n" },
	{ { { "rules.yaml", "rules: []\nrules: []\n" } },
	  "rules.yaml:2:1: duplicate key in this mapping; keys must be unique\n" },
	{ { { "rules.yaml", "rule: []\n" } },
	  "rules.yaml:1:1: rules: is required\n"
	  "rules.yaml:1:7: rule: is not a member of rules.yaml; members are rules\n" },
	{ { { "rules.yaml", "[]\n" } }, "rules.yaml:1:1: must be an object, not a list\n" },

	/* pack.yaml */
	{ { { "pack.yaml", "id: my pack\nversion: 1.5\ntimezone: 8 hours\nlanguages: [en, en, zh-CN]\n" } },
	  "pack.yaml:1:5: id: must be letters, digits, '.', '_' and '-'\n"
	  "pack.yaml:2:10: version: must be a whole number, or 1 to 64 letters, digits, '.', '_' and '-'\n"
	  "pack.yaml:3:11: timezone: must be the IANA name of a time zone, for example Asia/Shanghai\n"
	  "pack.yaml:4:17: \"en\" is duplicated; name each language once\n" },
	{ { { "pack.yaml", "id: p\nversion: 1\nlanguages: [en, zh-CN]\n" } },
	  "pack.yaml:1:1: timezone: is required\n" },
	{ { { "pack.yaml", "id: p\nversion: 1\ntimezone: UTC\nlanguages: [en, \"zh CN\"]\n" },
	    { "words/en.yaml", NULL },
	    { "words/zh-CN.yaml", NULL },
	    { "contacts.yaml", NULL },
	    { "escalation.yaml", NULL } },
	  "pack.yaml:4:17: must be a language tag, for example en or zh-CN\n" },

	/* sources.yaml */
	{ { { "sources.yaml", "sources:\n  - {id: ids, correlate: [source]}\n" } },
	  "sources.yaml:2:3: sources: must have a row with id \"*\" for all other sources\n" },
	{ { { "sources.yaml",
	      "sources:\n  - id: \"*\"\n    correlate: [source, colour]\n  - id: \"*\"\n    window_seconds: 0\n" } },
	  "sources.yaml:3:25: must be one of source, rule, asset, actor\n"
	  "sources.yaml:4:9: id: \"*\" is duplicated; each id must be unique\n"
	  "sources.yaml:5:21: window_seconds: must be from 1 to 31622400\n" },
	{ { { "sources.yaml", "sources:\n  - {id: \"*\", correlate: []}\n" } },
	  "sources.yaml:2:26: correlate: must have at least 1 items\n" },

	{ { { "sources.yaml", "sources:\n  - {id: \"*\"}\njoins:\n  - {by: colour, window_seconds: 60}\n"
			      "  - {by: asset, window_seconds: 0}\n  - {by: asset, window_seconds: 60}\n  - {by: actor}\n" } },
	  "sources.yaml:4:10: by: must be one of asset, actor\n"
	  "sources.yaml:5:33: window_seconds: must be from 1 to 31622400\n"
	  "sources.yaml:6:10: by: \"asset\" is duplicated; each by must be unique\n"
	  "sources.yaml:7:5: window_seconds: is required\n" },

	/* categories.yaml */
	{ { { "categories.yaml", "categories:\n  - {code: 1, names: {en: a}}\n  - {code: \"1\", names: {zh-CN: 甲}}\n"
				 "  - {code: \"1\", names: {en: 7}, kind: crime}\n" },
	    { "rules.yaml", NULL } },
	  "categories.yaml:2:12: code: must be text, not a number\n"
	  "categories.yaml:3:24: names: must have a name in en, the first language of the pack\n"
	  "categories.yaml:4:12: code: \"1\" is duplicated; each code must be unique\n"
	  "categories.yaml:4:29: en: must be text\n"
	  "categories.yaml:4:39: kind: must be one of event, incident, weakness\n" },

	/* grading.yaml */
	{ { { "grading.yaml",
	      "matrix:\n  essential: {grave: I, serious: II, considerable: III, minor: V}\n"
	      "  important: {grave: II, serious: III, considerable: IV}\n"
	      "social_harm: {grave: I, serious: II, considerable: III, general: IV}\n"
	      "damage_levels: {I: S, II: S, III: A, IV: C}\n"
	      "severity_loss: {critical: total, high: serious, medium: considerable, low: minor, info: minor}\n" } },
	  "grading.yaml:2:3: general: is required\n"
	  "grading.yaml:2:64: minor: must be one of I, II, III, IV\n"
	  "grading.yaml:3:14: minor: is required\n"
	  "grading.yaml:5:42: IV: must be one of S, A, B\n"
	  "grading.yaml:6:27: critical: must be one of minor, considerable, serious, grave\n" },

	/* rules.yaml */
	{ { { "rules.yaml",
	      "rules:\n  - {id: a, then: {category: \"99999\"}}\n  - {id: a, then: {grade: I}}\n  - {then: {}}\n" } },
	  "rules.yaml:2:30: category: categories.yaml has no category \"99999\"; name one of its codes, or add it\n"
	  "rules.yaml:3:10: id: \"a\" is duplicated; each id must be unique\n"
	  "rules.yaml:3:27: grade: is not a member of then; members are kind, category, severity, importance, loss, "
	  "social_harm, flags, noise\n"
	  "rules.yaml:4:5: id: is required\n" },
	{ { { "rules.yaml", "rules:\n  - id: a\n    when:\n"
			    "      - {field: /titel, is: x}\n"
			    "      - {field: title, is: x}\n"
			    "      - {field: /title}\n"
			    "      - {field: /title, is: x, matches: x}\n"
			    "      - {field: /title, matches: \"a(b\"}\n"
			    "      - {field: /title, in: []}\n"
			    "      - {field: /title, is: [x]}\n"
			    "      - {field: /severity, at_least: awful}\n"
			    "      - {field: /attributes/score, at_least: high}\n"
			    "      - {field: /severity, is: hihg}\n"
			    "      - {field: /severity, in: [high, hihg]}\n"
			    "      - {field: /observables/0/colour, is: red}\n"
			    "      - {field: /title, like: x}\n"
			    "    then: {kind: crime, flags: [big], noise: maybe}\n" } },
	  "rules.yaml:4:17: field: addresses no member of an event or a report\n"
	  "rules.yaml:5:17: field: must be a JSON pointer, for example /title\n"
	  "rules.yaml:6:9: must have exactly one of is, in, matches, at_least\n"
	  "rules.yaml:7:9: must have exactly one of is, in, matches, at_least\n"
	  "rules.yaml:8:34: matches: must be a regular expression: missing closing parenthesis, at character 4\n"
	  "rules.yaml:9:29: in: must be a list of at least one value\n"
	  "rules.yaml:10:29: is: must be a text, a number, true or false\n"
	  "rules.yaml:11:38: at_least: must be one of info, low, medium, high, critical\n"
	  "rules.yaml:12:46: at_least: must be a number (words only for /severity)\n"
	  "rules.yaml:13:32: is: must be a word that this field can have\n"
	  "rules.yaml:14:39: must be a word that this field can have\n"
	  "rules.yaml:15:17: field: addresses no member of an event or a report\n"
	  "rules.yaml:16:9: must have exactly one of is, in, matches, at_least\n"
	  "rules.yaml:16:31: like: is not a member of a condition; members are field, is, in, matches, at_least\n"
	  "rules.yaml:17:18: kind: must be one of event, incident, weakness\n"
	  "rules.yaml:17:33: must be one of serious, emergency, drill\n"
	  "rules.yaml:17:46: noise: must be true or false, not text\n" },

	/* contacts.yaml */
	{ { { "contacts.yaml", "people:\n  - {id: li, language: fr, email: li}\n  - {id: li, phone: 110}\n"
			       "teams:\n  - {id: soc, on_duty: [li, wang]}\n  - {id: soc}\n" },
	    { "escalation.yaml", NULL } },
	  "contacts.yaml:2:24: language: must be one of the languages in pack.yaml\n"
	  "contacts.yaml:2:35: email: must be a mail address, for example li@example.org\n"
	  "contacts.yaml:3:10: id: \"li\" is duplicated; each id must be unique\n"
	  "contacts.yaml:3:21: phone: is not a member of a person; members are id, name, language, email\n"
	  "contacts.yaml:5:29: contacts.yaml has no person \"wang\"; name one of people, or add it\n"
	  "contacts.yaml:6:10: id: \"soc\" is duplicated; each id must be unique\n" },

	{ { { "contacts.yaml", NULL }, { "escalation.yaml", "policies:\n  - {id: a, team: soc}\n" } },
	  "escalation.yaml:2:19: team: contacts.yaml has no team \"soc\"; name one of its teams, or add it\n" },
	/* a file that cannot be parsed gives one error, and references to its contents give none */
	{ { { "contacts.yaml", "people: [\n" } }, "contacts.yaml:2:1: did not find expected node content\n" },

	/* escalation.yaml */
	{ { { "escalation.yaml",
	      "policies:\n  - id: a\n    when: {kinds: [crime], grades: [V]}\n    team: nobody\n    levels:\n"
	      "      - {after_seconds: 900, notify: [\"team:none\", \"person:none\", \"channel:none\", soc]}\n"
	      "      - {after_seconds: 900, notify: [\"team:soc\"]}\n"
	      "      - {after_seconds: 60, notify: []}\n"
	      "      - {after_seconds: -1, notify: []}\n"
	      "      - {notify: []}\n"
	      "  - id: a\n" } },
	  "escalation.yaml:3:20: must be one of event, incident, weakness\n"
	  "escalation.yaml:3:37: must be one of I, II, III, IV\n"
	  "escalation.yaml:4:11: team: contacts.yaml has no team \"nobody\"; name one of its teams, or add it\n"
	  "escalation.yaml:6:39: contacts.yaml has no team \"none\"; name one of its teams, or add it\n"
	  "escalation.yaml:6:52: contacts.yaml has no person \"none\"; name one of its people, or add it\n"
	  "escalation.yaml:6:67: channels.yaml has no channel \"none\"; name one of its channels, or add it\n"
	  "escalation.yaml:6:83: must be team:ID, person:ID or channel:ID\n"
	  "escalation.yaml:7:25: after_seconds: must be greater than 900, the value of the previous level\n"
	  "escalation.yaml:8:25: after_seconds: must be greater than 900, the value of the previous level\n"
	  "escalation.yaml:9:25: after_seconds: must be from 0 to 31622400\n"
	  "escalation.yaml:9:25: after_seconds: must be greater than 60, the value of the previous level\n"
	  "escalation.yaml:10:9: after_seconds: is required\n"
	  "escalation.yaml:11:9: id: \"a\" is duplicated; each id must be unique\n" },

	/* channels.yaml */
	{ { { "channels.yaml", "channels:\n"
			       "  - {id: a, type: pigeon}\n"
			       "  - {id: a, type: webhook}\n"
			       "  - {id: c, type: webhook, url: \"ftp://x\", server: \"smtp://x\", secret: hush}\n"
			       "  - {id: d, type: email, server: \"${HOME}\", from: \"${TOCSIN_}\"}\n"
			       "  - {id: e, type: email, server: \"${TOCSIN_SMTP_URL\", from: \"a@example.org\", url: "
			       "\"https://x\"}\n" },
	    { "escalation.yaml", NULL } },
	  "channels.yaml:2:19: type: must be one of webhook, email\n"
	  "channels.yaml:3:5: a channel of type webhook must have the member url\n"
	  "channels.yaml:3:10: id: \"a\" is duplicated; each id must be unique\n"
	  "channels.yaml:4:33: url: must begin with https:// or http://, or be a setting, ${TOCSIN_X}\n"
	  "channels.yaml:4:52: server: a channel of type webhook must not have the member server\n"
	  "channels.yaml:4:72: secret: must begin with whsec_, or be a setting, ${TOCSIN_X}\n"
	  "channels.yaml:5:34: server: must name a setting as ${TOCSIN_X}, with capitals, digits and '_'\n"
	  "channels.yaml:5:51: from: must name a setting as ${TOCSIN_X}, with capitals, digits and '_'\n"
	  "channels.yaml:6:34: server: must name a setting as ${TOCSIN_X}, with capitals, digits and '_'\n"
	  "channels.yaml:6:83: url: a channel of type email must not have the member url\n" },
	{ { { "contacts.yaml", "people:\n  - {id: li, name: \"${TOCSIN_HOME}\"}\nteams:\n  - {id: soc}\n" },
	    { "escalation.yaml", NULL } },
	  "contacts.yaml:2:20: name: must not name a setting; ${TOCSIN_X} is allowed only in channels.yaml\n" },

	/* words */
	{ { WORDS_EN, { "words/zh-CN.yaml", NULL } },
	  "words/zh-CN.yaml:1:1: this file is missing; pack.yaml names its language: add the file\n" },
	{ { WORDS_EN, { "words/zh-CN.yaml", "a: 一\nc: 三\nd: [四]\n" } },
	  "words/en.yaml:1:1: must have the key c, which words/zh-CN.yaml has\n"
	  "words/en.yaml:1:1: must have the key d, which words/zh-CN.yaml has\n"
	  "words/zh-CN.yaml:1:1: must have the key b, which words/en.yaml has\n"
	  "words/zh-CN.yaml:3:4: d: must be text; quote it if it looks like another type\n" },
	{ { WORDS_EN, WORDS_ZH, { "words/fr.yaml", "a: un\nb: deux\n" } },
	  "words/fr.yaml:1:1: pack.yaml does not name this language; name it, or remove the file\n" },
};

static void join(const PolicyErrors *mistakes, Buffer *out)
{
	for (size_t i = 0; i < mistakes->count; i++) {
		buffer_text(out, mistakes->list[i]);
		buffer_byte(out, '\n');
	}
}

static void all_errors_are_reported_at_once_with_file_line_and_column(void **state)
{
	static PolicyErrors mistakes;
	size_t wrong = 0;
	(void)state;
	for (size_t i = 0; i < sizeof invalid_packs / sizeof invalid_packs[0]; i++) {
		json_t *message = NULL;
		Buffer found;
		PackChange changes[CHANGES_MAX + 1] = { { NULL, NULL } };
		memcpy(changes, invalid_packs[i].changes, sizeof invalid_packs[i].changes);
		buffer_init(&found, TEXT_MAX);
		assert_false(pack_read_changed(changes, &message, &mistakes));
		assert_null(message);
		assert_false(mistakes.more);
		join(&mistakes, &found);
		if (strcmp(found.data, invalid_packs[i].mistakes) != 0) {
			print_error("case %zu:\n%sinstead of\n%s\n", i, found.data, invalid_packs[i].mistakes);
			wrong++;
		}
		buffer_release(&found);
	}
	assert_int_equal(wrong, 0);
}

static void errors_that_do_not_fit_set_more(void **state)
{
	static PolicyErrors mistakes;
	json_t *message = NULL;
	Buffer text;
	(void)state;
	buffer_init(&text, TEXT_MAX);
	buffer_text(&text, "rules:\n");
	for (int i = 0; i < 100; i++)
		buffer_text(&text, "  - {colour: red}\n");
	const PackChange changes[] = { { "rules.yaml", text.data }, { NULL, NULL } };
	assert_false(pack_read_changed(changes, &message, &mistakes));
	assert_true(mistakes.more);
	assert_true(mistakes.count > 0 && mistakes.count <= POLICY_ERRORS_MAX);
	buffer_release(&text);
}

/* ---- a small pack, compiled */
static const PackChange small[] = {
	{ "pack.yaml", "id: small\nversion: 2.1.0\ntimezone: UTC\nlanguages: [zh-CN, en]\n" },
	{ "sources.yaml", "sources:\n  - {id: ids, correlate: [asset, actor], window_seconds: 60, cap_seconds: 300}\n  "
			  "- {id: \"*\"}\n" },
	{ "contacts.yaml", "people:\n  - {id: li, name: 李雷, email: li@example.org}\n  - {id: ann, language: en}\n"
			   "teams:\n  - {id: soc, name: SOC, on_duty: [ann, li]}\n  - {id: night}\n" },
	{ "escalation.yaml", "policies:\n"
			     "  - id: worst\n    when: {kinds: [incident], grades: [I, II]}\n    team: soc\n"
			     "    levels:\n      - {after_seconds: 0, notify: [\"team:soc\", \"channel:hook\"]}\n      "
			     "- {after_seconds: 60, notify: [\"person:li\"]}\n"
			     "  - {id: weak, when: {kinds: [weakness]}, levels: []}\n"
			     "  - {id: third, when: {grades: [III]}, levels: []}\n" },
	{ "channels.yaml",
	  "channels:\n  - {id: hook, type: webhook, url: \"${TOCSIN_WEBHOOK_URL}\", secret: "
	  "\"${TOCSIN_WEBHOOK_SECRET}\"}\n"
	  "  - {id: post, type: email, server: \"smtp://mail.example.org:25\", from: \"t@example.org\"}\n"
	  "  - {id: hook2, type: webhook, url: \"https://example.org/hook\"}\n" },
	{ "rules.yaml",
	  "rules:\n"
	  "  - {id: text, when: [{field: /type, is: x}], then: {kind: incident, flags: [serious, drill]}}\n"
	  "  - {id: number, when: [{field: /attributes/n, is: 7}], then: {}}\n"
	  "  - {id: truth, when: [{field: /attributes/t, is: true}], then: {}}\n"
	  "  - {id: list, when: [{field: /attributes/l, in: [a, 5, false]}], then: {}}\n"
	  "  - {id: most, when: [{field: /attributes/m, at_least: 2.5}], then: {}}\n"
	  "  - {id: both, when: [{field: /rule, matches: '^r\\d+$'}, {field: /severity, at_least: high}], then: "
	  "{noise: true}}\n"
	  "  - {id: nested, when: [{field: /observables/0/value, is: \"::1\"}], then: {category: \"01007\", loss: "
	  "serious}}\n"
	  "  - {id: person, when: [{field: /reporter/relation, is: visitor}], then: {social_harm: grave, importance: "
	  "essential, severity: low}}\n"
	  "  - {id: slow, when: [{field: /attributes/s, matches: '^(a+)+$'}], then: {}}\n"
	  "  - {id: chinese, when: [{field: /title, matches: '^.{2}端口'}], then: {}}\n" },
	{ "words/zh-CN.yaml", "greet: \"你好，{name}！\"\nplain: 好\n" },
	{ "words/en.yaml", "greet: \"Hello {name}, {name}: {unknown} {\"\nplain: \"\"\n" },
	{ NULL, NULL },
};

static int small_setup(void **state)
{
	*state = pack_compiled(small);
	return 0;
}

static int small_teardown(void **state)
{
	policy_free(*state);
	return 0;
}

static void a_version_names_the_pack_and_the_hash_of_its_files(void **state)
{
	const char *version = policy_version(*state);
	const PackChange changed[] = { { "channels.yaml", "channels: []\n# a comment is a change\n" },
				       { "escalation.yaml", NULL },
				       { NULL, NULL } };
	const PackChange same[] = { { "channels.yaml", "channels: []\n# a comment is a change!\n" },
				    { "escalation.yaml", NULL },
				    { NULL, NULL } };
	assert_memory_equal(version, "small@2.1.0+", 12);
	assert_int_equal(strlen(version), 24);
	assert_int_equal(strspn(version + 12, "0123456789abcdef"), 12);
	Policy *one = pack_compiled(changed), *again = pack_compiled(changed), *other = pack_compiled(same);
	assert_string_equal(policy_version(one), policy_version(again));
	assert_string_not_equal(policy_version(one), policy_version(other));
	policy_free(one);
	policy_free(again);
	policy_free(other);
}

static void the_order_files_are_given_in_does_not_change_the_version(void **state)
{
	const PolicyFile files[] = {
		{ "pack.yaml", SLICE("id: p\nversion: 1\ntimezone: UTC\nlanguages: [en]\n") },
		{ "sources.yaml", SLICE("sources:\n  - {id: \"*\"}\n") },
		{ "grading.yaml", SLICE("matrix:\n  essential: {grave: I, serious: II, considerable: III, minor: IV}\n"
					"  important: {grave: II, serious: III, considerable: IV, minor: IV}\n"
					"  general: {grave: III, serious: IV, considerable: IV, minor: IV}\n"
					"social_harm: {grave: I, serious: II, considerable: III, general: IV}\n"
					"damage_levels: {I: S, II: S, III: A, IV: B}\n"
					"severity_loss: {critical: grave, high: serious, medium: considerable, low: "
					"minor, info: minor}\n") },
	};
	const PolicyFile turned[] = { files[2], files[0], files[1] };
	static PolicyErrors mistakes;
	json_t *one JSON_AUTO = NULL, *other JSON_AUTO = NULL;
	(void)state;
	assert_true(policy_read(files, 3, &one, &mistakes));
	assert_true(policy_read(turned, 3, &other, &mistakes));
	assert_true(json_equal(one, other));
	Policy *policy = NULL;
	assert_false(result_failed(policy_compile(one, &policy)));
	assert_null(policy_escalation(policy, choice_of(kind_words, "incident"), 0));
	assert_null(policy_category_name(policy, "01007", "en"));
	assert_null(policy_rule(policy, one));
	policy_free(policy);
}

static void a_file_given_twice_is_an_error(void **state)
{
	const PolicyFile twice[] = { { "rules.yaml", SLICE("rules: []\n") }, { "rules.yaml", SLICE("rules: []\n") } };
	static PolicyErrors mistakes;
	json_t *message = NULL;
	Buffer found;
	(void)state;
	buffer_init(&found, TEXT_MAX);
	assert_false(policy_read(twice, 2, &message, &mistakes));
	join(&mistakes, &found);
	assert_non_null(strstr(found.data, "rules.yaml:1:1: this file is given twice; give it once\n"));
	buffer_release(&found);
}

static void a_message_from_the_bus_compiles_to_the_same_policy(void **state)
{
	Buffer text;
	json_t *again JSON_AUTO = NULL;
	Policy *policy = NULL;
	buffer_init(&text, 1 << 20);
	json_write(policy_message(*state), &text);
	assert_false(text.overflowed);
	assert_false(result_failed(json_read(buffer_slice(&text), &again)));
	assert_true(json_equal(again, policy_message(*state)));
	assert_false(result_failed(policy_compile(again, &policy)));
	assert_string_equal(policy_version(policy), policy_version(*state));
	policy_free(policy);
	buffer_release(&text);
}

static void an_invalid_message_is_refused_with_the_pointer(void **state)
{
	static const struct {
		const char *pointer, *member, *text, *found;
	} broken[] = {
		{ "", "sources", "[]", "/sources" },
		{ "/pack", "languages", "[]", "/pack/languages" },
		{ "/teams/0", "on_duty", "[\"wang\"]", "/teams/0/on_duty/0" },
		{ "/rules/0/then", "category", "\"99999\"", "/rules/0/then/category" },
		{ "/rules/5/when/0", "matches", "\"(\"", "/rules/5/when/0/matches" },
		{ "", "grading", "{}", "/grading" },
		{ "", "policy_version", "null", "/policy_version" },
	};
	for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
		json_t *message JSON_AUTO = json_deep_copy(policy_message(*state));
		Policy *policy = NULL;
		json_object_set_new(json_at(message, broken[i].pointer), broken[i].member,
				    json_loads(broken[i].text, JSON_DECODE_ANY, NULL));
		Result compiled = policy_compile(message, &policy);
		assert_int_equal(compiled.kind, ERROR_INPUT);
		assert_non_null(strstr(compiled.text, broken[i].found));
		assert_null(policy);
	}
}

static void a_message_of_a_later_version_is_accepted(void **state)
{
	json_t *message JSON_AUTO = json_deep_copy(policy_message(*state));
	Policy *policy = NULL;
	json_object_set_new(message, "schedules", json_array());
	json_object_set_new(json_at(message, "/people/0"), "phone", json_string("110"));
	assert_false(result_failed(policy_compile(message, &policy)));
	assert_non_null(policy_person(policy, "li"));
	policy_free(policy);
}

static void a_source_has_its_row_and_all_others_the_star_row(void **state)
{
	const SourcePolicy *ids = policy_source(*state, "ids"), *other = policy_source(*state, "edr");
	assert_true(!ids->by_source && !ids->by_rule && ids->by_asset && ids->by_actor);
	assert_int_equal(ids->window_seconds, 60);
	assert_int_equal(ids->cap_seconds, 300);
	assert_true(other->by_source && other->by_rule && other->by_asset && !other->by_actor);
	assert_int_equal(other->window_seconds, 900);
	assert_int_equal(other->cap_seconds, 86400);
	assert_ptr_equal(policy_source(*state, NULL), other);
}

static void people_and_teams_are_found_by_id(void **state)
{
	const PersonPolicy *li = policy_person(*state, "li"), *ann = policy_person(*state, "ann");
	const TeamPolicy *soc = policy_team(*state, "soc");
	assert_string_equal(li->name, "李雷");
	assert_string_equal(li->language, "zh-CN");
	assert_string_equal(li->email, "li@example.org");
	assert_string_equal(ann->name, "ann");
	assert_string_equal(ann->language, "en");
	assert_null(ann->email);
	assert_int_equal(soc->on_duty_count, 2);
	assert_ptr_equal(soc->on_duty[0], ann);
	assert_ptr_equal(soc->on_duty[1], li);
	assert_string_equal(policy_team(*state, "night")->name, "night");
	assert_int_equal(policy_team(*state, "night")->on_duty_count, 0);
	assert_null(policy_person(*state, "soc"));
	assert_null(policy_team(*state, NULL));
}

static void the_first_escalation_that_matches_decides(void **state)
{
	static const struct {
		const char *kind, *grade, *policy;
	} cases[] = {
		{ "incident", "I", "worst" }, { "incident", "II", "worst" }, { "incident", "III", "third" },
		{ "incident", "IV", NULL },   { "weakness", "I", "weak" },   { "weakness", NULL, "weak" },
		{ "event", "III", "third" },  { "incident", NULL, NULL },    { "event", "I", NULL },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int kind = choice_of(kind_words, cases[i].kind), grade = choice_of(grade_words, cases[i].grade);
		const EscalationPolicy *found = policy_escalation(*state, kind, grade);
		if (cases[i].policy == NULL)
			assert_null(found);
		else
			assert_ptr_equal(found, policy_escalation_by_id(*state, cases[i].policy));
	}
	const EscalationPolicy *worst = policy_escalation_by_id(*state, "worst");
	assert_string_equal(worst->team, "soc");
	assert_int_equal(worst->level_count, 2);
	assert_int_equal(worst->levels[1].after_seconds, 60);
	assert_int_equal(worst->levels[0].notify_count, 2);
	assert_string_equal(worst->levels[0].notify[1], "channel:hook");
	assert_null(policy_escalation_by_id(*state, "weak")->team);
	assert_null(policy_escalation_by_id(*state, "none"));
}

static void channels_keep_the_names_of_their_settings(void **state)
{
	const ChannelPolicy *hook = policy_channel(*state, "hook"), *post = policy_channel_of_type(*state, "email");
	assert_string_equal(hook->url, "${TOCSIN_WEBHOOK_URL}");
	assert_string_equal(hook->secret, "${TOCSIN_WEBHOOK_SECRET}");
	assert_null(hook->server);
	assert_string_equal(post->id, "post");
	assert_string_equal(post->server, "smtp://mail.example.org:25");
	assert_string_equal(post->from, "t@example.org");
	assert_ptr_equal(policy_channel_of_type(*state, "webhook"), hook);
	assert_null(policy_channel_of_type(*state, "pigeon"));
	assert_null(policy_channel(*state, "none"));
}

static void a_category_has_a_name_in_each_language_and_a_kind(void **state)
{
	assert_string_equal(policy_category_name(*state, "01007", "en"), "Ransomware");
	assert_string_equal(policy_category_name(*state, "01007", "zh-CN"), "勒索软件");
	assert_string_equal(policy_category_name(*state, "01007", "fr"), "勒索软件");
	assert_null(policy_category_name(*state, "99999", "en"));
	assert_null(policy_category_name(*state, NULL, "en"));
	assert_string_equal(kind_words[policy_category_kind(*state, "07001")], "weakness");
	assert_int_equal(policy_category_kind(*state, "01007"), -1);
	assert_int_equal(policy_category_kind(*state, "99999"), -1);
}

static void assert_words(const Policy *policy, const char *language, const char *key, const char *name,
			 const char *expected)
{
	Buffer text;
	buffer_init(&text, TEXT_MAX);
	policy_words(policy, language, key, &text, "name", name, "other", "x", NULL);
	assert_string_equal(text.size > 0 ? text.data : "", expected);
	buffer_release(&text);
}

static void words_are_filled_in_and_fall_back_to_the_first_language_and_the_key(void **state)
{
	assert_words(*state, "en", "greet", "Li", "Hello Li, Li: {unknown} {");
	assert_words(*state, "zh-CN", "greet", "{name}", "你好，{name}！");
	assert_words(*state, "fr", "greet", "李", "你好，李！");
	assert_words(*state, NULL, "greet", NULL, "你好，！");
	assert_words(*state, "en", "plain", "Li", "");
	assert_words(*state, "en", "no.such.key", "Li", "no.such.key");
}

/* ---- rules */
static const struct {
	const char *document, *rule; /* rule: id of the rule that applies; NULL: no rule applies */
} rule_cases[] = {
	{ "{\"type\":\"x\"}", "text" },
	{ "{\"type\":\"X\"}", NULL },
	{ "{\"type\":\"xx\"}", NULL },
	{ "{\"type\":null}", NULL },
	{ "{}", NULL },
	{ "{\"attributes\":{\"n\":7}}", "number" },
	{ "{\"attributes\":{\"n\":7.0}}", "number" },
	{ "{\"attributes\":{\"n\":\"7\"}}", NULL },
	{ "{\"attributes\":{\"t\":true}}", "truth" },
	{ "{\"attributes\":{\"t\":1}}", NULL },
	{ "{\"attributes\":{\"l\":\"a\"}}", "list" },
	{ "{\"attributes\":{\"l\":5}}", "list" },
	{ "{\"attributes\":{\"l\":false}}", "list" },
	{ "{\"attributes\":{\"l\":[\"a\"]}}", NULL },
	{ "{\"attributes\":{\"m\":2.5}}", "most" },
	{ "{\"attributes\":{\"m\":3}}", "most" },
	{ "{\"attributes\":{\"m\":2}}", NULL },
	{ "{\"attributes\":{\"m\":\"9\"}}", NULL },
	{ "{\"rule\":\"r12\",\"severity\":\"high\"}", "both" },
	{ "{\"rule\":\"r12\",\"severity\":\"critical\"}", "both" },
	{ "{\"rule\":\"r12\",\"severity\":\"medium\"}", NULL },
	{ "{\"rule\":\"r12\"}", NULL },
	{ "{\"rule\":\"x12\",\"severity\":\"high\"}", NULL },
	{ "{\"rule\":12,\"severity\":\"high\"}", NULL },
	{ "{\"observables\":[{\"type\":\"ip\",\"value\":\"::1\"}]}", "nested" },
	{ "{\"observables\":[]}", NULL },
	{ "{\"reporter\":{\"relation\":\"visitor\"}}", "person" },
	{ "{\"attributes\":{\"s\":\"aaaa\"}}", "slow" },
	{ "{\"attributes\":{\"s\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"}}",
	  NULL },
	{ "{\"title\":\"外部端口扫描\"}", "chinese" },
	{ "{\"title\":\"外端口扫描\"}", NULL },
	{ "{\"type\":\"x\",\"attributes\":{\"n\":7}}", "text" },
};

static void the_first_rule_that_matches_decides(void **state)
{
	for (size_t i = 0; i < sizeof rule_cases / sizeof rule_cases[0]; i++) {
		json_t *document JSON_AUTO = json_loads(rule_cases[i].document, 0, NULL);
		assert_non_null(document);
		const RulePolicy *rule = policy_rule(*state, document);
		const char *expected = rule_cases[i].rule != NULL ? rule_cases[i].rule : "none",
			   *found = rule != NULL ? rule->id : "none";
		if (strcmp(expected, found) != 0)
			fail_msg("%s: rule %s instead of %s", rule_cases[i].document, found, expected);
	}
}

static const RuleThen *then_of(const Policy *policy, const char *text)
{
	json_t *document JSON_AUTO = json_loads(text, 0, NULL);
	return &policy_rule(policy, document)->then;
}

static void a_rule_sets_only_its_own_members(void **state)
{
	const RuleThen *text = then_of(*state, "{\"type\":\"x\"}");
	assert_string_equal(kind_words[text->kind], "incident");
	assert_int_equal(text->flags, 1 << 0 | 1 << 2);
	assert_int_equal(text->noise, -1);
	assert_null(text->category);
	assert_int_equal(text->severity, -1);
	assert_int_equal(text->importance, -1);
	const RuleThen *nested = then_of(*state, "{\"observables\":[{\"value\":\"::1\"}]}");
	assert_string_equal(nested->category, "01007");
	assert_int_equal(nested->loss, LOSS_SERIOUS);
	assert_int_equal(nested->kind, -1);
	const RuleThen *person = then_of(*state, "{\"reporter\":{\"relation\":\"visitor\"}}");
	assert_int_equal(person->social_harm, HARM_GRAVE);
	assert_int_equal(person->importance, IMPORTANCE_ESSENTIAL);
	assert_string_equal(severity_words[person->severity], "low");
	assert_int_equal(then_of(*state, "{\"rule\":\"r1\",\"severity\":\"high\"}")->noise, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_errors_are_reported_at_once_with_file_line_and_column),
		cmocka_unit_test(errors_that_do_not_fit_set_more),
		cmocka_unit_test(the_order_files_are_given_in_does_not_change_the_version),
		cmocka_unit_test(a_file_given_twice_is_an_error),
		cmocka_unit_test_setup_teardown(a_version_names_the_pack_and_the_hash_of_its_files, small_setup,
						small_teardown),
		cmocka_unit_test_setup_teardown(a_message_from_the_bus_compiles_to_the_same_policy, small_setup,
						small_teardown),
		cmocka_unit_test_setup_teardown(an_invalid_message_is_refused_with_the_pointer, small_setup,
						small_teardown),
		cmocka_unit_test_setup_teardown(a_message_of_a_later_version_is_accepted, small_setup, small_teardown),
		cmocka_unit_test_setup_teardown(a_source_has_its_row_and_all_others_the_star_row, small_setup,
						small_teardown),
		cmocka_unit_test_setup_teardown(people_and_teams_are_found_by_id, small_setup, small_teardown),
		cmocka_unit_test_setup_teardown(the_first_escalation_that_matches_decides, small_setup, small_teardown),
		cmocka_unit_test_setup_teardown(channels_keep_the_names_of_their_settings, small_setup, small_teardown),
		cmocka_unit_test_setup_teardown(a_category_has_a_name_in_each_language_and_a_kind, small_setup,
						small_teardown),
		cmocka_unit_test_setup_teardown(words_are_filled_in_and_fall_back_to_the_first_language_and_the_key,
						small_setup, small_teardown),
		cmocka_unit_test_setup_teardown(the_first_rule_that_matches_decides, small_setup, small_teardown),
		cmocka_unit_test_setup_teardown(a_rule_sets_only_its_own_members, small_setup, small_teardown),
	};
	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
