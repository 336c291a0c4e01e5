/*
 * The principal of a request. This version has one, the administrator, who authenticates with the admin key. Keys are
 * compared by their SHA-256 in constant time, so timing reveals neither the key nor its length. Pure.
 */
#ifndef TOCSIN_GATEWAY_PRINCIPAL_H
#define TOCSIN_GATEWAY_PRINCIPAL_H

#include "shared/base/hash.h"
#include "shared/base/json.h"

enum { KEY_ID_SIZE = 9 };

typedef struct {
	char id[KEY_ID_SIZE]; /* of a key tcs_<8>_<52>: the 8 characters after "tcs_"; of any other key: 8 hex digits of its hash */
	Digest digest; /* SHA-256 of the key */
	Digest cursor_key; /* derived from the key; signs the cursors of lists */
} AdminKey;

/* ERROR_INPUT unless the text is 32 to 128 printable ASCII characters without spaces. */
Result admin_key_read(Slice text, AdminKey *out);

/* True when the Authorization header (NULL: absent) is "Bearer KEY" with this key; "Bearer" in upper or lower case. */
bool admin_key_fits(const AdminKey *key, const char *authorization);

/* The administrator as the actor of a command: a new object of actor_table. */
json_t *admin_key_actor(const AdminKey *key);

#endif
