#include "tests/simulation/hostile.h"

#include "shared/base/header.h"
#include "shared/domain/documents.h"
#include "shared/domain/event_header.h"
#include "shared/domain/types.h"
#include "shared/runtime/record.h"
#include "tests/support/memory_bus.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BODY_MAX = 1 << 20, OWN_KEYS = 6, STREAM_HOSTILE = STREAM_CLIENT + 1 };

/* The headers of every hostile record begin with this text, so that the judge recognises the record; a record without headers
 * has this text as its body. */
#define MARK "hostile"

/* A record to be written. */
typedef struct {
	TopicId topic;
	unsigned partition;
	Buffer key, headers, body;
} Forgery;

bool is_hostile(const BusRecord *record)
{
	return slice_starts_with(record->headers, SLICE(MARK)) || slice_is(record->body, MARK);
}

bool is_refused(const World *world, TopicId topic, unsigned partition, const BusRecord *from)
{
	Record record;
	return result_failed(record_read(topic, partition, from, &record)) || record_is_bookkeeping(&record) ||
	       result_failed(record_check(&record, world->partitions));
}

/* ---- parts */

static void text_set(Buffer *out, Slice text)
{
	buffer_clear(out);
	buffer_append(out, text);
}

static BusRecord record_of(const Forgery *forgery)
{
	return (BusRecord){ .key = buffer_slice(&forgery->key), .headers = buffer_slice(&forgery->headers),
			    .body = buffer_slice(&forgery->body) };
}

/* Chooses a random record of the topic, which may be trimmed, and copies its key and body to `out`. Returns false if the chosen
 * partition is empty or the chosen record is hostile. */
static bool record_any(World *world, TopicId topic, Forgery *out, BusRecord *found)
{
	out->topic = topic;
	out->partition = random_below(world, topic_partitions(topic, world->partitions));
	int64_t end = world->bus->operations->end(world->bus, topic, out->partition);
	if (end == 0 || !memory_bus_recall(world->bus, topic, out->partition, random_below(world, (uint32_t)end), found))
		return false;
	if (is_hostile(found))
		return false;
	text_set(&out->key, found->key);
	text_set(&out->body, found->body);
	return true;
}

/* Appends MARK and the headers to `out`. The header named `changed` gets the value or, if the value is SLICE_NONE, is left out;
 * changed NULL: all headers are copied unchanged. */
static void headers_copy(Slice headers, const char *changed, Slice value, Buffer *out)
{
	Slice name, before;
	header_add(out, MARK, SLICE("1"));
	while (header_next(&headers, &name, &before)) {
		char copy[32];
		bool same = changed && slice_is(name, changed);
		if (text_copy(name, copy, sizeof(copy)) && (!same || value.data))
			header_add(out, copy, same ? value : before);
	}
}

static void headers_write(World *world, Forgery *out, Slice id, const char *type, Slice subject)
{
	static const Instant times[] = { 0, INSTANT_MAX };
	char time[INSTANT_TEXT];
	uint32_t choice = random_below(world, 4);
	instant_format(choice < 2 ? times[choice] : world->now, time);
	header_add(&out->headers, MARK, SLICE("1"));
	header_add(&out->headers, "ce_id", id);
	header_add(&out->headers, "ce_type", slice_of(type));
	header_add(&out->headers, "ce_time", slice_of(time));
	if (subject.size)
		header_add(&out->headers, "ce_subject", subject);
}

static Id own_id(World *world, IdKind kind)
{
	char name[24];
	snprintf(name, sizeof(name), "%" PRIu64, ++world->forged);
	return id_of_pair(kind, SLICE(MARK), slice_of(name));
}

/* Returns one of OWN_KEYS correlation keys, and sets key and partition of `out` for a record about this key. */
static Id own_key(World *world, Forgery *out)
{
	char name[24];
	snprintf(name, sizeof(name), "%u", random_below(world, OWN_KEYS));
	Id key = id_of_pair(ID_CORRELATION_KEY_OF_ID, SLICE(MARK), slice_of(name));
	out->partition = slot_of(id_slice(&key)) % world->partitions;
	text_set(&out->key, id_slice(&key));
	return key;
}

/* Returns a new incident id, in the slot of `key` or, if key is NULL, in a random slot. Sets key and partition of `out` for a
 * record about this incident. */
static Id own_incident(World *world, const Id *key, Forgery *out)
{
	char name[24];
	snprintf(name, sizeof(name), "%" PRIu64, ++world->forged);
	unsigned slot = key ? slot_of(id_slice(key)) : random_below(world, SLOTS);
	Id incident = id_of_incident(world->now, slot, slice_of(name));
	out->partition = slot % world->partitions;
	text_set(&out->key, id_slice(&incident));
	return incident;
}

