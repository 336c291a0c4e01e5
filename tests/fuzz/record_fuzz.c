/*
 * One record for one input of a service, which runs alone on a bus in memory: observe, decide, apply and derive, as the runtime
 * calls them. The first line names the input by the number of its row in every_input; the number after the last row stands for a
 * policy pack. If the line ends with `headers`, the next two lines are the key and the headers.
 *
 *     12 body              12 headers
 *     {"a":1}              key
 *                          ce_id NUL x NUL ce_type NUL …
 *                          {"a":1}
 *
 * The record is processed, or refused with one dead letter; it does not stop the service. The exception is a record of a ledger:
 * the target marks it so that it is accepted, as if the owner of the ledger had a fault. Such a record may stop the service with
 * an error.
 */
#include "tests/fuzz/fuzz.h"

#include "services/classification/classification.h"
#include "shared/base/header.h"
#include "shared/domain/types.h"
#include "shared/io/system/log.h"
#include "tests/support/every_input.h"
#include "tests/support/notify_pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of records until the service is replaced by a new one, and between two checks that the service works. */
enum { INPUTS_MAX = 256, CHECK_EVERY = 16 };

static const Instant T0 = INT64_C(1795419330000);
static const EveryInput policies = { &classification_service, TOPIC_POLICIES, TYPE_POLICY_PUBLISHED, false, NULL, NULL, NULL };

static Policy *policy;
static EveryService bench;
static const EveryInput *current; /* the input for which the running service was started; NULL: no service runs */
static unsigned number;

static Slice line_take(Slice *rest)
{
	const char *end = rest->size > 0 ? memchr(rest->data, '\n', rest->size) : NULL;
	Slice line = { rest->data, end ? (size_t)(end - rest->data) : rest->size };
	size_t used = line.size + (end ? 1 : 0);
	*rest = (Slice){ rest->data + used, rest->size - used };
	return line;
}

static bool head_read(Slice line, const EveryInput **input, bool *headers)
{
	int64_t row;
	const char *space = line.size > 0 ? memchr(line.data, ' ', line.size) : NULL;
	if (!space || !slice_integer((Slice){ line.data, (size_t)(space - line.data) }, &row))
		return false;
	if (row < 0 || row > (int64_t)every_input_count)
		return false;
	*input = row < (int64_t)every_input_count ? &every_input[row] : &policies;
	*headers = slice_is((Slice){ space + 1, line.size - (size_t)(space + 1 - line.data) }, "headers");
	return true;
}

static void service_use(const EveryInput *input)
{
	if (current && current->service == input->service && number < INPUTS_MAX && !result_failed(bench.lone.failure))
		return;
	if (current)
		every_service_stop(&bench);
	every_service_start(&bench, input->service, policy, T0);
	lone_settle(&bench.lone);
	current = input;
	number = 0;
}

static size_t letters(void)
{
	return (size_t)bench.lone.bus->operations->end(bench.lone.bus, TOPIC_DEAD_LETTERS, 0);
}

static void record_play(const EveryInput *input, const BusRecord *record)
{
	size_t before = letters();
	if (result_failed(lone_append(&bench.lone, input->topic, record)))
		return; /* the bus refuses records that are too large */
	lone_settle(&bench.lone);
	if (result_failed(bench.lone.failure)) {
		fprintf(stderr, "%s: %s\n", input->type, bench.lone.failure.text);
		must(topics[input->topic].kind == TOPIC_LEDGER);
		return;
	}
	must(letters() - before <= 1);
	if (++number % CHECK_EVERY != 0 || every_service_works(&bench, number))
		return;
	fprintf(stderr, "%s works no more after %s: %s\n", input->service->name, input->type, bench.lone.failure.text);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	Slice body = { (const char *)bytes, size };
	const EveryInput *input;
	bool given;
	Buffer headers;
	if (!policy) {
		log_set_level(LOG_ERROR);
		policy = notify_pack();
	}
	if (!head_read(line_take(&body), &input, &given))
		return 0;
	service_use(input);
	buffer_init(&headers, 1 << 20);
	every_input_mark(&bench, input->topic, &headers); /* first: a mark in the input's bytes would leave a gap */
	Slice key = every_input_key(input);
	if (given) {
		key = line_take(&body);
		buffer_append(&headers, line_take(&body));
	} else {
		char name[24];
		snprintf(name, sizeof(name), "%u", number);
		TopicId topic = input->topic;
		IdKind kind = topic == TOPIC_COMMANDS ? ID_COMMAND_OF_REQUEST :
			      topic == TOPIC_EVENTS   ? ID_KEY_EVENT :
							ID_RECORD_OF_INPUT;
		Id id = id_of_pair(kind, SLICE("fuzz"), slice_of(name));
		every_input_headers(&bench, input, id_slice(&id), &headers);
	}
	record_play(input, &(BusRecord){ .key = key, .headers = buffer_slice(&headers), .body = body });
	buffer_release(&headers);
	return 0;
}
