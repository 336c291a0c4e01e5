/* Notices encoded as webhooks and mail. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/notification/channels/channel.h"
#include "services/notification/core/skip.h"
#include "shared/domain/documents.h"
#include "tests/support/incident_document.h"
#include "tests/support/notify_pack.h"
#include "tests/unit/pack.h"

#include <stdio.h>
#include <string.h>

enum { SETTINGS_MAX = 8 };

static Policy *policy;
static struct {
	const char *name, *value;
} settings[SETTINGS_MAX];

static const char *setting(void *context, const char *name)
{
	(void)context;
	for (size_t i = 0; i < SETTINGS_MAX && settings[i].name; i++)
		if (strcmp(settings[i].name, name) == 0)
			return settings[i].value;
	return NULL;
}

static const NotificationEnvironment environment = { .setting = setting, .public_url = "https://tocsin.site.example/" };

static void set(const char *name, const char *value)
{
	size_t i = 0;
	while (settings[i].name && strcmp(settings[i].name, name) != 0)
		i++;
	assert_true(i < SETTINGS_MAX);
	settings[i].name = name;
	settings[i].value = value;
}

static int all_set(void **state)
{
	(void)state;
	memset(settings, 0, sizeof(settings));
	set("TOCSIN_WEBHOOK_URL", "https://hooks.site.example/in?key=1");
	set("TOCSIN_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
	set("TOCSIN_SMTP_URL", "smtp://mail.site.example:25");
	set("TOCSIN_MAIL_FROM", "tocsin@site.example");
	return 0;
}

static int pack_make(void **state)
{
	(void)state;
	policy = notify_pack();
	return 0;
}

static int pack_drop(void **state)
{
	(void)state;
	policy_free(policy);
	return 0;
}

static void member_set(json_t *incident, const char *name, json_t *value)
{
	assert_int_equal(json_object_set_new(incident, name, value), 0);
}

static json_t *incident_make(void)
{
	json_t *incident = incident_document_new();
	member_set(incident, "id", json_string("inc_01j0000000000000000000000a"));
	member_set(incident, "number", json_string("INC-2026-7K3M-9QRX"));
	member_set(incident, "kind", json_string("incident"));
	member_set(incident, "status", json_string("reported"));
	member_set(incident, "title", json_string("勒索软件\u2028on\u202eHR-01\r\nBcc: evil@example.org"));
	member_set(incident, "severity", json_string("high"));
	member_set(incident, "grade", json_string("II"));
	member_set(incident, "category", json_string("01007"));
	member_set(incident, "asset", json_string("HR-01"));
	member_set(incident, "opened_at", json_string("2026-11-23T08:00:00.000Z"));
	member_set(incident, "version", json_integer(3));
	return incident;
}

static Notice notice_of(json_t *incident, const char *channel, const char *person)
{
	static char recipient[64];
	const PersonPolicy *contact = person ? policy_person(policy, person) : NULL;
	snprintf(recipient, sizeof(recipient), "%s%s", person ? "person:" : "channel:", person ? person : channel);
	return (Notice){ .policy = policy,
			 .channel = policy_channel(policy, channel),
			 .environment = &environment,
			 .incident = incident,
			 .key = "msg_1",
			 .recipient = recipient,
			 .address = contact ? contact->email : NULL,
			 .language = contact ? contact->language : NULL,
			 .escalation_level = 1,
			 .attempt = 2,
			 .reached_at = 1795420800123 };
}

/* ---- settings */

static void a_channel_with_all_its_settings_is_complete(void **state)
{
	char missing[CHANNEL_MISSING] = "";
	(void)state;
	assert_false(channel_missing_setting(policy_channel(policy, "hook"), &environment, missing));
	assert_false(channel_missing_setting(policy_channel(policy, "post"), &environment, missing));
}

