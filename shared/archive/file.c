#include "shared/archive/file.h"

#include "shared/base/id.h"
#include "shared/io/bus.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SEAL_SIZE = sizeof(",\"digest\":\"\"}") - 1 + DIGEST_HEX - 1 }; /* ,"digest":"…"} at the end of the last line */

/* ---- writing */

void archive_writer_init(ArchiveWriter *writer, FILE *file)
{
	*writer = (ArchiveWriter){ .file = file };
	buffer_init(&writer->line, ARCHIVE_LINE_MAX);
}

void archive_writer_release(ArchiveWriter *writer)
{
	buffer_release(&writer->line);
}

static Slice digest_slice(const Digest *digest)
{
	return (Slice){ (const char *)digest->bytes, DIGEST_BYTES };
}

static Result line_write(ArchiveWriter *writer)
{
	const Buffer *line = &writer->line;
	if (line->overflowed)
		return result_fail(ERROR_INTERNAL, "a line of the export would be longer than %d bytes",
				   ARCHIVE_LINE_MAX);
	writer->digest = DIGEST(digest_slice(&writer->digest), buffer_slice(line));
	if (fwrite(line->data, 1, line->size, writer->file) != line->size || putc('\n', writer->file) == EOF)
		return result_fail(ERROR_AGAIN, "the export cannot be written: %s", strerror(errno));
	return result_ok();
}

static bool is_text(Slice bytes)
{
	return text_is_utf8(bytes) && (bytes.size == 0 || memchr(bytes.data, '\0', bytes.size) == NULL);
}

static void bytes_write(Buffer *out, Slice bytes)
{
	bool text = is_text(bytes);
	buffer_text(out, text ? "\"" : "{\"base64\":\"");
	if (text)
		buffer_json_escape(out, bytes);
	else
		base64_append(out, bytes);
	buffer_text(out, text ? "\"" : "\"}");
}

static void headers_write(Buffer *out, Slice headers)
{
	Slice name, value;
	for (bool first = true; header_next(&headers, &name, &value); first = false) {
		buffer_text(out, first ? "[" : ",[");
		bytes_write(out, name);
		buffer_byte(out, ',');
		bytes_write(out, value);
		buffer_byte(out, ']');
	}
}

Result archive_write_manifest(ArchiveWriter *writer, unsigned partitions, const char *cluster, Instant now)
{
	char time[INSTANT_TEXT];
	instant_format(now, time);
	buffer_clear(&writer->line);
	buffer_format(&writer->line,
		      "{\"tocsin\":\"export\",\"format\":%d,\"made_by\":\"%s\",\"made_at\":\"%s\",\"partitions\":%u,"
		      "\"cluster\":",
		      ARCHIVE_FORMAT, TOCSIN_VERSION, time, partitions);
	bytes_write(&writer->line, slice_of(cluster));
	buffer_byte(&writer->line, '}');
	return line_write(writer);
}

Result archive_write_record(ArchiveWriter *writer, const ArchiveRecord *record)
{
	Buffer *line = &writer->line;
	buffer_clear(line);
	buffer_format(line, "{\"topic\":\"%s\",\"slot\":", topics[record->topic].short_name);
	if (topics[record->topic].slotted)
		buffer_format(line, "%u", record->slot);
	else
		buffer_text(line, "null");
	buffer_text(line, ",\"key\":");
	bytes_write(line, record->key);
	buffer_text(line, ",\"headers\":[");
	headers_write(line, record->headers);
	buffer_text(line, "],\"body\":");
	bytes_write(line, record->body);
	buffer_byte(line, '}');
	writer->counts.records[record->topic]++;
	return line_write(writer);
}

Result archive_write_audit(ArchiveWriter *writer, Slice text)
{
	buffer_clear(&writer->line);
	buffer_text(&writer->line, "{\"audit\":");
	bytes_write(&writer->line, text);
	buffer_byte(&writer->line, '}');
	writer->counts.audit_lines++;
	return line_write(writer);
}

/* Appends the end of the last line: the digest of everything before the digest. */
static void seal_write(const Digest *digest, Buffer *out)
{
	char hex[DIGEST_HEX];
	digest_hex(digest, hex);
	buffer_format(out, ",\"digest\":\"%s\"}", hex);
}

Result archive_write_end(ArchiveWriter *writer)
{
	Buffer *line = &writer->line;
	buffer_clear(line);
	buffer_text(line, "{\"records\":{");
	for (TopicId topic = 0; topic < TOPICS; topic++)
		buffer_format(line, "%s\"%s\":%" PRIu64, topic ? "," : "", topics[topic].short_name,
			      writer->counts.records[topic]);
	buffer_format(line, "},\"audit_lines\":%" PRIu64, writer->counts.audit_lines);
	Digest digest = DIGEST(digest_slice(&writer->digest), buffer_slice(line));
	seal_write(&digest, line);
	return line_write(writer);
}

