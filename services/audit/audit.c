#include "services/audit/audit.h"

#include "shared/domain/documents.h"
#include "shared/domain/rows.h"
#include "shared/domain/types.h"
#include "shared/io/bus.h"
#include "shared/io/system/metrics.h"
#include "services/audit/core/chain.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	STAGED_BYTES = 4 << 20, /* when more bytes are staged, they are written at once, not only at the end of the batch */
	GATHER_MS = 200, /* longest time that a line is staged to share an fsync with later lines */
	SEEN_MS_DAYS = 60,
	PRUNE_EVERY = 256,
	TAIL_BYTES = 1 << 16,
	CHECKPOINT_BYTES = 512,
};
static const int64_t seen_ms = SEEN_MS_DAYS * 86400000LL;

static const char *const schema[] = {
	"CREATE TABLE checkpoint (id INTEGER PRIMARY KEY, size INTEGER NOT NULL, count INTEGER NOT NULL, head TEXT NOT "
	"NULL);"
	"CREATE TABLE seen (id TEXT PRIMARY KEY, partition INTEGER NOT NULL, offset INTEGER NOT NULL, time INTEGER NOT "
	"NULL)"
	" WITHOUT ROWID;"
	"CREATE INDEX seen_time ON seen (time)",
	NULL, /* ids in seen are hashes of id and body: a file without them is rebuilt from the ledger */
};

/* Lines that no checkpoint counts yet. restore drops them; their inputs are then read again. */
typedef struct {
	bool aligned; /* the file was truncated to its accepted lines */
	ChainHead head; /* after the last staged line */
	int64_t counted; /* accepted lines at the alignment or at the last accepted checkpoint; the metric counts later lines */
	Buffer staged; /* lines not yet written to the file */
	Instant staged_since; /* INSTANT_NONE: no line is staged */
	struct {
		bool staged; /* a line of a record of this partition is staged */
		int64_t position; /* to state in the checkpoint: at most the offset of the first staged record; -1: not known */
	} positions[TOPICS][BUS_PARTITIONS_MAX];
} Memory;

/* ---- checkpoints */

static const TextForm digest_form = { .pattern = "^[0-9a-f]{64}$" };

static const Field checkpoint_fields[] = {
	ROW_INTEGER(Checkpoint, size, FIELD_REQUIRED, 0, INT64_MAX, "Bytes of the audit file"),
	ROW_INTEGER(Checkpoint, count, FIELD_REQUIRED, 0, INT64_MAX, "Lines of the audit file"),
	ROW("head", FIELD_TEXT, offsetof(Checkpoint, head), .flags = FIELD_REQUIRED, .min = DIGEST_HEX - 1, .max = DIGEST_HEX - 1,
	    .sentence = "Hash of the last line, hexadecimal", .form = &digest_form),
};
const FieldTable checkpoint_table =
	FIELD_DOCUMENT("checkpoint", checkpoint_fields, Checkpoint, TABLE_RECORD, "Checkpoint",
		       "Body of the records of tocsin.checkpoints: accepted size and last hash of the audit log.");

static Result head_load(Handler *handler, ChainHead *out)
{
	*out = (ChainHead){ 0 };
	Statement *row =
		store_query(handler->store, "SELECT size, count, head FROM checkpoint WHERE id = ?1", V_INTEGER(1));
	bool sound = true;
	if (statement_next(row)) {
		out->size = statement_integer(row, 0);
		out->count = statement_integer(row, 1);
		sound = digest_from_hex(statement_slice(row, 2), &out->head);
	}
	TRY(statement_end(row));
	return sound ? result_ok() : result_fail(ERROR_INTERNAL, "the state file holds a checkpoint without a valid head: delete $TOCSIN_HOME/audit/0.db, which is rebuilt from the ledger");
}

/* *tree is a new reference; *out borrows from it. */
static Result checkpoint_read(const Record *record, json_t **tree, Checkpoint *out)
{
	TRY(json_read(record->body, tree));
	return json_decode_record(&checkpoint_table, *tree, out);
}