static void the_missing_setting_of_a_channel_is_named(void **state)
{
	char missing[CHANNEL_MISSING];
	(void)state;
	set("TOCSIN_WEBHOOK_URL", NULL);
	assert_true(channel_missing_setting(policy_channel(policy, "hook"), &environment, missing));
	assert_string_equal(missing, "TOCSIN_WEBHOOK_URL");
	set("TOCSIN_WEBHOOK_URL", "");
	assert_true(channel_missing_setting(policy_channel(policy, "hook"), &environment, missing));
	set("TOCSIN_MAIL_FROM", NULL);
	assert_true(channel_missing_setting(policy_channel(policy, "post"), &environment, missing));
	assert_string_equal(missing, "TOCSIN_MAIL_FROM");
	set("TOCSIN_SMTP_URL", NULL);
	assert_true(channel_missing_setting(policy_channel(policy, "post"), &environment, missing));
	assert_string_equal(missing, "TOCSIN_SMTP_URL");
	assert_true(channel_missing_setting(&(ChannelPolicy){ .id = "x", .type = "webhook" }, &environment, missing));
	assert_string_equal(missing, "url");
	assert_true(channel_missing_setting(&(ChannelPolicy){ .id = "x", .type = "pigeon" }, &environment, missing));
	assert_string_equal(missing, "type");
}

