/*
 * tocsin import [--kafka] FILE: what tocsin export wrote, into a home or a cluster in which nothing ever ran.
 *
 * The file is read twice: once to check all of it, before anything is written, then to write. What is written counts
 * when the last record is there (shared/archive/import.h); whatever ends the import before leaves a target on which
 * nothing starts and into which nothing is imported until it is cleared.
 *
 * With --kafka the audit log goes into this TOCSIN_HOME: it must be the home that tocsin-audit will run from.
 */
#include "services/cli/archive.h"

#include "services/audit/carry.h"
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
	ArchiveCommand carriage;
	FILE *file;
	AuditImport arrival;
	Import *import;
	ArchiveCounts counts;
	bool begun; /* something may have been written */
} Importing;

static Result audit_line(void *context, Slice line)
{
	return audit_import_line(&((Importing *)context)->arrival, line);
}

static Result audit_end(void *context, Slice checkpoint)
{
	return audit_import_end(&((Importing *)context)->arrival, checkpoint);
}

static void progress(void *context, const char *what, uint64_t lines)
{
	archive_progress(&((Importing *)context)->carriage, what, lines);
}

static ImportOptions options_of(Importing *importing)
{
	ImportOptions options = { .services = carried_services,
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
	const char *path = importing->carriage.file;
	ImportOptions options = options_of(importing);
	importing->file = fopen(path, "rbe");
	if (importing->file == NULL)
		return result_fail(ERROR_AGAIN, "%s: %s", path, strerror(errno));
	TRY(result_wrap(import_file_check(importing->file, &options, &importing->counts), "%s", path));
	if (fseek(importing->file, 0, SEEK_SET) != 0)
		return result_fail(ERROR_AGAIN, "%s must be a file, since it is read twice", path);
	importing->import = import_new(&options, &importing->counts);
	return result_ok();
}

/* What a person does about it is the same whichever part it is that is not empty. */
static Result target_check(Importing *importing, Bus *bus)
{
	char path[PATH_SIZE];
	const ArchiveCommand *carriage = &importing->carriage;
	TRY(result_wrap(import_target_check(bus), "%s",
			carriage->kafka ? setting_text(carriage->settings, "TOCSIN_KAFKA_BROKERS")
					: setting_text(carriage->settings, "TOCSIN_HOME")));
	datadir_path(carriage->settings, "audit", path);
	TRY(directory_make(path, 0700));
	archive_audit_path(carriage, path);
	return audit_import_open(&importing->arrival, path);
}

/* ---- the import */

static Result write_on(Importing *importing, Bus *bus)
{
	Result result = target_check(importing, bus);
	importing->begun = !result_failed(result);
	if (!result_failed(result))
		result = bus_join(bus); /* only members commit where classification goes on */
	if (!result_failed(result))
		result = import_write(importing->import, bus, importing->file);
	audit_import_close(&importing->arrival);
	return result;
}

static Result finish_on(Importing *importing, Bus *bus)
{
	return import_finish(importing->import, bus);
}

static Result bus_with(Importing *importing, Result (*step)(Importing *importing, Bus *bus))
{
	Bus *bus;
	TRY(archive_bus_open(&importing->carriage, &classification_service, &bus));
	Result result = step(importing, bus);
	bus->operations->close(bus);
	return result;
}

static Result import_whole(Importing *importing)
{
	ArchiveCommand *carriage = &importing->carriage;
	TRY(result_wrap(archive_lock(carriage), "nothing may run while it is imported"));
	if (carriage->kafka)
		TRY(topic_layout_check(carriage->settings, carriage->client));
	TRY(bus_with(importing, write_on));
	return bus_with(importing, finish_on);
}

static void outcome_say(const Importing *importing)
{
	uint64_t records = 0;
	const char *home = setting_text(importing->carriage.settings, "TOCSIN_HOME");
	for (TopicId topic = 0; topic < TOPICS; topic++)
		records += importing->counts.records[topic];
	report_error("imported %" PRIu64 " records and %" PRIu64 " lines of the audit log", records,
		 importing->counts.audit_lines);
	if (importing->carriage.kafka)
		report_error("the audit log is in %s/audit: start tocsin-audit with this TOCSIN_HOME", home);
	report_error("API keys are not carried: where a sender may repeat what it sent before, set TOCSIN_ADMIN_KEY to the "
		 "former key");
}

static ExitCode write_all(Importing *importing)
{
	Result result = import_whole(importing);
	if (!result_failed(result)) {
		outcome_say(importing);
		return EXIT_DONE;
	}
	report_error("%s: %s", importing->begun ? "the import did not come to its end" : "not imported", result.text);
	if (importing->begun)
		report_error("clear what it wrote (%s and %s/audit) and import again",
			 importing->carriage.kafka ? "Kafka's topics" : "bus.db",
			 setting_text(importing->carriage.settings, "TOCSIN_HOME"));
	return EXIT_ENVIRONMENT;
}

static ExitCode run(Importing *importing)
{
	Result checked = file_check(importing);
	ExitCode code = checked.kind == ERROR_INPUT ? EXIT_NO : EXIT_ENVIRONMENT;
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
	static Importing importing = { .carriage = { .client = "tocsin-import",
						     .usage = "tocsin import [--kafka] FILE" } };
	ExitCode code = archive_open(&importing.carriage, arguments, count, true);
	log_set_level(LOG_WARN);
	if (code == EXIT_DONE)
		code = run(&importing);
	archive_close(&importing.carriage);
	return code;
}
