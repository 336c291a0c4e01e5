#include "shared/base/hash.h"

#include "shared/base/error.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

/* ---- SHA-256 -------------------------------------------------------------------------------------------------- */

/*
 * Fetching an algorithm and making a context each take longer than hashing an id. So the algorithm is fetched once, and each
 * thread keeps one context.
 */
static pthread_once_t fetched = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;
static EVP_MAC *hmac;
static pthread_key_t context_key;
static _Thread_local EVP_MD_CTX *thread_context;

static void context_free(void *context)
{
	thread_context = NULL;
	EVP_MD_CTX_free(context);
}

static void fetch(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	must(sha256 != NULL && hmac != NULL);
	must(pthread_key_create(&context_key, context_free) == 0);
}

static EVP_MD_CTX *context_of_thread(void)
{
	if (!thread_context) {
		must(pthread_once(&fetched, fetch) == 0);
		thread_context = EVP_MD_CTX_new();
		must(thread_context != NULL);
		must(pthread_setspecific(context_key, thread_context) == 0);
	}
	return thread_context;
}

Digest digest_of(const Slice *parts, size_t count)
{
	EVP_MD_CTX *context = context_of_thread();
	Digest digest;

	must(EVP_DigestInit_ex2(context, sha256, NULL) == 1);
	for (size_t i = 0; i < count; i++)
		must(EVP_DigestUpdate(context, parts[i].data, parts[i].size) == 1);
	must(EVP_DigestFinal_ex(context, digest.bytes, NULL) == 1);
	return digest;
}

Digest digest_hmac(Slice key, const Slice *parts, size_t count)
{
	OSSL_PARAM algorithm[] = { OSSL_PARAM_construct_utf8_string("digest", (char[]){ "SHA256" }, 0),
		                   OSSL_PARAM_construct_end() };
	const char *key_bytes = key.size > 0 ? key.data : ""; /* EVP_MAC_init would take NULL as "no key yet" */
	Digest digest;
	size_t written = 0;

	must(pthread_once(&fetched, fetch) == 0);
	EVP_MAC_CTX *context = EVP_MAC_CTX_new(hmac);
	must(context != NULL);
	must(EVP_MAC_init(context, (const unsigned char *)key_bytes, key.size, algorithm) == 1);
	for (size_t i = 0; i < count; i++)
		if (parts[i].size > 0)
			must(EVP_MAC_update(context, (const unsigned char *)parts[i].data, parts[i].size) == 1);
	must(EVP_MAC_final(context, digest.bytes, &written, sizeof digest.bytes) == 1 && written == DIGEST_BYTES);
	EVP_MAC_CTX_free(context);
	return digest;
}

bool digest_equals(const Digest *one, const Digest *other)
{
	return CRYPTO_memcmp(one->bytes, other->bytes, DIGEST_BYTES) == 0;
}

/* ---- hex ------------------------------------------------------------------------------------------------------ */

void digest_hex(const Digest *digest, char out[static DIGEST_HEX])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		out[2 * i] = digits[digest->bytes[i] >> 4];
		out[2 * i + 1] = digits[digest->bytes[i] & 15];
	}
	out[2 * DIGEST_BYTES] = '\0';
}

