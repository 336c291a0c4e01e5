#include "shared/program/program_internal.h"

#include "shared/io/system/files.h"
#include "shared/program/pack.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MANUAL_MAX = 65536 };

/* ---- settings */

static bool settings_read_reported(unsigned users, Settings **out)
{
	SettingsReport report;
	bool valid = settings_read(environ, users, out, &report);
	for (size_t i = 0; i < report.warnings; i++)
		report_error("warning: %s", report.warning[i]);
	for (size_t i = 0; i < report.mistakes; i++)
		report_error("%s", report.mistake[i]);
	return valid;
}

/* If valid, returns settings; else frees them and returns NULL. */
static Settings *settings_if(Settings *settings, bool valid)
{
	if (valid)
		return settings;
	settings_free(settings);
	return NULL;
}

Settings *settings_read_or_report(unsigned users)
{
	Settings *settings;
	bool valid = settings_read_reported(users, &settings);
	return settings_if(settings, valid);
}

static void defaults_apply(const Program *program, Settings *settings)
{
	for (size_t i = 0; i < PROGRAM_DEFAULTS_MAX && program->defaults[i].name != NULL; i++)
		setting_default(settings, program->defaults[i].name, program->defaults[i].value);
}

Settings *program_settings(const Program *program)
{
	Settings *settings;
	bool valid = settings_read_reported(program->settings, &settings);
	defaults_apply(program, settings);
	if (program->required != NULL && !setting_given(settings, program->required)) {
		report_error("%s is not set: %s", program->required, program->required_why);
		valid = false;
	}
	return settings_if(settings, valid);
}

/* ---- options of a distributed program */

static ExitCode help_print(const Program *program);

static ExitCode settings_print(const Program *program)
{
	Settings *settings;
	SettingsReport report;
	Buffer manual;
	buffer_init(&manual, MANUAL_MAX);
	settings_read((char *[]){ NULL }, program->settings, &settings, &report);
	defaults_apply(program, settings);
	settings_write_introduction(&manual);
	buffer_byte(&manual, '\n');
	settings_write_manual(settings, 0, &manual);
	fwrite(manual.data, 1, manual.size, stdout);
	buffer_release(&manual);
	settings_free(settings);
	return EXIT_OK;
}

static bool reads_pack(const Program *program)
{
	return program->services[0].hooks != NULL && program->services[0].hooks->publish != NULL;
}

static ExitCode check(const Program *program)
{
	Settings *settings = program_settings(program);
	if (settings == NULL)
		return EXIT_CHECK_FAILED;
	Policy *policy = reads_pack(program) ? pack_check(settings, NULL) : NULL;
	bool valid = !reads_pack(program) || policy != NULL;
	if (!reads_pack(program))
		printf("settings are valid\n");
	policy_free(policy);
	settings_free(settings);
	return valid ? EXIT_OK : EXIT_CHECK_FAILED;
}

static ExitCode version_print(const Program *program)
{
	printf("%s %s\n", program->name, TOCSIN_VERSION);
	return EXIT_OK;
}

static const struct {
	const char *name, *sentence;
	ExitCode (*run)(const Program *program);
} options[] = {
	{ "--help", "print this help", help_print },
	{ "--settings", "print the settings (environment variables) and their defaults", settings_print },
	{ "--check", "check the settings and, in tocsin-gateway, the policy pack", check },
	{ "--version", "print the version", version_print },
};
enum { OPTIONS = sizeof options / sizeof options[0] };

static ExitCode help_print(const Program *program)
{
	printf("%s: %s.\n\n  %-22s %-11s serve until SIGTERM\n", program->name,
	       program->services[0].service->sentence, program->name, "");
	for (size_t i = 0; i < OPTIONS; i++)
		printf("  %-22s %-11s %s\n", i == 0 ? program->name : "", options[i].name, options[i].sentence);
	printf("\n%s", EXIT_CODES_HELP);
	return EXIT_OK;
}

int program_main(const Program *program, int argc, char **argv)
{
	umask(PRIVATE_UMASK);
	if (argc == 1)
		return (int)program_run(program);
	for (size_t i = 0; argc == 2 && i < OPTIONS; i++)
		if (strcmp(argv[1], options[i].name) == 0)
			return (int)options[i].run(program);
	report_error("usage: %s [--help|--settings|--check|--version]", program->name);
	return EXIT_USAGE;
}
