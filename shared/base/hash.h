/*
 * Hashes and their encodings. SHA-256 and HMAC come from libcrypto. The algorithm is fetched once, not at each call: a short
 * text then takes 0.08 µs instead of 0.29 µs (docs/design/performance.md, "Cost budget"). murmur2 is the hash of Kafka's
 * default partitioner.
 * All functions are thread-safe.
 */
#ifndef TOCSIN_BASE_HASH_H
#define TOCSIN_BASE_HASH_H

#include "shared/base/text.h"

#include <stdint.h>

enum { DIGEST_BYTES = 32, DIGEST_HEX = 65 };

typedef struct {
	uint8_t bytes[DIGEST_BYTES];
} Digest;

/* SHA-256 of the concatenated parts. */
Digest digest_of(const Slice *parts, size_t count);
#define DIGEST(...) digest_of((const Slice[]){ __VA_ARGS__ }, sizeof((const Slice[]){ __VA_ARGS__ }) / sizeof(Slice))

/* HMAC-SHA-256 of the concatenated parts. */
Digest digest_hmac(Slice key, const Slice *parts, size_t count);

/* Lower-case hexadecimal digits with a NUL. */
void digest_hex(const Digest *digest, char out[static DIGEST_HEX]);

/* Reads 64 hexadecimal digits of either case; false, with *out untouched, for anything else. */
bool digest_from_hex(Slice hex, Digest *out);

/* Compares in constant time. */
bool digest_equals(const Digest *one, const Digest *other);

/* Kafka's murmur2 (seed 0x9747b28c), as org.apache.kafka.common.utils.Utils computes it. */
uint32_t hash_murmur2(Slice bytes);

/* Appends standard base64 with padding. If it does not fit, the buffer overflows and nothing is appended. */
void base64_append(Buffer *out, Slice bytes);

/*
 * Decodes standard base64 and appends the bytes. Strict: white space, missing or additional padding, and unused bits that are not
 * 0 are invalid. False, with nothing appended, if the text is invalid, or if the buffer overflows or had overflowed before.
 * base64url_append and base64url_decode do the same with the URL alphabet and without padding.
 */
bool base64_decode(Slice text, Buffer *out);
void base64url_append(Buffer *out, Slice bytes);
bool base64url_decode(Slice text, Buffer *out);

#endif
