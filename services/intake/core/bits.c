#include "services/intake/core/bits.h"

#include <string.h>

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

/* Value of a base32 character + 1; 0 for any other byte. */
static const uint8_t values[256] = {
	['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
	['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
	['g'] = 17, ['h'] = 18, ['j'] = 19, ['k'] = 20, ['m'] = 21, ['n'] = 22, ['p'] = 23, ['q'] = 24,
	['r'] = 25, ['s'] = 26, ['t'] = 27, ['v'] = 28, ['w'] = 29, ['x'] = 30, ['y'] = 31, ['z'] = 32,
};

enum { HALF = 13, HALF_BITS = 65, PREFIX = 4 };

/* 13 characters are 65 bits: the first goes to *top, the other 64 to *out. */
static bool half_read(const char *text, uint8_t *top, uint64_t *out)
{
	uint64_t bits = 0;
	unsigned bad = 0;
	for (unsigned i = 0; i < HALF; i++) {
		unsigned value = values[(uint8_t)text[i]];
		bad |= value - 1u;
		bits = bits << 5 | ((value - 1u) & 31u);
	}
	*top = (uint8_t)(((values[(uint8_t)text[0]] - 1u) >> 4) & 1u);
	*out = bits;
	return bad < 32;
}

bool bits_equal(Bits one, Bits other)
{
	return one.high == other.high && one.low == other.low && one.top == other.top;
}

bool bits_read(Slice text, Bits *out)
{
	uint64_t high = 0, low = 0;
	uint8_t high_top = 0, low_top = 0;
	if (text.size != ID_BASE32 || !half_read(text.data, &high_top, &high) ||
	    !half_read(text.data + HALF, &low_top, &low))
		return false;
	uint8_t top = (uint8_t)((unsigned)high_top << 1 | (unsigned)(high >> 63));
	*out = (Bits){ .high = high << 1 | low_top, .low = low, .top = top };
	return true;
}

Id bits_write(const char *prefix, Bits bits)
{
	Id id = { "" };
	size_t length = strnlen(prefix, ID_SIZE - ID_BASE32 - 1);
	memcpy(id.text, prefix, length);
	for (int i = ID_BASE32 - 1; i >= 0; i--) {
		id.text[length + (size_t)i] = alphabet[bits.low & 31u];
		bits.low = bits.low >> 5 | bits.high << 59;
		bits.high = bits.high >> 5 | (uint64_t)bits.top << 59;
		bits.top = 0;
	}
	return id;
}

static bool prefixed_read(Slice prefix, Slice id, Bits *out)
{
	return slice_starts_with(id, prefix) && bits_read((Slice){ id.data + prefix.size, id.size - prefix.size }, out);
}

bool bits_read_incident(Slice incident_id, Bits *out)
{
	return prefixed_read(SLICE("inc_"), incident_id, out);
}

bool bits_read_event(Slice event_id, Bits *out)
{
	return prefixed_read(SLICE("evt_"), event_id, out);
}

Instant bits_opened_at(Bits incident)
{
	return (Instant)(incident.high >> 16);
}

uint64_t fingerprint_of(Slice id)
{
	Bits bits = { 0 };
	if (id.size == PREFIX + ID_BASE32 && bits_read((Slice){ id.data + PREFIX, ID_BASE32 }, &bits))
		return bits.low ? bits.low : 1;
	Digest digest = DIGEST(id);
	uint64_t print = 0;
	memcpy(&print, digest.bytes, sizeof(print));
	return print ? print : 1;
}