static Result apply(Handler *handler, const Record *record)
{
	Checkpoint checkpoint;
	json_t *tree JSON_AUTO = NULL;
	if (!slice_is(record->type, TYPE_CHECKPOINT))
		return result_ok();
	TRY(checkpoint_read(record, &tree, &checkpoint));
	return store_run(handler->store, "INSERT OR REPLACE INTO checkpoint VALUES (?1, ?2, ?3, ?4)", V_INTEGER(1),
			 V_INTEGER(checkpoint.size), V_INTEGER(checkpoint.count), V_TEXT(slice_of(checkpoint.head)));
}

static Result checkpoint_draft(Handler *handler, const ChainHead *head)
{
	char hex[DIGEST_HEX];
	digest_hex(&head->head, hex);
	Checkpoint checkpoint = { .size = head->size, .count = head->count, .head = hex };
	json_t *tree JSON_AUTO = json_encode(&checkpoint_table, &checkpoint);
	Id id = id_of_pair(ID_CHECKPOINT, SLICE("audit"), slice_of(hex));
	Buffer body;
	buffer_init(&body, CHECKPOINT_BYTES);
	json_write(tree, &body);
	Draft draft = { .id = id_slice(&id),
			.type = SLICE(TYPE_CHECKPOINT),
			.key = SLICE("audit"),
			.body = buffer_slice(&body) };
	Result result = handler_draft(handler, &draft);
	buffer_release(&body);
	return result;
}

/* ---- alignment of the file with the ledger */

static AuditLedger *ledger_of(const Handler *handler)
{
	return ((const AuditEnvironment *)handler->environment)->ledger;
}

/* Reads the last line of the first head->size bytes into tail; *line, without its line feed, borrows from tail. */
static Result tail_read(AuditLedger *ledger, const ChainHead *head, Buffer *tail, Slice *line)
{
	for (int64_t take = TAIL_BYTES;; take *= 2) {
		int64_t size = take < head->size ? take : head->size;
		buffer_clear(tail);
		TRY(ledger->operations->read(ledger, head->size - size, (size_t)size, tail));
		if (tail->overflowed || tail->size < 2 || tail->data[tail->size - 1] != '\n')
			return result_fail(ERROR_INTERNAL,
					   "the audit log does not end with a whole line: it was changed; restore it from a copy");
		const char *before = memrchr(tail->data, '\n', tail->size - 1);
		if (before || size == head->size) {
			const char *begin = before ? before + 1 : tail->data;
			*line = (Slice){ begin, (size_t)(tail->data + tail->size - 1 - begin) };
			return result_ok();
		}
	}
}

static Result tail_check(AuditLedger *ledger, const ChainHead *head)
{
	Slice text;
	ChainLine line;
	Buffer tail;
	if (head->count == 0)
		return result_ok();
	buffer_init(&tail, CHAIN_LINE_MAX + TAIL_BYTES);
	Result result = tail_read(ledger, head, &tail, &text);
	if (!result_failed(result)) {
		char why[CHAIN_WHY] = "";
		bool fits = chain_line_read(text, &line);
		ChainHead before = { .count = head->count - 1, .head = fits ? line.previous : (Digest){ { 0 } } };
		fits = chain_line_check(&before, text, why) && digest_equals(&before.head, &head->head);
		if (!fits)
			result = result_fail(ERROR_INTERNAL,
					     "line %" PRId64 " of the audit log is not the accepted one: it was changed (%s); restore the log from a copy",
					     head->count, why[0] ? why : "its hash differs");
	}
	buffer_release(&tail);
	return result;
}

static Result align(Handler *handler)
{
	Memory *memory = handler->memory;
	AuditLedger *ledger = ledger_of(handler);
	if (memory->aligned)
		return result_ok();
	TRY(head_load(handler, &memory->head));
	Result cut = ledger->operations->cut(ledger, memory->head.size);
	if (cut.kind == ERROR_INTERNAL)
		return result_fail(cut.kind, "audit log: %.140s: restore it from a copy; docs/operators.md explains what to do without a copy",
				   cut.text);
	TRY(result_wrap(cut, "audit log"));
	TRY(tail_check(ledger, &memory->head));
	memory->counted = memory->head.count;
	memory->aligned = true;
	return result_ok();
}