bool digest_from_hex(Slice hex, Digest *out)
{
	Digest digest;

	if (hex.size != DIGEST_HEX - 1)
		return false;
	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		int high = hex_digit(hex.data[2 * i]), low = hex_digit(hex.data[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		digest.bytes[i] = (uint8_t)(high << 4 | low);
	}
	*out = digest;
	return true;
}

/* ---- murmur2 -------------------------------------------------------------------------------------------------- */

static uint32_t little_endian(const char *bytes, size_t count)
{
	uint32_t value = 0;

	for (size_t i = 0; i < count; i++)
		value |= (uint32_t)(unsigned char)bytes[i] << (8 * i);
	return value;
}

uint32_t hash_murmur2(Slice bytes)
{
	const uint32_t factor = 0x5bd1e995;
	uint32_t hash = 0x9747b28c ^ (uint32_t)bytes.size;
	size_t whole = bytes.size & ~(size_t)3;

	for (size_t at = 0; at < whole; at += 4) {
		uint32_t word = little_endian(bytes.data + at, 4) * factor;
		hash = hash * factor ^ (word ^ word >> 24) * factor;
	}
	if (whole < bytes.size)
		hash = (hash ^ little_endian(bytes.data + whole, bytes.size - whole)) * factor;
	hash = (hash ^ hash >> 13) * factor;
	return hash ^ hash >> 15;
}

/* ---- base64 --------------------------------------------------------------------------------------------------- */

/* The two alphabets of RFC 4648 differ in their last two characters. */
typedef struct {
	char alphabet[65];
	bool padded;
} Base64;

static const Base64 standard = { "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", true };
static const Base64 for_urls = { "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", false };

static void encode(const Base64 *form, Buffer *out, Slice bytes)
{
	size_t before = out->size;

	for (size_t at = 0; at < bytes.size; at += 3) {
		size_t taken = bytes.size - at < 3 ? bytes.size - at : 3;
		uint32_t group = 0;
		char quad[4] = { '=', '=', '=', '=' };
		for (size_t i = 0; i < taken; i++)
			group |= (uint32_t)(unsigned char)bytes.data[at + i] << (16 - 8 * i);
		for (size_t i = 0; i <= taken; i++)
			quad[i] = form->alphabet[group >> (18 - 6 * i) & 63];
		buffer_append(out, (Slice){ quad, form->padded ? 4 : taken + 1 });
	}
	if (out->overflowed)
		buffer_cut(out, before);
}

/*
 * Decodes a group of 1 to 4 characters. False if the group has only 1 character, an invalid character, or unused bits that are
 * not 0, or if out overflows.
 */
static bool decode_group(const Base64 *form, Slice quad, Buffer *out)
{
	uint32_t group = 0;
	char bytes[3];
	size_t count = quad.size - 1;

	for (size_t i = 0; i < quad.size; i++) {
		const char *found = memchr(form->alphabet, quad.data[i], 64);
		if (!found)
			return false;
		group |= (uint32_t)(found - form->alphabet) << (18 - 6 * i);
	}
	for (size_t i = 0; i < 3; i++)
		bytes[i] = (char)(group >> (16 - 8 * i) & 255);
	if (count == 0 || (group & (0xffffffu >> (8 * count))) != 0)
		return false;
	buffer_append(out, (Slice){ bytes, count });
	return !out->overflowed;
}

/* Removes the padding; false if the size of a padded text is not a multiple of 4. */
static bool strip_padding(const Base64 *form, Slice *text)
{
	if (!form->padded)
		return true;
	if (text->size % 4 != 0)
		return false;
	for (int i = 0; i < 2 && text->size > 0 && text->data[text->size - 1] == '='; i++)
		text->size--;
	return true;
}

static bool decode(const Base64 *form, Slice text, Buffer *out)
{
	size_t before = out->size;

	if (out->overflowed || !strip_padding(form, &text))
		return false;
	for (size_t at = 0; at < text.size; at += 4) {
		size_t taken = text.size - at < 4 ? text.size - at : 4;
		if (!decode_group(form, (Slice){ text.data + at, taken }, out)) {
			buffer_cut(out, before);
			return false;
		}
	}
	return true;
}

void base64_append(Buffer *out, Slice bytes)
{
	encode(&standard, out, bytes);
}

bool base64_decode(Slice text, Buffer *out)
{
	return decode(&standard, text, out);
}

void base64url_append(Buffer *out, Slice bytes)
{
	encode(&for_urls, out, bytes);
}

bool base64url_decode(Slice text, Buffer *out)
{
	return decode(&for_urls, text, out);
}
