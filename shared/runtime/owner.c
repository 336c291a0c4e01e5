#include "shared/runtime/owner.h"

#include "shared/base/bugs.h"
#include "shared/domain/types.h"
#include "shared/io/system/log.h"
#include "shared/io/system/metrics.h"
#include "shared/runtime/record.h"
#include "shared/runtime/state.h"
#include "shared/runtime/trim.h"

#include <inttypes.h>
#include <stdio.h>

enum {
	FOLLOW_RECORDS = 1000,      /* ledger records a step */
	READBACK_MS = 60000,        /* a batch that was not read back within this time is in doubt */
	SUPERSEDED_PAUSE_MS = 1000, /* pause after another owner's claim before the next own claim: one to two times this long */
	ADVANCE_MS = 60000,         /* positions that moved are recorded after this time without a record, */
	ADVANCE_INPUTS = 10000,     /* or after this many inputs without a record */
	SILENT_MS = 3600000,        /* after this time without a record, one is written in any case, to show that the owner works */
	GROUP_COMMIT_MS = 2000,     /* between two commits of the input positions to the group; only lag and retention use these */
	TRIM_MS = 3600000,          /* between two attempts to trim the ledger */
	HEADERS_MAX = 1 << 20,
};

/* ---- appending to the ledger */

static void mark_add(const Owner *owner, Buffer *headers, uint64_t seq)
{
	LedgerMark mark = { .epoch = owner->epoch, .owner = owner->options->owner_id, .seq = seq };
	ledger_mark_write(headers, &mark);
}

static void positions_add(const Owner *owner, Buffer *headers)
{
	LedgerPositions positions = owner->phase == PHASE_OWNING ? inputs_positions(owner->inputs) : owner->inputs->accepted;
	Buffer text;
	buffer_init(&text, LEDGER_POSITIONS_TEXT);
	ledger_positions_write(&text, owner->options->partition, &positions);
	header_add(headers, "ce_positions", buffer_slice(&text));
	header_add_integer(headers, "ce_derived", owner->derived);
	buffer_release(&text);
}

static Result ledger_append(Owner *owner, const BusRecord *record)
{
	const RuntimeOptions *options = owner->options;
	return wire_append(owner->wire, options->bus, options->service->ledger, options->partition, record);
}

/* A record of the protocol itself: the claim (seq 0) or the opening (seq 1). */
static Result protocol_append(Owner *owner, const char *type, const char *id_suffix, uint64_t seq)
{
	char name[96], time[INSTANT_TEXT];
	snprintf(name, sizeof(name), "%" PRIu64 ".%016" PRIx64 ".%s", owner->epoch, owner->options->owner_id, id_suffix);
	Id id = id_of_pair(ID_PROTOCOL_RECORD, slice_of(owner->name), slice_of(name));
	instant_format(owner->handler->now, time);
	Buffer *headers = &owner->headers;
	buffer_clear(headers);
	header_add(headers, "ce_id", id_slice(&id));
	header_add(headers, "ce_type", slice_of(type));
	header_add(headers, "ce_time", slice_of(time));
	mark_add(owner, headers, seq);
	if (seq > 0)
		positions_add(owner, headers);
	if (seq == 1) {
		char previous[48];
		snprintf(previous, sizeof(previous), "%" PRIu64 ".%" PRIu64, owner->cursor.prev_epoch, owner->cursor.prev_seq);
		header_add(headers, "ce_prev", slice_of(previous));
		header_add_integer(headers, "ce_partitions", owner->handler->partitions);
	}
	return ledger_append(owner, &(BusRecord){ .headers = buffer_slice(headers), .body = SLICE("{}") });
}

static Result draft_append(Owner *owner, const Record *record, uint64_t seq)
{
	char time[INSTANT_TEXT];
	instant_format(record->time, time);
	Buffer *headers = &owner->headers;
	buffer_clear(headers);
	header_add(headers, "ce_id", record->id);
	header_add(headers, "ce_type", record->type);
	header_add(headers, "ce_time", slice_of(time));
	if (record->subject.size)
		header_add(headers, "ce_subject", record->subject);
	if (record->cause.size)
		header_add(headers, "ce_cause", record->cause);
	mark_add(owner, headers, seq);
	positions_add(owner, headers);
	buffer_append(headers, record->headers);
	if (headers->overflowed)
		return result_fail(ERROR_INTERNAL, "the headers of a record are larger than %d bytes", HEADERS_MAX);
	return ledger_append(owner, &(BusRecord){ .key = record->key, .headers = buffer_slice(headers), .body = record->body });
}

/* ---- doubt */

static void owner_gauge(const Owner *owner, int64_t value)
{
	char partition[16];
	snprintf(partition, sizeof(partition), "%u", owner->options->partition);
	metric_set(METRIC_LEDGER_OWNER, owner->options->service->name, partition, value);
}

static void batch_forget(Owner *owner)
{
	batch_clear(&owner->batch);
	owner->input = NULL;
}

/*
 * Gives up the epoch: rolls back everything that was not read back, and follows the ledger again from the committed state. why is
 * logged and counted as a doubt, and the next claim waits for pause_ms. If why is NULL, nothing is logged, counted or delayed.
 */
