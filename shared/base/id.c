#include "shared/base/id.h"

#include <stdio.h>
#include <string.h>

/* Crockford's alphabet, without i, l, o, u. It is in ASCII order, so that ids sort like the numbers they encode. */
static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
static const char upper_digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* An incident id has 10 characters for the time (50 bits, the first two zero) and 16 for slot and hash (12 and 68 bits). */
enum { PREFIX_MAX = 5, TIME_BASE32 = 10, TAIL_BASE32 = 16, TAIL_BYTES = 10 };

static const char incident_prefix[] = "inc_";

/* The prefixes of the kinds with two parts. NULL: a kind with a function of its own. */
static const char *const prefixes[ID_KINDS] = {
	[ID_RECORD_OF_INPUT] = "rec_",  [ID_RECORD_OF_OWNER] = "rec_",    [ID_PROTOCOL_RECORD] = "led_",
	[ID_IMPORTED_PROTOCOL] = "led_", [ID_REPEAT_REPORT] = "rep_",     [ID_ATTEMPT] = "del_",
	[ID_ESCALATION] = "esc_",       [ID_CHECKPOINT] = "chk_",         [ID_POLICY] = "pol_",
	[ID_TABLE_ROW] = "out_",        [ID_CORRELATION_KEY_OF_ID] = "",  [ID_JOIN_KEY] = "",
	[ID_LINK_PART] = "",            [ID_COMMAND_OF_REQUEST] = "cmd_", [ID_COMMAND_LINK] = "cmd_",
	[ID_COMMAND_CAMPAIGN] = "cmd_", [ID_COMMAND_ESCALATED] = "cmd_",  [ID_KEY_EVENT] = "evt_",
	[ID_JOIN] = "jon_",             [ID_ASSESSMENT] = "asm_",         [ID_OUTPUT] = "out_",
	[ID_MESSAGE] = "msg_",          [ID_DEAD_LETTER] = "dlt_",
};

/* ---- base32 --------------------------------------------------------------------------------------------------- */

/* Encodes the first 5 * count bits of bytes, the highest bit first. */
static void base32_write(const char *alphabet, const uint8_t *bytes, size_t count, char *out)
{
	uint32_t bits = 0;
	unsigned held = 0;

	for (size_t i = 0; i < count; i++) {
		if (held < 5) {
			bits = bits << 8 | *bytes++;
			held += 8;
		}
		held -= 5;
		out[i] = alphabet[bits >> held & 31];
	}
}

/* Reads count digits, at most 12; false if a byte is not a digit. */
static bool base32_number(const char *text, size_t count, uint64_t *out)
{
	uint64_t number = 0;

	for (size_t i = 0; i < count; i++) {
		const char *digit = memchr(digits, text[i], sizeof digits - 1);
		if (!digit)
			return false;
		number = number << 5 | (uint64_t)(digit - digits);
	}
	*out = number;
	return true;
}

/* ---- ids ------------------------------------------------------------------------------------------------------ */

/* An id that has its prefix and only NULs behind the prefix. The caller writes the 26 characters from text[*body] on. */
static Id id_begin(const char *prefix, size_t *body)
{
	Id id = { .text = "" };
	size_t length = strlen(prefix);

	must(length <= PREFIX_MAX);
	memcpy(id.text, prefix, length);
	*body = length;
	return id;
}

Id id_of_bytes(const char *prefix, const uint8_t bytes[static 17])
{
	size_t body;
	Id id = id_begin(prefix, &body);

	base32_write(digits, bytes, ID_BASE32, id.text + body);
	return id;
}

/* The size of a part in four bytes, big endian. */
typedef struct {
	char bytes[4];
} PartSize;

static PartSize part_size(Slice part)
{
	must(part.size <= UINT32_MAX);
	return (PartSize){ { (char)(part.size >> 24), (char)(part.size >> 16), (char)(part.size >> 8), (char)part.size } };
}

/* SHA-256 of the domain byte and the parts, each behind its size. */
static Digest digest_in_domain(IdKind kind, const Slice *parts, size_t count)
{
	enum { PARTS_MAX = 2 };
	const char byte = (char)kind;
	PartSize sizes[PARTS_MAX];
	Slice hashed[1 + 2 * PARTS_MAX] = { { &byte, 1 } };

	must(kind > 0 && kind < ID_BEFORE_DOMAINS && count <= PARTS_MAX);
	for (size_t i = 0; i < count; i++) {
		sizes[i] = part_size(parts[i]);
		hashed[1 + 2 * i] = (Slice){ sizes[i].bytes, sizeof sizes[i].bytes };
		hashed[2 + 2 * i] = parts[i];
	}
	return digest_of(hashed, 1 + 2 * count);
}

