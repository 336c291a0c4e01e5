#include "services/gateway/command_requests.h"

#include "services/gateway/answers.h"
#include "services/gateway/core/preconditions.h"
#include "services/gateway/view.h"
#include "services/gateway/waiting.h"
#include "shared/domain/commands.h"
#include "shared/domain/documents.h"
#include "shared/domain/rows.h"
#include "shared/domain/types.h"
#include "shared/io/system/clock.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	COMMAND_BODY_MAX = BUS_RECORD_MAX - 4096,
	LONGEST_SLEEP_MS = 60000,
	/* The least time that a request waits for its command to become durable, even if options.wait_ms is less. */
	DURABLE_WAIT_MS = 1000,
};

struct CommandRequests {
	CommandRequestsOptions options;
	Waiting *waiting;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* signalled when the earliest deadline may have changed, and to stop */
	bool stopping;
	atomic_bool draining;
};

/* ---- answers -------------------------------------------------------------------------------------------------- */

static void answer_pending(HttpRequest *request, Slice command)
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

/* The problem {code, detail, allowed, errors} with which the response service refused the command. Borrows from the row. */
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

void command_requests_answered(CommandRequests *requests, Store *store, Slice command)
{
	CommandRow row = { .problem = NULL };
	HttpRequest *request = waiting_take_command(requests->waiting, command);

	if (!request)
		return;
	Result result = view_command(store, command, &row);
	for (; request; request = waiting_take_command(requests->waiting, command)) {
		if (result_failed(result))
			answer_failure(request, result);
		else
			answer_row(request, store, command, &row);
	}
	command_row_release(&row);
}

/* ---- the thread that answers expired requests ----------------------------------------------------------------- */

/* Answers expired requests; while draining, also each other request whose command is durable. Returns the time of the next call. */
static int64_t expire(CommandRequests *requests)
{
	bool draining = atomic_load(&requests->draining);
	HttpRequest *request;
	Expired expired;

	while ((request = waiting_expire(requests->waiting, clock_monotonic_us() / 1000, draining, &expired)) != NULL) {
		if (expired.durable)
			answer_pending(request, id_slice(&expired.command));
		else
			answer_doubt(request);
	}
	return expired.next_ms;
}

static struct timespec sleep_until(int64_t next_ms)
{
	int64_t latest_ms = clock_monotonic_us() / 1000 + LONGEST_SLEEP_MS;
	int64_t at_ms = next_ms < latest_ms ? next_ms : latest_ms;

	return (struct timespec){ .tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000 };
}

/* The mutex is held between reading the next deadline and the wait, so that no signal is missed. */
static void *thread_run(void *context)
{
	CommandRequests *requests = context;

	pthread_mutex_lock(&requests->mutex);
	while (!requests->stopping) {
		int64_t next_ms = expire(requests);
		struct timespec at = sleep_until(next_ms);
		pthread_cond_timedwait(&requests->changed, &requests->mutex, &at);
	}
	pthread_mutex_unlock(&requests->mutex);
	return NULL;
}

static void thread_signal(CommandRequests *requests, bool stop)
{
	pthread_mutex_lock(&requests->mutex);
	requests->stopping = requests->stopping || stop;
	pthread_cond_signal(&requests->changed);
	pthread_mutex_unlock(&requests->mutex);
}