/* ---- honest records, made invalid */

static const TopicId streams[] = { TOPIC_EVENTS, TOPIC_ASSESSMENTS, TOPIC_COMMANDS, TOPIC_JOINS };
enum { STREAMS = sizeof(streams) / sizeof(streams[0]) };

/* An honest record that every reader refuses: a header is missing, malformed or too long, the headers are cut off, the key is
 * malformed or too long, or the record is in another partition. */
static bool forge_headers(World *world, Forgery *out)
{
	static const char *const names[] = { "ce_id", "ce_type", "ce_time", "ce_subject" };
	char large[RECORD_KEY_MAX + 1];
	const Slice bad[] = { { 0 }, { large, sizeof(large) }, SLICE("\xff\xfe"), SLICE("") };
	BusRecord found;
	memset(large, 'x', sizeof(large));
	if (!record_any(world, streams[random_below(world, STREAMS)], out, &found))
		return false;
	uint32_t choice = random_below(world, 8);
	const char *name = names[random_below(world, 4)];
	headers_copy(found.headers, choice < 4 ? name : NULL, choice < 4 ? bad[choice] : SLICE_NONE, &out->headers);
	if (choice == 4)
		buffer_cut(&out->headers, random_below(world, (uint32_t)out->headers.size / 2) + sizeof(MARK));
	else if (choice == 5)
		out->partition = (out->partition + 1) % world->partitions;
	else if (choice == 6)
		text_set(&out->key, bad[1]);
	else if (choice == 7)
		text_set(&out->key, SLICE("\xff"));
	BusRecord forged = record_of(out);
	return is_refused(world, out->topic, out->partition, &forged);
}

/* Chooses an event or report that a client has sent. The bus may not have received it yet. Returns false if no client has sent
 * any. */
static bool event_sent(World *world, Forgery *out, BusRecord *found)
{
	if (world->event_count == 0)
		return false;
	const SentEvent *event = &world->events[random_below(world, (uint32_t)world->event_count)];
	out->topic = TOPIC_EVENTS;
	out->partition = event->slot % world->partitions;
	*found = (BusRecord){ .key = slice_of(event->correlation_key), .headers = buffer_slice(&event->headers),
			      .body = buffer_slice(&event->body) };
	text_set(&out->key, found->key);
	text_set(&out->body, found->body);
	return true;
}

/* A record of the topic events under an honest id and key that intake cannot read: the event header of an event or report, or
 * the subject of a closing or reopening, is invalid. */
static bool forge_event_header(World *world, Forgery *out)
{
	static const char *const headers[] = { "", "window=1", "window=-1;cap=5", "window=99999999999;cap=1", "window=1;cap=1;severity=9" };
	BusRecord found;
	if (random_below(world, 4) == 0 ? !record_any(world, TOPIC_EVENTS, out, &found) : !event_sent(world, out, &found))
		return false;
	bool event = header_get(found.headers, EVENT_HEADER).size > 0;
	headers_copy(found.headers, event ? EVENT_HEADER : "ce_subject", slice_of(headers[random_below(world, 5)]), &out->headers);
	return true;
}

/* An honest record whose type is replaced by one of a later version. */
static bool forge_type(World *world, Forgery *out)
{
	BusRecord found;
	if (!record_any(world, streams[random_below(world, STREAMS)], out, &found))
		return false;
	headers_copy(found.headers, "ce_type", SLICE("tocsin.event.received.v9"), &out->headers);
	return true;
}

static const struct {
	TopicId topic;
	const FieldTable *table;
} bodies[] = {
	{ TOPIC_ASSESSMENTS, &assessment_record_table },
	{ TOPIC_COMMANDS, &command_record_table },
	{ TOPIC_JOINS, &join_table },
};

static bool is_invalid(const FieldTable *table, Slice body)
{
	json_t *tree JSON_AUTO = NULL;
	char decoded[1024];
	must(table->size <= sizeof(decoded));
	return result_failed(json_read(body, &tree)) || result_failed(json_decode_record(table, tree, decoded));
}

/* An honest record with an invalid body. Events are left out, because intake reads the body of an event only if the event opens
 * an incident or is more severe than all earlier events of the incident. */
