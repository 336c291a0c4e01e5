/* Policy packs for tests: the default pack of the source tree with changed files. */
#ifndef TOCSIN_TESTS_UNIT_PACK_H
#define TOCSIN_TESTS_UNIT_PACK_H

#include "shared/domain/policy.h"

#define PACK_DEFAULT "shared/policy/default"

/* Replaces or adds the file `name` of the pack; text NULL: removes this file. A list of changes ends with a NULL name. */
typedef struct {
	const char *name, *text;
} PackChange;

/* Calls policy_read for the default pack with `changes`; NULL: without changes. Returns the result of policy_read. */
bool pack_read_changed(const PackChange *changes, json_t **message, PolicyErrors *mistakes);

/* The changed default pack, compiled. The caller frees the policy with policy_free. Prints errors of the pack and aborts. */
Policy *pack_compiled(const PackChange *changes);

#endif
