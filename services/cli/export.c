/*
 * tocsin export [--kafka] FILE: writes all accepted records and the audit log to one file (format: shared/archive/file.h).
 *
 * No other program of Tocsin may run. In the embedded mode the locks in TOCSIN_HOME prevent it. On Kafka the export claims every
 * ledger like an owner: a running owner claims its ledger back within two seconds, and the export fails. The export also fails
 * if any topic grows after the services were quiesced. So an export is complete, or it fails and names the programs to stop.
 *
 * The export appends to the bus the same records as a start of the server: claims, and the results of records that were accepted
 * but not finished. It joins no group and therefore commits no positions. So at its next start classification emits again the
 * records that it emitted during the export. They have the same ids and therefore count once.
 *
 * The export writes to FILE.part, and renames it to FILE when it is complete and durable. If FILE is "-", it writes to stdout.
 */
#include "services/cli/archive.h"

#include "services/audit/audit.h"
#include "services/audit/archive.h"
#include "services/classification/classification.h"
#include "services/intake/intake.h"
#include "services/notification/notification.h"
#include "services/response/response.h"
#include "shared/io/system/clock.h"
#include "shared/io/system/log.h"
#include "shared/archive/import.h"
#include "shared/archive/quiesce.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	QUIESCED = 5, /* services that finish their inputs before the export: all but the gateway */
	HOLD_KAFKA_MS = 6000, /* longer than a superseded owner waits before it claims again */
	HOLD_FILE_MS = 50,
	LIMIT_MS = 120000, /* the export fails after this time without progress */
};

typedef struct {
	ArchiveCommand command;
	FILE *file;
	char part[PATH_SIZE]; /* FILE.part; "": the export goes to stdout */
	ArchiveCounts counts;
	ArchiveEnds quiesced, exported;
} Exporting;

/* ---- the file */

static Result file_fail(const char *path)
{
	return result_fail(ERROR_AGAIN, "%s: %s", path, strerror(errno));
}

/* Reserves stdout for the export: log lines, which the program would write to stdout, go to stderr. */
static Result stdout_take(Exporting *exporting)
{
	int own = dup(STDOUT_FILENO);
	exporting->file = own < 0 ? NULL : fdopen(own, "w");
	if (exporting->file == NULL)
		return file_fail("stdout");
	return dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ? file_fail("stdout") : result_ok();
}