/* ---- reading: lines */

static Result line_fail(const ArchiveReader *reader, const char *why)
{
	return result_fail(ERROR_INPUT, "line %" PRIu64 ": %s", reader->line_number, why);
}

/* Reads the next chunk of the file; chunk_size is 0 at its end. */
static Result chunk_fill(ArchiveReader *reader)
{
	reader->chunk_at = 0;
	reader->chunk_size = fread(reader->chunk, 1, sizeof reader->chunk, reader->file);
	if (reader->chunk_size == 0 && ferror(reader->file))
		return result_fail(ERROR_AGAIN, "the export cannot be read: %s", strerror(errno));
	return result_ok();
}

/* Moves bytes of the chunk up to the next line feed to reader->line. *whole: the line feed was found, so the line is whole. */
static void line_take(ArchiveReader *reader, bool *whole)
{
	const char *begin = reader->chunk + reader->chunk_at;
	size_t left = reader->chunk_size - reader->chunk_at;
	const char *end = memchr(begin, '\n', left);
	*whole = end != NULL;
	buffer_append(&reader->line, (Slice){ begin, end ? (size_t)(end - begin) : left });
	reader->chunk_at += end ? (size_t)(end - begin) + 1 : left;
}

static Result line_read(ArchiveReader *reader)
{
	bool whole = false;
	buffer_clear(&reader->line);
	reader->line_number++;
	while (!whole) {
		if (reader->chunk_at == reader->chunk_size)
			TRY(chunk_fill(reader));
		if (reader->chunk_size == 0)
			return line_fail(reader, "the file ends before the end of the export: it was cut off");
		line_take(reader, &whole);
		if (reader->line.overflowed)
			return line_fail(reader, "it is longer than a line of an export can be: the file was damaged");
	}
	return result_ok();
}

/* Parses the next line into reader->tree. */
static Result tree_read(ArchiveReader *reader)
{
	json_decref(reader->tree);
	reader->tree = NULL;
	TRY(line_read(reader));
	return result_failed(json_read(buffer_slice(&reader->line), &reader->tree))
		       ? line_fail(reader, "it is not a line of an export: the file was damaged")
		       : result_ok();
}

/* ---- reading: items */

static bool integer_read(json_t *value, int64_t max, int64_t *out)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > max)
		return false;
	*out = json_integer_value(value);
	return true;
}

/* Reads a string or {"base64":"…"}. *out is borrowed: from the tree for a string, else from room, to which bytes are appended. */
static bool bytes_read(json_t *value, Buffer *room, Slice *out)
{
	if (json_is_string(value)) {
		*out = (Slice){ json_string_value(value), json_string_length(value) };
		return true;
	}
	json_t *encoded = json_object_get(value, "base64");
	size_t before = room->size;
	if (!json_is_string(encoded) ||
	    !base64_decode((Slice){ json_string_value(encoded), json_string_length(encoded) }, room))
		return false;
	*out = (Slice){ room->data + before, room->size - before };
	return true;
}

static bool header_read(json_t *pair, Buffer *room, Buffer *out)
{
	Slice name, value;
	buffer_clear(room);
	if (json_array_size(pair) != 2 || !json_is_string(json_array_get(pair, 0)) ||
	    !bytes_read(json_array_get(pair, 0), room, &name) || !bytes_read(json_array_get(pair, 1), room, &value) ||
	    name.size == 0)
		return false;
	header_add(out, json_string_value(json_array_get(pair, 0)), value);
	return !out->overflowed;
}

static bool headers_read(ArchiveReader *reader, json_t *list)
{
	size_t index;
	json_t *pair;
	buffer_clear(&reader->headers);
	bool good = json_is_array(list);
	json_array_foreach (list, index, pair)
		good = good && header_read(pair, &reader->body, &reader->headers);
	return good;
}

static Result record_read(ArchiveReader *reader, ArchiveRecord *out)
{
	json_t *tree = reader->tree;
	int64_t slot = 0;
	*out = (ArchiveRecord){ .topic = topic_of(slice_of(json_string_value(json_object_get(tree, "topic")))) };
	if (out->topic == TOPICS)
		return line_fail(reader,
				 "it belongs to an unknown topic: the export was made by a newer Tocsin; import it with that version");
	bool good = !topics[out->topic].slotted || integer_read(json_object_get(tree, "slot"), SLOTS - 1, &slot);
	good = good && headers_read(reader, json_object_get(tree, "headers"));
	buffer_clear(&reader->key);
	buffer_clear(&reader->body);
	good = good && bytes_read(json_object_get(tree, "key"), &reader->key, &out->key) &&
	       bytes_read(json_object_get(tree, "body"), &reader->body, &out->body);
	out->slot = (unsigned)slot;
	out->headers = buffer_slice(&reader->headers);
	reader->counts.records[out->topic]++;
	return good ? result_ok() : line_fail(reader, "it is not a record of an export: the file was damaged");
}

