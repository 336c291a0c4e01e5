/*
 * Cursors: where a list goes on. What a client gets is opaque, signed, and good only for the list it came of: base64url
 * of (16 bytes of HMAC-SHA-256, 8 bytes of the list's hash, the position). Nothing is kept on the server. Pure.
 */
#ifndef TOCSIN_GATEWAY_CURSOR_H
#define TOCSIN_GATEWAY_CURSOR_H

#include "shared/base/hash.h"

enum { CURSOR_POSITION_MAX = 64, CURSOR_TEXT = 128 };

/* position: 1 to CURSOR_POSITION_MAX - 1 bytes. list: what the list is, path and filters. */
void cursor_write(const Digest *key, const Digest *list, Slice position, char out[static CURSOR_TEXT]);

/* False, out untouched, for anything that cursor_write did not make of this key and list. */
bool cursor_read(const Digest *key, const Digest *list, Slice text, char out[static CURSOR_POSITION_MAX]);

#endif
