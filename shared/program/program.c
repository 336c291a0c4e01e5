#include "shared/program/program_internal.h"

#include "shared/io/system/files.h"
#include "shared/program/pack.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MANUAL_MAX = 65536 };

/* ---- settings */

static bool settings_take(unsigned users, Settings **out)
{
	SettingsReport report;
	bool right = settings_read(environ, users, out, &report);
	for (size_t i = 0; i < report.warnings; i++)
		report_error("warning: %s", report.warning[i]);
	for (size_t i = 0; i < report.mistakes; i++)
		report_error("%s", report.mistake[i]);
	return right;
}

static Settings *or_none(Settings *settings, bool right)
{
	if (right)
		return settings;
	settings_free(settings);
	return NULL;
}

Settings *settings_read_or_report(unsigned users)
{
	Settings *settings;
	bool right = settings_take(users, &settings);
	return or_none(settings, right);
}

static void defaults_apply(const Program *program, Settings *settings)
{
	for (size_t i = 0; i < PROGRAM_DEFAULTS_MAX && program->defaults[i].name != NULL; i++)
		setting_default(settings, program->defaults[i].name, program->defaults[i].value);
}

Settings *program_settings(const Program *program)
{
	Settings *settings;
	bool right = settings_take(program->settings, &settings);
	defaults_apply(program, settings);
	if (program->required != NULL && !setting_given(settings, program->required)) {
		report_error("%s must be given: %s", program->required, program->required_why);
		right = false;
	}
	return or_none(settings, right);
}

/* ---- what a distributed program answers to its options */

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
	return EXIT_DONE;
}

static bool reads_pack(const Program *program)
{
	return program->services[0].hooks != NULL && program->services[0].hooks->publish != NULL;
}

static ExitCode check(const Program *program)
{
	Settings *settings = program_settings(program);
	if (settings == NULL)
		return EXIT_NO;
	Policy *policy = reads_pack(program) ? pack_check(settings, NULL) : NULL;
	bool right = !reads_pack(program) || policy != NULL;
	if (!reads_pack(program))
		printf("settings are right\n");
	policy_free(policy);
	settings_free(settings);
	return right ? EXIT_DONE : EXIT_NO;
}

static ExitCode version_print(const Program *program)
{
	printf("%s %s\n", program->name, TOCSIN_VERSION);
	return EXIT_DONE;
}

static const struct {
	const char *name, *sentence;
	ExitCode (*run)(const Program *program);
} options[] = {
	{ "--help", "this list", help_print },
	{ "--settings", "the environment variables that are read", settings_print },
	{ "--check", "check settings, and the policy pack where it is read here", check },
	{ "--version", "which version this is", version_print },
};
enum { OPTIONS = sizeof options / sizeof options[0] };

static ExitCode help_print(const Program *program)
{
	printf("%s: %s.\n\n  %-22s %-11s serve until SIGTERM\n", program->name,
	       program->services[0].service->sentence, program->name, "");
	for (size_t i = 0; i < OPTIONS; i++)
		printf("  %-22s %-11s %s\n", i == 0 ? program->name : "", options[i].name, options[i].sentence);
	printf("\nExit codes: 0 done, 1 the answer is no, 2 wrong use, settings or policy, 3 the surroundings fail.\n");
	return EXIT_DONE;
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
