#include "services/cli/cli.h"

#include <stdio.h>
#include <string.h>

enum { MANUAL_MAX = 65536 };

static void help(FILE *stream, const Command *commands, size_t count)
{
	fprintf(stream, "Tocsin receives security events, classifies and grades them, notifies the people in charge,\n"
			"and keeps a verifiable audit log.\n\n");
	for (size_t i = 0; i < count; i++) {
		char usage[64];
		snprintf(usage, sizeof usage, "%s %s", commands[i].name, commands[i].arguments);
		fprintf(stream, "  tocsin %-22s %s\n", usage, commands[i].sentence);
	}
	fprintf(stream, "  tocsin %-22s %s\n", "help", "print this help");
	fprintf(stream, "  tocsin %-22s %s\n\n", "--settings", "print the settings (environment variables) and their defaults");
	fputs(EXIT_CODES_HELP, stream);
}

static void settings_write(unsigned users, unsigned but_not, Buffer *out)
{
	Settings *settings;
	SettingsReport report;
	settings_read((char *[]){ NULL }, users, &settings, &report);
	settings_write_manual(settings, but_not, out);
	settings_free(settings);
}

static ExitCode settings_print(void)
{
	Buffer manual;
	buffer_init(&manual, MANUAL_MAX);
	settings_write_introduction(&manual);
	buffer_text(&manual, "\nThe server, tocsin serve:\n");
	settings_write(SETTING_SERVE, 0, &manual);
	buffer_text(&manual, "\nOther commands:\n");
	settings_write(SETTING_COMMANDS, SETTING_SERVE, &manual);
	buffer_text(&manual, "\nEach program of the distributed mode prints its own settings: tocsin-gateway --settings …\n");
	fwrite(manual.data, 1, manual.size, stdout);
	buffer_release(&manual);
	return EXIT_OK;
}

/* The number of words in the command's name if the arguments begin with it, else 0. */
static int words_matched(const char *name, char **words, int count)
{
	int matched = 0;
	while (*name != '\0') {
		size_t size = strcspn(name, " ");
		if (matched == count || strlen(words[matched]) != size || memcmp(words[matched], name, size) != 0)
			return 0;
		name += size + (name[size] == ' ');
		matched++;
	}
	return matched;
}

static const Command *command_find(const Command *commands, size_t count, char **words, int word_count, int *matched)
{
	const Command *found = NULL;
	*matched = 0;
	for (size_t i = 0; i < count; i++) {
		int words_of = words_matched(commands[i].name, words, word_count);
		if (words_of > *matched) {
			found = &commands[i];
			*matched = words_of;
		}
	}
	return found;
}

/* If commands of two words begin with this word, the error lists them. */
static void unknown_report(const Command *commands, size_t count, const char *word)
{
	WordList list = { .text = "" };
	size_t size = strlen(word);
	for (size_t i = 0; i < count; i++)
		if (strncmp(commands[i].name, word, size) == 0 && commands[i].name[size] == ' ')
			word_list_add(&list, commands[i].name);
	if (list.text[0] != '\0')
		report_error("'%s' needs a second word: %s", word, list.text);
	else
		report_error("there is no command '%s': tocsin help lists the commands", word);
}

ExitCode commands_run(const Command *commands, size_t count, int argc, char **argv)
{
	static char *const flags[][2] = {
		{ "--check", "check" }, { "--version", "version" }, { "--help", "help" }, { "-h", "help" }
	};
	int matched;
	for (size_t i = 0; argc > 1 && i < sizeof flags / sizeof flags[0]; i++)
		if (strcmp(argv[1], flags[i][0]) == 0)
			argv[1] = flags[i][1];
	if (argc > 1 && strcmp(argv[1], "--settings") == 0)
		return settings_print();
	if (argc < 2 || strcmp(argv[1], "help") == 0) {
		help(argc < 2 ? stderr : stdout, commands, count);
		return argc < 2 ? EXIT_USAGE : EXIT_OK;
	}
	const Command *command = command_find(commands, count, argv + 1, argc - 1, &matched);
	if (command == NULL) {
		unknown_report(commands, count, argv[1]);
		return EXIT_USAGE;
	}
	if (argc - 1 > matched && (strcmp(argv[argc - 1], "--help") == 0 || strcmp(argv[argc - 1], "-h") == 0)) {
		printf("usage: tocsin %s%s%s\n%s\n", command->name, command->arguments[0] ? " " : "", command->arguments,
		       command->sentence);
		return EXIT_OK;
	}
	if (argc - 1 - matched > command->arguments_max) {
		report_error("usage: tocsin %s%s%s", command->name, command->arguments[0] ? " " : "", command->arguments);
		return EXIT_USAGE;
	}
	return command->run(argv + 1 + matched, argc - 1 - matched);
}