static void owner_doubt(Owner *owner, const char *why, int64_t pause_ms)
{
	if (why) {
		owner->figures->doubts++;
		metric_add(METRIC_LEDGER_DOUBTS, owner->options->service->name, NULL, 1);
		handler_log(owner->handler, LOG_WARN, "ledger-doubt", why);
		owner->claim_after = owner->handler->now + pause_ms;
	}
	if (owner->in_transaction && BUG(6))
		result_ignore(store_commit(owner->options->store)); /* one of the bugs that the simulation must find */
	else if (owner->in_transaction)
		store_rollback(owner->options->store);
	owner->in_transaction = false;
	owner->phase = PHASE_FOLLOWING;
	owner_gauge(owner, 0);
	batch_forget(owner);
	timer_set_forget(&owner->timers);
	wire_replace(&owner->wire);
	wire_replace(&owner->outputs->wire);
	owner->deriving = false;
	owner->inputs->observed_at = INSTANT_NONE;
	owner->settle_at = INSTANT_NONE;
	owner->cursor.next = -1;
}

Result owner_init(Owner *owner)
{
	const RuntimeOptions *options = owner->options;
	snprintf(owner->name, sizeof(owner->name), "%s/%u", options->service->name, options->partition);
	owner->assigned = true;
	owner->claim_after = INSTANT_NONE;
	owner->wire = wire_new(owner->reader);
	batch_init(&owner->batch);
	timer_set_init(&owner->timers, owner->handler, options->timers, owner->name);
	projection_init(&owner->projection, owner->handler, owner->reader);
	buffer_init(&owner->headers, HEADERS_MAX);
	TRY(state_prepare(options->store));
	owner_doubt(owner, NULL, 0);
	return result_ok();
}

void owner_release(Owner *owner)
{
	if (owner->in_transaction)
		store_rollback(owner->options->store);
	wire_release(owner->wire);
	batch_release(&owner->batch);
	timer_set_release(&owner->timers);
	projection_release(&owner->projection);
	buffer_release(&owner->headers);
}

/* ---- the ledger's rows of the state */

static Result ledger_save(const Owner *owner)
{
	Store *store = owner->options->store;
	const LedgerPositions *accepted = &owner->inputs->accepted;
	TRY(state_cursor_save(store, "ledger", &owner->cursor));
	TRY(state_cursor_save(store, "derive", &owner->derive_from));
	TRY(store_run(store, "INSERT OR REPLACE INTO runtime_number VALUES ('derived', ?1)", V_INTEGER(owner->derived)));
	for (size_t i = 0; i < accepted->count; i++)
		TRY(store_run(store, "INSERT OR REPLACE INTO runtime_position VALUES (?1, ?2, ?3)",
			      V_INTEGER(accepted->list[i].topic), V_INTEGER(accepted->list[i].partition),
			      V_INTEGER(accepted->list[i].position)));
	return result_ok();
}

static Result accepted_load(const Handler *handler, LedgerPositions *accepted)
{
	Store *store = handler->store;
	accepted->count = 0;
	Statement *row = store_query(store, "SELECT topic, partition, position FROM runtime_position");
	bool sound = true;
	while (statement_next(row) && accepted->count < LEDGER_POSITIONS_MAX) {
		int64_t topic = statement_integer(row, 0), partition = statement_integer(row, 1);
		int64_t position = statement_integer(row, 2);
		sound &= topic >= 0 && topic < TOPICS && partition >= 0 && partition < LEDGER_PARTITIONS_MAX && position >= 0;
		size_t i = accepted->count++;
		accepted->list[i].topic = (unsigned)topic;
		accepted->list[i].partition = (unsigned)partition;
		accepted->list[i].position = position;
	}
	TRY(statement_end(row));
	return sound ? result_ok() : state_broken(handler);
}

static Result ledger_load(Owner *owner)
{
	Store *store = owner->options->store;
	TRY(state_cursor_load(store, "ledger", &owner->cursor));
	TRY(state_cursor_load(store, "derive", &owner->derive_from));
	Statement *row = store_query(store, "SELECT value FROM runtime_number WHERE name = 'derived'");
	owner->derived = statement_next(row) ? statement_integer(row, 0) : 0;
	TRY(statement_end(row));
	TRY(projection_load(&owner->projection));
	return accepted_load(owner->handler, &owner->inputs->accepted);
}

/* Drops state, which is then rebuilt, if it was made from another log or if the log was trimmed past its cursor. */
static Result state_check(Owner *owner)
{
	const RuntimeOptions *options = owner->options;
	TopicId ledger = options->service->ledger;
	int64_t first = options->bus->operations->first(options->bus, ledger, options->partition);
	bool usable;
	TRY(state_cluster_check(options->store, options->bus->cluster, &usable));
	if (usable)
		TRY(ledger_fits(owner->reader, ledger, options->partition, &owner->cursor, &usable));
	if (!usable || (owner->cursor.next > 0 && owner->cursor.next < first)) {
		owner->caught_up = false;
		TRY(state_reset(owner->handler, options->bus->cluster));
		TRY(ledger_load(owner));
	}
	if (owner->cursor.next < first)
		owner->cursor = owner->derive_from = ledger_begin(first);
	return result_ok();
}

