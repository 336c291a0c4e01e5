/*
 * POST /v1/incidents/{id}/{command} and GET /v1/commands/{id}.
 *
 * A command is written to tocsin.commands, and its request waits, suspended, until the view has accepted the journal
 * record that answers it. The request is in the waiting table before the command is on the bus, and the view is looked
 * at once more after that: so the answer can be missed neither by coming early nor by having come already.
 */
#include "services/gateway/gateway_internal.h"

#include "shared/domain/commands.h"
#include "shared/domain/documents.h"
#include "shared/domain/types.h"
#include "shared/io/system/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMAND_BODY_MAX = BUS_RECORD_MAX - 4096 };

/* ---- answers -------------------------------------------------------------------------------------------------- */

void answer_pending(HttpRequest *request, Slice command)
{
	char body[96], location[64];
	int size = snprintf(body, sizeof body, "{\"id\":\"%.*s\",\"status\":\"pending\"}", (int)command.size,
			    command.data);

	snprintf(location, sizeof location, "/v1/commands/%.*s", (int)command.size, command.data);
	answer_json(request, 202, (Slice){ body, (size_t)size }, location);
}

static json_t *list_of_row(const CommandRow *row, const char *name)
{
	json_t *list = json_object_get(row->problem, name);

	return json_is_array(list) ? list : NULL;
}

/* A refusal as response wrote it down: {code, detail, allowed, errors}. Borrows from it. */
static Problem problem_of_row(const CommandRow *row)
{
	return (Problem){
		.code = problem_of_word(json_string_value(json_object_get(row->problem, "code"))),
		.detail = json_string_value(json_object_get(row->problem, "detail")),
		.allowed = list_of_row(row, "allowed"),
		.error_list = list_of_row(row, "errors"),
	};
}

static void answer_done(HttpRequest *request, Store *store, const CommandRow *row)
{
	Buffer document;
	int64_t version;

	buffer_init(&document, VIEW_DOCUMENT_BYTES);
	Result result = view_incident(store, slice_of(row->incident), &document, &version);
	if (result_failed(result))
		answer_failure(request, result);
	else
		answer_incident(request, buffer_slice(&document), version);
	buffer_release(&document);
}

/* What a command that the view knows has come to. */
static void answer_row(HttpRequest *request, Store *store, Slice command, const CommandRow *row)
{
	if (row->state == COMMAND_PENDING) {
		answer_pending(request, command);
	} else if (row->state == COMMAND_DONE) {
		answer_done(request, store, row);
	} else {
		Problem problem = problem_of_row(row);
		answer_problem(request, &problem);
	}
}

void command_answered(Gateway *gateway, Store *store, Slice command)
{
	CommandRow row = { .problem = NULL };
	HttpRequest *request = waiting_take_command(gateway->waiting, command);

	if (!request)
		return;
	Result result = view_command(store, command, &row);
	for (; request; request = waiting_take_command(gateway->waiting, command)) {
		if (result_failed(result))
			answer_failure(request, result);
		else
			answer_row(request, store, command, &row);
	}
	command_row_release(&row);
}

/* ---- reading a request ---------------------------------------------------------------------------------------- */

typedef struct {
	Gateway *gateway;
	HttpRequest *request;
	CommandId kind;
	char incident[ID_SIZE];
	unsigned slot;
	Id id;
	char fingerprint[DIGEST_HEX];
	int64_t expected_version;
	json_t *arguments; /* owned */
} Issue;

/* The steps of reading: false where the request was answered. */

static void refuse_command(HttpRequest *request)
{
	const char *names[COMMANDS + 1] = { NULL };
	size_t count = 0;

	for (unsigned id = 0; id < COMMANDS; id++)
		if (!commands[id].internal)
			names[count++] = commands[id].name;
	answer_errors(request, PROBLEM_NOT_FOUND, "there is no such command; `allowed` lists those there are", NULL,
		      names);
}

static bool read_command(Issue *issue)
{
	char name[64];
	bool fits = text_copy(http_path_value(issue->request, "command"), name, sizeof name);

	issue->kind = fits ? command_of(name) : COMMANDS;
	if (issue->kind != COMMANDS && !commands[issue->kind].internal)
		return true;
	refuse_command(issue->request);
	return false;
}

