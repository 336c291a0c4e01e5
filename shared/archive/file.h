/*
 * The archive file: all accepted records of a bus, and its audit log. `tocsin export` writes it, `tocsin import` reads it.
 *
 * UTF-8 text, one JSON object a line, in this order:
 *
 *   {"tocsin":"export","format":1,"made_by":"0.1.0","made_at":"…","partitions":1,"cluster":"…"}
 *   {"topic":"events","slot":1234,"key":"…","headers":[["ce_id","evt_…"],…],"body":"…"}   a record
 *   {"audit":"{\"seq\":1,…}"}                                                             a line of the audit log
 *   {"records":{"events":17,…},"audit_lines":42,"digest":"<64 hex>"}
 *
 *   slot      determines the record's partition (slot mod P); null on topics that always have one partition
 *   key, header values, body, audit lines   a string if the bytes are text, else {"base64":"…"}
 *   digest    D(n), where D(0) = 32 zero bytes and D(n) = SHA-256(D(n-1) ‖ line n without its line feed); of the last
 *             line, only the part before ,"digest". It reveals that a file is truncated or damaged, but not that somebody
 *             has forged it.
 *
 * Streams and tables precede ledgers, and a ledger precedes the ledgers whose inputs include it. So a reader that goes through
 * the file once knows where the inputs of a ledger end before it reads the ledger. Records of the same slot and topic keep
 * their order. Ledgers hold only accepted records, without the headers of their former owners' epochs. Offsets of an input in
 * a header (Service.offsets) are relative to the END of that input at the time of the export: 0 or less.
 *
 * Bounds: a line has at most ARCHIVE_LINE_MAX bytes; reader and writer keep only a few lines in memory.
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

/* A record; its slices are borrowed. */
typedef struct {
	TopicId topic;
	unsigned slot; /* only if topics[topic].slotted */
	Slice key, headers, body;
} ArchiveRecord;

/* The number of lines of an archive: records of each topic, and lines of the audit log. */
typedef struct {
	uint64_t records[TOPICS], audit_lines;
} ArchiveCounts;

/* The end (next offset) of each partition; -1: not known. */
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
void archive_writer_release(ArchiveWriter *writer); /* leaves the file open */

/*
 * Each function writes one line. Order of calls: manifest, records, audit lines, end. ERROR_AGAIN: the file cannot be written;
 * ERROR_INTERNAL: the line would be longer than ARCHIVE_LINE_MAX.
 */
Result archive_write_manifest(ArchiveWriter *writer, unsigned partitions, const char *cluster, Instant now);
Result archive_write_record(ArchiveWriter *writer, const ArchiveRecord *record);
Result archive_write_audit(ArchiveWriter *writer, Slice line);
Result archive_write_end(ArchiveWriter *writer);

/* ---- reading */

typedef enum { ARCHIVE_RECORD, ARCHIVE_AUDIT, ARCHIVE_END } ArchiveItemKind;

/* Borrowed from the reader until the next call. */
typedef struct {
	ArchiveItemKind kind;
	ArchiveRecord record; /* ARCHIVE_RECORD */
	Slice audit;          /* ARCHIVE_AUDIT: a line of the audit log, without its line feed */
} ArchiveItem;

typedef struct {
	FILE *file; /* not owned */
	uint64_t line_number; /* of the last line read, from 1 */
	Digest digest;
	ArchiveCounts counts;
	unsigned partitions; /* of the exported bus */
	json_t *tree;
	Buffer line, key, headers, body;
	char chunk[1 << 16];
	size_t chunk_at, chunk_size;
	bool ended;
} ArchiveReader;

/*
 * Reads the manifest. ERROR_INPUT: the file is not an export, its format is unknown to this version, or the manifest is damaged;
 * ERROR_AGAIN: a read failed. Release the reader also after a failure.
 */
Result archive_reader_init(ArchiveReader *reader, FILE *file);
void archive_reader_release(ArchiveReader *reader);

/*
 * Reads the next line. ARCHIVE_END: the file ends, and digest and counts match; do not call archive_read again. ERROR_INPUT
 * names the line and its fault (truncated, damaged, not part of an export); ERROR_AGAIN: a read failed.
 */
Result archive_read(ArchiveReader *reader, ArchiveItem *out);

#endif