static Result load_all(Owner *owner)
{
	TRY(ledger_load(owner));
	TRY(state_check(owner));
	TRY(inputs_load(owner->inputs));
	inputs_observe_reset(owner->inputs);
	if (owner->options->service->restore)
		TRY(owner->options->service->restore(owner->handler));
	return result_ok();
}

static Result load(Owner *owner)
{
	Result result = load_all(owner);
	if (result_failed(result))
		owner->cursor.next = -1; /* state may be half loaded: the next step loads all of it again */
	return result;
}

/* ---- reading the ledger */

typedef enum { FOLLOW_ON, FOLLOW_OWN_CLAIM, FOLLOW_SUPERSEDED, FOLLOW_LOST_RACE, FOLLOW_HOLE } FollowEvent;

typedef struct {
	Owner *owner;
	FollowEvent event;
	Result result;
	size_t count;
} FollowVisit;

static Result positions_take(Owner *owner, const BusRecord *from)
{
	LedgerPositions positions, *accepted = &owner->inputs->accepted;
	Slice text = header_get(from->headers, "ce_positions");
	if (!text.data)
		return result_ok();
	TRY(ledger_positions_read(text, owner->options->partition, &positions));
	for (size_t i = 0; i < accepted->count; i++)
		for (size_t k = 0; k < positions.count; k++)
			if (positions.list[k].topic == accepted->list[i].topic &&
			    positions.list[k].partition == accepted->list[i].partition &&
			    positions.list[k].position < accepted->list[i].position)
				return result_fail(ERROR_INTERNAL, "%s: at offset %" PRId64 " the position in %s goes back",
						   topics[owner->options->service->ledger].name, from->offset,
						   topics[positions.list[k].topic].name);
	*accepted = positions;
	return result_ok();
}

/* Applies rule 3 of docs/design/ownership.md, "Readers". */
static Result opening_check(const Owner *owner, Slice headers)
{
	const char *ledger = topics[owner->options->service->ledger].name;
	Slice partitions = header_get(headers, "ce_partitions");
	int64_t count;
	if (partitions.data && slice_integer(partitions, &count) && count != owner->handler->partitions)
		return result_fail(ERROR_INTERNAL, "%s was created for %" PRId64 " partitions, but the bus has %u", ledger, count,
				   owner->handler->partitions);
	return result_wrap(ledger_opening_check(&owner->cursor, headers), "%s", ledger);
}

static Result accepted_take(Owner *owner, const BusRecord *from, const LedgerCursor *before)
{
	const Service *service = owner->options->service;
	Record record;
	int64_t derived;
	if (owner->phase == PHASE_CLAIMING && BUG(2))
		return result_ok();
	TRY(record_read(service->ledger, owner->options->partition, from, &record));
	if (slice_integer(header_get(from->headers, "ce_derived"), &derived) && derived > owner->derived) {
		owner->derived = derived;
		owner->derive_from = *before;
	}
	TRY(positions_take(owner, from));
	if (slice_is(record.type, TYPE_LEDGER_OPENED))
		return opening_check(owner, from->headers);
	if (record_is_bookkeeping(&record))
		return result_ok();
	if (owner->phase == PHASE_ACCEPTING)
		return result_ok(); /* owner_draft has applied the record already */
	TRY(service->apply(owner->handler, &record));
	return projection_touch(&owner->projection, &record);
}

static bool mark_is_own(const Owner *owner, const LedgerMark *mark)
{
	return (mark->owner == owner->options->owner_id || BUG(9)) && mark->epoch == owner->epoch;
}

static FollowEvent claim_event(const Owner *owner, const LedgerMark *mark)
{
	bool own = mark_is_own(owner, mark);
	if (owner->phase == PHASE_CLAIMING && own)
		return FOLLOW_OWN_CLAIM;
	if ((own && BUG(1)) || BUG(7))
		return FOLLOW_ON;
	return owner->phase >= PHASE_OPENING ? FOLLOW_SUPERSEDED : FOLLOW_ON;
}

static FollowEvent drop_event(Owner *owner, const LedgerMark *mark)
{
	bool own = mark_is_own(owner, mark);
	owner->figures->dropped++;
	metric_add(METRIC_LEDGER_DROPPED, owner->options->service->name, NULL, 1);
	if (mark->epoch == 0)
		handler_log(owner->handler, LOG_WARN, "ledger-unknown-writer",
			    "a record without a valid mark was dropped: another program writes to the ledger's topic, deny it that");
	if (!own)
		return FOLLOW_ON;
	if (mark->claim)
		return owner->phase == PHASE_CLAIMING ? FOLLOW_LOST_RACE : FOLLOW_ON;
	return owner->phase >= PHASE_OPENING && mark->seq > owner->cursor.seq + 1 ? FOLLOW_HOLE : FOLLOW_ON;
}