Id id_of_event(IdKind kind, Slice first, Slice second, Slice correlation_key)
{
	const char byte = (char)kind;
	const Slice end = SLICE("\0");

	must(kind >= ID_EVENT_OF_SENDER && kind <= ID_REPORT_OF_REQUEST);
	Digest digest = DIGEST(((Slice){ &byte, 1 }), first, end, second, end, correlation_key);
	return id_of_bytes("evt_", digest.bytes);
}

Id correlation_key_of_members(Slice source, Slice rule, Slice asset, Slice actor)
{
	const Slice end = SLICE("\0");
	Digest digest = DIGEST(source, end, rule, end, asset, end, actor);

	return id_of_bytes("", digest.bytes);
}

Id id_of_pair(IdKind kind, Slice first, Slice second)
{
	must(kind < ID_KINDS && prefixes[kind]);
	Digest digest = kind < ID_BEFORE_DOMAINS ? digest_in_domain(kind, (const Slice[]){ first, second }, 2)
						 : DIGEST(first, SLICE("\0"), second);
	return id_of_bytes(prefixes[kind], digest.bytes);
}

Id id_derived(IdKind kind, Slice parent, unsigned ordinal)
{
	char decimal[12];

	snprintf(decimal, sizeof decimal, "%u", ordinal);
	return id_of_pair(kind, parent, slice_of(decimal));
}

Id id_of_incident(Instant received_at, unsigned slot, Slice event_id)
{
	must(received_at >= 0 && received_at <= INSTANT_MAX && slot < SLOTS);
	Digest digest = digest_in_domain(ID_INCIDENT, &event_id, 1);
	size_t body;
	Id id = id_begin(incident_prefix, &body);
	uint8_t tail[TAIL_BYTES] = { (uint8_t)(slot >> 4), (uint8_t)((slot & 15) << 4 | digest.bytes[0] >> 4) };

	for (size_t i = 2; i < TAIL_BYTES; i++)
		tail[i] = (uint8_t)((digest.bytes[i - 2] & 15) << 4 | digest.bytes[i - 1] >> 4);
	for (size_t i = 0; i < TIME_BASE32; i++)
		id.text[body + i] = digits[(uint64_t)received_at >> (5 * (TIME_BASE32 - 1 - i)) & 31];
	base32_write(digits, tail, TAIL_BASE32, id.text + body + TIME_BASE32);
	return id;
}

bool id_incident_parse(Slice incident_id, unsigned *slot, Instant *opened_at)
{
	uint64_t time, head;

	if (!id_is(incident_prefix, incident_id))
		return false;
	const char *body = incident_id.data + sizeof incident_prefix - 1;
	/* The three characters after the time hold the 12 bits of the slot and three bits of the hash. */
	if (!base32_number(body, TIME_BASE32, &time) || !base32_number(body + TIME_BASE32, 3, &head) ||
	    time > (uint64_t)INSTANT_MAX)
		return false;
	*slot = (unsigned)(head >> 3);
	*opened_at = (Instant)time;
	return true;
}

bool id_is(const char *prefix, Slice text)
{
	Slice start = slice_of(prefix);

	if (text.size != start.size + ID_BASE32 || !slice_starts_with(text, start))
		return false;
	for (size_t i = start.size; i < text.size; i++)
		if (!memchr(digits, text.data[i], sizeof digits - 1))
			return false;
	return true;
}

void number_of_incident(Instant received_at, Slice event_id, char out[static NUMBER_SIZE])
{
	Digest digest = digest_in_domain(ID_NUMBER, &event_id, 1);
	char code[9] = "";

	base32_write(upper_digits, digest.bytes, 8, code);
	/* The year has four digits (INSTANT_MAX). % 10000 proves this to the compiler, which else warns of a truncated text. */
	unsigned year = (unsigned)instant_year(received_at) % 10000;
	snprintf(out, NUMBER_SIZE, "INC-%04u-%.4s-%.4s", year, code, code + 4);
}

bool number_is(Slice text)
{
	static const char shape[] = "INC-yyyy-XXXX-XXXX", year[] = "0123456789", rest[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

	if (text.size != sizeof shape - 1)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		const char *any = shape[i] == 'y' ? year : shape[i] == 'X' ? rest : NULL;
		if (any ? !memchr(any, text.data[i], strlen(any)) : text.data[i] != shape[i])
			return false;
	}
	return true;
}

unsigned slot_of(Slice correlation_key)
{
	return hash_murmur2(correlation_key) & (SLOTS - 1);
}

Slice id_slice(const Id *id)
{
	return slice_of(id->text);
}
