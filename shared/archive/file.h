/*
 * The file that carries everything of record from one bus to another: `tocsin export` writes it, `tocsin import` reads
 * it.
 *
 * Text, UTF-8, one JSON object a line, in this order:
 *
 *   {"tocsin":"export","format":1,"made_by":"0.1.0","made_at":"…","partitions":1,"cluster":"…"}
 *   {"topic":"events","slot":1234,"key":"…","headers":[["ce_id","evt_…"],…],"body":"…"}   a record
 *   {"audit":"{\"seq\":1,…}"}                                                             a line of the audit log
 *   {"records":{"events":17,…},"audit_lines":42,"digest":"<64 hex>"}
 *
 *   slot      what a record's partition is made of (slot mod P); null on topics that have one partition only
 *   key, header values, body, audit lines   bytes: a string where they are text, else {"base64":"…"}
 *   digest    D(n), where D(0) = 32 zero bytes and D(n) = SHA-256(D(n-1) ‖ line n without its line feed), of the last
 *             line only what stands before ,"digest". It shows that a file was cut or damaged, not who made it.
 *
 * Streams stand before ledgers, and a ledger that another one counts stands before it: so whoever reads the file in
 * one go always knows already where the inputs of a ledger end. Records of one slot and topic stand in the order in
 * which they came. Of ledgers there are only accepted records, without the headers of their old owners. Where a header
 * of a record names offsets of an input (Service.offsets) they are counted from the END of that input as it was
 * exported: 0 or less.
 *
 * Bounds: a line has at most ARCHIVE_LINE_MAX bytes; memory is that of a few lines, whatever the file's size.
 */
#ifndef TOCSIN_ARCHIVE_FILE_H
#define TOCSIN_ARCHIVE_FILE_H

#include "shared/base/error.h"
#include "shared/base/hash.h"
#include "shared/base/instant.h"
#include "shared/base/json.h"
#include "shared/domain/topics.h"
#include "shared/io/bus.h"

#include <stdio.h>

enum { ARCHIVE_FORMAT = 1, ARCHIVE_LINE_MAX = 64 << 20 };

/* A record; borrowed. */
typedef struct {
	TopicId topic;
	unsigned slot; /* of slotted topics */
	Slice key, headers, body;
} ArchiveRecord;

/* How much of what. */
typedef struct {
	uint64_t records[TOPICS], audit_lines;
} ArchiveCounts;

/* Offset that comes next in each partition, -1 where nobody looked. */
typedef struct {
	int64_t of[TOPICS][BUS_PARTITIONS_MAX];
} ArchiveEnds;

/* ---- writing */

typedef struct {
	FILE *file; /* not owned */
	Digest digest;
	ArchiveCounts counts;
	Buffer line;
} ArchiveWriter;

void archive_writer_init(ArchiveWriter *writer, FILE *file);
void archive_writer_release(ArchiveWriter *writer);

/* In this order; ERROR_AGAIN: it cannot be written. */
Result archive_write_manifest(ArchiveWriter *writer, unsigned partitions, const char *cluster, Instant now);
Result archive_write_record(ArchiveWriter *writer, const ArchiveRecord *record);
Result archive_write_audit(ArchiveWriter *writer, Slice line);
Result archive_write_end(ArchiveWriter *writer);

/* ---- reading */

typedef enum { ARCHIVE_RECORD, ARCHIVE_AUDIT, ARCHIVE_END } CarryKind;

/* Borrowed until the next call. */
typedef struct {
	CarryKind kind;
	ArchiveRecord record;
	Slice audit;
} ArchiveItem;

typedef struct {
	FILE *file; /* not owned */
	uint64_t line_number;
	Digest digest;
	ArchiveCounts counts;
	unsigned partitions; /* of the bus it was made from */
	json_t *tree;
	Buffer line, key, headers, body;
	char chunk[1 << 16];
	size_t chunk_at, chunk_size;
	bool ended;
} ArchiveReader;

/* Reads the manifest. ERROR_INPUT: no export, or a newer Tocsin's; ERROR_AGAIN: not readable. Released in any case. */
Result archive_reader_init(ArchiveReader *reader, FILE *file);
void archive_reader_release(ArchiveReader *reader);

/*
 * The next line. ARCHIVE_END only when the digest and all counts are right and nothing follows. ERROR_INPUT names the
 * line and what is wrong: cut off, damaged, no line of an export.
 */
Result archive_read(ArchiveReader *reader, ArchiveItem *out);

#endif
