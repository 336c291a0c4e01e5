#include "shared/runtime/runtime.h"

#include "shared/io/system/log.h"
#include "shared/runtime/lag.h"
#include "shared/runtime/owner.h"
#include "shared/runtime/reader.h"

#include <stdlib.h>
#include <string.h>

_Static_assert((int)LEDGER_PARTITIONS_MAX == (int)BUS_PARTITIONS_MAX, "positions name every partition of the bus");

enum {
	POLICY_MAX = 1 << 20,
	LAG_MS = 1000, /* between two reports of the lag */
};

/* Only one of `owner` and `reader` is used (is_owner). */
struct Runtime {
	RuntimeOptions options;
	Handler handler;
	BusReader *bus_reader;
	Policy *policy;
	int64_t policy_next; /* messages before this offset are judged */
	int64_t policy_end;  /* end of the messages to judge now */
	int64_t policy_try;  /* offset of the message to read next, from policy_end - 1 down to policy_next; if less: none */
	Buffer policy_body;
	Inputs inputs;
	Outputs outputs;
	Owner owner;
	Reader reader;
	RuntimeFigures figures;
	int64_t lag_reported[TOPICS]; /* in records, by TopicId */
	Instant lag_at;
};

static bool is_owner(const Runtime *runtime)
{
	return runtime->options.service->ledger != TOPICS;
}

StoreOptions runtime_store_options(const Service *service, const char *path)
{
	if (service->schema_prepare)
		service->schema_prepare();
	return (StoreOptions){ .path = path, .steps = service->schema, .version = service->schema_version };
}

/* ---- creation */

static Result parts_init(Runtime *runtime)
{
	const RuntimeOptions *options = &runtime->options;
	inputs_init(&runtime->inputs, &runtime->handler, runtime->bus_reader);
	outputs_init(&runtime->outputs, &runtime->handler, runtime->bus_reader, &runtime->figures);
	buffer_init(&runtime->policy_body, POLICY_MAX);
	if (is_owner(runtime)) {
		Owner *owner = &runtime->owner;
		owner->options = options;
		owner->handler = &runtime->handler;
		owner->reader = runtime->bus_reader;
		owner->inputs = &runtime->inputs;
		owner->outputs = &runtime->outputs;
		owner->figures = &runtime->figures;
		return owner_init(owner);
	}
	Reader *reader = &runtime->reader;
	reader->options = options;
	reader->handler = &runtime->handler;
	reader->inputs = &runtime->inputs;
	reader->outputs = &runtime->outputs;
	reader->figures = &runtime->figures;
	return reader_init(reader);
}

Result runtime_new(const RuntimeOptions *options, Runtime **out)
{
	Runtime *runtime = calloc(1, sizeof(*runtime));
	must(runtime);
	runtime->options = *options;
	runtime->handler = (Handler){ .service = options->service, .partition = options->partition,
				      .partitions = options->bus->partitions, .store = options->store,
				      .environment = options->environment, .runtime = runtime };
	runtime->policy_try = -1;
	Result result = options->bus->operations->reader_open(options->bus, &runtime->bus_reader);
	if (result_failed(result)) {
		free(runtime);
		return result;
	}
	result = parts_init(runtime);
	if (result_failed(result)) {
		runtime_free(runtime);
		return result;
	}
	*out = runtime;
	return result;
}

void runtime_free(Runtime *runtime)
{
	if (!runtime)
		return;
	const Service *service = runtime->options.service;
	lag_publish(&(Lag){ 0 }, service->name, runtime->lag_reported);
	if (is_owner(runtime))
		owner_release(&runtime->owner);
	else
		reader_release(&runtime->reader);
	if (service->release && runtime->handler.memory)
		service->release(&runtime->handler);
	inputs_release(&runtime->inputs);
	outputs_release(&runtime->outputs);
	runtime->bus_reader->bus->operations->reader_close(runtime->bus_reader);
	buffer_release(&runtime->policy_body);
	policy_free(runtime->policy);
	free(runtime);
}

/* ---- the policy: the last valid record of its topic */

typedef struct {
	Buffer *body;
	int64_t offset; /* of the message; -1: it has not arrived yet */
} PolicyVisit;

static bool policy_visit(void *context, const BusRecord *record)
{
	PolicyVisit *visit = context;
	buffer_clear(visit->body);
	buffer_append(visit->body, record->body);
	visit->offset = record->offset;
	return false;
}