static bool read_incident_id(Issue *issue)
{
	Slice id = http_path_value(issue->request, "id");
	Instant opened_at;

	if (id_incident_parse(id, &issue->slot, &opened_at) && text_copy(id, issue->incident, sizeof issue->incident))
		return true;
	answer_refusal(issue->request, PROBLEM_NOT_FOUND, "there is no such incident");
	return false;
}

static bool check_arguments(Issue *issue)
{
	CommandArguments arguments;
	FieldErrors errors = { .count = 0 };

	if (command_decode(issue->kind, issue->arguments, true, &arguments, &errors))
		return true;
	answer_errors(issue->request, PROBLEM_VALIDATION_FAILED, "the members of this command must be mended", &errors,
		      NULL);
	return false;
}

/* No body is the same as {}. */
static bool read_arguments(Issue *issue)
{
	Slice body = http_body(issue->request);

	if (body.size == 0) {
		issue->arguments = json_object();
		return check_arguments(issue);
	}
	Result result = json_read(body, &issue->arguments);
	if (!result_failed(result))
		return check_arguments(issue);
	if (result.kind == ERROR_INPUT)
		answer_refusal(issue->request, PROBLEM_MALFORMED_JSON, "%s", result.text);
	else
		answer_failure(issue->request, result);
	return false;
}

/* The same key for the same thing makes the same id; without a key every request is a command of its own. */
static void name_command(Issue *issue, const char *idempotency_key)
{
	const AdminKey *key = http_principal(issue->request);
	char scope[128];
	uint8_t random[17];

	if (!idempotency_key) {
		clock_random(random, sizeof random);
		issue->id = id_of_bytes("cmd_", random);
		return;
	}
	snprintf(scope, sizeof scope, "%s/%s/%s", key->id, issue->incident, commands[issue->kind].name);
	issue->id = id_of_pair("cmd_", slice_of(scope), slice_of(idempotency_key));
}

static void take_fingerprint(Issue *issue)
{
	const Slice end = SLICE("\0");
	Digest digest = DIGEST(slice_of(issue->incident), end, slice_of(commands[issue->kind].name), end,
			       slice_of(http_header(issue->request, "If-Match")), end, http_body(issue->request));

	digest_hex(&digest, issue->fingerprint);
}

static bool read_headers(Issue *issue)
{
	char idempotency_key[IDEMPOTENCY_KEY_MAX];
	bool given;
	Result result = if_match_read(http_header(issue->request, "If-Match"), &issue->expected_version);

	if (!result_failed(result))
		result = idempotency_key_read(http_header(issue->request, "Idempotency-Key"), &given, idempotency_key);
	if (result_failed(result)) {
		answer_refusal(issue->request, PROBLEM_INVALID_PARAMETER, "%s", result.text);
		return false;
	}
	name_command(issue, given ? idempotency_key : NULL);
	take_fingerprint(issue);
	return true;
}

/* ---- what is known of it already ------------------------------------------------------------------------------ */

static bool same_request(const Issue *issue, const CommandRow *row)
{
	return row->fingerprint[0] == '\0' || strcmp(row->fingerprint, issue->fingerprint) == 0;
}

static void answer_mismatch(HttpRequest *request)
{
	answer_refusal(request, PROBLEM_IDEMPOTENCY_MISMATCH, "this Idempotency-Key came with another request before");
}

/* There is such an incident, and it may be at the version that was asked for. */
static bool check_incident(Issue *issue, Store *store)
{
	Buffer document;
	int64_t version;

	buffer_init(&document, VIEW_DOCUMENT_BYTES);
	Result result = view_incident(store, slice_of(issue->incident), &document, &version);
	buffer_release(&document);
	if (result_failed(result))
		answer_failure(issue->request, result);
	else if (issue->expected_version == VERSION_NEVER)
		answer_refusal(issue->request, PROBLEM_VERSION_CONFLICT,
			       "If-Match must be the incident's ETag; weak and foreign tags match nothing");
	return !result_failed(result) && issue->expected_version != VERSION_NEVER;
}

