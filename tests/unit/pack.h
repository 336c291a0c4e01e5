/* Policy packs for tests: the default pack of the source tree with changed files. */
#ifndef TOCSIN_TESTS_UNIT_PACK_H
#define TOCSIN_TESTS_UNIT_PACK_H

#include "shared/domain/policy.h"

#define PACK_DEFAULT "shared/policy/default"

/* Replaces a file of the pack or adds it; text NULL: removes it. A list of changes ends with a NULL name. */
typedef struct {
	const char *name, *text;
} PackChange;

/* policy_read of the default pack with changes, which may be NULL. */
bool pack_read_changed(const PackChange *changes, json_t **message, PolicyErrors *mistakes);

/* The changed default pack, compiled; the caller frees it with policy_free. Prints the errors and aborts if there are any. */
Policy *pack_compiled(const PackChange *changes);

#endif
