/* The default policy pack: complete, without errors, and equal in both languages. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/domain/lifecycle.h"

#include "tests/unit/pack.h"

#include <stdio.h>
#include <string.h>

static Policy *policy;

static int setup(void **state)
{
	(void)state;
	policy = pack_compiled(NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	policy_free(policy);
	return 0;
}

static void the_pack_names_itself(void **state)
{
	(void)state;
	assert_memory_equal(policy_version(policy), "default@1+", 10);
	assert_string_equal(policy_languages(policy)[0], "en");
	assert_string_equal(policy_languages(policy)[1], "zh-CN");
	assert_null(policy_languages(policy)[2]);
}

/* ---- categories */
static void the_pack_has_every_category_of_the_standard(void **state)
{
	static const int subs[] = { 10, 21, 12, 8, 5, 8, 3, 3, 5, 0 };
	size_t total = 0;
	(void)state;
	for (int main_code = 1; main_code <= 10; main_code++)
		for (int sub = 0; sub <= subs[main_code - 1] + 1; sub++) {
			char code[32];
			snprintf(code, sizeof code, "%02d%03d", main_code, sub);
			bool there = policy_category_name(policy, code, "en") != NULL;
			if (there != (sub <= subs[main_code - 1]))
				fail_msg("category %s", code);
			total += there;
		}
	assert_int_equal(total, json_array_size(json_object_get(policy_message(policy), "categories")));
	assert_string_equal(policy_category_name(policy, "01007", "zh-CN"), "勒索软件");
}

static void every_category_has_a_name_in_each_language(void **state)
{
	json_t *category;
	size_t i;
	(void)state;
	json_array_foreach (json_object_get(policy_message(policy), "categories"), i, category)
		for (size_t j = 0; policy_languages(policy)[j] != NULL; j++)
			assert_true(json_string_length(json_object_get(json_object_get(category, "names"),
								       policy_languages(policy)[j])) > 0);
}

static void latent_weaknesses_are_weaknesses_and_abnormal_behaviour_is_an_event(void **state)
{
	(void)state;
	assert_string_equal(kind_words[policy_category_kind(policy, "07001")], "weakness");
	assert_string_equal(kind_words[policy_category_kind(policy, "08002")], "event");
	assert_int_equal(policy_category_kind(policy, "02018"), -1);
}

/* ---- sources */
static void an_unknown_source_has_a_window_of_15_minutes_and_a_cap_of_a_day(void **state)
{
	const SourcePolicy *source = policy_source(policy, "never heard of");
	(void)state;
	assert_true(source->by_source && source->by_rule && source->by_asset && source->by_actor);
	assert_int_equal(source->window_seconds, 900);
	assert_int_equal(source->cap_seconds, 86400);
}

/* ---- escalation */
static void grave_incidents_reach_management_within_half_an_hour(void **state)
{
	static const char *const grave[] = { "I", "II" };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const EscalationPolicy *found = policy_escalation(policy, KIND_INCIDENT, choice_of(grade_words, grave[i]));
		assert_string_equal(found->team, "soc");
		assert_int_equal(found->level_count, 3);
		assert_int_equal(found->levels[0].after_seconds, 0);
		assert_int_equal(found->levels[1].after_seconds, 900);
		assert_int_equal(found->levels[2].after_seconds, 1800);
		assert_string_equal(found->levels[0].notify[0], "channel:webhook");
		assert_string_equal(found->levels[0].notify[1], "team:soc");
		assert_string_equal(found->levels[2].notify[found->levels[2].notify_count - 1], "team:management");
	}
}

static void lesser_incidents_and_weaknesses_take_longer_and_events_notify_nobody(void **state)
{
	(void)state;
	assert_true(policy_escalation(policy, KIND_INCIDENT, 2)->levels[1].after_seconds > 1800);
	assert_ptr_equal(policy_escalation(policy, KIND_INCIDENT, 3), policy_escalation(policy, KIND_INCIDENT, 2));
	assert_int_equal(policy_escalation(policy, KIND_WEAKNESS, 0)->level_count, 1);
	assert_null(policy_escalation(policy, KIND_EVENT, 0));
}

static void every_team_has_a_person_on_duty_with_an_address(void **state)
{
	json_t *team;
	size_t i;
	(void)state;
	json_array_foreach (json_object_get(policy_message(policy), "teams"), i, team) {
		const TeamPolicy *found = policy_team(policy, json_string_value(json_object_get(team, "id")));
		assert_true(found->on_duty_count > 0);
		assert_non_null(found->on_duty[0]->email);
	}
}

static void no_address_of_the_pack_accepts_mail(void **state)
{
	static const char nowhere[] = "@example.org";
	json_t *person;
	size_t i;
	(void)state;
	json_array_foreach (json_object_get(policy_message(policy), "people"), i, person) {
		const char *email = json_string_value(json_object_get(person, "email"));
		assert_string_equal(email + strlen(email) - strlen(nowhere), nowhere);
	}
}