static bool follow_visit(void *context, const BusRecord *from)
{
	FollowVisit *visit = context;
	Owner *owner = visit->owner;
	LedgerMark mark;
	LedgerCursor before = owner->cursor;
	if (from->offset != owner->cursor.next) {
		visit->result = result_fail(ERROR_AGAIN, "the ledger was read at offset %" PRId64 " where %" PRId64 " was expected",
					    from->offset, owner->cursor.next);
		return false;
	}
	visit->count++;
	switch (ledger_judge(&owner->cursor, from->headers, &mark)) {
	case LEDGER_CLAIMED:
		visit->event = claim_event(owner, &mark);
		break;
	case LEDGER_ACCEPT:
		visit->result = accepted_take(owner, from, &before);
		if (owner->phase == PHASE_ACCEPTING && !(mark.seq == 1 && BUG(1)))
			owner->batch.accepted++;
		break;
	case LEDGER_DROP:
		visit->event = drop_event(owner, &mark);
		break;
	}
	bool batch_complete = owner->phase == PHASE_ACCEPTING && owner->batch.accepted == owner->batch.count;
	return !result_failed(visit->result) && visit->event == FOLLOW_ON && !batch_complete;
}

static int64_t ledger_end(const Owner *owner)
{
	const RuntimeOptions *options = owner->options;
	return options->bus->operations->end(options->bus, options->service->ledger, options->partition);
}

static Result follow(Owner *owner, FollowVisit *visit)
{
	const RuntimeOptions *options = owner->options;
	*visit = (FollowVisit){ .owner = owner };
	if (owner->cursor.next >= ledger_end(owner))
		return result_ok();
	bool own_transaction = !owner->in_transaction;
	if (own_transaction)
		TRY(store_begin(options->store));
	BusPosition position = { options->service->ledger, options->partition, owner->cursor.next };
	int64_t next;
	Result result = options->bus->operations->read(owner->reader, position, FOLLOW_RECORDS, true, follow_visit, visit, &next);
	if (!result_failed(result))
		result = visit->result;
	if (!own_transaction)
		return result;
	if (!result_failed(result))
		result = ledger_save(owner);
	if (result_failed(result)) {
		store_rollback(options->store);
		owner_doubt(owner, NULL, 0);
		return result;
	}
	return store_commit(options->store);
}

static int64_t superseded_pause_ms(const Owner *owner)
{
	return SUPERSEDED_PAUSE_MS + (int64_t)(owner->options->owner_id % SUPERSEDED_PAUSE_MS);
}

/* Gives up the epoch if the visit, a failed append or the time since began_at requires it. True if it was given up. */
static bool given_up(Owner *owner, const FollowVisit *visit)
{
	if (visit->event == FOLLOW_SUPERSEDED || visit->event == FOLLOW_LOST_RACE) {
		owner->figures->superseded++;
		metric_add(METRIC_LEDGER_SUPERSEDED, owner->options->service->name, NULL, 1);
		owner_doubt(owner, "another owner claimed", superseded_pause_ms(owner));
	} else if (visit->event == FOLLOW_HOLE) {
		owner_doubt(owner, "a record of this owner was read back, but one before it is missing", 0);
	} else if (wire_failed(owner->wire)) {
		owner_doubt(owner, "an append failed", 0);
	} else if (owner->handler->now > owner->began_at + READBACK_MS) {
		owner_doubt(owner, "an append was not read back within 60 s", 0);
	} else {
		return false;
	}
	return true;
}

/* ---- drafting */

Result owner_draft(Owner *owner, const Draft *draft)
{
	const RuntimeOptions *options = owner->options;
	must(owner->phase == PHASE_OWNING && owner->in_transaction);
	if (!batch_has_room(&owner->batch, draft->subject.size + draft->key.size + draft->headers.size + draft->body.size))
		return result_fail(ERROR_AGAIN, "the batch is full");
	uint64_t before = BUG(1) && owner->cursor.epoch != owner->epoch ? 1 : owner->cursor.seq;
	uint64_t seq = before + owner->batch.count + 1;
	char name[96];
	snprintf(name, sizeof(name), "%" PRIu64 ".%016" PRIx64 ".%" PRIu64, owner->epoch, options->owner_id, seq);
	Id derived = owner->input ? id_derived(ID_RECORD_OF_INPUT, owner->input->id, owner->input_drafts++) :
				    id_of_pair(ID_RECORD_OF_OWNER, slice_of(owner->name), slice_of(name));
	Slice cause = draft->cause.size ? draft->cause : owner->input ? owner->input->id : SLICE_NONE;
	Record record = { .topic = options->service->ledger, .partition = options->partition,
			  .id = draft->id.size ? draft->id : id_slice(&derived), .type = draft->type,
			  .subject = draft->subject, .key = draft->key.size ? draft->key : draft->subject, .cause = cause,
			  .headers = draft->headers, .body = draft->body, .time = owner->handler->now };
	record = batch_keep(&owner->batch, &record);
	/* Apply the record before appending it: the positions in its headers depend on the applied state (Service.position). */
	Result result = record_is_bookkeeping(&record) ? result_ok() : options->service->apply(owner->handler, &record);
	if (!result_failed(result) && !record_is_bookkeeping(&record))
		result = projection_touch(&owner->projection, &record);
	if (!result_failed(result))
		result = draft_append(owner, &record, seq);
	if (result.kind == ERROR_INPUT)
		result.kind = ERROR_INTERNAL; /* the draft is at fault, not the input, which must not become a dead letter */
	TRY(result);
	owner->figures->records++;
	return result_ok();
}

