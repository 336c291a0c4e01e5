#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/program/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static SettingsReport report;

static Settings *read_all(char *const *environment, bool valid)
{
	Settings *settings;
	assert_int_equal(settings_read(environment, SETTING_ALL, &settings, &report), valid);
	return settings;
}

static bool mistake_about(const char *name)
{
	for (size_t i = 0; i < report.mistakes; i++)
		if (strncmp(report.mistake[i], name, strlen(name)) == 0)
			return true;
	return false;
}

static void all_defaults_are_valid(void **state)
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
	bool valid;
} cases[] = {
	{ "TOCSIN_LISTEN=127.0.0.1:0", true },
	{ "TOCSIN_LISTEN=0.0.0.0:65535", true },
	{ "TOCSIN_LISTEN=127.0.0.1", false },
	{ "TOCSIN_LISTEN=127.0.0.1:65536", false },
	{ "TOCSIN_LISTEN=localhost:80", false },
	{ "TOCSIN_LISTEN=:80", false },
	{ "TOCSIN_LISTEN=127.0.0.1:", false },
	{ "TOCSIN_LISTEN=127.0.0.1:-1", false },
	{ "TOCSIN_LISTEN=[127.0.0.1]:80", false },
	{ "TOCSIN_LISTEN=[::1]:0", true },
	{ "TOCSIN_LISTEN=[::]:8080", true },
	{ "TOCSIN_LISTEN=[2001:db8:0:1:2:3:4:5]:65535", true },
	{ "TOCSIN_LISTEN=::1:8080", false },
	{ "TOCSIN_LISTEN=[::1]", false },
	{ "TOCSIN_LISTEN=[::1]:", false },
	{ "TOCSIN_LISTEN=[::1:8080", false },
	{ "TOCSIN_LISTEN=[]:8080", false },
	{ "TOCSIN_LISTEN=[::1]:65536", false },
	{ "TOCSIN_LISTEN=[::1]8080", false },
	{ "TOCSIN_LISTEN=[fe80::1%lo]:8080", false },
	{ "TOCSIN_LISTEN=[12345::]:8080", false },
	{ "TOCSIN_OPS_LISTEN=[::1]:9090", true },
	{ "TOCSIN_OPS_LISTEN=::1:9090", false },
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
	{ "TOCSIN_KAFKA_PARTITIONS=64", true },
	{ "TOCSIN_KAFKA_PARTITIONS=65", false },
	{ "TOCSIN_STANDBY=none", true },
	{ "TOCSIN_STANDBY=some", false },
	{ "TOCSIN_INSTANCE=node-1.example.org", true },
	{ "TOCSIN_INSTANCE=node 1", false },
	{ "TOCSIN_REDIS_URL=unix:///run/redis.sock", true },
	{ "TOCSIN_REDIS_URL=127.0.0.1:6379", false },
};

static void each_value_is_checked_by_its_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		Settings *settings;
		bool valid = settings_read((char *[]){ (char *)(uintptr_t)cases[i].entry, NULL }, SETTING_ALL,
					   &settings, &report);
		if (valid != cases[i].valid)
			fail_msg("%s was %s", cases[i].entry, valid ? "accepted" : "refused");
		assert_int_equal(report.mistakes, cases[i].valid ? 0 : 1);
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

static void an_unknown_setting_is_only_a_warning(void **state)
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

static void a_value_can_be_read_from_a_file(void **state)
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

static void a_program_reads_its_own_settings_and_does_not_warn_of_others(void **state)
{
	(void)state;
	Settings *settings;
	char *environment[] = { "TOCSIN_SMTP_URL=invalid", "TOCSIN_BULK_MAX=invalid", "TOCSIN_LISTEN=127.0.0.1:9", NULL };
	assert_true(settings_read(environment, SETTING_INTAKE, &settings, &report));
	assert_int_equal(report.warnings, 0);
	assert_string_equal(setting_text(settings, "TOCSIN_LISTEN"), "127.0.0.1:9");
	settings_free(settings);
	assert_false(settings_read(environment, SETTING_NOTIFICATION, &settings, &report));
	assert_true(mistake_about("TOCSIN_SMTP_URL "));
	settings_free(settings);
}

static void the_environment_overrides_a_programs_default(void **state)
{
	(void)state;
	Settings *settings = read_all((char *[]){ "TOCSIN_LISTEN=127.0.0.1:9", NULL }, true);
	setting_default(settings, "TOCSIN_LISTEN", "127.0.0.1:8081");
	setting_default(settings, "TOCSIN_INSTANCE", "host");
	assert_string_equal(setting_text(settings, "TOCSIN_LISTEN"), "127.0.0.1:9");
	assert_string_equal(setting_text(settings, "TOCSIN_INSTANCE"), "host");
	assert_false(setting_given(settings, "TOCSIN_INSTANCE"));
	settings_free(settings);
}

