#include "services/audit/core/chain.h"

#include "shared/base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- writing */

/* Headers written by other programs may hold any bytes; a value that is not UTF-8 is written as base64. */
static void member_write(Buffer *out, const char *name, Slice value)
{
	buffer_format(out, ",\"%s\":", name);
	if (!value.data) {
		buffer_text(out, "null");
		return;
	}
	buffer_byte(out, '"');
	if (text_is_utf8(value)) {
		buffer_json_escape(out, value);
	} else {
		buffer_text(out, "base64:");
		base64_append(out, value);
	}
	buffer_byte(out, '"');
}

static bool is_object(Slice body)
{
	json_t *tree JSON_AUTO = NULL;
	return !result_failed(json_read(body, &tree));
}

/* In JSON a line break can occur only between tokens, where a space is equivalent. */
static void data_write(Buffer *out, Slice body)
{
	while (body.size > 0) {
		size_t plain = 0;
		while (plain < body.size && body.data[plain] != '\n' && body.data[plain] != '\r')
			plain++;
		buffer_append(out, (Slice){ body.data, plain });
		if (plain == body.size)
			return;
		buffer_byte(out, ' ');
		body = (Slice){ body.data + plain + 1, body.size - plain - 1 };
	}
}

void chain_record_write(Buffer *out, const ChainRecord *record)
{
	buffer_text(out, "{\"source\":\"");
	buffer_json_escape(out, record->topic);
	buffer_byte(out, '"');
	member_write(out, "id", record->id);
	member_write(out, "type", record->type);
	member_write(out, "subject", record->subject);
	member_write(out, "time", record->time);
	buffer_format(out, ",\"partition\":%u,\"offset\":%" PRId64, record->partition, record->offset);
	member_write(out, "cause", record->cause);
	if (is_object(record->body)) {
		buffer_text(out, ",\"data\":");
		data_write(out, record->body);
	} else {
		buffer_text(out, ",\"data_base64\":\"");
		base64_append(out, record->body);
		buffer_byte(out, '"');
	}
	buffer_byte(out, '}');
}

static Slice digest_slice(const Digest *digest)
{
	return (Slice){ (const char *)digest->bytes, DIGEST_BYTES };
}

static Digest hash_of(const Digest *previous, Slice record)
{
	return DIGEST(digest_slice(previous), record);
}

/* Writes the part of a line before its record. */
static void prefix_write(Buffer *out, const ChainLine *line)
{
	char previous[DIGEST_HEX], hash[DIGEST_HEX];
	digest_hex(&line->previous, previous);
	digest_hex(&line->hash, hash);
	buffer_format(out, "{\"seq\":%" PRId64 ",\"previous\":\"%s\",\"hash\":\"%s\",\"topic\":\"", line->seq, previous,
		      hash);
	buffer_append(out, line->topic);
	buffer_text(out, "\",\"record\":");
}

Result chain_append(ChainHead *head, const ChainRecord *record, Buffer *out)
{
	size_t before = out->size;
	Buffer value;
	buffer_init(&value, CHAIN_LINE_MAX / 2);
	chain_record_write(&value, record);
	if (value.overflowed) {
		buffer_release(&value);
		return result_fail(ERROR_INPUT, "the record is larger than a line of the audit log can be");
	}
	ChainLine line = {
		.seq = head->count + 1, .previous = head->head, .topic = record->topic, .record = buffer_slice(&value)
	};
	line.hash = hash_of(&line.previous, line.record);
	prefix_write(out, &line);
	buffer_append(out, line.record);
	buffer_text(out, "}\n");
	buffer_release(&value);
	if (out->overflowed) {
		buffer_cut(out, before);
		return result_fail(ERROR_INTERNAL, "the lines of a batch are larger than %zu bytes", out->max);
	}
	*head = (ChainHead){ .count = line.seq, .size = head->size + (int64_t)(out->size - before), .head = line.hash };
	return result_ok();
}

/* ---- reading */

static bool take(Slice *rest, Slice literal)
{
	if (!slice_starts_with(*rest, literal))
		return false;
	*rest = (Slice){ rest->data + literal.size, rest->size - literal.size };
	return true;
}

/* Takes the bytes before the next end character, and skips that character. */
static bool take_until(Slice *rest, char end, Slice *out)
{
	const char *found = rest->size > 0 ? memchr(rest->data, end, rest->size) : NULL;
	if (!found)
		return false;
	*out = (Slice){ rest->data, (size_t)(found - rest->data) };
	*rest = (Slice){ found + 1, rest->size - out->size - 1 };
	return true;
}

