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

const Service *const carried_services[ARCHIVED_SERVICES] = { &gateway_service,        &intake_service,
							    &classification_service, &response_service,
							    &notification_service,   &audit_service };

/* ---- arguments and settings */

static bool arguments_take(ArchiveCommand *carriage, char **arguments, int count, bool wants_file)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(arguments[i], "--kafka") == 0)
			carriage->kafka = true;
		else if (!wants_file || carriage->file != NULL || (arguments[i][0] == '-' && arguments[i][1] != '\0'))
			return false;
		else
			carriage->file = arguments[i];
	}
	return !wants_file || carriage->file != NULL;
}

ExitCode archive_open(ArchiveCommand *carriage, char **arguments, int count, bool wants_file)
{
	if (!arguments_take(carriage, arguments, count, wants_file)) {
		report_error("usage: %s", carriage->usage);
		return EXIT_USAGE;
	}
	carriage->settings = settings_read_or_report(SETTING_COMMANDS);
	carriage->said_us = clock_monotonic_us();
	return carriage->settings == NULL ? EXIT_USAGE : EXIT_DONE;
}

void archive_close(ArchiveCommand *carriage)
{
	datadir_release(&carriage->home);
	if (carriage->settings != NULL)
		settings_free(carriage->settings);
}

/* ---- the home */

Result archive_lock(ArchiveCommand *carriage)
{
	TRY(datadir_make(carriage->settings));
	if (!carriage->kafka)
		TRY(datadir_lock(carriage->settings, &carriage->home));
	for (size_t i = 0; i < ARCHIVED_SERVICES; i++)
		TRY(datadir_lock_service(carriage->settings, carried_services[i]->name, &carriage->home));
	return result_ok();
}

Result archive_datadir_check(const ArchiveCommand *carriage)
{
	char path[PATH_SIZE];
	datadir_path(carriage->settings, "bus.db", path);
	if (carriage->kafka || access(path, F_OK) == 0)
		return result_ok();
	return result_fail(ERROR_NOT_FOUND, "%s is not there: nothing was ever served from this TOCSIN_HOME", path);
}

void archive_audit_path(const ArchiveCommand *carriage, char out[static PATH_SIZE])
{
	datadir_path(carriage->settings, "audit/ledger.jsonl", out);
}

/* ---- the bus */

Result archive_bus_open(ArchiveCommand *carriage, const Service *group, Bus **out)
{
	const Settings *settings = carriage->settings;
	if (!carriage->kafka)
		return bus_open_home(settings, out);
	BusSeat seat = { .client = carriage->client,
			 .group = group,
			 .shared = group ? group->inputs[0].topic : TOPICS };
	return bus_open_cluster(settings, &seat, setting_integer(settings, "TOCSIN_START_TIMEOUT_MS"), NULL, NULL, out);
}

/* ---- words */

void archive_progress(void *context, const char *what, uint64_t lines)
{
	ArchiveCommand *carriage = context;
	if (clock_monotonic_us() - carriage->said_us < PROGRESS_US)
		return;
	carriage->said_us = clock_monotonic_us();
	report_error("%s, %" PRIu64 " so far", what, lines);
}