CommandRequests *command_requests_new(const CommandRequestsOptions *options)
{
	pthread_condattr_t attributes;
	CommandRequests *requests = calloc(1, sizeof *requests);

	must(requests != NULL);
	requests->options = *options;
	requests->waiting = waiting_new();
	must(pthread_condattr_init(&attributes) == 0);
	must(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	must(pthread_cond_init(&requests->changed, &attributes) == 0);
	pthread_condattr_destroy(&attributes);
	must(pthread_mutex_init(&requests->mutex, NULL) == 0);
	must(pthread_create(&requests->thread, NULL, thread_run, requests) == 0);
	return requests;
}

void command_requests_drain(CommandRequests *requests)
{
	atomic_store(&requests->draining, true);
	thread_signal(requests, false);
}

void command_requests_free(CommandRequests *requests)
{
	thread_signal(requests, true);
	pthread_join(requests->thread, NULL);
	pthread_cond_destroy(&requests->changed);
	pthread_mutex_destroy(&requests->mutex);
	waiting_free(requests->waiting);
	free(requests);
}

/* ---- reading a request ---------------------------------------------------------------------------------------- */

typedef struct {
	CommandRequests *requests;
	HttpRequest *request;
	const Command *command;
	char incident[ID_SIZE];
	unsigned slot;
	Id id;
	char fingerprint[DIGEST_HEX];
	int64_t expected_version;
	json_t *arguments; /* owned */
} Issue;

/* The steps of reading a request. A step that fails answers the request and returns false. */

static void refuse_command(HttpRequest *request)
{
	const char *names[COMMANDS_MAX + 1] = { NULL };
	size_t count = 0;

	for (size_t i = 0; i < command_count; i++)
		if (command_is_public(&commands[i]))
			names[count++] = commands[i].name;
	answer_errors(request, PROBLEM_NOT_FOUND, "there is no such command; `allowed` lists the commands", NULL,
		      names);
}

static bool read_command(Issue *issue)
{
	char name[64];
	bool fits = text_copy(http_path_value(issue->request, "command"), name, sizeof name);

	issue->command = fits ? command_of(name) : NULL;
	if (issue->command && command_is_public(issue->command))
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
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };

	if (command_decode(issue->command, issue->arguments, true, &arguments, &errors))
		return true;
	answer_errors(issue->request, PROBLEM_VALIDATION_FAILED, "the members of this command must be corrected", &errors,
		      NULL);
	return false;
}

/* An empty body is the same as {}. */
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

/* The command's id is a function of API key, incident, command and Idempotency-Key; without an Idempotency-Key it is random. */
static void make_id(Issue *issue, const char *idempotency_key)
{
	const AdminKey *key = http_principal(issue->request);
	char scope[128];
	uint8_t random[17];

	if (!idempotency_key) {
		clock_random(random, sizeof random);
		issue->id = id_of_bytes("cmd_", random);
		return;
	}
	snprintf(scope, sizeof scope, "%s/%s/%s", key->id, issue->incident, issue->command->name);
	issue->id = id_of_pair(ID_COMMAND_OF_REQUEST, slice_of(scope), slice_of(idempotency_key));
}

static void make_fingerprint(Issue *issue)
{
	const Slice end = SLICE("\0");
	Digest digest = DIGEST(slice_of(issue->incident), end, slice_of(issue->command->name), end,
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
	make_id(issue, given ? idempotency_key : NULL);
	make_fingerprint(issue);
	return true;
}

/* ---- the view before and after the request waits -------------------------------------------------------------- */

static bool is_same_request(const Issue *issue, const CommandRow *row)
{
	return row->fingerprint[0] == '\0' || strcmp(row->fingerprint, issue->fingerprint) == 0;
}

static void answer_mismatch(HttpRequest *request)
{
	answer_refusal(request, PROBLEM_IDEMPOTENCY_MISMATCH, "this Idempotency-Key was used before with another request");
}

/* Checks that the incident exists and that If-Match can match a version. False: the request was answered. */
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
			       "If-Match must be the incident's ETag, without W/");
	return !result_failed(result) && issue->expected_version != VERSION_NEVER;
}

/* Sets *pending if the command was issued before and is still pending. False: this function has answered the request. */
static bool check_before(Issue *issue, Store *store, bool *pending)
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
	else if (!is_same_request(issue, &row))
		answer_mismatch(issue->request);
	else if (row.state == COMMAND_PENDING)
		go_on = *pending = true;
	else
		answer_row(issue->request, store, id_slice(&issue->id), &row);
	command_row_release(&row);
	return go_on;
}

