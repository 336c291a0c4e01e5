/*
 * Hashes and the encodings that carry them. SHA-256 and HMAC are libcrypto's, with the algorithm fetched once
 * (docs/design/performance.md, "Cost budget": 0.08 against 0.29 µs for a short text); murmur2 is Kafka's partitioner.
 */
#ifndef TOCSIN_BASE_HASH_H
#define TOCSIN_BASE_HASH_H

#include "shared/base/text.h"

#include <stdint.h>

enum { DIGEST_BYTES = 32, DIGEST_HEX = 65 };

typedef struct {
	uint8_t bytes[DIGEST_BYTES];
} Digest;

/* SHA-256 over the parts as if they were one text. Thread-safe. */
Digest digest_of(const Slice *parts, size_t count);
#define DIGEST(...) digest_of((const Slice[]){ __VA_ARGS__ }, sizeof((const Slice[]){ __VA_ARGS__ }) / sizeof(Slice))

/* HMAC-SHA-256 of the parts. */
Digest digest_hmac(Slice key, const Slice *parts, size_t count);

/* Lower-case hex with a NUL. */
void digest_hex(const Digest *digest, char out[static DIGEST_HEX]);

/* 64 hex digits of either case; false, *out untouched, for anything else. */
bool digest_from_hex(Slice hex, Digest *out);

/* Compared in constant time. */
bool digest_equals(const Digest *one, const Digest *other);

/* Kafka's murmur2 (seed 0x9747b28c), as org.apache.kafka.common.utils.Utils computes it. */
uint32_t hash_murmur2(Slice bytes);

/* Standard base64 with padding, appended as a whole or, when it overflows the buffer, not at all. */
void base64_append(Buffer *out, Slice bytes);

/*
 * Strict standard base64 (url: its URL alphabet, without padding), decoded and appended; false, and nothing appended,
 * when it is not, or when the buffer overflows. Strict: no white space, padding just as it must be, unused bits zero.
 */
bool base64_decode(Slice text, Buffer *out);
void base64url_append(Buffer *out, Slice bytes);
bool base64url_decode(Slice text, Buffer *out);

#endif