Result owner_dead_letter(Owner *owner, BusPosition input, const char *reason)
{
	Wire *wire = owner->phase == PHASE_OWNING ? owner->wire : owner->outputs->wire;
	TRY(outputs_dead_letter(owner->outputs, wire, input, reason));
	owner->batch.refused = true;
	return result_ok();
}

/* ---- deciding */

typedef struct {
	Owner *owner;
	InputPartition *input;
	Result result;
	size_t count;
} DecideVisit;

static Result record_decide(Owner *owner, InputPartition *input, const BusRecord *from)
{
	Record record;
	Result result = record_read(input->topic, input->partition, from, &record);
	if (!result_failed(result) && record_is_bookkeeping(&record))
		return result;
	if (!result_failed(result))
		result = record_check(&record, owner->handler->partitions);
	owner->input = &record;
	owner->input_drafts = 0;
	if (!result_failed(result) && input->handlers->observe && from->offset >= input->observed)
		result = input->handlers->observe(owner->handler, &record);
	size_t drafted = owner->batch.count;
	if (!result_failed(result))
		result = input->handlers->decide(owner->handler, &record);
	owner->input = NULL;
	if (result.kind != ERROR_INPUT)
		return result;
	must(owner->batch.count == drafted); /* ERROR_INPUT is not allowed after a draft (handler.h) */
	return owner_dead_letter(owner, (BusPosition){ input->topic, input->partition, from->offset }, result.text);
}

static bool decide_visit(void *context, const BusRecord *from)
{
	DecideVisit *visit = context;
	InputPartition *input = visit->input;
	const Batch *batch = &visit->owner->batch;
	bool taken = true;
	visit->result = input_judge(input, from, &taken);
	if (result_failed(visit->result))
		return false;
	if (taken) {
		int64_t before = input->next;
		input->next = from->offset + 1; /* drafts of this input state this position */
		visit->result = record_decide(visit->owner, input, from);
		if (result_failed(visit->result)) {
			input->next = before;
			return false;
		}
		input->observed = input->observed > input->next ? input->observed : input->next;
	}
	visit->count++;
	return batch->count < BATCH_RECORDS / 2 && batch->bytes.size < BATCH_BYTES / 2;
}

static Result input_decide(Owner *owner, InputPartition *input, size_t *count)
{
	DecideVisit visit = { .owner = owner, .input = input };
	size_t max = input->handlers->keys_only ? BATCH_KEYS : BATCH_INPUTS;
	Result result = input_read(owner->inputs, input, max, decide_visit, &visit);
	*count += visit.count;
	owner->figures->inputs += visit.count;
	owner->inputs_since_record += visit.count;
	return result_failed(result) ? result : visit.result;
}

static Result inputs_decide(Owner *owner, size_t *count)
{
	for (size_t i = 0; i < owner->inputs->count; i++)
		TRY(input_decide(owner, &owner->inputs->list[i], count));
	return result_ok();
}

/* Outcomes of messages are inputs without an offset, like timers. */
static void outcomes_collect(Owner *owner)
{
	Outbound *outbound = owner->options->outbound;
	Batch *batch = &owner->batch;
	if (!outbound || !owner->options->service->outcome)
		return;
	while (batch->outcome_count < BATCH_OUTCOMES &&
	       outbound->operations->outcome(outbound, &batch->outcomes[batch->outcome_count]))
		batch->outcome_count++;
}

static Result outcomes_decide(Owner *owner, size_t *count)
{
	for (size_t i = 0; i < owner->batch.outcome_count; i++)
		TRY(owner->options->service->outcome(owner->handler, &owner->batch.outcomes[i]));
	*count += owner->batch.outcome_count;
	return result_ok();
}

static bool settle_is_due(const Owner *owner)
{
	return owner->settle_at != INSTANT_NONE && owner->handler->now >= owner->settle_at;
}

static Result settle(Owner *owner, size_t inputs)
{
	const Service *service = owner->options->service;
	if (!service->settle || (inputs == 0 && !settle_is_due(owner)))
		return result_ok();
	Instant wake_at = INSTANT_NONE;
	TRY(service->settle(owner->handler, owner->handler->now, &wake_at));
	owner->settle_at = wake_at;
	return result_ok();
}

static bool positions_moved(const Owner *owner)
{
	const LedgerPositions *accepted = &owner->inputs->accepted;
	LedgerPositions now = inputs_positions(owner->inputs);
	for (size_t i = 0; i < now.count; i++) {
		int64_t before = 0;
		for (size_t k = 0; k < accepted->count; k++)
			if (accepted->list[k].topic == now.list[i].topic && accepted->list[k].partition == now.list[i].partition)
				before = accepted->list[k].position;
		if (now.list[i].position != before)
			return true;
	}
	return false;
}