static Result file_begin(Exporting *exporting)
{
	const char *path = exporting->command.file;
	if (strcmp(path, "-") == 0)
		return stdout_take(exporting);
	if (snprintf(exporting->part, sizeof exporting->part, "%s.part", path) >= (int)sizeof exporting->part)
		return result_fail(ERROR_AGAIN, "the path of FILE is too long: it may have at most %d bytes", PATH_SIZE - 6);
	int fd = open(exporting->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return file_fail(exporting->part);
	exporting->file = fdopen(fd, "w");
	return exporting->file == NULL || fchmod(fd, 0600) != 0 ? file_fail(exporting->part) : result_ok();
}

static Result file_end(Exporting *exporting)
{
	if (exporting->part[0] == '\0')
		return fflush(exporting->file) != 0 ? file_fail("stdout") : result_ok();
	if (fflush(exporting->file) != 0 || fsync(fileno(exporting->file)) != 0)
		return file_fail(exporting->part);
	return file_rename(exporting->part, exporting->command.file);
}

static void file_close(Exporting *exporting, bool failed)
{
	if (exporting->file != NULL)
		fclose(exporting->file);
	if (failed && exporting->part[0] != '\0')
		unlink(exporting->part);
}

/* ---- quiescing */

static void quiesce_progress(void *context, uint64_t inputs)
{
	archive_progress(context, "waiting for the services to finish: inputs taken", inputs);
}

static Result buses_open(Exporting *exporting, QuiesceService services[static QUIESCED], size_t *opened)
{
	for (size_t i = 0; i < QUIESCED; i++) {
		bool own = exporting->command.kafka || i == 0;
		const Service *group = services[i].service->ledger == TOPICS ? services[i].service : NULL;
		services[i].bus = services[0].bus;
		if (own)
			TRY(archive_bus_open(&exporting->command, group, &services[i].bus));
		*opened += own;
	}
	return result_ok();
}

static Result quiesce_with(Exporting *exporting, AuditEnvironment *audit)
{
	ArchiveCommand *command = &exporting->command;
	NotificationEnvironment notification = { .public_url = "" };
	QuiesceService services[QUIESCED] = { { .service = &intake_service },
					  { .service = &classification_service },
					  { .service = &response_service },
					  { .service = &notification_service, .environment = &notification },
					  { .service = &audit_service, .environment = audit } };
	QuiesceOptions options = { .datadir = setting_text(command->settings, "TOCSIN_HOME"),
				.services = services,
				.service_count = QUIESCED,
				.hold_ms = command->kafka ? HOLD_KAFKA_MS : HOLD_FILE_MS,
				.limit_ms = LIMIT_MS,
				.progress = quiesce_progress,
				.context = command };
	size_t opened = 0;
	Result result = buses_open(exporting, services, &opened);
	if (!result_failed(result))
		result = import_check(services[0].bus);
	if (!result_failed(result))
		result = quiesce_await(&options, &exporting->quiesced);
	for (size_t i = 0; i < opened; i++)
		services[i].bus->operations->close(services[i].bus);
	return result;
}

static Result quiesce(Exporting *exporting)
{
	AuditEnvironment audit = { .ledger = NULL };
	char path[PATH_SIZE];
	archive_audit_path(&exporting->command, path);
	TRY(audit_file_new(path, &audit.ledger));
	Result result = quiesce_with(exporting, &audit);
	audit_ledger_close(audit.ledger);
	return result;
}

/* ---- the export */

static Result audit_write(void *context, Slice checkpoint, ArchiveWriter *writer)
{
	char path[PATH_SIZE];
	archive_audit_path(context, path);
	return audit_export(path, checkpoint, writer);
}

static Result records_write(Exporting *exporting)
{
	Bus *bus;
	ExportOptions options = { .services = archived_services,
				  .service_count = ARCHIVED_SERVICES,
				  .audit = audit_write,
				  .file = exporting->file,
				  .quiesced = &exporting->quiesced,
				  .progress = archive_progress,
				  .context = &exporting->command,
				  .now = clock_now() };
	TRY(archive_bus_open(&exporting->command, NULL, &bus));
	options.bus = bus;
	Result result = export_write(&options, &exporting->counts, &exporting->exported);
	bus->operations->close(bus);
	return result;
}

/* Opens the bus again to learn the current ends, so that records appended by other programs are detected. */
static Result ends_check(Exporting *exporting)
{
	Bus *bus;
	TRY(archive_bus_open(&exporting->command, NULL, &bus));
	Result result = export_check(bus, &exporting->exported);
	bus->operations->close(bus);
	return result;
}

static Result export_whole(Exporting *exporting)
{
	TRY(archive_datadir_check(&exporting->command));
	TRY(result_wrap(archive_lock(&exporting->command), "the export needs exclusive access"));
	TRY(file_begin(exporting));
	TRY(quiesce(exporting));
	TRY(records_write(exporting));
	TRY(ends_check(exporting));
	return file_end(exporting);
}

static void outcome_report(const Exporting *exporting)
{
	uint64_t records = 0;
	for (TopicId topic = 0; topic < TOPICS; topic++)
		records += exporting->counts.records[topic];
	report_error("exported %" PRIu64 " records and %" PRIu64 " lines of the audit log to %s; API keys are not included",
		 records, exporting->counts.audit_lines,
		 exporting->part[0] == '\0' ? "stdout" : exporting->command.file);
}

static ExitCode run(Exporting *exporting)
{
	Result result = export_whole(exporting);
	file_close(exporting, result_failed(result));
	if (!result_failed(result)) {
		outcome_report(exporting);
		return EXIT_OK;
	}
	report_error("not exported: %s", result.text);
	return EXIT_ENVIRONMENT;
}

ExitCode export_run(char **arguments, int count)
{
	static Exporting exporting = { .command = { .client = "tocsin-export",
						     .usage = "tocsin export [--kafka] FILE" } };
	ExitCode code = archive_open(&exporting.command, arguments, count, true);
	log_set_level(LOG_WARN);
	if (code == EXIT_OK)
		code = run(&exporting);
	archive_close(&exporting.command);
	return code;
}