static void channels_contain_only_settings(void **state)
{
	const ChannelPolicy *webhook = policy_channel(policy, "webhook"),
			    *mail = policy_channel_of_type(policy, "email");
	(void)state;
	assert_string_equal(webhook->url, "${TOCSIN_WEBHOOK_URL}");
	assert_string_equal(webhook->secret, "${TOCSIN_WEBHOOK_SECRET}");
	assert_string_equal(mail->server, "${TOCSIN_SMTP_URL}");
	assert_string_equal(mail->from, "${TOCSIN_MAIL_FROM}");
}

/* ---- words */
static const char *const wanted[] = {
	"reason.rule",
	"reason.no-rule",
	"reason.noise",
	"reason.category",
	"reason.category-default",
	"reason.kind-rule",
	"reason.kind-reporter",
	"reason.kind-category",
	"reason.kind-default",
	"reason.grade-matrix",
	"reason.grade-severity",
	"reason.grade-harm",
	"severity.none",
};

static void assert_word(const char *group, const char *word)
{
	char key[96];
	snprintf(key, sizeof key, "%s%s", group, word);
	for (size_t i = 0; policy_languages(policy)[i] != NULL; i++) {
		json_t *words =
			json_object_get(json_object_get(policy_message(policy), "words"), policy_languages(policy)[i]);
		if (json_string_length(json_object_get(words, key)) == 0)
			fail_msg("%s has no %s", policy_languages(policy)[i], key);
	}
}

static void the_pack_has_every_word_that_notices_use(void **state)
{
	static const struct {
		const char *group;
		const char *const *words;
	} groups[] = {
		{ "kind.", kind_words },
		{ "severity.", severity_words },
		{ "importance.", importance_words },
		{ "loss.", loss_words },
		{ "harm.", harm_words },
		{ "mail.kind.", kind_words },
		{ "mail.severity.", severity_words },
	};
	(void)state;
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
		assert_word("", wanted[i]);
	for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
		for (size_t j = 0; groups[i].words[j] != NULL; j++)
			assert_word(groups[i].group, groups[i].words[j]);
}

/* True when every {name} in `text` is also in `other`. */
static bool names_within(const char *text, const char *other)
{
	for (; (text = strchr(text, '{')) != NULL; text++) {
		char name[64] = "";
		size_t size = strcspn(text, "}") + 1;
		assert_true(size < sizeof name);
		memcpy(name, text, size);
		if (strstr(other, name) == NULL)
			return false;
	}
	return true;
}

static void both_languages_use_the_same_values(void **state)
{
	json_t *words = json_object_get(policy_message(policy), "words"), *text;
	json_t *english = json_object_get(words, "en"), *chinese = json_object_get(words, "zh-CN");
	const char *key;
	(void)state;
	json_object_foreach (english, key, text) {
		const char *one = json_string_value(text), *other = json_string_value(json_object_get(chinese, key));
		if (!names_within(one, other) || !names_within(other, one))
			fail_msg("%s: %s | %s", key, one, other);
	}
}

static void the_words_are_flat_and_sorted(void **state)
{
	json_t *words = json_object_get(policy_message(policy), "words"), *texts, *text;
	const char *language, *key;
	(void)state;
	json_object_foreach (words, language, texts) {
		const char *before = "";
		json_object_foreach (texts, key, text) {
			if (strcmp(before, key) >= 0)
				fail_msg("words/%s.yaml: %s is sorted behind %s", language, key, before);
			before = key;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pack_names_itself),
		cmocka_unit_test(the_pack_has_every_category_of_the_standard),
		cmocka_unit_test(every_category_has_a_name_in_each_language),
		cmocka_unit_test(latent_weaknesses_are_weaknesses_and_abnormal_behaviour_is_an_event),
		cmocka_unit_test(an_unknown_source_has_a_window_of_15_minutes_and_a_cap_of_a_day),
		cmocka_unit_test(grave_incidents_reach_management_within_half_an_hour),
		cmocka_unit_test(lesser_incidents_and_weaknesses_take_longer_and_events_notify_nobody),
		cmocka_unit_test(every_team_has_a_person_on_duty_with_an_address),
		cmocka_unit_test(no_address_of_the_pack_accepts_mail),
		cmocka_unit_test(channels_contain_only_settings),
		cmocka_unit_test(the_pack_has_every_word_that_notices_use),
		cmocka_unit_test(both_languages_use_the_same_values),
		cmocka_unit_test(the_words_are_flat_and_sorted),
	};
	return cmocka_run_group_tests_name("default_pack", tests, setup, teardown);
}
