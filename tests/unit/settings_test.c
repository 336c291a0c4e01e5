#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/service/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static SettingsReport report;

static Settings *read_all(char *const *environment, bool right)
{
	Settings *settings;
	assert_int_equal(settings_read(environment, &settings, &report), right);
	return settings;
}

static bool mistake_about(const char *name)
{
	for (size_t i = 0; i < report.mistakes; i++)
		if (strncmp(report.mistake[i], name, strlen(name)) == 0)
			return true;
	return false;
}

static void without_an_environment_every_default_is_right(void **state)
{
	(void)state;
	Settings *settings = read_all((char *[]){ NULL }, true);
	assert_string_equal(setting_text(settings, "TOCSIN_HOME"), "./var");
	assert_int_equal(setting_integer(settings, "TOCSIN_COMMAND_WAIT_MS"), 5000);
	assert_null(setting_text(settings, "TOCSIN_WEBHOOK_URL"));
	assert_false(setting_given(settings, "TOCSIN_URL"));
	assert_int_equal(report.warnings, 0);
	settings_free(settings);
}

static void an_empty_value_is_unset(void **state)
{
	(void)state;
	Settings *settings = read_all((char *[]){ "TOCSIN_HOME=", "TOCSIN_POLICY=", NULL }, true);
	assert_string_equal(setting_text(settings, "TOCSIN_HOME"), "./var");
	assert_null(setting_text(settings, "TOCSIN_POLICY"));
	settings_free(settings);
}

static const struct {
	const char *entry;
	bool right;
} cases[] = {
	{ "TOCSIN_LISTEN=127.0.0.1:0", true },
	{ "TOCSIN_LISTEN=0.0.0.0:65535", true },
	{ "TOCSIN_LISTEN=127.0.0.1", false },
	{ "TOCSIN_LISTEN=127.0.0.1:65536", false },
	{ "TOCSIN_LISTEN=localhost:80", false },
	{ "TOCSIN_LISTEN=:80", false },
	{ "TOCSIN_LISTEN=127.0.0.1:", false },
	{ "TOCSIN_LISTEN=127.0.0.1:-1", false },
	{ "TOCSIN_ADMIN_KEY=0123456789abcdef0123456789abcdef", true },
	{ "TOCSIN_ADMIN_KEY=0123456789abcdef0123456789abcde", false },
	{ "TOCSIN_ADMIN_KEY=0123456789abcdef 0123456789abcdef", false },
	{ "TOCSIN_LOG_LEVEL=debug", true },
	{ "TOCSIN_LOG_LEVEL=DEBUG", false },
	{ "TOCSIN_BODY_MAX=4096", true },
	{ "TOCSIN_BODY_MAX=255", false },
	{ "TOCSIN_BODY_MAX=4096x", false },
	{ "TOCSIN_DRAIN_DELAY_MS=-1", false },
	{ "TOCSIN_PUBLIC_URL=https://tocsin.example.org", true },
	{ "TOCSIN_PUBLIC_URL=tocsin.example.org", false },
	{ "TOCSIN_WEBHOOK_SECRET=whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", true },
	{ "TOCSIN_WEBHOOK_SECRET=whsec_c2hvcnQ=", false },
	{ "TOCSIN_WEBHOOK_SECRET=whsec_?", false },
	{ "TOCSIN_SMTP_URL=smtps://user:password@mail.example.org:465", true },
	{ "TOCSIN_SMTP_URL=http://mail.example.org", false },
	{ "TOCSIN_MAIL_FROM=tocsin@example.org", true },
	{ "TOCSIN_MAIL_FROM=tocsin", false },
	{ "TOCSIN_EGRESS_ALLOW=10.0.0.0/8, 192.0.2.1,fd00::/8", true },
	{ "TOCSIN_EGRESS_ALLOW=10.0.0.0/33", false },
	{ "TOCSIN_EGRESS_ALLOW=fd00::/129", false },
	{ "TOCSIN_EGRESS_ALLOW=intranet", false },
	{ "TOCSIN_KAFKA_PARTITIONS=0", false },
};

static void each_value_is_held_against_its_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		Settings *settings;
		bool right = settings_read((char *[]){ (char *)(uintptr_t)cases[i].entry, NULL }, &settings, &report);
		if (right != cases[i].right)
			fail_msg("%s was %s", cases[i].entry, right ? "taken" : "refused");
		assert_int_equal(report.mistakes, cases[i].right ? 0 : 1);
		settings_free(settings);
	}
}

static void all_mistakes_are_reported_at_once_without_secrets(void **state)
{
	(void)state;
	Settings *settings =
		read_all((char *[]){ "TOCSIN_LISTEN=x", "TOCSIN_BODY_MAX=x", "TOCSIN_ADMIN_KEY=hush", NULL }, false);
	assert_int_equal(report.mistakes, 3);
	assert_true(mistake_about("TOCSIN_LISTEN ") && mistake_about("TOCSIN_BODY_MAX ") &&
		    mistake_about("TOCSIN_ADMIN_KEY "));
	for (size_t i = 0; i < report.mistakes; i++)
		assert_null(strstr(report.mistake[i], "hush"));
	settings_free(settings);
}

static void what_is_unknown_is_a_warning_and_never_fatal(void **state)
{
	(void)state;
	Settings *settings = read_all((char *[]){ "TOCSIN_PORT=tcp://10.0.0.1", "TOCSIN_HOEM_FILE=x", "HOME=/root",
						  "TOCSIN_INSTANCE=a", NULL },
				      true);
	assert_int_equal(report.warnings, 2);
	assert_non_null(strstr(report.warning[0], "TOCSIN_PORT "));
	assert_non_null(strstr(report.warning[1], "TOCSIN_HOEM_FILE "));
	settings_free(settings);
}

static void a_value_can_stand_in_a_file(void **state)
{
	(void)state;
	char path[] = "/tmp/tocsin-settings-XXXXXX", entry[128];
	int fd = mkstemp(path);
	assert_true(fd >= 0 && write(fd, "/srv/tocsin\n", 12) == 12);
	snprintf(entry, sizeof entry, "TOCSIN_HOME_FILE=%s", path);
	Settings *settings = read_all((char *[]){ entry, NULL }, true);
	assert_string_equal(setting_text(settings, "TOCSIN_HOME"), "/srv/tocsin");
	settings_free(settings);
	settings = read_all((char *[]){ entry, "TOCSIN_HOME=/elsewhere", NULL }, false);
	assert_true(mistake_about("TOCSIN_HOME and TOCSIN_HOME_FILE"));
	settings_free(settings);
	close(fd);
	unlink(path);
	settings = read_all((char *[]){ entry, NULL }, false);
	assert_true(mistake_about("TOCSIN_HOME_FILE"));
	settings_free(settings);
}

static void the_manual_names_every_setting(void **state)
{
	(void)state;
	Buffer manual;
	buffer_init(&manual, 65536);
	settings_write_manual(&manual);
	assert_false(manual.overflowed);
	for (size_t i = 0; i < settings_count; i++)
		assert_non_null(strstr(manual.data, settings_table[i].name));
	buffer_release(&manual);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_an_environment_every_default_is_right),
		cmocka_unit_test(an_empty_value_is_unset),
		cmocka_unit_test(each_value_is_held_against_its_row),
		cmocka_unit_test(all_mistakes_are_reported_at_once_without_secrets),
		cmocka_unit_test(what_is_unknown_is_a_warning_and_never_fatal),
		cmocka_unit_test(a_value_can_stand_in_a_file),
		cmocka_unit_test(the_manual_names_every_setting),
	};
	return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
