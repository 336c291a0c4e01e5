/*
 * tocsin check ledger [--kafka]: replays every ledger by the ledger rule and prints take-overs, dropped records and holes.
 * It checks the invariants (shared/runtime/replay.h): each accepted record was decided on exactly the records before it, no
 * input was counted twice, no position goes back. Then it recounts the kept events and compares the counts with those in the
 * ledger of reports (services/intake/core/recount.h). It only reads, so programs may run meanwhile; records that they append
 * during the check are not checked.
 */
#include "services/cli/check_log.h"

#include "services/intake/core/dedup.h"
#include "services/intake/recount_records.h"
#include "shared/runtime/replay.h"

#include <inttypes.h>
#include <stdio.h>

enum { TABLE_NAME = 64 };

/* The check of one partition of a ledger. The first step fills it; the second step uses positions and recount. */
typedef struct {
	TopicId ledger;
	unsigned partition;
	LedgerPositions positions; /* input positions in the last accepted record */
	Recount *recount;          /* only for the ledger of reports; else NULL */
	unsigned printed;          /* findings so far; only the first are printed, because a broken ledger has millions */
	bool begun;                /* a record was visited */
	Result result;
} Checked;

static const char *table_name(TopicId topic, unsigned partition, char out[static TABLE_NAME])
{
	snprintf(out, TABLE_NAME, "%s.%u", topics[topic].short_name, partition);
	return out;
}

static void finding_print(Checked *checked, TopicId topic, int64_t offset, const char *text)
{
	enum { PRINT_MAX = 20 };
	char table[TABLE_NAME];
	if (checked->printed++ < PRINT_MAX)
		report_error("%s offset %" PRId64 ": %s", table_name(topic, checked->partition, table), offset, text);
}

/* ---- first step: the ledgers */

static void replay_found(void *context, int64_t offset, const char *text)
{
	Checked *checked = context;
	finding_print(checked, checked->ledger, offset, text);
}

static void recount_found(void *context, bool of_events, int64_t offset, const char *text)
{
	finding_print(context, of_events ? TOPIC_EVENTS : TOPIC_REPORTS, offset, text);
}

static void figures_print(const char *table, ReplayFigures figures)
{
	printf("%-16s %8" PRIu64 " records  %8" PRIu64 " accepted  %3" PRIu64 " claims  %3" PRIu64
	       " takeovers  %4" PRIu64 " dropped  %" PRIu64 " holes  %" PRIu64 " findings\n",
	       table, figures.records, figures.accepted, figures.claims, figures.takeovers, figures.dropped,
	       figures.holes, figures.findings);
	if (figures.unknown_writers > 0)
		report_error("%s: %" PRIu64 " of the dropped records were not written by an owner: they have no effect, but another "
			 "program may write to this topic", table, figures.unknown_writers);
}

static void report_accepted(void *context, const BusRecord *record)
{
	Checked *checked = context;
	Result result = recount_take_report(checked->recount, checked->partition, record);
	if (result_failed(result))
		recount_found(checked, false, record->offset, result.text);
	if (!result_failed(checked->result))
		checked->result = result;
}

typedef struct {
	Checked *checked;
	Replay *replay;
} LedgerWalk;

static bool ledger_visit(void *context, const BusRecord *record)
{
	LedgerWalk *walk = context;
	Checked *checked = walk->checked;
	if (checked->recount && !checked->begun && record->offset == 0)
		recount_ledger_is_whole(checked->recount);
	checked->begun = true;
	replay_take(walk->replay, record);
	return true;
}

static Result recount_begin(CheckLog *log, Checked *checked)
{
	RecountOptions options = { .finding = recount_found, .context = checked };
	unsigned partitions;
	TRY(log->partitions(log, TOPIC_EVENTS, &partitions));
	TRY(log->first(log, TOPIC_EVENTS, checked->partition, &options.first));
	options.generation_size = dedup_generation_size(partitions);
	checked->recount = recount_new(&options);
	return result_ok();
}

static Result ledger_check(CheckLog *log, Checked *checked, bool *consistent)
{
	char table[TABLE_NAME];
	if (checked->ledger == TOPIC_REPORTS)
		TRY(recount_begin(log, checked));
	LedgerWalk walk = { checked, replay_new(checked->ledger, checked->partition, replay_found, checked) };
	if (checked->recount)
		replay_on_accepted(walk.replay, report_accepted, checked);
	Result result = log->walk(log, checked->ledger, checked->partition, ledger_visit, &walk);
	ReplayFigures figures = replay_figures(walk.replay);
	checked->positions = *replay_positions(walk.replay);
	replay_free(walk.replay);
	TRY(result);
	figures_print(table_name(checked->ledger, checked->partition, table), figures);
	*consistent = *consistent && figures.findings == 0 && !result_failed(checked->result);
	return result_ok();
}

/* ---- second step: the inputs of the ledgers */