/* A replica must not become the owner of the partition if its file lacks accepted lines: it has no file, or an old copy. */
static Result may_own(Handler *handler)
{
	ChainHead head;
	Buffer last;
	TRY(head_load(handler, &head));
	if (head.size == 0)
		return result_ok();
	buffer_init(&last, 1);
	AuditLedger *ledger = ledger_of(handler);
	Result result = ledger->operations->read(ledger, head.size - 1, 1, &last);
	buffer_release(&last);
	if (result_failed(result))
		return result_fail(ERROR_AGAIN,
				   "the audit log of this replica ends before line %" PRId64 ", the last one accepted: stop this "
				   "replica, so that the one with the log can continue, or copy the log here (%s)", head.count, result.text);
	return result_ok();
}

static Result staged_write(Handler *handler)
{
	Memory *memory = handler->memory;
	AuditLedger *ledger = ledger_of(handler);
	if (memory->staged.size == 0)
		return result_ok();
	TRY(ledger->operations->write(ledger, buffer_slice(&memory->staged)));
	buffer_clear(&memory->staged);
	return result_ok();
}

/* ---- handlers */

static void staged_forget(Memory *memory)
{
	memory->staged_since = INSTANT_NONE;
	for (size_t topic = 0; topic < TOPICS; topic++)
		for (size_t partition = 0; partition < BUS_PARTITIONS_MAX; partition++) {
			memory->positions[topic][partition].staged = false;
			memory->positions[topic][partition].position = -1;
		}
}

static Result restore(Handler *handler)
{
	Memory *memory = handler->memory;
	if (!memory) {
		memory = handler->memory = calloc(1, sizeof(*memory));
		must(memory);
		buffer_init(&memory->staged, STAGED_BYTES + CHAIN_LINE_MAX);
	}
	/* The state may still be behind its ledger, so the file is not cut here, but by align, once the partition is owned. */
	memory->aligned = false;
	memory->head = (ChainHead){ 0 };
	buffer_clear(&memory->staged);
	staged_forget(memory);
	return result_ok();
}

static void release(Handler *handler)
{
	Memory *memory = handler->memory;
	buffer_release(&memory->staged);
	free(memory);
	handler->memory = NULL;
}

typedef struct {
	char text[DIGEST_HEX];
} AssessmentKey;

/* A repeat has the id and the body of an earlier record. An equal id is not enough: any program may write another body under it. */
static AssessmentKey assessment_key(const Record *input)
{
	AssessmentKey key = { "" };
	Digest digest = DIGEST(input->id, SLICE("\0"), input->body);
	digest_hex(&digest, key.text);
	return key;
}

/*
 * Remembers the first position of each assessment; the same assessment at another position is a repeat. Any program may write to
 * the topic, with any ce_time. instant_bounded replaces an impossible time, which would otherwise prune all other assessments.
 */
static Result assessment_observe(Handler *handler, const Record *input)
{
	Instant at = instant_bounded(input->time, handler->now);
	AssessmentKey key = assessment_key(input);
	if (input->offset % PRUNE_EVERY == 0)
		TRY(store_run(handler->store, "DELETE FROM seen WHERE time < ?1", V_INTEGER(at - seen_ms)));
	return store_run(handler->store, "INSERT OR IGNORE INTO seen VALUES (?1, ?2, ?3, ?4)", V_TEXT(slice_of(key.text)),
			 V_INTEGER(input->partition), V_INTEGER(input->offset), V_INTEGER(at));
}

static Result is_repeat(Handler *handler, const Record *input, bool *repeat)
{
	AssessmentKey key = assessment_key(input);
	Statement *row =
		store_query(handler->store, "SELECT partition, offset FROM seen WHERE id = ?1", V_TEXT(slice_of(key.text)));
	*repeat = statement_next(row) &&
		  (statement_integer(row, 0) != input->partition || statement_integer(row, 1) != input->offset);
	return statement_end(row);
}

