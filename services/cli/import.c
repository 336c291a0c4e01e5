/*
 * tocsin import [--kafka] FILE: reads a file of tocsin export into an unused TOCSIN_HOME, or into unused topics on Kafka.
 *
 * The file is read twice: first to check all of it, then to write its records. The import takes effect with its last record
 * (shared/archive/import.h). After an interrupted import no program starts on the target, and a new import refuses it, until
 * the target is cleared.
 *
 * With --kafka the audit log is written to TOCSIN_HOME, which must be the one that tocsin-audit will use.
 */
#include "services/cli/archive.h"

#include "services/audit/archive.h"
#include "services/classification/classification.h"
#include "shared/io/system/clock.h"
#include "shared/io/system/files.h"
#include "shared/io/system/log.h"
#include "shared/archive/import.h"
#include "shared/program/topic_layout.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct {
	ArchiveCommand command;
	FILE *file;
	AuditImport audit;
	Import *import;
	ArchiveCounts counts;
	bool begun; /* records may have been written to the target */
} Importing;

static Result audit_line(void *context, Slice line)
{
	return audit_import_line(&((Importing *)context)->audit, line);
}

static Result audit_end(void *context, Slice checkpoint)
{
	return audit_import_end(&((Importing *)context)->audit, checkpoint);
}

static void progress(void *context, const char *what, uint64_t lines)
{
	archive_progress(&((Importing *)context)->command, what, lines);
}

static ImportOptions options_of(Importing *importing)
{
	ImportOptions options = { .services = archived_services,
				  .service_count = ARCHIVED_SERVICES,
				  .audit_line = audit_line,
				  .audit_end = audit_end,
				  .progress = progress,
				  .context = importing,
				  .now = clock_now() };
	clock_random(&options.owner_id, sizeof options.owner_id);
	return options;
}

/* ---- before anything is written */

static Result file_check(Importing *importing)
{
	const char *path = importing->command.file;
	ImportOptions options = options_of(importing);
	importing->file = fopen(path, "rbe");
	if (importing->file == NULL)
		return result_fail(ERROR_AGAIN, "%s cannot be opened: %s", path, strerror(errno));
	TRY(result_wrap(import_file_check(importing->file, &options, &importing->counts), "%s", path));
	if (fseek(importing->file, 0, SEEK_SET) != 0)
		return result_fail(ERROR_AGAIN, "%s must be a regular file, because it is read twice", path);
	importing->import = import_new(&options, &importing->counts);
	return result_ok();
}

/* Fails unless both the bus and the audit log are empty. Also opens the audit log for writing. */
static Result target_check(Importing *importing, Bus *bus)
{
	char path[PATH_SIZE];
	const ArchiveCommand *command = &importing->command;
	TRY(result_wrap(import_target_check(bus), "%s",
			command->kafka ? setting_text(command->settings, "TOCSIN_KAFKA_BROKERS")
					: setting_text(command->settings, "TOCSIN_HOME")));
	datadir_path(command->settings, "audit", path);
	TRY(directory_make(path, 0700));
	archive_audit_path(command, path);
	return audit_import_open(&importing->audit, path);
}

/* ---- the import */

static Result write_on(Importing *importing, Bus *bus)
{
	Result result = target_check(importing, bus);
	importing->begun = !result_failed(result);
	if (!result_failed(result))
		result = bus_join(bus); /* to commit classification's positions, which Kafka allows only to members of its group */
	if (!result_failed(result))
		result = import_write(importing->import, bus, importing->file);
	audit_import_close(&importing->audit);
	return result;
}

static Result finish_on(Importing *importing, Bus *bus)
{
	return import_finish(importing->import, bus);
}

static Result bus_with(Importing *importing, Result (*step)(Importing *importing, Bus *bus))
{
	Bus *bus;
	TRY(archive_bus_open(&importing->command, &classification_service, &bus));
	Result result = step(importing, bus);
	bus->operations->close(bus);
	return result;
}

static Result import_whole(Importing *importing)
{
	ArchiveCommand *command = &importing->command;
	TRY(result_wrap(archive_lock(command), "the import needs exclusive access"));
	if (command->kafka)
		TRY(topic_layout_check(command->settings, command->client));
	TRY(bus_with(importing, write_on));
	return bus_with(importing, finish_on);
}

static void outcome_report(const Importing *importing)
{
	uint64_t records = 0;
	const char *home = setting_text(importing->command.settings, "TOCSIN_HOME");
	for (TopicId topic = 0; topic < TOPICS; topic++)
		records += importing->counts.records[topic];
	report_error("imported %" PRIu64 " records and %" PRIu64 " lines of the audit log", records,
		 importing->counts.audit_lines);
	if (importing->command.kafka)
		report_error("the audit log is in %s/audit: start tocsin-audit with this TOCSIN_HOME", home);
	report_error("API keys are not included: if senders may repeat earlier requests, set TOCSIN_ADMIN_KEY to the former key, "
		 "so that repeats are recognised");
}

static ExitCode write_all(Importing *importing)
{
	Result result = import_whole(importing);
	if (!result_failed(result)) {
		outcome_report(importing);
		return EXIT_OK;
	}
	report_error("%s: %s", importing->begun ? "the import was not completed" : "not imported", result.text);
	if (importing->begun)
		report_error("delete what it wrote (%s and %s/audit) and import again",
			 importing->command.kafka ? "the topics on Kafka" : "bus.db",
			 setting_text(importing->command.settings, "TOCSIN_HOME"));
	return EXIT_ENVIRONMENT;
}

static ExitCode run(Importing *importing)
{
	Result checked = file_check(importing);
	ExitCode code = checked.kind == ERROR_INPUT ? EXIT_CHECK_FAILED : EXIT_ENVIRONMENT;
	if (result_failed(checked))
		report_error("not imported: %s", checked.text);
	else
		code = write_all(importing);
	if (importing->file != NULL)
		fclose(importing->file);
	import_free(importing->import);
	return code;
}

ExitCode import_run(char **arguments, int count)
{
	static Importing importing = { .command = { .client = "tocsin-import",
						     .usage = "tocsin import [--kafka] FILE" } };
	ExitCode code = archive_open(&importing.command, arguments, count, true);
	log_set_level(LOG_WARN);
	if (code == EXIT_OK)
		code = run(&importing);
	archive_close(&importing.command);
	return code;
}
