#include "services/cli/cli.h"

#include <stdio.h>
#include <string.h>

enum { MANUAL_MAX = 65536 };

static void help(FILE *stream, const Command *commands, size_t count)
{
	fprintf(stream, "Tocsin takes in security events, decides what they are and how bad, tells the right people,\n"
			"and keeps a record that anyone can verify.\n\n");
	for (size_t i = 0; i < count; i++) {
		char usage[64];
		snprintf(usage, sizeof usage, "%s %s", commands[i].name, commands[i].arguments);
		fprintf(stream, "  tocsin %-22s %s\n", usage, commands[i].sentence);
	}
	fprintf(stream, "  tocsin %-22s %s\n", "help", "this list");
	fprintf(stream, "  tocsin %-22s %s\n\n", "--settings", "the environment variables that are read");
	fprintf(stream,
		"Exit codes: 0 done, 1 the answer is no, 2 wrong use, settings or policy, 3 the surroundings fail.\n");
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
	buffer_text(&manual, "\nThe programs of the distributed mode list theirs: tocsin-gateway --settings …\n");
	fwrite(manual.data, 1, manual.size, stdout);
	buffer_release(&manual);
	return EXIT_DONE;
}

/* How many of the words a command's name takes up; 0: it is not the one. */
static int words_taken(const char *name, char **words, int count)
{
	int taken = 0;
	while (*name != '\0') {
		size_t size = strcspn(name, " ");
		if (taken == count || strlen(words[taken]) != size || memcmp(words[taken], name, size) != 0)
			return 0;
		name += size + (name[size] == ' ');
		taken++;
	}
	return taken;
}

static const Command *command_find(const Command *commands, size_t count, char **words, int word_count, int *taken)
{
	const Command *found = NULL;
	*taken = 0;
	for (size_t i = 0; i < count; i++) {
		int words_of = words_taken(commands[i].name, words, word_count);
		if (words_of > *taken) {
			found = &commands[i];
			*taken = words_of;
		}
	}
	return found;
}

/* The word may begin commands of two words. */
static void unknown_complain(const Command *commands, size_t count, const char *word)
{
	WordList list = { .text = "" };
	size_t size = strlen(word);
	for (size_t i = 0; i < count; i++)
		if (strncmp(commands[i].name, word, size) == 0 && commands[i].name[size] == ' ')
			word_list_add(&list, commands[i].name);
	if (list.text[0] != '\0')
		report_error("'%s' needs another word: %s", word, list.text);
	else
		report_error("there is no command '%s'; tocsin help lists them", word);
}

ExitCode commands_run(const Command *commands, size_t count, int argc, char **argv)
{
	static char *const flags[][2] = {
		{ "--check", "check" }, { "--version", "version" }, { "--help", "help" }, { "-h", "help" }
	};
	int taken;
	for (size_t i = 0; argc > 1 && i < sizeof flags / sizeof flags[0]; i++)
		if (strcmp(argv[1], flags[i][0]) == 0)
			argv[1] = flags[i][1];
	if (argc > 1 && strcmp(argv[1], "--settings") == 0)
		return settings_print();
	if (argc < 2 || strcmp(argv[1], "help") == 0) {
		help(argc < 2 ? stderr : stdout, commands, count);
		return argc < 2 ? EXIT_USAGE : EXIT_DONE;
	}
	const Command *command = command_find(commands, count, argv + 1, argc - 1, &taken);
	if (command == NULL) {
		unknown_complain(commands, count, argv[1]);
		return EXIT_USAGE;
	}
	if (argc - 1 - taken > command->most) {
		report_error("usage: tocsin %s %s", command->name, command->arguments);
		return EXIT_USAGE;
	}
	return command->run(argv + 1 + taken, argc - 1 - taken);
}