static bool advance_is_due(const Owner *owner)
{
	int64_t silent_ms = owner->handler->now - owner->last_record_at;
	bool due = silent_ms >= ADVANCE_MS || owner->inputs_since_record >= ADVANCE_INPUTS;
	return silent_ms >= SILENT_MS || (due && positions_moved(owner));
}

/*
 * Drafts a record that states the positions, if one is due. While the timers are contested, it always drafts one: if the record
 * is accepted, the timers belong to this owner (timer_set_confirm).
 */
static Result advance(Owner *owner)
{
	if (!owner->timers.contested && (owner->batch.count > 0 || !advance_is_due(owner)))
		return result_ok();
	return owner_draft(owner, &(Draft){ .type = SLICE(TYPE_LEDGER_ADVANCED), .body = SLICE("{}"), .time = owner->handler->now });
}

static Result decide_all(Owner *owner, size_t *count)
{
	TRY(inputs_decide(owner, count));
	TRY(outcomes_decide(owner, count));
	TRY(timer_set_decide(&owner->timers, count));
	TRY(settle(owner, *count));
	return advance(owner);
}

static bool timers_are_due(const Owner *owner)
{
	Instant wake_at = timer_set_wake_at(&owner->timers);
	return wake_at != INSTANT_NONE && wake_at <= owner->handler->now;
}

static bool batch_is_due(const Owner *owner)
{
	return inputs_waiting(owner->inputs) || owner->batch.outcome_count > 0 || settle_is_due(owner) ||
	       timers_are_due(owner) || advance_is_due(owner);
}

static void group_commit(Owner *owner)
{
	const RuntimeOptions *options = owner->options;
	if (owner->handler->now < owner->group_committed_at + GROUP_COMMIT_MS && !BUG(3))
		return;
	owner->group_committed_at = owner->handler->now;
	LedgerPositions positions = BUG(3) ? inputs_positions(owner->inputs) : owner->inputs->accepted;
	/* These positions are advisory. After a failure the next call, GROUP_COMMIT_MS later, commits newer ones. */
	for (size_t i = 0; i < positions.count; i++)
		result_ignore(options->bus->operations->commit(options->bus, options->service->name, positions.list[i].topic,
							       positions.list[i].partition, positions.list[i].position));
}

/* Ends a batch with neither records nor dead letters: commits only what `observe` stored and the observed offsets. */
static Result batch_commit_empty(Owner *owner, bool save)
{
	Result result = save ? inputs_save(owner->inputs) : result_ok();
	if (!result_failed(result))
		result = store_commit(owner->options->store);
	if (result_failed(result)) {
		owner_doubt(owner, result.text, 0);
		return result;
	}
	owner->in_transaction = false;
	owner->batch.outcome_count = 0;
	timer_set_sync(&owner->timers);
	batch_forget(owner);
	return result_ok();
}

static Result batch_decide(Owner *owner, bool *progressed)
{
	size_t count = 0;
	outcomes_collect(owner);
	if (!batch_is_due(owner))
		return result_ok();
	TRY(store_begin(owner->options->store));
	owner->in_transaction = true;
	Result result = decide_all(owner, &count);
	if (result_failed(result)) {
		bool drafted = owner->batch.count > 0;
		owner_doubt(owner, result.text, 0);
		/* Drafts were appended already, so the owner claims another epoch at once. Without drafts the caller backs off. */
		return drafted && result.kind != ERROR_INTERNAL ? result_ok() : result;
	}
	*progressed = count > 0 || owner->batch.count > 0;
	if (BUG(3))
		group_commit(owner);
	if (owner->batch.count > 0 || owner->batch.refused) {
		owner->phase = PHASE_ACCEPTING;
		return result_ok();
	}
	return batch_commit_empty(owner, *progressed);
}

/* ---- accepting */

static Result batch_commit(Owner *owner)
{
	const Service *service = owner->options->service;
	Result result = ledger_save(owner);
	if (!result_failed(result))
		result = inputs_save(owner->inputs);
	if (!result_failed(result))
		result = store_commit(owner->options->store);
	if (result_failed(result)) {
		owner_doubt(owner, result.text, 0);
		return result;
	}
	owner->in_transaction = false;
	owner->batch.outcome_count = 0;
	owner->last_record_at = owner->handler->now;
	owner->inputs_since_record = 0;
	metric_observe_us(METRIC_LEDGER_READBACK, service->name, NULL, (owner->handler->now - owner->began_at) * 1000);
	timer_set_confirm(&owner->timers);
	timer_set_sync(&owner->timers);
	for (size_t i = 0; service->accepted && i < owner->batch.count; i++) {
		Record record = batch_record(&owner->batch, i);
		service->accepted(owner->handler, &record);
	}
	group_commit(owner);
	owner->deriving = true;
	return result_ok();
}