/*
 * Reads the view again after the request has entered the waiting table, because the command's effect may have arrived before.
 * True: the effect has arrived, and the request was answered, by this function or by another thread.
 */
static bool check_again(Issue *issue, Ticket ticket)
{
	CommandRow row = { .problem = NULL };
	ViewReader *reader;

	if (result_failed(view_borrow(issue->requests->options.views, &reader)))
		return false;
	Result result = view_command(reader->store, id_slice(&issue->id), &row);
	bool answered = !result_failed(result) && row.state != COMMAND_PENDING;
	HttpRequest *request = answered ? waiting_take(issue->requests->waiting, ticket) : NULL;
	if (request && is_same_request(issue, &row))
		answer_row(request, reader->store, id_slice(&issue->id), &row);
	else if (request)
		answer_mismatch(request);
	view_return(reader);
	command_row_release(&row);
	return answered;
}

/* ---- issuing -------------------------------------------------------------------------------------------------- */

/* A command that is not durable yet. Its request may be answered before the command becomes durable. */
typedef struct {
	CommandRequests *requests;
	Ticket ticket;        /* 0: the waiting table was full */
	HttpRequest *request; /* if ticket is 0: the request that append_done answers; else NULL: the waiting table has it */
	Id id;
} PendingCommand;

/* Runs on the bus's thread. */
static void append_done(void *context, bool failed, int64_t offset)
{
	PendingCommand *pending = context;
	Waiting *waiting = pending->requests->waiting;
	int64_t now_ms = atomic_load(&pending->requests->draining) ? INT64_MAX : clock_monotonic_us() / 1000;
	HttpRequest *request = pending->request;

	(void)offset;
	if (pending->ticket != 0)
		request = failed ? waiting_take(waiting, pending->ticket)
				 : waiting_durable(waiting, pending->ticket, now_ms);
	if (request && failed)
		answer_doubt(request);
	else if (request)
		answer_pending(request, id_slice(&pending->id));
	free(pending);
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
	json_t *actor JSON_AUTO = admin_key_actor(issue->requests->options.key);
	CommandRecord command = {
		.incident_id = issue->incident,
		.command = issue->command->name,
		.expected_version = issue->expected_version,
		.actor = actor,
		.arguments = issue->arguments,
		.fingerprint = issue->fingerprint,
		.issued_at = now,
	};
	json_t *tree JSON_AUTO = json_encode(&command_record_table, &command);

	json_write(tree, out);
}

static Result append_record(const Issue *issue, PendingCommand *pending)
{
	Bus *bus = issue->requests->options.bus;
	Instant now = clock_now();
	Buffer headers, body;

	buffer_init(&headers, 1024);
	buffer_init(&body, COMMAND_BODY_MAX);
	write_headers(issue, now, &headers);
	write_body(issue, now, &body);
	BusRecord record = { .key = slice_of(issue->incident),
			     .headers = buffer_slice(&headers),
			     .body = buffer_slice(&body) };
	Result result = result_fail(ERROR_INPUT, "the command is larger than %d bytes", COMMAND_BODY_MAX);
	if (!body.overflowed)
		result = bus_append(bus, TOPIC_COMMANDS, issue->slot % bus->partitions, &record, append_done, pending);
	buffer_release(&headers);
	buffer_release(&body);
	return result;
}

/* Appends the command of a suspended request. If the request has a ticket, another thread may answer it at any time. */
static void append(const Issue *issue, Ticket ticket)
{
	PendingCommand *pending = malloc(sizeof *pending);

	must(pending != NULL);
	*pending = (PendingCommand){ .requests = issue->requests,
				     .ticket = ticket,
				     .id = issue->id,
				     .request = ticket == 0 ? issue->request : NULL };
	Result result = append_record(issue, pending);
	if (!result_failed(result))
		return;
	free(pending);
	HttpRequest *request = ticket == 0 ? issue->request : waiting_take(issue->requests->waiting, ticket);
	if (request)
		answer_failure(request, result);
}