static void a_pack_can_read_only_settings_for_channels(void **state)
{
	(void)state;
	Settings *settings = read_all((char *[]){ "TOCSIN_WEBHOOK_URL=https://hook.example.org",
						  "TOCSIN_ADMIN_KEY=0123456789abcdef0123456789abcdef",
						  "TOCSIN_KAFKA_OPTIONS=sasl.password=hush", NULL },
				      true);
	assert_string_equal(setting_of_channel(settings, "TOCSIN_WEBHOOK_URL"), "https://hook.example.org");
	assert_null(setting_of_channel(settings, "TOCSIN_ADMIN_KEY"));
	assert_null(setting_of_channel(settings, "TOCSIN_KAFKA_OPTIONS"));
	assert_null(setting_of_channel(settings, "TOCSIN_REDIS_URL"));
	assert_null(setting_of_channel(settings, "TOCSIN_MAIL_FROM"));
	assert_null(setting_of_channel(settings, "TOCSIN_NOTHING"));
	settings_free(settings);
}

static bool has_row(const Buffer *manual, const char *name)
{
	char start[64];
	snprintf(start, sizeof start, "\n%s ", name);
	return strstr(manual->data, start) != NULL;
}

static void the_manual_lists_exactly_the_settings_that_are_read(void **state)
{
	(void)state;
	Buffer all, others;
	Settings *settings = read_all((char *[]){ NULL }, true);
	buffer_init(&all, 65536);
	buffer_init(&others, 65536);
	buffer_text(&all, "\n");
	buffer_text(&others, "\n");
	settings_write_manual(settings, 0, &all);
	settings_write_manual(settings, SETTING_SERVE, &others);
	assert_false(all.overflowed);
	for (size_t i = 0; i < settings_count; i++) {
		const Setting *setting = &settings_table[i];
		bool read = setting->users != 0, other = read && (setting->users & SETTING_SERVE) == 0;
		assert_int_equal(has_row(&all, setting->name), read);
		assert_int_equal(has_row(&others, setting->name), other);
	}
	buffer_release(&all);
	buffer_release(&others);
	settings_free(settings);
}

static void the_path_of_a_file_setting_is_kept(void **state)
{
	(void)state;
	char path[] = "/tmp/tocsin-setting-XXXXXX", entry[64];
	int file = mkstemp(path);
	assert_int_equal(write(file, "error\n", 6), 6);
	close(file);
	snprintf(entry, sizeof entry, "TOCSIN_LOG_LEVEL_FILE=%s", path);
	Settings *settings;
	assert_true(settings_read((char *[]){ entry, NULL }, SETTING_SERVE, &settings, &report));
	assert_string_equal(setting_text(settings, "TOCSIN_LOG_LEVEL"), "error");
	assert_string_equal(setting_file(settings, "TOCSIN_LOG_LEVEL"), path);
	assert_null(setting_file(settings, "TOCSIN_HOME"));
	settings_free(settings);
	unlink(path);
}

static void kafka_settings_are_checked_without_connecting(void **state)
{
	(void)state;
	static char *const invalid[] = { "TOCSIN_KAFKA_BROKERS=:",          "TOCSIN_KAFKA_BROKERS=a:0",
				       "TOCSIN_KAFKA_BROKERS=a:9092,",    "TOCSIN_KAFKA_BROKERS=a:b",
				       "TOCSIN_KAFKA_OPTIONS=nosuch=1",   "TOCSIN_KAFKA_OPTIONS=linger.ms",
				       "TOCSIN_KAFKA_OPTIONS=acks=1" };
	static char *const valid[] = { "TOCSIN_KAFKA_BROKERS=a", "TOCSIN_KAFKA_BROKERS=a:9092, b:1",
				       "TOCSIN_KAFKA_BROKERS=[::1]:9092", "TOCSIN_KAFKA_OPTIONS=linger.ms=5, session.timeout.ms=6000" };
	Settings *settings;
	for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++) {
		assert_false(settings_read((char *[]){ invalid[i], NULL }, SETTING_INTAKE, &settings, &report));
		settings_free(settings);
	}
	for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++) {
		assert_true(settings_read((char *[]){ valid[i], NULL }, SETTING_INTAKE, &settings, &report));
		settings_free(settings);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_defaults_are_valid),
		cmocka_unit_test(an_empty_value_is_unset),
		cmocka_unit_test(each_value_is_checked_by_its_row),
		cmocka_unit_test(all_mistakes_are_reported_at_once_without_secrets),
		cmocka_unit_test(an_unknown_setting_is_only_a_warning),
		cmocka_unit_test(a_value_can_be_read_from_a_file),
		cmocka_unit_test(a_program_reads_its_own_settings_and_does_not_warn_of_others),
		cmocka_unit_test(the_environment_overrides_a_programs_default),
		cmocka_unit_test(a_pack_can_read_only_settings_for_channels),
		cmocka_unit_test(the_path_of_a_file_setting_is_kept),
		cmocka_unit_test(kafka_settings_are_checked_without_connecting),
		cmocka_unit_test(the_manual_lists_exactly_the_settings_that_are_read),
	};
	return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
