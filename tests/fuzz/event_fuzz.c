/* Bodies of POST /v1/events and POST /v1/reports. */
#include "tests/fuzz/fuzz.h"

#include "services/gateway/core/accept.h"
#include "shared/domain/event_header.h"
#include "shared/io/bus.h"
#include "tests/unit/pack.h"

#include <string.h>

typedef Result Accept(const Policy *policy, const AcceptInput *input, Accepted *out, FieldErrors *errors, ProblemCode *code);

static const AcceptInput input = { .key_id = "12345678", .received_at = INT64_C(1795421730123) };

static Result accept_body(Accept *accept, const Policy *policy, Slice body, Accepted *out)
{
	AcceptInput request = input;
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	ProblemCode code = PROBLEM_VALIDATION_FAILED;
	request.body = body;
	Result result = accept(policy, &request, out, &errors, &code);
	if (result_failed(result)) {
		must(result.kind == ERROR_INPUT && result.text[0]);
		must(code != PROBLEM_VALIDATION_FAILED || errors.count > 0);
	}
	return result;
}

/* Other services can read an accepted body, and a repeat of the body gets the same ids. */
static void check_accepted(Accept *accept, const Policy *policy, Slice body)
{
	Accepted first, again;
	json_t *tree;
	EventHeader header;
	if (result_failed(accept_body(accept, policy, body, &first)))
		return;
	must(!result_failed(json_read(body, &tree)));
	must(!result_failed(event_header_read(header_get(buffer_slice(&first.headers), EVENT_HEADER), &header)));
	must(!result_failed(accept_body(accept, policy, body, &again)));
	must(memcmp(&first.id, &again.id, sizeof first.id) == 0 && first.slot == again.slot);
	must(strcmp(first.correlation_key, again.correlation_key) == 0);
	json_decref(tree);
	accepted_release(&first);
	accepted_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static Policy *policy;
	if (!policy)
		policy = pack_compiled(NULL);
	check_accepted(accept_event, policy, (Slice){ (const char *)bytes, size });
	check_accepted(accept_report, policy, (Slice){ (const char *)bytes, size });
	return 0;
}