static void issue_and_wait(Issue *issue, bool pending)
{
	int64_t now_ms = clock_monotonic_us() / 1000, wait_ms = issue->requests->options.wait_ms;
	Wait wait = { .command = issue->id,
		      .request = issue->request,
		      .durable = pending,
		      .deadline_ms = now_ms + wait_ms,
		      .doubt_ms = now_ms + (wait_ms > DURABLE_WAIT_MS ? wait_ms : DURABLE_WAIT_MS) };
	Ticket ticket = 0;

	memcpy(wait.incident, issue->incident, sizeof wait.incident);
	memcpy(wait.fingerprint, issue->fingerprint, sizeof wait.fingerprint);
	http_suspend(issue->request);
	WaitingVerdict verdict = waiting_add(issue->requests->waiting, &wait, &ticket);
	if (verdict == WAITING_MISMATCH) {
		answer_mismatch(issue->request);
		return;
	}
	if (verdict == WAITING_FULL && pending) {
		answer_pending(issue->request, id_slice(&issue->id));
		return;
	}
	bool answered = verdict == WAITING_ADDED && check_again(issue, ticket);
	if (!answered && !pending)
		append(issue, ticket);
	thread_signal(issue->requests, false);
}

static bool check_view(Issue *issue, bool *pending)
{
	ViewReader *reader;

	if (!view_borrow_or_answer(issue->requests->options.views, issue->request, &reader))
		return false;
	bool go_on = check_before(issue, reader->store, pending);
	view_return(reader);
	return go_on;
}

void command_issue(HttpRequest *request, void *context)
{
	Issue issue = { .requests = context, .request = request };
	bool pending;

	if (read_command(&issue) && read_incident_id(&issue) && read_headers(&issue) && read_arguments(&issue) &&
	    check_view(&issue, &pending))
		issue_and_wait(&issue, pending);
	json_decref(issue.arguments);
}

/* ---- GET /v1/commands/{id} ------------------------------------------------------------------------------------ */

static const Field command_status_fields[] = {
	ROW_TEXT(CommandAnswer, id, FIELD_REQUIRED, 0, "Id of the command", .form = &command_id_form),
	ROW_CHOICE(CommandAnswer, status, FIELD_REQUIRED, command_states, "Status of the command"),
	ROW_TEXT(CommandAnswer, incident_id, FIELD_REQUIRED, 0, "Incident to change", .form = &incident_id_form),
	ROW_INTEGER(CommandAnswer, version, 0, 1, INT64_MAX, "Version of the incident after the command; null while pending"),
	ROW_FREE(CommandAnswer, problem, 0, "Reason for the refusal", .table = &problem_table),
};
const FieldTable command_status_table =
	FIELD_DOCUMENT("command-status", command_status_fields, CommandAnswer, TABLE_ANSWER, "Command status",
		       "Status of a command; kept for 30 days.");

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

/* Reads the command from the view, or from the waiting table if the view does not have it yet. Calls view_return. */
static Result row_read(const CommandRequests *requests, ViewReader *reader, Slice id, CommandRow *row)
{
	Result result = view_command(reader->store, id, row);

	view_return(reader);
	if (result.kind == ERROR_NOT_FOUND && waiting_knows(requests->waiting, id, row->incident))
		return result_ok();
	return result;
}

void command_read(HttpRequest *request, void *context)
{
	const CommandRequests *requests = context;
	Slice id = http_path_value(request, "id");
	CommandRow row = { .problem = NULL };
	ViewReader *reader;
	Buffer body;

	if (!view_borrow_or_answer(requests->options.views, request, &reader))
		return;
	Result result = row_read(requests, reader, id, &row);
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
