/*
 * Cursors: the position at which the next page of a list begins. A cursor is opaque and signed, and valid only for its own
 * list: base64url of (16 bytes of HMAC-SHA-256, 8 bytes of the list's hash, the position). The server stores no cursors. Pure.
 */
#ifndef TOCSIN_GATEWAY_CURSOR_H
#define TOCSIN_GATEWAY_CURSOR_H

#include "shared/base/hash.h"

enum { CURSOR_POSITION_MAX = 64, CURSOR_TEXT = 128 };

/* position: 1 to CURSOR_POSITION_MAX - 1 bytes. list: digest of the list's path and filters. */
void cursor_write(const Digest *key, const Digest *list, Slice position, char out[static CURSOR_TEXT]);

/* False: the text is not a cursor that cursor_write made with this key and list; out is unchanged. */
bool cursor_read(const Digest *key, const Digest *list, Slice text, char out[static CURSOR_POSITION_MAX]);

#endif