static bool forge_body(World *world, Forgery *out)
{
	static const char *const texts[] = { "", "{}", "[]", "{\"incident_id\":7}", "\xff", "{\"a\":1,\"a\":1}" };
	BusRecord found;
	uint32_t row = random_below(world, 3), choice = random_below(world, 9);
	if (!record_any(world, bodies[row].topic, out, &found))
		return false;
	headers_copy(found.headers, NULL, SLICE_NONE, &out->headers);
	if (choice < 6)
		text_set(&out->body, slice_of(texts[choice]));
	else if (choice < 7 && out->body.size > 0)
		buffer_cut(&out->body, random_below(world, (uint32_t)out->body.size));
	else if (out->body.size > 0)
		out->body.data[random_below(world, (uint32_t)out->body.size)] = "\"{}[]7x-"[random_below(world, 8)];
	return is_invalid(bodies[row].table, buffer_slice(&out->body));
}

/* ---- valid or almost valid records about the hostile writer's own keys and incidents */

static void body_nested(Buffer *out, unsigned levels)
{
	buffer_text(out, "{\"source\":\"s\",\"title\":\"t\",\"attributes\":");
	for (unsigned i = 0; i < levels; i++)
		buffer_text(out, "{\"a\":");
	buffer_text(out, "1");
	for (unsigned i = 0; i <= levels; i++)
		buffer_byte(out, '}');
}

static bool forge_own_event(World *world, Forgery *out)
{
	static const char *const texts[] = { "", "[]", "{\"title\":\"t\"}", "{\"source\":\"s\",\"title\":\"t\"}",
					     "{\"source\":\"ids\",\"title\":\"t\",\"type\":\"malware\",\"severity\":\"critical\"}",
					     "{\"source\":\"s\",\"title\":\"t\",\"observables\":[7]}" };
	static const char *const headers[] = { "window=900;cap=86400;severity=4", "window=0;cap=0", "window=31622400;cap=31622400;severity=0",
					       "window=5;cap=9;severity=2;clock=9223372036854775807" };
	out->topic = TOPIC_EVENTS;
	Id id = own_id(world, ID_KEY_EVENT);
	own_key(world, out);
	headers_write(world, out, id_slice(&id), TYPE_EVENT_RECEIVED, SLICE_NONE);
	header_add(&out->headers, EVENT_HEADER, slice_of(headers[random_below(world, 4)]));
	uint32_t choice = random_below(world, 7);
	if (choice < 6)
		buffer_text(&out->body, texts[choice]);
	else
		body_nested(&out->body, 28 + random_below(world, 12));
	return true;
}

/* Closes or reopens an incident of one of the hostile writer's own keys. */
static bool forge_own_change(World *world, Forgery *out)
{
	static const char *const counts[] = { "1", "1073741824", "9223372036854775807" };
	bool reopened = random_below(world, 2);
	out->topic = TOPIC_EVENTS;
	Id id = own_id(world, ID_KEY_EVENT);
	Forgery other = { .partition = 0 };
	buffer_init(&other.key, BODY_MAX);
	Id incident = own_incident(world, NULL, &other);
	own_key(world, out);
	headers_write(world, out, id_slice(&id), reopened ? TYPE_INCIDENT_REOPENED : TYPE_INCIDENT_CLOSED, id_slice(&incident));
	buffer_format(&out->body,
		      "{\"report_version\":%s,\"event_count\":%s,\"last_seen_at\":\"9999-12-31T23:59:59.999Z\",\"window_seconds\":%s,"
		      "\"cap_seconds\":9223372036854775807}",
		      counts[random_below(world, 3)], counts[random_below(world, 3)], counts[random_below(world, 3)]);
	buffer_release(&other.key);
	return true;
}

static bool forge_own_assessment(World *world, Forgery *out)
{
	static const char *const documents[] = { "null", "{\"source\":\"s\",\"title\":\"t\"}", "{\"kind\":\"incident\",\"description\":\"\\n\"}",
						 "{}" };
	static const char *const forms[] = { "\"event\"", "\"report\"", "null" }, *const kinds[] = { "incident", "event", "weakness", "x" };
	static const char *const numbers[] = { "1", "2", "9223372036854775807" };
	out->topic = TOPIC_ASSESSMENTS;
	Id id = own_id(world, ID_ASSESSMENT), event = own_id(world, ID_KEY_EVENT);
	Id key = own_id(world, ID_CORRELATION_KEY_OF_ID), incident = own_incident(world, &key, out);
	headers_write(world, out, id_slice(&id), TYPE_ASSESSED, id_slice(&incident));
	const char *form = forms[random_below(world, 3)], *document = documents[random_below(world, 4)];
	const char *version = numbers[random_below(world, 3)], *count = numbers[random_below(world, 3)];
	buffer_format(&out->body,
		      "{\"report\":{\"incident_id\":\"%s\",\"number\":%s,\"event_id\":\"%s\",\"correlation_key\":\"%s\",\"form\":%s,"
		      "\"report_version\":%s,\"event_count\":%s,\"received_at\":\"9999-12-31T23:59:59.999Z\",\"document\":%s},"
		      "\"assessment\":{\"kind\":\"%s\",\"grade\":\"II\",\"damage_level\":\"A\",\"policy_version\":\"x\"}}",
		      incident.text, random_below(world, 2) ? "\"INC-2026-HOST-ILE0\"" : "null", event.text, key.text, form, version, count, document,
		      kinds[random_below(world, 4)]);
	return true;
}

