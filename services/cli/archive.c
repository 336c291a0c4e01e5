#include "services/cli/archive.h"

#include "services/audit/audit.h"
#include "services/classification/classification.h"
#include "services/gateway/gateway.h"
#include "services/intake/intake.h"
#include "services/notification/notification.h"
#include "services/response/response.h"
#include "shared/io/system/clock.h"
#include "shared/program/buses.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PROGRESS_US = 3000000 };

const Service *const archived_services[ARCHIVED_SERVICES] = { &gateway_service,        &intake_service,
							    &classification_service, &response_service,
							    &notification_service,   &audit_service };

/* ---- arguments and settings */

static bool arguments_take(ArchiveCommand *command, char **arguments, int count, bool wants_file)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(arguments[i], "--kafka") == 0)
			command->kafka = true;
		else if (!wants_file || command->file != NULL || (arguments[i][0] == '-' && arguments[i][1] != '\0'))
			return false;
		else
			command->file = arguments[i];
	}
	return !wants_file || command->file != NULL;
}

ExitCode archive_open(ArchiveCommand *command, char **arguments, int count, bool wants_file)
{
	if (!arguments_take(command, arguments, count, wants_file)) {
		report_error("usage: %s", command->usage);
		return EXIT_USAGE;
	}
	command->settings = settings_read_or_report(SETTING_COMMANDS);
	command->reported_us = clock_monotonic_us();
	return command->settings == NULL ? EXIT_USAGE : EXIT_OK;
}

void archive_close(ArchiveCommand *command)
{
	datadir_release(&command->datadir);
	if (command->settings != NULL)
		settings_free(command->settings);
}

/* ---- TOCSIN_HOME */

Result archive_lock(ArchiveCommand *command)
{
	TRY(datadir_make(command->settings));
	if (!command->kafka)
		TRY(datadir_lock(command->settings, &command->datadir));
	for (size_t i = 0; i < ARCHIVED_SERVICES; i++)
		TRY(datadir_lock_service(command->settings, archived_services[i]->name, &command->datadir));
	return result_ok();
}

Result archive_datadir_check(const ArchiveCommand *command)
{
	char path[PATH_SIZE];
	datadir_path(command->settings, "bus.db", path);
	if (command->kafka || access(path, F_OK) == 0)
		return result_ok();
	return result_fail(ERROR_NOT_FOUND, "%s does not exist: nothing was ever served from this TOCSIN_HOME", path);
}

void archive_audit_path(const ArchiveCommand *command, char out[static PATH_SIZE])
{
	datadir_path(command->settings, "audit/ledger.jsonl", out);
}

/* ---- the bus */

Result archive_bus_open(ArchiveCommand *command, const Service *group, Bus **out)
{
	const Settings *settings = command->settings;
	if (!command->kafka)
		return bus_open_datadir(settings, out);
	BusClient client = { .name = command->client,
			     .group = group,
			     .shared = group ? group->inputs[0].topic : TOPICS };
	return bus_open_cluster(settings, &client, setting_integer(settings, "TOCSIN_START_TIMEOUT_MS"), NULL, NULL, out);
}

/* ---- progress */

void archive_progress(void *context, const char *step, uint64_t lines)
{
	ArchiveCommand *command = context;
	if (clock_monotonic_us() - command->reported_us < PROGRESS_US)
		return;
	command->reported_us = clock_monotonic_us();
	report_error("%s, %" PRIu64 " so far", step, lines);
}