/* An accepted position must not lie beyond the end of its input. */
static Result ends_check(CheckLog *log, const Checked *checked, bool *consistent)
{
	const LedgerPositions *positions = &checked->positions;
	for (size_t i = 0; i < positions->count; i++) {
		TopicId topic = positions->list[i].topic;
		int64_t position = positions->list[i].position, end = position;
		TRY(log->end(log, topic, positions->list[i].partition, &end));
		if (position <= end)
			continue;
		report_error("%s.%u: position %" PRId64 " in %s/%u, which ends at %" PRId64 ": input records were lost",
			 topics[checked->ledger].short_name, checked->partition, position, topics[topic].short_name,
			 positions->list[i].partition, end);
		*consistent = false;
	}
	return result_ok();
}

typedef struct {
	Recount *recount;
	unsigned partition, partitions;
	bool begun;
} EventWalk;

static bool event_visit(void *context, const BusRecord *record)
{
	EventWalk *walk = context;
	if (record->offset >= recount_end(walk->recount))
		return false;
	walk->begun = true;
	recount_take_event(walk->recount, walk->partition, walk->partitions, record);
	return true;
}

static void recount_print(const Checked *checked, RecountFigures figures)
{
	char table[TABLE_NAME];
	printf("%-16s %8" PRIu64 " incidents recounted from %" PRIu64 " kept events",
	       table_name(TOPIC_REPORTS, checked->partition, table), figures.incidents, figures.events);
	if (figures.uncertain > 0)
		printf(", of which %" PRIu64 " may repeat events that are not kept any more", figures.uncertain);
	if (figures.unchecked > 0)
		printf(", %" PRIu64 " not compared report(s), from an import or of events that are not kept", figures.unchecked);
	printf("  %" PRIu64 " findings\n", figures.findings);
}

static Result recount_check(CheckLog *log, Checked *checked, bool *consistent)
{
	EventWalk walk = { .recount = checked->recount, .partition = checked->partition };
	int64_t first = 0;
	TRY(log->partitions(log, TOPIC_EVENTS, &walk.partitions));
	TRY(log->walk(log, TOPIC_EVENTS, checked->partition, event_visit, &walk));
	/* If no event was visited, retention may have dropped all of them after the first step. Then the recount needs `first`. */
	TRY(log->first(log, TOPIC_EVENTS, checked->partition, &first));
	if (!walk.begun)
		recount_kept_from(checked->recount, first);
	RecountFigures figures = recount_finish(checked->recount);
	recount_print(checked, figures);
	*consistent = *consistent && figures.findings == 0;
	return result_ok();
}

static Result counts_check(CheckLog *log, Checked *checked, bool *consistent)
{
	TRY(ends_check(log, checked, consistent));
	return checked->recount ? recount_check(log, checked, consistent) : result_ok();
}

/* ---- all partitions */

typedef Result (*CheckStep)(CheckLog *log, Checked *checked, bool *consistent);

static Checked all[TOPICS][BUS_PARTITIONS_MAX];

static Result each_partition(CheckLog *log, CheckStep step, bool *consistent)
{
	for (TopicId ledger = 0; ledger < TOPICS; ledger++) {
		unsigned partitions;
		if (topics[ledger].kind != TOPIC_LEDGER)
			continue;
		TRY(log->partitions(log, ledger, &partitions));
		for (unsigned i = 0; i < partitions && i < BUS_PARTITIONS_MAX; i++) {
			all[ledger][i].ledger = ledger;
			all[ledger][i].partition = i;
			TRY(step(log, &all[ledger][i], consistent));
		}
	}
	return result_ok();
}

/* Opens the log again for each step: on Kafka the current ends of the partitions, which grow, are learned by opening the bus. */
static Result ledgers_check(ArchiveCommand *command, bool *consistent)
{
	static const CheckStep steps[] = { ledger_check, counts_check };
	Result result = result_ok();
	for (size_t i = 0; i < sizeof steps / sizeof steps[0] && !result_failed(result); i++) {
		CheckLog log;
		TRY(check_log_open(command, &log));
		result = each_partition(&log, steps[i], consistent);
		log.close(&log);
	}
	return result;
}

ExitCode check_ledger_run(char **arguments, int count)
{
	ArchiveCommand command = { .client = "tocsin-check", .usage = "tocsin check ledger [--kafka]" };
	bool consistent = true;
	ExitCode code = archive_open(&command, arguments, count, false);
	if (code == EXIT_OK) {
		Result result = ledgers_check(&command, &consistent);
		if (result_failed(result)) {
			report_error("%s", result.text);
			code = EXIT_ENVIRONMENT;
		} else {
			puts(consistent ? "the ledgers are consistent"
				   : "the ledgers are NOT consistent");
			code = consistent ? EXIT_OK : EXIT_CHECK_FAILED;
		}
	}
	for (unsigned i = 0; i < BUS_PARTITIONS_MAX; i++)
		recount_free(all[TOPIC_REPORTS][i].recount);
	archive_close(&command);
	return code;
}