static Result stage(Handler *handler, const Record *input)
{
	Memory *memory = handler->memory;
	char time[INSTANT_TEXT];
	TRY(align(handler));
	instant_format(input->time, time);
	const ChainRecord record = {
		.topic = slice_of(topics[input->topic].name),
		.id = input->id,
		.type = input->type,
		.subject = input->subject,
		.cause = input->cause,
		.time = slice_of(time),
		.partition = input->partition,
		.offset = input->offset,
		.body = input->body,
	};
	TRY(chain_append(&memory->head, &record, &memory->staged));
	if (memory->staged_since == INSTANT_NONE)
		memory->staged_since = handler->now;
	memory->positions[input->topic][input->partition].staged = true;
	return memory->staged.size > STAGED_BYTES ? staged_write(handler) : result_ok();
}

static Result assessment_stage(Handler *handler, const Record *input)
{
	bool repeat;
	TRY(is_repeat(handler, input, &repeat));
	return repeat ? result_ok() : stage(handler, input);
}

/*
 * True while lines may stay staged, at most GATHER_MS, to share an fsync. Until they are written, the input position that the
 * service states must not be after the first staged record. The offset of that record would be too high, because records
 * directly before it may not be accepted. So the position is the one that the runtime passed to `position` before the record.
 * If `position` was not called before that record, no line may stay staged.
 */
static bool can_gather(const Handler *handler, const Memory *memory)
{
	for (size_t topic = 0; topic < TOPICS; topic++)
		for (size_t partition = 0; partition < handler->partitions; partition++)
			if (memory->positions[topic][partition].staged && memory->positions[topic][partition].position < 0)
				return false;
	return handler->now >= memory->staged_since &&
	       handler->now - memory->staged_since < GATHER_MS;
}

static Result settle(Handler *handler, Instant now, Instant *wake_at)
{
	Memory *memory = handler->memory;
	(void)now;
	TRY(align(handler));
	if (memory->staged_since == INSTANT_NONE)
		return result_ok();
	if (can_gather(handler, memory)) {
		*wake_at = memory->staged_since + GATHER_MS;
		return result_ok();
	}
	TRY(staged_write(handler));
	staged_forget(memory);
	return checkpoint_draft(handler, &memory->head);
}

static int64_t position(Handler *handler, TopicId topic, unsigned partition, int64_t next)
{
	Memory *memory = handler->memory;
	if (!memory)
		return next;
	if (!memory->positions[topic][partition].staged)
		memory->positions[topic][partition].position = next;
	return memory->positions[topic][partition].position;
}

/* Adds the lines of an accepted checkpoint to the metric. Not called during a replay. */
static void accepted(Handler *handler, const Record *record)
{
	Memory *memory = handler->memory;
	Checkpoint checkpoint;
	json_t *tree JSON_AUTO = NULL;
	if (!slice_is(record->type, TYPE_CHECKPOINT) || result_failed(checkpoint_read(record, &tree, &checkpoint)))
		return;
	metric_add(METRIC_AUDIT_RECORDS, NULL, NULL, checkpoint.count - memory->counted);
	memory->counted = checkpoint.count;
}

const Service audit_service = {
	.name = "audit",
	.sentence = "Keeps the verifiable log of all assessments, incident changes and deliveries",
	.ledger = TOPIC_CHECKPOINTS,
	.single = true,
	.inputs = {
		{ .topic = TOPIC_JOURNAL, .all_partitions = true, .decide = stage },
		{ .topic = TOPIC_ASSESSMENTS, .all_partitions = true, .observe = assessment_observe,
		  .decide = assessment_stage },
		{ .topic = TOPIC_DELIVERIES, .all_partitions = true, .decide = stage },
	},
	.input_count = 3,
	.schema = schema,
	.schema_version = sizeof(schema) / sizeof(schema[0]),
	.restore = restore,
	.release = release,
	.apply = apply,
	.settle = settle,
	.may_own = may_own,
	.position = position,
	.accepted = accepted,
};
