/*
 * tocsin export [--kafka] FILE: everything of record into one file (format: shared/archive/file.h).
 *
 * Nothing else may run. Embedded, the home's lock shows it. On Kafka the export claims every ledger as an owner would:
 * whoever runs claims back within two seconds, and the export gives up; and nothing may have been appended to any
 * topic between the rest and the end. So an export is whole, or it fails and says what to stop. It writes into its
 * source what a start of the server would write: claims, and what was accepted and not finished yet. It joins no group, so it
 * commits no positions: what classification finished here it finishes again at its next start, under the same ids, and what is
 * there already counts once.
 *
 * The file appears under its name when it is whole and durable; until then it is FILE.part. "-" is stdout.
 */
#include "services/cli/archive.h"

#include "services/audit/audit.h"
#include "services/audit/carry.h"
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
	RESTING = 5, /* services that bring a bus to rest */
	HOLD_KAFKA_MS = 6000, /* longer than whoever is deposed waits before it claims again */
	HOLD_FILE_MS = 50,
	LIMIT_MS = 120000, /* nothing moves, and it is not at rest */
};

typedef struct {
	ArchiveCommand carriage;
	FILE *file;
	char part[PATH_SIZE]; /* empty: stdout */
	ArchiveCounts counts;
	ArchiveEnds rested, carried;
} Exporting;

/* ---- the file */

static Result file_fail(const char *path)
{
	return result_fail(ERROR_AGAIN, "%s: %s", path, strerror(errno));
}

/* From here on nothing but the export goes to stdout: what is logged goes where a person looks. */
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
	const char *path = exporting->carriage.file;
	if (strcmp(path, "-") == 0)
		return stdout_take(exporting);
	if (snprintf(exporting->part, sizeof exporting->part, "%s.part", path) >= (int)sizeof exporting->part)
		return result_fail(ERROR_AGAIN, "the path is too long");
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
	return file_rename(exporting->part, exporting->carriage.file);
}

static void file_close(Exporting *exporting, bool failed)
{
	if (exporting->file != NULL)
		fclose(exporting->file);
	if (failed && exporting->part[0] != '\0')
		unlink(exporting->part);
}

/* ---- rest */

static void rest_progress(void *context, uint64_t inputs)
{
	archive_progress(context, "letting the services finish: inputs taken", inputs);
}

static Result buses_open(Exporting *exporting, QuiesceService services[static RESTING], size_t *opened)
{
	for (size_t i = 0; i < RESTING; i++) {
		bool own = exporting->carriage.kafka || i == 0;
		const Service *group = services[i].service->ledger == TOPICS ? services[i].service : NULL;
		services[i].bus = services[0].bus;
		if (own)
			TRY(archive_bus_open(&exporting->carriage, group, &services[i].bus));
		*opened += own;
	}
	return result_ok();
}

static Result rest_on(Exporting *exporting, AuditEnvironment *audit)
{
	ArchiveCommand *carriage = &exporting->carriage;
	NotificationEnvironment notification = { .public_url = "" };
	QuiesceService services[RESTING] = { { .service = &intake_service },
					  { .service = &classification_service },
					  { .service = &response_service },
					  { .service = &notification_service, .environment = &notification },
					  { .service = &audit_service, .environment = audit } };
	QuiesceOptions options = { .home = setting_text(carriage->settings, "TOCSIN_HOME"),
				.services = services,
				.service_count = RESTING,
				.hold_ms = carriage->kafka ? HOLD_KAFKA_MS : HOLD_FILE_MS,
				.limit_ms = LIMIT_MS,
				.progress = rest_progress,
				.context = carriage };
	size_t opened = 0;
	Result result = buses_open(exporting, services, &opened);
	if (!result_failed(result))
		result = import_check(services[0].bus);
	if (!result_failed(result))
		result = quiesce_await(&options, &exporting->rested);
	for (size_t i = 0; i < opened; i++)
		services[i].bus->operations->close(services[i].bus);
	return result;
}

static Result rest(Exporting *exporting)
{
	AuditEnvironment audit = { .ledger = NULL };
	char path[PATH_SIZE];
	archive_audit_path(&exporting->carriage, path);
	TRY(audit_file_new(path, &audit.ledger));
	Result result = rest_on(exporting, &audit);
	audit_ledger_close(audit.ledger);
	return result;
}

/* ---- the export */

static Result audit_leave(void *context, Slice checkpoint, ArchiveWriter *writer)
{
	char path[PATH_SIZE];
	archive_audit_path(context, path);
	return audit_export(path, checkpoint, writer);
}

static Result records_write(Exporting *exporting)
{
	Bus *bus;
	ExportOptions options = { .services = carried_services,
				  .service_count = ARCHIVED_SERVICES,
				  .audit = audit_leave,
				  .file = exporting->file,
				  .rested = &exporting->rested,
				  .progress = archive_progress,
				  .context = &exporting->carriage,
				  .now = clock_now() };
	TRY(archive_bus_open(&exporting->carriage, NULL, &bus));
	options.bus = bus;
	Result result = export_write(&options, &exporting->counts, &exporting->carried);
	bus->operations->close(bus);
	return result;
}

/* Opened again, so that what others wrote meanwhile is seen. */
static Result still_the_same(Exporting *exporting)
{
	Bus *bus;
	TRY(archive_bus_open(&exporting->carriage, NULL, &bus));
	Result result = export_check(bus, &exporting->carried);
	bus->operations->close(bus);
	return result;
}

static Result export_whole(Exporting *exporting)
{
	TRY(archive_datadir_check(&exporting->carriage));
	TRY(result_wrap(archive_lock(&exporting->carriage), "nothing may run while it is exported"));
	TRY(file_begin(exporting));
	TRY(rest(exporting));
	TRY(records_write(exporting));
	TRY(still_the_same(exporting));
	return file_end(exporting);
}

static void outcome_say(const Exporting *exporting)
{
	uint64_t records = 0;
	for (TopicId topic = 0; topic < TOPICS; topic++)
		records += exporting->counts.records[topic];
	report_error("exported %" PRIu64 " records and %" PRIu64 " lines of the audit log to %s; API keys are not in it",
		 records, exporting->counts.audit_lines,
		 exporting->part[0] == '\0' ? "stdout" : exporting->carriage.file);
}

static ExitCode run(Exporting *exporting)
{
	Result result = export_whole(exporting);
	file_close(exporting, result_failed(result));
	if (!result_failed(result)) {
		outcome_say(exporting);
		return EXIT_DONE;
	}
	report_error("not exported: %s", result.text);
	return EXIT_ENVIRONMENT;
}

ExitCode export_run(char **arguments, int count)
{
	static Exporting exporting = { .carriage = { .client = "tocsin-export",
						     .usage = "tocsin export [--kafka] FILE" } };
	ExitCode code = archive_open(&exporting.carriage, arguments, count, true);
	log_set_level(LOG_WARN);
	if (code == EXIT_DONE)
		code = run(&exporting);
	archive_close(&exporting.carriage);
	return code;
}