/* *pending: it was issued before and is not answered yet. False: answered. */
static bool look_before(Issue *issue, Store *store, bool *pending)
{
	CommandRow row = { .problem = NULL };

	*pending = false;
	if (!check_incident(issue, store))
		return false;
	Result result = view_command(store, id_slice(&issue->id), &row);
	if (result.kind == ERROR_NOT_FOUND)
		return true;
	bool go_on = false;
	if (result_failed(result))
		answer_failure(issue->request, result);
	else if (!same_request(issue, &row))
		answer_mismatch(issue->request);
	else if (row.state == COMMAND_PENDING)
		go_on = *pending = true;
	else
		answer_row(issue->request, store, id_slice(&issue->id), &row);
	command_row_release(&row);
	return go_on;
}

/* After it waits: what came between. True: the answer is there, and was given unless somebody else gave it. */
static bool look_again(Issue *issue, Ticket ticket)
{
	CommandRow row = { .problem = NULL };
	ViewReader *reader;

	if (result_failed(view_borrow(issue->gateway, &reader)))
		return false;
	Result result = view_command(reader->store, id_slice(&issue->id), &row);
	bool answered = !result_failed(result) && row.state != COMMAND_PENDING;
	HttpRequest *request = answered ? waiting_take(issue->gateway->waiting, ticket) : NULL;
	if (request && same_request(issue, &row))
		answer_row(request, reader->store, id_slice(&issue->id), &row);
	else if (request)
		answer_mismatch(request);
	view_return(reader);
	command_row_release(&row);
	return answered;
}

/* ---- issuing -------------------------------------------------------------------------------------------------- */

/* How long a request waits at least to hear that its command is durable, however short it would wait for the effect. */
enum { DURABLE_WAIT_MS = 1000 };

/* A command on its way to the disk. It outlives its request, which may be answered by then. */
typedef struct {
	Gateway *gateway;
	Ticket ticket; /* 0: the table was full, */
	HttpRequest *request; /* and nobody else knows this one */
	Id id;
} Sending;

/* On the bus's thread. */
static void sending_done(void *context, bool failed, int64_t offset)
{
	Sending *sending = context;
	Waiting *waiting = sending->gateway->waiting;
	int64_t now_ms = atomic_load(&sending->gateway->draining) ? INT64_MAX : clock_monotonic_us() / 1000;
	HttpRequest *request = sending->request;

	(void)offset;
	if (sending->ticket != 0)
		request = failed ? waiting_take(waiting, sending->ticket)
				 : waiting_durable(waiting, sending->ticket, now_ms);
	if (request && failed)
		answer_doubt(request);
	else if (request)
		answer_pending(request, id_slice(&sending->id));
	free(sending);
}

static void write_headers(const Issue *issue, Instant now, Buffer *out)
{
	char time[INSTANT_TEXT];

	instant_format(now, time);
	header_add(out, "ce_id", id_slice(&issue->id));
	header_add(out, "ce_type", SLICE(TYPE_COMMAND));
	header_add(out, "ce_time", slice_of(time));
	header_add(out, "ce_subject", slice_of(issue->incident));
}

static void write_body(const Issue *issue, Instant now, Buffer *out)
{
	json_t *actor JSON_AUTO = admin_key_actor(&issue->gateway->options.key);
	CommandRecord command = {
		.incident_id = issue->incident,
		.command = commands[issue->kind].name,
		.expected_version = issue->expected_version,
		.actor = actor,
		.arguments = issue->arguments,
		.fingerprint = issue->fingerprint,
		.issued_at = now,
	};
	json_t *tree JSON_AUTO = json_encode(&command_record_table, &command);

	json_write(tree, out);
}

static Result append_record(const Issue *issue, Sending *sending)
{
	Bus *bus = issue->gateway->options.bus;
	Instant now = clock_now();
	Buffer headers, body;

	buffer_init(&headers, 1024);
	buffer_init(&body, COMMAND_BODY_MAX);
	write_headers(issue, now, &headers);
	write_body(issue, now, &body);
	BusRecord record = { .key = slice_of(issue->incident),
			     .headers = buffer_slice(&headers),
			     .body = buffer_slice(&body) };
	Result result = result_fail(ERROR_INPUT, "the command is too large");
	if (!body.overflowed)
		result = bus_append(bus, TOPIC_COMMANDS, issue->slot % bus->partitions, &record, sending_done, sending);
	buffer_release(&headers);
	buffer_release(&body);
	return result;
}