static void setting_references_are_replaced(void **state)
{
	static const struct {
		const char *text, *expected, *missing;
	} cases[] = {
		{ "https://a.example/x", "https://a.example/x", NULL },
		{ "${TOCSIN_MAIL_FROM}", "tocsin@site.example", NULL },
		{ "a ${TOCSIN_MAIL_FROM}, b ${TOCSIN_MAIL_FROM}!", "a tocsin@site.example, b tocsin@site.example!",
		  NULL },
		{ "$TOCSIN_MAIL_FROM $ {x}", "$TOCSIN_MAIL_FROM $ {x}", NULL },
		{ "x${TOCSIN_NO}", NULL, "TOCSIN_NO" },
		{ "x${TOCSIN_MAIL_FROM", NULL, "${TOCSIN_MAIL_FROM" },
		{ "", NULL, "name" },
		{ NULL, NULL, "name" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char missing[CHANNEL_MISSING] = "";
		Buffer out;
		buffer_init(&out, 1024);
		assert_int_equal(setting_resolve(&environment, cases[i].text, "name", &out, missing),
				 cases[i].missing == NULL);
		if (cases[i].missing)
			assert_string_equal(missing, cases[i].missing);
		else
			assert_string_equal(out.data, cases[i].expected);
		buffer_release(&out);
	}
}

/* ---- webhooks */

static void a_webhook_carries_the_whole_incident(void **state)
{
	(void)state;
	json_t *incident JSON_AUTO = incident_make(), *body JSON_AUTO = NULL;
	Notice notice = notice_of(incident, "hook", NULL);
	OutboundMessage encoded;
	assert_false(result_failed(outbound_message_write(&notice, &encoded)));
	assert_int_equal(encoded.message.kind, OUTBOUND_WEBHOOK);
	assert_string_equal(encoded.message.key, "msg_1");
	assert_int_equal(encoded.message.attempt, 2);
	assert_string_equal(encoded.message.url, "https://hooks.site.example/in?key=1");
	assert_string_equal(encoded.message.secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
	assert_false(result_failed(json_read(encoded.message.body, &body)));
	assert_int_equal(json_object_size(body), 3);
	assert_string_equal(json_string_value(json_at(body, "/type")), "incident.opened");
	assert_string_equal(json_string_value(json_at(body, "/timestamp")), "2026-11-23T08:00:00.123Z");
	assert_int_equal(json_object_size(json_at(body, "/data")), 3);
	assert_true(json_equal(json_at(body, "/data/incident"), incident));
	assert_int_equal(json_integer_value(json_at(body, "/data/escalation_level")), 1);
	assert_string_equal(json_string_value(json_at(body, "/data/recipient")), "channel:hook");
	outbound_message_release(&encoded);
}

static void a_webhook_of_a_higher_level_has_type_escalated(void **state)
{
	(void)state;
	json_t *incident JSON_AUTO = incident_make(), *body JSON_AUTO = NULL;
	Notice notice = notice_of(incident, "hook", NULL);
	OutboundMessage encoded;
	notice.escalation_level = 3;
	assert_false(result_failed(outbound_message_write(&notice, &encoded)));
	assert_false(result_failed(json_read(encoded.message.body, &body)));
	assert_string_equal(json_string_value(json_at(body, "/type")), "incident.escalated");
	assert_int_equal(json_integer_value(json_at(body, "/data/escalation_level")), 3);
	outbound_message_release(&encoded);
}

static void a_webhook_without_a_secret_is_unsigned(void **state)
{
	(void)state;
	json_t *incident JSON_AUTO = incident_make();
	Notice notice = notice_of(incident, "hook", NULL);
	OutboundMessage encoded;
	set("TOCSIN_WEBHOOK_SECRET", NULL);
	assert_false(result_failed(outbound_message_write(&notice, &encoded)));
	assert_null(encoded.message.secret);
	outbound_message_release(&encoded);
}

static void a_channel_without_its_setting_encodes_nothing(void **state)
{
	(void)state;
	json_t *incident JSON_AUTO = incident_make();
	Notice notice = notice_of(incident, "hook", NULL);
	OutboundMessage encoded;
	set("TOCSIN_WEBHOOK_URL", NULL);
	assert_int_equal(outbound_message_write(&notice, &encoded).kind, ERROR_INPUT);
	outbound_message_release(&encoded);
}

/* ---- mail */

static void mail_check(const char *person, const char *text)
{
	json_t *incident JSON_AUTO = incident_make();
	Notice notice = notice_of(incident, "post", person);
	OutboundMessage encoded;
	assert_false(result_failed(outbound_message_write(&notice, &encoded)));
	assert_int_equal(encoded.message.kind, OUTBOUND_MAIL);
	assert_string_equal(encoded.message.url, "smtp://mail.site.example:25");
	assert_string_equal(encoded.message.from, "tocsin@site.example");
	assert_string_equal(encoded.message.to, notice.address);
	assert_string_equal(encoded.message.to_name, policy_person(policy, person)->name);
	assert_string_equal(encoded.message.language, notice.language);
	assert_string_equal(encoded.message.thread, "inc_01j0000000000000000000000a");
	assert_string_equal(encoded.message.subject,
			    "[Tocsin] [high/II] INC-2026-7K3M-9QRX 勒索软件 on HR-01  Bcc: evil@example.org");
	assert_string_equal(encoded.body.data, text);
	outbound_message_release(&encoded);
}

static void a_mail_is_in_the_language_of_the_person(void **state)
{
	(void)state;
	mail_check("li",
		   "有新的事件等待您处理。\n\n"
		   "编号：INC-2026-7K3M-9QRX\n标题：勒索软件 on HR-01  Bcc: "
		   "evil@example.org\n类型：事件\n严重程度：高\n级别：II\n"
		   "类别：勒索软件\n资产：HR-01\n建立时间：2026-11-23T08:00:00.000Z\n\n"
		   "详情：https://tocsin.site.example/v1/incidents/inc_01j0000000000000000000000a\n\n由警钟发送。\n");
	mail_check("ann", "A new case waits for you.\n\n"
			  "Number: INC-2026-7K3M-9QRX\nTitle: 勒索软件 on HR-01  Bcc: evil@example.org\nKind: "
			  "incident\nSeverity: high\n"
			  "Grade: II\nCategory: Ransomware\nAsset: HR-01\nOpened: 2026-11-23T08:00:00.000Z\n\n"
			  "Details: https://tocsin.site.example/v1/incidents/inc_01j0000000000000000000000a\n\nSent by "
			  "Tocsin.\n");
}

static void a_mail_of_a_drill_or_a_higher_level_begins_with_that(void **state)
{
	(void)state;
	json_t *incident JSON_AUTO = incident_make();
	Notice notice = notice_of(incident, "post", "ann");
	OutboundMessage encoded;
	const char *begin = "This is a drill.\n\nNobody has acknowledged it; this is level 2.\n\n";
	notice.escalation_level = 2;
	member_set(incident, "flags", json_pack("[s]", "drill"));
	assert_false(result_failed(outbound_message_write(&notice, &encoded)));
	assert_memory_equal(encoded.body.data, begin, strlen(begin));
	outbound_message_release(&encoded);
}

static void a_mail_omits_missing_values(void **state)
{
	(void)state;
	json_t *incident JSON_AUTO = incident_document_new();
	Notice notice = notice_of(incident, "post", "ann");
	OutboundMessage encoded;
	notice.environment = &(NotificationEnvironment){ .setting = setting };
	assert_false(result_failed(outbound_message_write(&notice, &encoded)));
	assert_string_equal(encoded.message.subject, "[Tocsin] [-/-] - ");
	assert_string_equal(encoded.body.data,
			    "A new case waits for you.\n\n\nDetails: /v1/incidents/\n\nSent by Tocsin.\n");
	outbound_message_release(&encoded);
}

static void a_mail_to_a_person_removed_from_the_policy_is_still_sent(void **state)
{
	(void)state;
	json_t *incident JSON_AUTO = incident_make();
	Notice notice = notice_of(incident, "post", "li");
	OutboundMessage encoded;
	notice.recipient = "person:gone";
	notice.language = NULL;
	assert_false(result_failed(outbound_message_write(&notice, &encoded)));
	assert_null(encoded.message.to_name);
	assert_string_equal(encoded.message.to, "li@site.example");
	assert_string_equal(encoded.message.language, "zh-CN");
	outbound_message_release(&encoded);
}

/* ---- the default pack */

static void check_no_key_left(const char *text)
{
	static const char *const prefixes[] = { "mail.", "skip." };
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		for (const char *at = text; (at = strstr(at, prefixes[i])); at++)
			/* "mail." that is not at the start of a word belongs to a host name, such as "mail.site.example" */
			if (at == text || at[-1] == '\n' || at[-1] == ' ')
				fail_msg("a word is missing: %s", at);
}

static void check_mail_words(const Policy *default_pack, const char *language, const char *kind, const char *severity)
{
	json_t *incident JSON_AUTO = incident_make();
	const ChannelPolicy channel = {
		.id = "mail", .type = "email", .server = "smtp://m.example", .from = "t@m.example"
	};
	member_set(incident, "kind", json_string(kind));
	member_set(incident, "severity", json_string(severity));
	member_set(incident, "reason", json_string("because"));
	member_set(incident, "source", json_string("siem"));
	member_set(incident, "assignee", json_pack("{s:s}", "team", "soc"));
	member_set(incident, "flags", json_pack("[s]", "drill"));
	for (int64_t level = 1; level <= 2; level++) {
		Notice notice = notice_of(incident, "post", "ann");
		OutboundMessage encoded;
		notice.policy = default_pack;
		notice.channel = &channel;
		notice.language = language;
		notice.escalation_level = level;
		assert_false(result_failed(outbound_message_write(&notice, &encoded)));
		check_no_key_left(encoded.body.data);
		assert_null(strchr(encoded.body.data, '{'));
		outbound_message_release(&encoded);
	}
}

static void the_default_pack_has_every_word_of_notices(void **state)
{
	Policy *default_pack = pack_compiled(NULL);
	(void)state;
	for (const char *const *language = policy_languages(default_pack); *language; language++)
		for (int severity = 0; severity_words[severity]; severity++)
			for (int kind = 0; kind_words[kind]; kind++)
				check_mail_words(default_pack, *language, kind_words[kind], severity_words[severity]);
	for (Skip skip = SKIP_NONE; skip < SKIPS; skip++) {
		Buffer out;
		buffer_init(&out, 1024);
		skip_write(default_pack, skip, "NAME", "SETTING", &out);
		check_no_key_left(out.data);
		assert_null(strchr(out.data, '{'));
		buffer_release(&out);
	}
	policy_free(default_pack);
}

/* ---- the members that notices may show */

static bool is_shown_as_it_is(const Field *field)
{
	return (field->flags & FIELD_IN_NOTICE) && !(field->flags & FIELD_RESTRICTED);
}

/* Every text of the incident has its own value; the mail shows exactly those whose rows say so, wherever the table has them. */
static void a_mail_shows_exactly_the_members_of_its_rows(void **state)
{
	(void)state;
	json_t *incident JSON_AUTO = json_object();
	char value[64];
	for (size_t i = 0; i < incident_table.count; i++) {
		snprintf(value, sizeof value, "<%s>", incident_table.fields[i].name);
		if (incident_table.fields[i].type == FIELD_TEXT || incident_table.fields[i].type == FIELD_TIME)
			member_set(incident, incident_table.fields[i].name, json_string(value));
	}
	Notice notice = notice_of(incident, "post", "ann");
	OutboundMessage encoded;
	assert_false(result_failed(outbound_message_write(&notice, &encoded)));
	for (size_t i = 0; i < incident_table.count; i++) {
		const Field *field = &incident_table.fields[i];
		snprintf(value, sizeof value, "<%s>", field->name);
		if (!json_object_get(incident, field->name))
			continue;
		if ((strstr(encoded.body.data, value) != NULL) != is_shown_as_it_is(field))
			fail_msg("%s: %s", field->name, is_shown_as_it_is(field) ? "is missing in the mail" : "is shown in the mail");
	}
	outbound_message_release(&encoded);
}

typedef struct {
	const char *open, *closed;
} Inner;
typedef struct {
	const char *title, *evidence, *plain;
	Inner inner;
} Case;

static const Field inner_fields[] = {
	{ .name = "open", .type = FIELD_TEXT, .offset = offsetof(Inner, open), .flags = FIELD_IN_NOTICE },
	{ .name = "closed", .type = FIELD_TEXT, .offset = offsetof(Inner, closed), .flags = FIELD_IN_NOTICE | FIELD_RESTRICTED },
};
static const FieldTable inner_table = FIELD_TABLE("inner", inner_fields, Inner);
static const Field case_fields[] = {
	{ .name = "title", .type = FIELD_TEXT, .offset = offsetof(Case, title), .flags = FIELD_IN_NOTICE },
	{ .name = "evidence", .type = FIELD_TEXT, .offset = offsetof(Case, evidence), .flags = FIELD_RESTRICTED },
	{ .name = "plain", .type = FIELD_TEXT, .offset = offsetof(Case, plain) },
	{ .name = "inner", .type = FIELD_OBJECT, .offset = offsetof(Case, inner), .flags = FIELD_IN_NOTICE, .table = &inner_table },
};
static const FieldTable case_table = FIELD_TABLE("case", case_fields, Case);

static void restricted_members_are_in_no_notice(void **state)
{
	static const struct {
		const char *pointer;
		bool shown;
	} pointers[] = {
		{ "/title", true },        { "/plain", false },         { "/evidence", false }, { "/inner/open", true },
		{ "/inner/closed", false }, { "/inner/open/x", false }, { "/unknown", false },  { "title", false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++)
		if (notice_shows(&case_table, pointers[i].pointer) != pointers[i].shown)
			fail_msg("%s", pointers[i].pointer);
	json_t *whole JSON_AUTO = json_pack("{s:s, s:s, s:s, s:{s:s, s:s}, s:s}", "title", "t", "evidence", "e", "plain", "p", "inner",
					    "open", "o", "closed", "c", "unknown", "u");
	json_t *before JSON_AUTO = json_deep_copy(whole);
	json_t *shown JSON_AUTO = notice_document(&case_table, whole);
	json_t *expected JSON_AUTO =
		json_pack("{s:s, s:s, s:{s:s}, s:s}", "title", "t", "plain", "p", "inner", "open", "o", "unknown", "u");
	assert_true(json_equal(shown, expected));
	assert_true(json_equal(whole, before));
	json_t *same JSON_AUTO = notice_document(&incident_table, whole);
	assert_ptr_equal(same, whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_channel_with_all_its_settings_is_complete, all_set),
		cmocka_unit_test_setup(the_missing_setting_of_a_channel_is_named, all_set),
		cmocka_unit_test_setup(setting_references_are_replaced, all_set),
		cmocka_unit_test_setup(a_webhook_carries_the_whole_incident, all_set),
		cmocka_unit_test_setup(a_webhook_of_a_higher_level_has_type_escalated, all_set),
		cmocka_unit_test_setup(a_webhook_without_a_secret_is_unsigned, all_set),
		cmocka_unit_test_setup(a_channel_without_its_setting_encodes_nothing, all_set),
		cmocka_unit_test_setup(a_mail_is_in_the_language_of_the_person, all_set),
		cmocka_unit_test_setup(a_mail_of_a_drill_or_a_higher_level_begins_with_that, all_set),
		cmocka_unit_test_setup(a_mail_omits_missing_values, all_set),
		cmocka_unit_test_setup(a_mail_to_a_person_removed_from_the_policy_is_still_sent, all_set),
		cmocka_unit_test_setup(a_mail_shows_exactly_the_members_of_its_rows, all_set),
		cmocka_unit_test_setup(restricted_members_are_in_no_notice, all_set),
		cmocka_unit_test_setup(the_default_pack_has_every_word_of_notices, all_set),
	};
	return cmocka_run_group_tests_name("channels", tests, pack_make, pack_drop);
}