static bool counts_fit(const ArchiveReader *reader, json_t *tree)
{
	int64_t count;
	bool fit = integer_read(json_object_get(tree, "audit_lines"), INT64_MAX, &count) &&
		   (uint64_t)count == reader->counts.audit_lines;
	for (TopicId topic = 0; topic < TOPICS && fit; topic++) {
		json_t *stated = json_object_get(json_object_get(tree, "records"), topics[topic].short_name);
		/* The export of an older Tocsin states no count for topics that were added later; it has no records of them. */
		fit = stated == NULL ? reader->counts.records[topic] == 0
				   : integer_read(stated, INT64_MAX, &count) &&
					     (uint64_t)count == reader->counts.records[topic];
	}
	return fit;
}

static bool seal_fits(Slice line, const Digest *before)
{
	if (line.size < SEAL_SIZE)
		return false;
	Buffer seal;
	Slice sealed = { line.data, line.size - SEAL_SIZE }, end = { line.data + sealed.size, SEAL_SIZE };
	Digest digest = DIGEST(digest_slice(before), sealed);
	buffer_init(&seal, SEAL_SIZE);
	seal_write(&digest, &seal);
	bool fits = slice_equals(end, buffer_slice(&seal));
	buffer_release(&seal);
	return fits;
}

static Result end_read(ArchiveReader *reader, const Digest *before)
{
	if (!seal_fits(buffer_slice(&reader->line), before))
		return line_fail(reader,
				 "its digest does not match the lines before it: the file was damaged or changed");
	if (!counts_fit(reader, reader->tree))
		return line_fail(reader, "its counts do not match the lines of the file: the file was changed");
	if (reader->chunk_at == reader->chunk_size)
		TRY(chunk_fill(reader));
	reader->line_number++;
	reader->ended = true;
	return reader->chunk_size == 0 ? result_ok() : line_fail(reader, "there are bytes after the end of the export: the file was changed");
}

Result archive_read(ArchiveReader *reader, ArchiveItem *out)
{
	must(!reader->ended);
	Digest before = reader->digest;
	TRY(tree_read(reader));
	reader->digest = DIGEST(digest_slice(&before), buffer_slice(&reader->line));
	*out = (ArchiveItem){ .kind = ARCHIVE_RECORD };
	if (json_object_get(reader->tree, "topic"))
		return record_read(reader, &out->record);
	if (json_object_get(reader->tree, "digest")) {
		out->kind = ARCHIVE_END;
		return end_read(reader, &before);
	}
	out->kind = ARCHIVE_AUDIT;
	buffer_clear(&reader->body);
	reader->counts.audit_lines++;
	return bytes_read(json_object_get(reader->tree, "audit"), &reader->body, &out->audit)
		       ? result_ok()
		       : line_fail(reader, "it is not a line of an export: the file was damaged");
}

static Result manifest_read(ArchiveReader *reader)
{
	int64_t format, partitions;
	Result result = tree_read(reader);
	if (result.kind == ERROR_INPUT ||
	    (!result_failed(result) &&
	     !slice_is(slice_of(json_string_value(json_object_get(reader->tree, "tocsin"))), "export")))
		return result_fail(ERROR_INPUT, "it is not an export of Tocsin");
	TRY(result);
	if (!integer_read(json_object_get(reader->tree, "format"), INT64_MAX, &format) || format != ARCHIVE_FORMAT)
		return result_fail(
			ERROR_INPUT,
			"its format is not known to this version (%s, format %d): import it with the Tocsin that made "
			"it, or with a newer one",
			TOCSIN_VERSION, ARCHIVE_FORMAT);
	if (!integer_read(json_object_get(reader->tree, "partitions"), BUS_PARTITIONS_MAX, &partitions))
		return line_fail(reader, "its number of partitions is missing or invalid: the file was damaged");
	reader->partitions = (unsigned)partitions;
	reader->digest = DIGEST(digest_slice(&reader->digest), buffer_slice(&reader->line));
	return result_ok();
}

Result archive_reader_init(ArchiveReader *reader, FILE *file)
{
	memset(reader, 0, sizeof *reader);
	reader->file = file;
	buffer_init(&reader->line, ARCHIVE_LINE_MAX);
	buffer_init(&reader->key, BUS_RECORD_MAX);
	buffer_init(&reader->headers, BUS_RECORD_MAX);
	buffer_init(&reader->body, ARCHIVE_LINE_MAX);
	return manifest_read(reader);
}

void archive_reader_release(ArchiveReader *reader)
{
	json_decref(reader->tree);
	buffer_release(&reader->line);
	buffer_release(&reader->key);
	buffer_release(&reader->headers);
	buffer_release(&reader->body);
}
