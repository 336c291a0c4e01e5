#include "shared/domain/ledger.h"

#include "shared/domain/topics.h"
#include "shared/base/header.h"
#include "shared/base/bugs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char decimal[] = "0123456789", hexadecimal[] = "0123456789abcdef";
static const uint64_t MARK_MAX = UINT64_C(1) << 53; /* of epochs and sequence numbers; counting by one never reaches it */

LedgerVerdict ledger_take(LedgerCursor *cursor, const LedgerMark *mark)
{
	bool trimmed = cursor->trimmed;
	cursor->trimmed = false;
	if (cursor->next == 0)
		cursor->genesis_owner = mark->owner;
	if (trimmed && !mark->claim) {
		*cursor = ledger_enter(mark, cursor->next);
		return LEDGER_ACCEPT;
	}
	cursor->next++;
	if (mark->claim) {
		if (mark->epoch <= cursor->epoch && !BUG(7))
			return LEDGER_DROP;
		cursor->prev_epoch = cursor->epoch;
		cursor->prev_seq = cursor->seq;
		cursor->epoch = mark->epoch;
		cursor->owner = mark->owner;
		cursor->seq = BUG(7) ? cursor->seq : 0;
		cursor->marked = cursor->next;
		return LEDGER_CLAIMED;
	}
	bool current = mark->epoch == cursor->epoch && (mark->owner == cursor->owner || BUG(9));
	bool next = mark->seq == cursor->seq + 1 || BUG(5);
	if (!(current || BUG(7)) || !next)
		return LEDGER_DROP;
	cursor->seq = mark->seq;
	cursor->marked = cursor->next;
	return LEDGER_ACCEPT;
}

bool ledger_cursor_fits(const LedgerCursor *cursor, const LedgerMark *found)
{
	return found->epoch == cursor->epoch && found->owner == cursor->owner && found->seq == cursor->seq;
}

LedgerCursor ledger_begin(int64_t first)
{
	return (LedgerCursor){ .next = first, .trimmed = first > 0 };
}

LedgerCursor ledger_enter(const LedgerMark *accepted, int64_t offset)
{
	return (LedgerCursor){
		.epoch = accepted->epoch,     .owner = accepted->owner,   .seq = accepted->seq,
		.prev_epoch = LEDGER_UNKNOWN, .prev_seq = LEDGER_UNKNOWN, .next = offset + 1,
		.marked = offset + 1,
	};
}

/* Reads a number of `digits` only: strtoull alone would also accept signs, spaces and 0x. */
static bool unsigned_read(Slice text, int base, const char *digits, uint64_t *out)
{
	char copy[24];
	if (text.size == 0 || !text_copy(text, copy, sizeof(copy)) || strspn(copy, digits) != text.size)
		return false;
	errno = 0;
	*out = strtoull(copy, NULL, base);
	return errno == 0;
}

Result ledger_mark_read(Slice headers, LedgerMark *out)
{
	LedgerMark mark;
	if (!unsigned_read(header_get(headers, "ce_epoch"), 10, decimal, &mark.epoch) ||
	    !unsigned_read(header_get(headers, "ce_owner"), 16, hexadecimal, &mark.owner) ||
	    !unsigned_read(header_get(headers, "ce_seq"), 10, decimal, &mark.seq) || mark.epoch == 0 ||
	    mark.epoch > MARK_MAX || mark.seq > MARK_MAX)
		return result_fail(ERROR_INPUT, "not a ledger record: ce_epoch, ce_owner or ce_seq is missing or invalid");
	mark.claim = mark.seq == 0;
	*out = mark;
	return result_ok();
}

LedgerVerdict ledger_judge(LedgerCursor *cursor, Slice headers, LedgerMark *mark)
{
	if (!result_failed(ledger_mark_read(headers, mark)))
		return ledger_take(cursor, mark);
	*mark = (LedgerMark){ 0 };
	cursor->next++;
	return LEDGER_DROP;
}

void ledger_mark_write(Buffer *headers, const LedgerMark *mark)
{
	char owner[20];
	int size = snprintf(owner, sizeof(owner), "%016" PRIx64, mark->owner);
	header_add_integer(headers, "ce_epoch", (int64_t)mark->epoch);
	header_add(headers, "ce_owner", (Slice){ owner, (size_t)size });
	header_add_integer(headers, "ce_seq", (int64_t)mark->seq);
}

Result ledger_opening_check(const LedgerCursor *cursor, Slice headers)
{
	Slice previous = header_get(headers, "ce_prev");
	char expected[48];
	snprintf(expected, sizeof(expected), "%" PRIu64 ".%" PRIu64, cursor->prev_epoch, cursor->prev_seq);
	bool known = cursor->prev_epoch != LEDGER_UNKNOWN;
	if (known && previous.data && !slice_is(previous, expected))
		return result_fail(ERROR_INTERNAL, "lost or changed accepted records before epoch %" PRIu64, cursor->epoch);
	return result_ok();
}

/* Reads one position, "assessments=NUMBER" or "journal/3=NUMBER", and adds it to *out. */
static bool position_read(Slice item, unsigned own_partition, LedgerPositions *out)
{
	const char *equals = memchr(item.data, '=', item.size);
	if (!equals || out->count == LEDGER_POSITIONS_MAX)
		return false;
	Slice name = { item.data, (size_t)(equals - item.data) };
	Slice number = { equals + 1, item.size - name.size - 1 };
	int64_t partition = own_partition, position;
	const char *slash = memchr(name.data, '/', name.size);
	if (slash) {
		Slice rest = { slash + 1, name.size - (size_t)(slash + 1 - name.data) };
		if (!slice_integer(rest, &partition) || partition < 0 || partition >= LEDGER_PARTITIONS_MAX)
			return false;
		name.size = (size_t)(slash - name.data);
	}
	TopicId topic = topic_of(name);
	if (topic == TOPICS || !slice_integer(number, &position) || position < 0)
		return false;
	out->list[out->count].topic = topic;
	out->list[out->count].partition = (unsigned)partition;
	out->list[out->count].position = position;
	out->count++;
	return true;
}

Result ledger_positions_read(Slice text, unsigned own_partition, LedgerPositions *out)
{
	LedgerPositions positions = { 0 };
	while (text.size > 0) {
		const char *end = memchr(text.data, ';', text.size);
		Slice item = { text.data, end ? (size_t)(end - text.data) : text.size };
		if (!position_read(item, own_partition, &positions))
			return result_fail(ERROR_INPUT, "ce_positions is invalid: it must be a list of TOPIC[/PARTITION]=OFFSET, separated by semicolons");
		size_t used = item.size + (end ? 1 : 0);
		text = (Slice){ text.data + used, text.size - used };
	}
	*out = positions;
	return result_ok();
}

void ledger_positions_write(Buffer *out, unsigned own_partition, const LedgerPositions *positions)
{
	for (size_t i = 0; i < positions->count; i++) {
		if (i)
			buffer_byte(out, ';');
		buffer_text(out, topics[positions->list[i].topic].short_name);
		if (positions->list[i].partition != own_partition)
			buffer_format(out, "/%u", positions->list[i].partition);
		buffer_format(out, "=%" PRId64, positions->list[i].position);
	}
}
