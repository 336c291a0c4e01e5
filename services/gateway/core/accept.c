#include "services/gateway/core/accept.h"

#include "shared/base/skim.h"
#include "shared/domain/documents.h"
#include "shared/domain/event_header.h"
#include "shared/domain/types.h"

#include <string.h>

enum { SEVERITY_MEDIUM = 2 };

void accepted_release(Accepted *accepted)
{
	buffer_release(&accepted->headers);
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

/* The memory from which a decoded document borrows its texts. */
typedef struct {
	SkimTexts texts;
	json_t *tree; /* NULL if the document was skimmed */
} DocumentStorage;

static void document_storage_release(DocumentStorage *storage)
{
	json_decref(storage->tree);
}
#define DOCUMENT_STORAGE_AUTO __attribute__((cleanup(document_storage_release)))

static Result tree_read(const FieldTable *table, const AcceptInput *input, json_t **tree, void *document,
			FieldErrors *errors, ProblemCode *code)
{
	*code = PROBLEM_MALFORMED_JSON;
	TRY(json_read(input->body, tree));
	if (json_depth(*tree) > (size_t)SENDER_DEPTH_MAX)
		return result_fail(ERROR_INPUT, "is nested too deeply: at most %d levels are allowed", SENDER_DEPTH_MAX);
	*code = PROBLEM_VALIDATION_FAILED;
	if (json_decode(table, *tree, true, document, errors))
		return result_ok();
	return result_fail(ERROR_INPUT, "%zu%s of the members of this %s must be corrected", errors->count,
			   errors->more ? " or more" : "", table->name);
}

_Static_assert((int)SKIM_DEPTH_MAX <= (int)SENDER_DEPTH_MAX, "a document that can be skimmed is not too deep");

/* Members of *document that are lists or free objects may stay NULL although the body has them: this file does not use them. */
static Result document_read(const FieldTable *table, const AcceptInput *input, DocumentStorage *storage, void *document,
			    FieldErrors *errors, ProblemCode *code)
{
	if (skim_decode(table, input->body, document, &storage->texts))
		return result_ok();
	return tree_read(table, input, &storage->tree, document, errors, code);
}

/* ---- derived values ------------------------------------------------------------------------------------------- */

/* Sets the id of a document in which the sender gave none; correlation_key may be empty. */
static void identify_by_request(Accepted *out, IdKind kind, const AcceptInput *input, Slice correlation_key)
{
	const char byte = (char)kind;
	Slice key_id = slice_of(input->key_id), idempotency_key = slice_of(input->idempotency_key);

	out->by_idempotency_key = input->idempotency_key != NULL;
	if (!out->by_idempotency_key) {
		out->id = id_of_bytes("evt_", input->random);
		return;
	}
	out->id = id_of_event(kind, key_id, idempotency_key, correlation_key);
	out->request = DIGEST(((Slice){ &byte, 1 }), key_id, SLICE("\0"), idempotency_key);
}

static void identify(Accepted *out, const AcceptInput *input, const EventDocument *event, Slice correlation_key)
{
	if (!event->id) {
		identify_by_request(out, ID_EVENT_OF_REQUEST, input, correlation_key);
		return;
	}
	out->by_idempotency_key = false;
	out->id = id_of_event(ID_EVENT_OF_SENDER, slice_of(event->source), slice_of(event->id), correlation_key);
}

static Slice text_if(bool wanted, const char *text)
{
	return wanted ? slice_of(text) : SLICE_NONE;
}

/* False: the event has no member by which its source is correlated; *out is unchanged. */
static bool correlate(const SourcePolicy *source, const EventDocument *event, Id *out)
{
	Slice by_source = text_if(source->by_source, event->source), by_rule = text_if(source->by_rule, event->rule);
	Slice by_asset = text_if(source->by_asset, event->asset), by_actor = text_if(source->by_actor, event->actor);

	if (by_source.size + by_rule.size + by_asset.size + by_actor.size == 0)
		return false;
	*out = correlation_key_of_members(by_source, by_rule, by_asset, by_actor);
	return true;
}

static Id key_of_id(const Id *id)
{
	return id_of_pair(ID_CORRELATION_KEY_OF_ID, id_slice(id), SLICE_NONE);
}

/* If occurred_at is after received_at: the milliseconds by which the sender's clock is ahead, at least. Else INT64_MIN. */
static int64_t clock_offset(Instant occurred_at, Instant received_at)
{
	bool ahead = occurred_at != INSTANT_NONE && occurred_at > received_at;

	return ahead ? occurred_at - received_at : INT64_MIN;
}

/* A packed header: name, NUL, value, NUL. */
static void write_header(Buffer *out, const char *name, Slice value)
{
	buffer_text(out, name);
	buffer_byte(out, '\0');
	buffer_append(out, value);
	buffer_byte(out, '\0');
}

static void write_headers(Buffer *out, const Id *id, const char *type, Instant received_at, const EventHeader *header)
{
	char time[INSTANT_TEXT];

	instant_format(received_at, time);
	buffer_init(out, ACCEPTED_HEADERS_MAX);
	write_header(out, "ce_id", id_slice(id));
	write_header(out, "ce_type", slice_of(type));
	write_header(out, "ce_time", (Slice){ time, INSTANT_TEXT - 1 });
	buffer_append(out, (Slice){ EVENT_HEADER, sizeof EVENT_HEADER });
	event_header_write(out, header);
	buffer_byte(out, '\0');
	must(!out->overflowed);
}

static void set_key(Accepted *out, const Id *key)
{
	memcpy(out->correlation_key, key->text, sizeof out->correlation_key);
	out->slot = slot_of(id_slice(key));
}

/* ---- events and reports ---------------------------------------------------------------------------------------- */

Result accept_event(const Policy *policy, const AcceptInput *input, Accepted *out, FieldErrors *errors,
		    ProblemCode *code)
{
	DocumentStorage storage DOCUMENT_STORAGE_AUTO;
	EventDocument event;
	Id key;

	storage.tree = NULL; /* storage.texts needs no initialisation */
	TRY(document_read(&event_table, input, &storage, &event, errors, code));
	const SourcePolicy *source = policy_source(policy, event.source);
	bool correlated = correlate(source, &event, &key);
	identify(out, input, &event, correlated ? id_slice(&key) : SLICE_NONE);
	if (!correlated)
		key = key_of_id(&out->id);
	set_key(out, &key);
	EventHeader header = {
		.window_seconds = source->window_seconds,
		.cap_seconds = source->cap_seconds,
		.severity = event.severity >= 0 ? event.severity : SEVERITY_MEDIUM,
		.clock_offset_ms = clock_offset(event.occurred_at, input->received_at),
	};
	write_headers(&out->headers, &out->id, TYPE_EVENT_RECEIVED, input->received_at, &header);
	return result_ok();
}

Result accept_report(const Policy *policy, const AcceptInput *input, Accepted *out, FieldErrors *errors,
		     ProblemCode *code)
{
	DocumentStorage storage DOCUMENT_STORAGE_AUTO;
	ReportDocument report;

	(void)policy; /* reports are not correlated */
	storage.tree = NULL;
	TRY(document_read(&report_table, input, &storage, &report, errors, code));
	identify_by_request(out, ID_REPORT_OF_REQUEST, input, SLICE_NONE);
	Id key = key_of_id(&out->id);
	set_key(out, &key);
	EventHeader header = {
		.severity = -1,
		.clock_offset_ms = clock_offset(report.occurred_at, input->received_at),
	};
	write_headers(&out->headers, &out->id, TYPE_REPORT_RECEIVED, input->received_at, &header);
	return result_ok();
}