static bool forge_own_command(World *world, Forgery *out)
{
	static const char *const names[] = { "close", "link", "campaign", "escalated", "acknowledge", "explode" };
	out->topic = TOPIC_COMMANDS;
	Id id = own_id(world, ID_COMMAND_OF_REQUEST), incident = own_incident(world, NULL, out);
	headers_write(world, out, id_slice(&id), TYPE_COMMAND, id_slice(&incident));
	buffer_format(&out->body,
		      "{\"incident_id\":\"%s\",\"command\":\"%s\",\"actor\":{\"kind\":\"%s\",\"id\":\"x\",\"roles\":[\"system\"]},\"arguments\":{"
		      "\"by\":\"asset\",\"count\":9223372036854775807,\"escalation_level\":1000,\"incident_id\":\"nobody\"},\"issued_at\":"
		      "\"1970-01-01T00:00:00.000Z\"}",
		      incident.text, names[random_below(world, 6)], random_below(world, 2) ? "key" : "system");
	return true;
}

/* Each record gets a new join key, because the judge expects links between any two incidents with the same join key. */
static bool forge_own_join(World *world, Forgery *out)
{
	out->topic = TOPIC_JOINS;
	Id id = own_id(world, ID_JOIN), incident = own_incident(world, NULL, out), key = own_id(world, ID_CORRELATION_KEY_OF_ID);
	out->partition = slot_of(id_slice(&key)) % world->partitions;
	text_set(&out->key, id_slice(&key));
	headers_write(world, out, id_slice(&id), TYPE_JOIN_ANNOUNCED, SLICE_NONE);
	buffer_format(&out->body, "{\"key\":\"%s\",\"by\":\"asset\",\"incident_id\":\"%s\",\"window_seconds\":%s,\"open\":true,\"number\":\"", key.text,
		      incident.text, random_below(world, 2) ? "60" : "9223372036854775807");
	for (unsigned i = 0; i < NAME_MAX_CHARACTERS; i++)
		buffer_text(&out->body, "\xf0\x90\x80\x80");
	buffer_text(&out->body, "\"}");
	return true;
}

/* ---- tables */

static bool forge_policy(World *world, Forgery *out)
{
	static const char *const texts[] = { "", "{}", "x", "{\"id\":\"simulation\",\"version\":\"999\",\"policy_version\":\"simulation@999+0\"}" };
	Id id = own_id(world, ID_POLICY);
	out->topic = TOPIC_POLICIES;
	out->partition = 0;
	headers_write(world, out, id_slice(&id), TYPE_POLICY_PUBLISHED, SLICE_NONE);
	buffer_text(&out->body, texts[random_below(world, 4)]);
	return true;
}

/* Overwrites the row of an incident in the table tocsin.incidents, after which response writes the row again; or uses an
 * invalid key. */
static bool forge_incident(World *world, Forgery *out)
{
	static const char *const versions[] = { "0", "1", "-1", "9223372036854775807", "x", "" };
	BusRecord found;
	if (!record_any(world, TOPIC_INCIDENTS, out, &found))
		return false;
	headers_copy(found.headers, "ce_version", slice_of(versions[random_below(world, 6)]), &out->headers);
	text_set(&out->body, random_below(world, 2) ? SLICE("{\"id\":7}") : SLICE("x"));
	if (random_below(world, 3) == 0)
		text_set(&out->key, random_below(world, 2) ? SLICE("") : SLICE("nobody\xff"));
	return true;
}

/* ---- ledgers */

static const TopicId ledgers[] = { TOPIC_REPORTS, TOPIC_JOURNAL, TOPIC_DELIVERIES, TOPIC_CHECKPOINTS };

/* The cursor of a reader at the end of the ledger. The hostile writer may not write a new record with both the epoch and the
 * owner of this cursor. */