static Result policy_refuse(Runtime *runtime, int64_t offset, const char *reason)
{
	BusPosition position = { TOPIC_POLICIES, 0, offset };
	return is_owner(runtime) ? owner_dead_letter(&runtime->owner, position, reason) :
				   outputs_dead_letter(&runtime->outputs, runtime->outputs.wire, position, reason);
}

static void policy_adopt(Runtime *runtime, Policy *policy)
{
	bool other = !runtime->policy || strcmp(policy_version(runtime->policy), policy_version(policy)) != 0;
	if (other && runtime->options.partition == 0) /* logged once in a process: its other partitions adopt the same policy */
		handler_log(&runtime->handler, LOG_INFO, "policy-in-force", policy_version(policy));
	policy_free(runtime->policy);
	runtime->policy = policy;
	runtime->handler.policy = policy;
}

/* ERROR_INPUT: the message is no policy. */
static Result policy_read_message(Slice body, Policy **out)
{
	json_t *message JSON_AUTO = NULL;
	TRY(json_read(body, &message));
	return policy_compile(message, out);
}

/* The messages up to policy_end are judged: the newest valid one is in force. */
static void policy_judged(Runtime *runtime)
{
	runtime->policy_next = runtime->policy_end;
	runtime->policy_try = -1;
}

/*
 * Tries the newest message first and, as long as a message is invalid, the one before it in the next step: an invalid
 * message must not take the policy from a process that starts. Messages before policy_next were judged before.
 */
static Result policy_follow(Runtime *runtime)
{
	Bus *bus = runtime->options.bus;
	int64_t end = bus->operations->end(bus, TOPIC_POLICIES, 0), next;
	if (end > runtime->policy_end) {
		runtime->policy_end = end;
		runtime->policy_try = end - 1;
	}
	BusPosition position = { TOPIC_POLICIES, 0, runtime->policy_try };
	if (position.from < runtime->policy_next || position.from < bus->operations->first(bus, TOPIC_POLICIES, 0)) {
		policy_judged(runtime);
		return result_ok();
	}
	PolicyVisit visit = { .body = &runtime->policy_body, .offset = -1 };
	Result read = bus->operations->read(runtime->bus_reader, position, 1, true, policy_visit, &visit, &next);
	if (read.kind != ERROR_NOT_FOUND)
		TRY(read);
	if (!result_failed(read) && visit.offset < 0 && next == position.from)
		return result_ok(); /* the message has not arrived yet */
	Policy *policy = NULL;
	/* If compaction has dropped the message, the read delivers a later one, which was tried before. */
	bool found = visit.offset == position.from;
	Result result = found ? policy_read_message(buffer_slice(&runtime->policy_body), &policy) : result_ok();
	if (found && !result_failed(result)) {
		policy_adopt(runtime, policy);
		policy_judged(runtime);
		return result_ok();
	}
	if (result_failed(result) && result.kind != ERROR_INPUT)
		return result;
	if (found)
		TRY(policy_refuse(runtime, position.from, result.text));
	runtime->policy_try--;
	return result_ok();
}

/* ---- lag */

static BusPosition input_position(const Runtime *runtime, const InputPartition *input)
{
	/* A replica that is not yet the owner will continue at the accepted positions. */
	bool takes_input = !is_owner(runtime) || runtime->owner.phase >= PHASE_OWNING;
	int64_t offset = takes_input ? input_offset(input) : input_accepted(&runtime->inputs, input);
	return (BusPosition){ input->topic, input->partition, offset };
}

/* True if the runtime reads its inputs, or will read them once it owns the partition or has its positions. */
static bool reads_inputs(const Runtime *runtime)
{
	return is_owner(runtime) ? runtime->owner.assigned || runtime->owner.phase >= PHASE_OWNING :
				   runtime->reader.assigned || runtime->options.store;
}

static bool follows_ledger(const Runtime *runtime)
{
	const Owner *owner = &runtime->owner;
	return is_owner(runtime) && (owner->assigned || runtime->options.standby || owner->phase > PHASE_FOLLOWING);
}

static void lag_measure(const Runtime *runtime, Lag *lag)
{
	const RuntimeOptions *options = &runtime->options;
	const Owner *owner = &runtime->owner;
	BusPosition projection;
	if (follows_ledger(runtime))
		lag_add(lag, options->bus, (BusPosition){ options->service->ledger, options->partition, owner->cursor.next });
	if (is_owner(runtime) && owner->phase >= PHASE_OWNING && projection_position(&owner->projection, &projection) > 0)
		lag_add(lag, options->bus, projection);
	for (size_t i = 0; reads_inputs(runtime) && i < runtime->inputs.count; i++)
		lag_add(lag, options->bus, input_position(runtime, &runtime->inputs.list[i]));
}