/* *done: all outputs of the batch are durable; else call again. */
static Result batch_derive(Owner *owner, bool *done)
{
	const Service *service = owner->options->service;
	Outputs *outputs = owner->outputs;
	Batch *batch = &owner->batch;
	*done = !service->derive;
	if (*done)
		return result_ok();
	if (wire_failed(outputs->wire)) {
		wire_replace(&outputs->wire); /* some outputs may be lost: all are emitted again, under the same ids */
		batch->derived = 0;
	}
	for (; batch->derived < batch->count; batch->derived++) {
		Record record = batch_record(batch, batch->derived);
		if (!record_is_bookkeeping(&record))
			TRY(outputs_of(outputs, service->derive, &record));
	}
	*done = wire_pending(outputs->wire) == 0 && !wire_failed(outputs->wire);
	return result_ok();
}

/* ---- phases */

static bool may_claim(const Owner *owner)
{
	return !owner->paused && owner->assigned && owner->handler->now >= owner->claim_after &&
	       (!owner->options->service->policy || owner->handler->policy);
}

static Result opening_append(Owner *owner)
{
	owner->phase = PHASE_OPENING;
	owner->began_at = owner->handler->now;
	Result result = protocol_append(owner, TYPE_LEDGER_OPENED, "opened", BUG(7) ? owner->cursor.seq + 1 : 1);
	if (result_failed(result))
		owner_doubt(owner, "the opening record could not be appended", 0);
	return result;
}

/* Observes inputs, then emits the outputs that may not be durable and begins the term. Repeated until all inputs are observed. */
static Result open_partition(Owner *owner, bool *progressed)
{
	bool complete;
	owner->deriving = false; /* set again once all outputs are appended */
	if (owner->inputs->observed_at == INSTANT_NONE)
		TRY(inputs_start(owner->inputs));
	TRY(inputs_observe(owner->inputs, progressed, &complete));
	if (!complete)
		return result_ok();
	TRY(outputs_derive_again(owner->outputs, owner->reader, &owner->derive_from, owner->cursor.next));
	TRY(timer_set_begin(&owner->timers, owner->epoch));
	projection_begin(&owner->projection);
	owner->deriving = true;
	owner->last_record_at = owner->handler->now;
	owner->inputs_since_record = 0;
	owner->settle_at = owner->options->service->settle ? owner->handler->now : INSTANT_NONE;
	owner_gauge(owner, 1);
	*progressed = true;
	return result_ok();
}

static Result bug_1_open_unread(Owner *owner, bool *progressed)
{
	owner->cursor.prev_epoch = owner->cursor.epoch;
	owner->cursor.prev_seq = owner->cursor.seq;
	TRY(opening_append(owner));
	return open_partition(owner, progressed);
}

static Result bug_10_go_on(Owner *owner, bool *progressed)
{
	owner->phase = PHASE_OPENING;
	return open_partition(owner, progressed);
}

static Result claim(Owner *owner, bool *progressed)
{
	const RuntimeOptions *options = owner->options;
	/* Without `standby` there is no other replica that could own the partition, so may_own is not called. */
	if (options->standby && options->service->may_own)
		TRY(options->service->may_own(owner->handler));
	if (BUG(10) && owner->cursor.epoch == owner->epoch && owner->cursor.owner == options->owner_id)
		return bug_10_go_on(owner, progressed);
	owner->epoch = owner->cursor.epoch + 1;
	TRY(protocol_append(owner, TYPE_LEDGER_CLAIMED, "claim", 0));
	owner->figures->claims++;
	metric_add(METRIC_LEDGER_CLAIMS, options->service->name, NULL, 1);
	owner->phase = PHASE_CLAIMING;
	owner->began_at = owner->handler->now;
	*progressed = true;
	return BUG(1) ? bug_1_open_unread(owner, progressed) : result_ok();
}

static Result following(Owner *owner, bool *progressed)
{
	FollowVisit visit;
	if (!owner->assigned && !owner->options->standby)
		return result_ok();
	if (owner->cursor.next < 0)
		TRY(load(owner));
	if (owner->cursor.next > ledger_end(owner))
		return state_newer_than_bus(owner->handler, owner->options->service->ledger);
	TRY(follow(owner, &visit));
	*progressed = visit.count > 0;
	owner->caught_up |= visit.count == 0;
	return visit.count > 0 || !may_claim(owner) ? result_ok() : claim(owner, progressed);
}

static Result claiming(Owner *owner, bool *progressed)
{
	FollowVisit visit;
	TRY(follow(owner, &visit));
	*progressed = visit.count > 0;
	if (visit.event != FOLLOW_OWN_CLAIM) {
		given_up(owner, &visit);
		return result_ok();
	}
	/* The predecessor's records before the claim are accepted and applied by now. */
	return opening_append(owner);
}

static Result opening(Owner *owner, bool *progressed)
{
	FollowVisit visit = { 0 };
	if (!owner->deriving) {
		if (owner->cursor.seq > 0)
			owner->began_at = owner->handler->now; /* the opening record was read back: no append is waited for */
		TRY(follow(owner, &visit));
		*progressed = visit.count > 0;
		if (given_up(owner, &visit) || owner->cursor.seq == 0)
			return result_ok();
		owner->began_at = owner->handler->now; /* failures from here on are retried */
		return open_partition(owner, progressed);
	}
	if (wire_pending(owner->outputs->wire) > 0)
		return result_ok();
	if (wire_failed(owner->outputs->wire))
		return open_partition(owner, progressed);
	owner->derived = owner->cursor.next;
	owner->derive_from = owner->cursor;
	owner->deriving = false;
	owner->phase = PHASE_OWNING;
	*progressed = true;
	return result_ok();
}