bool chain_line_read(Slice line, ChainLine *out)
{
	Slice rest = line, seq, previous, hash;
	ChainLine read;
	if (!take(&rest, SLICE("{\"seq\":")) || !take_until(&rest, ',', &seq) || !slice_integer(seq, &read.seq) ||
	    !take(&rest, SLICE("\"previous\":\"")) || !take_until(&rest, '"', &previous) ||
	    !digest_from_hex(previous, &read.previous) || !take(&rest, SLICE(",\"hash\":\"")) ||
	    !take_until(&rest, '"', &hash) || !digest_from_hex(hash, &read.hash) ||
	    !take(&rest, SLICE(",\"topic\":\"")) || !take_until(&rest, '"', &read.topic) ||
	    !take(&rest, SLICE(",\"record\":{")) || rest.size < 2 || rest.data[rest.size - 1] != '}')
		return false;
	read.record = (Slice){ rest.data - 1, rest.size };
	*out = read;
	return true;
}

/* ---- checking */

/* True when the text is exactly what prefix_write writes for the line. A capital in a hash or a leading zero is rejected. */
static bool is_canonical(Slice text, const ChainLine *line)
{
	Buffer prefix;
	buffer_init(&prefix, CHAIN_LINE_MAX);
	prefix_write(&prefix, line);
	bool canonical = slice_starts_with(text, buffer_slice(&prefix)) && prefix.size + line->record.size + 1 == text.size;
	buffer_release(&prefix);
	return canonical;
}

static bool topic_is_bound(const ChainLine *line)
{
	Slice rest = line->record;
	return take(&rest, SLICE("{\"source\":\"")) && take(&rest, line->topic) && take(&rest, SLICE("\","));
}

bool chain_line_check(ChainHead *head, Slice text, char why[static CHAIN_WHY])
{
	ChainLine line;
	int64_t seq = head->count + 1;
	if (!chain_line_read(text, &line)) {
		snprintf(why, CHAIN_WHY, "it is not a line of an audit log");
		return false;
	}
	Digest hash = hash_of(&line.previous, line.record);
	if (line.seq != seq)
		snprintf(why, CHAIN_WHY,
			 "its seq is %" PRId64 ", not %" PRId64 ": lines are missing, added or moved",
			 line.seq, seq);
	else if (!digest_equals(&line.previous, &head->head))
		snprintf(why, CHAIN_WHY, "its previous is not the hash of the line before it");
	else if (!digest_equals(&line.hash, &hash))
		snprintf(why, CHAIN_WHY, "its hash does not match its record: one of them was changed");
	else if (!is_canonical(text, &line))
		snprintf(why, CHAIN_WHY, "it is not in the form in which lines are written: it was changed");
	else if (!topic_is_bound(&line))
		snprintf(why, CHAIN_WHY, "its topic is not the source of its record: it was changed");
	else {
		*head = (ChainHead){ .count = seq, .size = head->size + (int64_t)text.size + 1, .head = hash };
		return true;
	}
	return false;
}

/* ---- a whole log */

void chain_verify_init(ChainVerify *verify)
{
	*verify = (ChainVerify){ 0 };
	buffer_init(&verify->partial, CHAIN_LINE_MAX);
}

void chain_verify_release(ChainVerify *verify)
{
	buffer_release(&verify->partial);
}

static bool verify_fail(ChainVerify *verify, const char *why)
{
	verify->bad_line = verify->head.count + 1;
	if (why)
		snprintf(verify->why, sizeof(verify->why), "%s", why);
	return false;
}

bool chain_verify_feed(ChainVerify *verify, Slice bytes)
{
	if (verify->bad_line > 0)
		return false;
	Slice rest = bytes, line;
	while (take_until(&rest, '\n', &line)) {
		if (verify->partial.size > 0) {
			buffer_append(&verify->partial, line);
			line = buffer_slice(&verify->partial);
		}
		if (verify->partial.overflowed)
			break;
		if (!chain_line_check(&verify->head, line, verify->why))
			return verify_fail(verify, NULL);
		buffer_clear(&verify->partial);
	}
	buffer_append(&verify->partial, rest);
	return verify->partial.overflowed ? verify_fail(verify, "it is longer than a line can be: it was changed") : true;
}

bool chain_verify_end(ChainVerify *verify, const ChainHead *expected)
{
	const ChainHead *head = &verify->head;
	if (verify->bad_line > 0)
		return false;
	if (verify->partial.size > 0)
		return verify_fail(verify, "it is incomplete: the file ends in the middle of it");
	if (expected && (expected->count != head->count || expected->size != head->size ||
			 !digest_equals(&expected->head, &head->head)))
		return verify_fail(verify,
				   "the log does not end at its checkpoint: lines were removed or added at its end");
	return true;
}