static LedgerCursor ledger_now(const World *world, TopicId topic, unsigned partition)
{
	LedgerCursor cursor = { 0 };
	LedgerMark mark;
	BusRecord record;
	for (int64_t offset = 0; memory_bus_recall(world->bus, topic, partition, offset, &record); offset++)
		(void)ledger_judge(&cursor, record.headers, &mark);
	return cursor;
}

/* A copy of any record of the ledger, even of a claim or of the current epoch; the body may differ. Readers drop the copy,
 * because the epoch of the claim or the sequence number of the record was used before. */
static bool forge_ledger_copy(World *world, Forgery *out)
{
	BusRecord found;
	if (!record_any(world, ledgers[random_below(world, 4)], out, &found))
		return false;
	headers_copy(found.headers, NULL, SLICE_NONE, &out->headers);
	if (random_below(world, 2))
		text_set(&out->body, SLICE("{\"incident_id\":7}"));
	return true;
}

static bool is_mark(Slice name)
{
	return slice_is(name, "ce_epoch") || slice_is(name, "ce_owner") || slice_is(name, "ce_seq");
}

/* A record that is no claim, marked with the current epoch and another owner, with an earlier epoch, or with a later epoch. */
static bool forge_ledger_mark(World *world, Forgery *out)
{
	BusRecord found;
	if (!record_any(world, ledgers[random_below(world, 4)], out, &found))
		return false;
	LedgerCursor now = ledger_now(world, out->topic, out->partition);
	uint32_t choice = random_below(world, 4);
	LedgerMark mark = { .epoch = now.epoch > 0 ? now.epoch : 1, .owner = now.owner ^ 1, .seq = now.seq + 1 };
	if (choice == 1 && now.epoch > 1)
		mark = (LedgerMark){ .epoch = now.epoch - 1, .owner = now.owner, .seq = now.seq + 1 };
	else if (choice == 2)
		mark.epoch += 1 + random_below(world, 5);
	else if (choice == 3)
		mark = (LedgerMark){ .epoch = UINT64_C(1) << 53, .owner = UINT64_MAX, .seq = UINT64_C(1) << 53 };
	header_add(&out->headers, MARK, SLICE("1"));
	ledger_mark_write(&out->headers, &mark);
	Slice rest = found.headers, name, value;
	while (header_next(&rest, &name, &value)) {
		char copy[32];
		if (!is_mark(name) && text_copy(name, copy, sizeof(copy)))
			header_add(&out->headers, copy, value);
	}
	return true;
}

/* ---- any topic */

static bool forge_bytes(World *world, Forgery *out)
{
	out->topic = (TopicId)random_below(world, TOPICS);
	out->partition = random_below(world, topic_partitions(out->topic, world->partitions));
	bool headers = random_below(world, 2);
	if (!headers) {
		buffer_text(&out->body, MARK);
		return true;
	}
	buffer_text(&out->headers, MARK);
	for (unsigned i = random_below(world, 40); i > 0; i--) {
		buffer_byte(&out->headers, (char)random_below(world, 4));
		buffer_byte(&out->body, (char)random_below(world, 256));
		buffer_byte(&out->key, (char)random_below(world, 256));
	}
	return true;
}

static bool (*const forgeries[])(World *world, Forgery *out) = {
	forge_headers,	   forge_headers,     forge_event_header, forge_type,	     forge_body,	   forge_body,
	forge_own_event,   forge_own_event,   forge_own_change,	  forge_own_assessment, forge_own_command, forge_own_join,
	forge_ledger_copy, forge_ledger_mark, forge_policy,	  forge_incident,    forge_bytes,
};
enum { FORGERIES = sizeof(forgeries) / sizeof(forgeries[0]) };

void hostile_write(World *world)
{
	Forgery forgery = { .partition = 0 };
	if (!world->hostile)
		return;
	buffer_init(&forgery.key, BODY_MAX);
	buffer_init(&forgery.headers, BODY_MAX);
	buffer_init(&forgery.body, BODY_MAX);
	if (forgeries[random_below(world, FORGERIES)](world, &forgery)) {
		BusRecord record = record_of(&forgery);
		memory_bus_set_stream(world->bus, STREAM_HOSTILE);
		Result result = bus_append(world->bus, forgery.topic, forgery.partition, &record, NULL, NULL);
		world->figures.forged += !result_failed(result);
	}
	buffer_release(&forgery.key);
	buffer_release(&forgery.headers);
	buffer_release(&forgery.body);
}
