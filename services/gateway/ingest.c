/*
 * POST /v1/events and /v1/reports: the hot path. The request is suspended before its record is handed to the bus, and
 * answered by the bus's thread once the record is durable: no thread waits for a disk.
 */
#include "services/gateway/gateway_internal.h"

#include "shared/io/system/clock.h"
#include "shared/io/system/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef Result (*Accept)(const Policy *policy, const AcceptInput *input, Accepted *out, FieldErrors *errors,
			 ProblemCode *code);

/* An event on its way to the disk. */
typedef struct {
	HttpRequest *request;
	Id id;
	char correlation_key[ID_BASE32 + 1];
} Ingest;

static void count(const char *result)
{
	metric_add(METRIC_INGEST_EVENTS, result, NULL, 1);
}

/* The same event again gets the same answer: its identity and its correlation key are functions of the request. */
static void answer_accepted(const Ingest *ingest)
{
	char body[128], location[96];
	int size = snprintf(body, sizeof body, "{\"id\":\"%s\",\"correlation_key\":\"%s\"}", ingest->id.text,
			    ingest->correlation_key);

	snprintf(location, sizeof location, "/v1/incidents?correlation_key=%s", ingest->correlation_key);
	answer_json(ingest->request, 202, (Slice){ body, (size_t)size }, location);
}

/* On the bus's thread. */
static void ingest_done(void *context, bool failed, int64_t offset)
{
	Ingest *ingest = context;

	(void)offset;
	count(failed ? "unavailable" : "accepted");
	if (failed)
		answer_doubt(ingest->request);
	else
		answer_accepted(ingest);
	free(ingest);
}

static void ingest_append(Gateway *gateway, HttpRequest *request, const AcceptInput *input, const Accepted *accepted)
{
	BusRecord record = accepted_record(accepted, input);
	Ingest *ingest = malloc(sizeof *ingest);

	must(ingest != NULL);
	*ingest = (Ingest){ .request = request, .id = accepted->id };
	memcpy(ingest->correlation_key, accepted->correlation_key, sizeof ingest->correlation_key);
	http_suspend(request);
	Bus *bus = gateway->options.bus;
	Result result = bus_append(bus, TOPIC_EVENTS, accepted->slot % bus->partitions, &record, ingest_done, ingest);
	if (!result_failed(result))
		return;
	free(ingest);
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

static void ingest_document(Gateway *gateway, HttpRequest *request, AcceptInput *input, Accept accept,
			    const Policy *policy)
{
	Accepted accepted;
	FieldErrors errors;
	ProblemCode code;

	errors.count = 0;
	errors.more = false;
	Result result = accept(policy, input, &accepted, &errors, &code);
	if (result_failed(result)) {
		refuse(request, result, code, &errors);
		return;
	}
	if (!accepted.by_idempotency_key || idempotency_matches(gateway->repeats, &accepted.request, input->body))
		ingest_append(gateway, request, input, &accepted);
	else
		refuse(request, result_fail(ERROR_INPUT, "this Idempotency-Key came with another body before"),
		       PROBLEM_IDEMPOTENCY_MISMATCH, &errors);
	accepted_release(&accepted);
}

static void ingest(HttpRequest *request, Gateway *gateway, Accept accept)
{
	char idempotency_key[IDEMPOTENCY_KEY_MAX];
	bool given;
	Result result = idempotency_key_read(http_header(request, "Idempotency-Key"), &given, idempotency_key);

	if (result_failed(result)) {
		refuse(request, result, PROBLEM_INVALID_PARAMETER, NULL);
		return;
	}
	PolicyShare *share = policy_share(gateway);
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
	ingest_document(gateway, request, &input, accept, share->policy);
	policy_unshare(share);
}

void ingest_event(HttpRequest *request, void *context)
{
	ingest(request, context, accept_event);
}

void ingest_report(HttpRequest *request, void *context)
{
	ingest(request, context, accept_report);
}
