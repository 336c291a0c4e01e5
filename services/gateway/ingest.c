#include "services/gateway/ingest.h"

#include "services/gateway/answers.h"
#include "services/gateway/core/preconditions.h"
#include "services/gateway/gateway.h"
#include "shared/domain/rows.h"
#include "shared/io/system/clock.h"
#include "shared/io/system/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef Result (*Accept)(const Policy *policy, const AcceptInput *input, Accepted *out, FieldErrors *errors,
			 ProblemCode *code);

/* A request whose record is not durable yet. */
typedef struct {
	HttpRequest *request;
	Id id;
	char correlation_key[ID_BASE32 + 1];
} PendingRecord;

static void count(const char *result)
{
	metric_add(METRIC_INGEST_EVENTS, result, NULL, 1);
}

static const Field accepted_fields[] = {
	ROW_TEXT(AcceptedAnswer, id, FIELD_REQUIRED, 0,
		 "Id of the event or report. The same (source, id) and correlation key give the same id; without an id, the same "
		 "Idempotency-Key and correlation key do",
		 .form = &event_id_form),
	ROW_TEXT(AcceptedAnswer, correlation_key, FIELD_REQUIRED, 0,
		 "Key of its incident: a hash of the members that the policy names for the source, or of the id for a report and "
		 "for an event that has none of these members",
		 .form = &correlation_key_form),
};
const FieldTable accepted_table = FIELD_DOCUMENT("accepted", accepted_fields, AcceptedAnswer, TABLE_ANSWER, "Accepted",
						 "Answer to an event or report that is durable.");

/* A repeat with the same id or Idempotency-Key gets the same answer: event id and correlation key are computed from the request. */
static void answer_accepted(const PendingRecord *pending)
{
	char body[128], location[96];
	int size = snprintf(body, sizeof body, "{\"id\":\"%s\",\"correlation_key\":\"%s\"}", pending->id.text,
			    pending->correlation_key);

	snprintf(location, sizeof location, "/v1/incidents?correlation_key=%s", pending->correlation_key);
	answer_json(pending->request, 202, (Slice){ body, (size_t)size }, location);
}

/* Runs on the bus's thread. */
static void append_done(void *context, bool failed, int64_t offset)
{
	PendingRecord *pending = context;

	(void)offset;
	count(failed ? "unavailable" : "accepted");
	if (failed)
		answer_doubt(pending->request);
	else
		answer_accepted(pending);
	free(pending);
}

BusRecord accepted_record(const Accepted *accepted, const AcceptInput *input)
{
	return (BusRecord){
		.key = { accepted->correlation_key, ID_BASE32 },
		.headers = buffer_slice(&accepted->headers),
		.body = input->body,
	};
}

static void append(Bus *bus, HttpRequest *request, const AcceptInput *input, const Accepted *accepted)
{
	BusRecord record = accepted_record(accepted, input);
	PendingRecord *pending = malloc(sizeof *pending);

	must(pending != NULL);
	*pending = (PendingRecord){ .request = request, .id = accepted->id };
	memcpy(pending->correlation_key, accepted->correlation_key, sizeof pending->correlation_key);
	http_suspend(request);
	Result result = bus_append(bus, TOPIC_EVENTS, accepted->slot % bus->partitions, &record, append_done, pending);
	if (!result_failed(result))
		return;
	free(pending);
	count("unavailable");
	answer_failure(request, result);
}

static void refuse(HttpRequest *request, Result result, ProblemCode code, const FieldErrors *errors)
{
	count("refused");
	if (result.kind != ERROR_INPUT)
		answer_failure(request, result);
	else
		answer_errors(request, code, result.text, errors, NULL);
}

static void ingest_document(const Ingest *ingest, HttpRequest *request, const AcceptInput *input, Accept accept,
			    const Policy *policy)
{
	Accepted accepted;
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	ProblemCode code;

	Result result = accept(policy, input, &accepted, &errors, &code);
	if (result_failed(result)) {
		refuse(request, result, code, &errors);
		return;
	}
	if (!accepted.by_idempotency_key || idempotency_matches(ingest->idempotency, &accepted.request, input->body))
		append(ingest->bus, request, input, &accepted);
	else
		refuse(request, result_fail(ERROR_INPUT, "this Idempotency-Key was used before with another body"),
		       PROBLEM_IDEMPOTENCY_MISMATCH, &errors);
	accepted_release(&accepted);
}

static void ingest_request(HttpRequest *request, const Ingest *ingest, Accept accept)
{
	char idempotency_key[IDEMPOTENCY_KEY_MAX];
	bool given;
	Result result = idempotency_key_read(http_header(request, "Idempotency-Key"), &given, idempotency_key);

	if (result_failed(result)) {
		refuse(request, result, PROBLEM_INVALID_PARAMETER, NULL);
		return;
	}
	PolicyShare *share = policy_share(ingest->policies);
	if (!share) {
		count("unavailable");
		answer_refusal(request, PROBLEM_UNAVAILABLE, "no policy is in force yet; try again");
		return;
	}
	const AdminKey *key = http_principal(request);
	AcceptInput input = { .body = http_body(request),
			      .key_id = key->id,
			      .received_at = clock_now(),
			      .idempotency_key = given ? idempotency_key : NULL };
	clock_random(input.random, sizeof input.random);
	ingest_document(ingest, request, &input, accept, share->policy);
	policy_unshare(share);
}

void ingest_event(HttpRequest *request, void *context)
{
	ingest_request(request, context, accept_event);
}

void ingest_report(HttpRequest *request, void *context)
{
	ingest_request(request, context, accept_report);
}