/* No lag is reported for the topic of policies, because only its last valid message counts. */
static void lag_report(Runtime *runtime)
{
	Instant now = runtime->handler.now;
	bool has_positions = is_owner(runtime) ? runtime->owner.cursor.next >= 0 : runtime->reader.positioned;
	if (now >= runtime->lag_at && now < runtime->lag_at + LAG_MS)
		return;
	if (!has_positions && (follows_ledger(runtime) || reads_inputs(runtime)))
		return; /* the lag cannot be computed without positions: the last report stays */
	Lag lag = { 0 };
	lag_measure(runtime, &lag);
	lag_publish(&lag, runtime->options.service->name, runtime->lag_reported);
	runtime->lag_at = now;
}

/* ---- the runtime from outside */

Result runtime_step(Runtime *runtime, Instant now, bool *progressed)
{
	*progressed = false;
	runtime->handler.now = now;
	Result result = runtime->options.service->policy ? policy_follow(runtime) : result_ok();
	if (!result_failed(result))
		result = is_owner(runtime) ? owner_step(&runtime->owner, progressed) : reader_step(&runtime->reader, progressed);
	lag_report(runtime);
	return result;
}

size_t runtime_positions(Runtime *runtime, BusPosition out[static RUNTIME_POSITIONS_MAX], Instant *wake_at)
{
	size_t count = 0;
	*wake_at = INSTANT_NONE;
	if (runtime->options.service->policy)
		out[count++] = (BusPosition){ TOPIC_POLICIES, 0, runtime->policy_next };
	return count + (is_owner(runtime) ? owner_positions(&runtime->owner, &out[count], wake_at) :
					    reader_positions(&runtime->reader, &out[count]));
}

BusReader *runtime_reader(Runtime *runtime)
{
	return runtime->bus_reader;
}

RuntimePhase runtime_phase(const Runtime *runtime)
{
	return is_owner(runtime) ? runtime->owner.phase : PHASE_FOLLOWING;
}

bool runtime_is_ready(const Runtime *runtime)
{
	if (runtime->options.service->policy && !runtime->policy)
		return false;
	return is_owner(runtime) ? owner_is_ready(&runtime->owner) : reader_is_ready(&runtime->reader);
}

bool runtime_is_idle(const Runtime *runtime)
{
	bool at_rest = is_owner(runtime) ? owner_is_at_rest(&runtime->owner) : !runtime->reader.awaiting;
	return at_rest && wire_pending(runtime->outputs.wire) == 0;
}

void runtime_pause(Runtime *runtime, bool paused)
{
	runtime->owner.paused = runtime->reader.paused = paused;
}

void runtime_assign(Runtime *runtime, bool assigned)
{
	runtime->owner.assigned = runtime->reader.assigned = assigned;
}

Handler *runtime_handler(Runtime *runtime)
{
	return &runtime->handler;
}

RuntimeFigures runtime_figures(const Runtime *runtime)
{
	return runtime->figures;
}

/* ---- the handlers' functions (handler.h) */

Result handler_draft(Handler *handler, const Draft *draft)
{
	must(is_owner(handler->runtime));
	return owner_draft(&handler->runtime->owner, draft);
}

Result handler_emit(Handler *handler, TopicId topic, unsigned slot, const Draft *draft)
{
	return outputs_emit(&handler->runtime->outputs, topic, slot, draft);
}

/* Timers that are armed before the owner's term begins reach the timer store when the term begins (timer_set_begin). */
Result handler_arm(Handler *handler, Slice timer_id, Instant due_at)
{
	Owner *owner = &handler->runtime->owner;
	return timer_set_arm(&owner->timers, timer_id, due_at, owner->phase >= PHASE_OWNING);
}

Result handler_disarm(Handler *handler, Slice timer_id)
{
	Owner *owner = &handler->runtime->owner;
	return timer_set_disarm(&owner->timers, timer_id, owner->phase >= PHASE_OWNING);
}

Result handler_send(Handler *handler, const OutboundRequest *message)
{
	Outbound *outbound = handler->runtime->options.outbound;
	return outbound ? outbound->operations->send(outbound, message) :
			  result_fail(ERROR_AGAIN, "this runtime has no outbound channel");
}

Result handler_body(Handler *handler, const Record *input, Slice *body)
{
	return inputs_body(&handler->runtime->inputs, input, body);
}

void handler_log(const Handler *handler, int level, const char *event, const char *detail)
{
	log_line((LogLevel)level, handler->service->name, event, L_INTEGER("partition", handler->partition),
		 L_STRING("detail", detail));
}