/* The request is suspended; with a ticket somebody else may answer it from now on. */
static void append(const Issue *issue, Ticket ticket)
{
	Sending *sending = malloc(sizeof *sending);

	must(sending != NULL);
	*sending = (Sending){ .gateway = issue->gateway,
			      .ticket = ticket,
			      .id = issue->id,
			      .request = ticket == 0 ? issue->request : NULL };
	Result result = append_record(issue, sending);
	if (!result_failed(result))
		return;
	free(sending);
	HttpRequest *request = ticket == 0 ? issue->request : waiting_take(issue->gateway->waiting, ticket);
	if (request)
		answer_failure(request, result);
}

static void issue_and_wait(Issue *issue, bool pending)
{
	int64_t now_ms = clock_monotonic_us() / 1000, wait_ms = issue->gateway->options.command_wait_ms;
	Wait wait = { .command = issue->id,
		      .request = issue->request,
		      .durable = pending,
		      .deadline_ms = now_ms + wait_ms,
		      .doubt_ms = now_ms + (wait_ms > DURABLE_WAIT_MS ? wait_ms : DURABLE_WAIT_MS) };
	Ticket ticket = 0;

	memcpy(wait.incident, issue->incident, sizeof wait.incident);
	memcpy(wait.fingerprint, issue->fingerprint, sizeof wait.fingerprint);
	http_suspend(issue->request);
	WaitingVerdict verdict = waiting_add(issue->gateway->waiting, &wait, &ticket);
	if (verdict == WAITING_MISMATCH) {
		answer_mismatch(issue->request);
		return;
	}
	if (verdict == WAITING_FULL && pending) {
		answer_pending(issue->request, id_slice(&issue->id));
		return;
	}
	bool answered = verdict == WAITING_ADDED && look_again(issue, ticket);
	if (!answered && !pending)
		append(issue, ticket);
	deadlines_changed(issue->gateway);
}

static bool issue_look(Issue *issue, bool *pending)
{
	ViewReader *reader;

	if (!view_borrow_or_answer(issue->gateway, issue->request, &reader))
		return false;
	bool go_on = look_before(issue, reader->store, pending);
	view_return(reader);
	return go_on;
}

void command_issue(HttpRequest *request, void *context)
{
	Issue issue = { .gateway = context, .request = request };
	bool pending;

	if (read_command(&issue) && read_incident_id(&issue) && read_headers(&issue) && read_arguments(&issue) &&
	    issue_look(&issue, &pending))
		issue_and_wait(&issue, pending);
	json_decref(issue.arguments);
}

/* ---- GET /v1/commands/{id} ------------------------------------------------------------------------------------ */

static void write_row(Slice id, const CommandRow *row, Buffer *out)
{
	buffer_format(out, "{\"id\":\"%.*s\",\"status\":\"%s\",\"incident_id\":\"%s\",\"version\":", (int)id.size,
		      id.data, command_states[row->state], row->incident);
	if (row->version > 0)
		buffer_format(out, "%" PRId64, row->version);
	else
		buffer_text(out, "null");
	buffer_text(out, ",\"problem\":");
	if (row->state == COMMAND_REFUSED) {
		Problem problem = problem_of_row(row);
		problem_write(out, &problem);
	} else {
		buffer_text(out, "null");
	}
	buffer_byte(out, '}');
}

/* The view, else what is still on its way there. Gives the reader back. */
static Result row_read(Gateway *gateway, ViewReader *reader, Slice id, CommandRow *row)
{
	Result result = view_command(reader->store, id, row);

	view_return(reader);
	if (result.kind == ERROR_NOT_FOUND && waiting_knows(gateway->waiting, id, row->incident))
		return result_ok();
	return result;
}

void command_read(HttpRequest *request, void *context)
{
	Slice id = http_path_value(request, "id");
	CommandRow row = { .problem = NULL };
	ViewReader *reader;
	Buffer body;

	if (!view_borrow_or_answer(context, request, &reader))
		return;
	Result result = row_read(context, reader, id, &row);
	if (result_failed(result)) {
		answer_failure(request, result);
		return;
	}
	buffer_init(&body, VIEW_DOCUMENT_BYTES);
	write_row(id, &row, &body);
	answer_json(request, 200, buffer_slice(&body), NULL);
	buffer_release(&body);
	command_row_release(&row);
}