static Result trim_when_due(Owner *owner)
{
	const RuntimeOptions *options = owner->options;
	int64_t test_ms = options->trim_after_ms, retention_ms = test_ms ? test_ms : topics[options->service->ledger].retention_ms;
	if (!options->service->needed || retention_ms == 0 || owner->handler->now < owner->trim_at)
		return result_ok();
	owner->trim_at = owner->handler->now + (test_ms ? test_ms : TRIM_MS);
	return ledger_trim(&(LedgerTrim){ .handler = owner->handler, .reader = owner->reader, .retention_ms = retention_ms,
					  .until = owner->derive_from.next });
}

static Result owning(Owner *owner, bool *progressed)
{
	FollowVisit visit;
	owner->began_at = owner->handler->now;
	TRY(follow(owner, &visit)); /* reads another owner's claim or late records of a former owner, if any */
	if (given_up(owner, &visit) || owner->paused)
		return result_ok();
	*progressed = visit.count > 0;
	if (visit.count > 0)
		return result_ok();
	TRY(trim_when_due(owner));
	bool projected = false;
	projection_step(&owner->projection, &projected);
	Result result = batch_decide(owner, progressed);
	*progressed |= projected;
	return result;
}

/* True if all drafts were read back as accepted and all dead letters are durable. */
static bool batch_is_accepted(const Owner *owner)
{
	bool refusals_durable = !owner->batch.refused || (wire_pending(owner->wire) == 0 && !wire_failed(owner->wire));
	return owner->batch.accepted == owner->batch.count && refusals_durable;
}

static Result accepting(Owner *owner, bool *progressed)
{
	if (owner->deriving) {
		bool done;
		TRY(batch_derive(owner, &done));
		if (!done)
			return result_ok();
		owner->derived = owner->cursor.next;
		owner->derive_from = owner->cursor;
		owner->deriving = false;
		batch_forget(owner);
		owner->phase = PHASE_OWNING;
		*progressed = true;
		return result_ok();
	}
	FollowVisit visit;
	Result result = follow(owner, &visit);
	if (result_failed(result)) {
		owner_doubt(owner, result.text, 0);
		return result;
	}
	*progressed = visit.count > 0;
	if (visit.event != FOLLOW_ON || !batch_is_accepted(owner)) {
		given_up(owner, &visit);
		return result_ok();
	}
	return batch_commit(owner);
}

static Result (*const phases[])(Owner *owner, bool *progressed) = {
	[PHASE_FOLLOWING] = following, [PHASE_CLAIMING] = claiming, [PHASE_OPENING] = opening,
	[PHASE_OWNING] = owning,       [PHASE_ACCEPTING] = accepting,
};

Result owner_step(Owner *owner, bool *progressed)
{
	Result result = phases[owner->phase](owner, progressed);
	if (result.kind != ERROR_NOT_FOUND)
		return result;
	/* The log was trimmed further than this process knew; by now the bus knows its first offset. */
	owner_doubt(owner, result.text, 0);
	result.kind = ERROR_AGAIN;
	return result;
}

/* ---- the owner from outside */

size_t owner_positions(const Owner *owner, BusPosition *out, Instant *wake_at)
{
	const RuntimeOptions *options = owner->options;
	const Inputs *inputs = owner->inputs;
	size_t count = 0;
	*wake_at = owner->settle_at;
	if (owner->phase != PHASE_FOLLOWING || owner->assigned || options->standby)
		out[count++] = (BusPosition){ options->service->ledger, options->partition, owner->cursor.next };
	for (size_t i = 0; owner->phase == PHASE_OPENING && i < inputs->count; i++) {
		const InputPartition *input = &inputs->list[i];
		if (input->walk.begun && !input_is_observed(input))
			out[count++] = (BusPosition){ input->topic, input->partition, input->walk.next };
	}
	if (owner->phase != PHASE_OWNING)
		return count;
	for (size_t i = 0; i < inputs->count; i++) {
		const InputPartition *input = &inputs->list[i];
		out[count++] = (BusPosition){ input->topic, input->partition, input_offset(input) };
	}
	count += projection_position(&owner->projection, &out[count]);
	*wake_at = instant_earlier(*wake_at, instant_earlier(timer_set_wake_at(&owner->timers),
							     projection_wake_at(&owner->projection)));
	return count;
}

/* A replica without the assignment is ready once it has read the ledger to its end, or at once if it does not follow the ledger. */
bool owner_is_ready(const Owner *owner)
{
	bool stands_by = !owner->assigned && owner->phase == PHASE_FOLLOWING;
	return owner->phase >= PHASE_OWNING || (stands_by && (!owner->options->standby || owner->caught_up));
}

bool owner_is_at_rest(const Owner *owner)
{
	return owner->phase != PHASE_ACCEPTING && !owner->deriving && wire_pending(owner->wire) == 0;
}
