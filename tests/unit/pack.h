/* Policy packs for tests: the default pack as it lies in the tree, with some of its files changed. */
#ifndef TOCSIN_TESTS_UNIT_PACK_H
#define TOCSIN_TESTS_UNIT_PACK_H

#include "shared/domain/policy.h"

#define PACK_DEFAULT "shared/policy/default"

/* A file to put in place of the pack's own, or beside them; text NULL: taken away. A list ends with a NULL name. */
typedef struct {
	const char *name, *text;
} PackChange;

/* The default pack, changed; changes may be NULL. As policy_read. */
bool pack_read_changed(const PackChange *changes, json_t **message, PolicyMistakes *mistakes);

/* The same compiled; aborts, and prints why, when it has mistakes. */
Policy *pack_compiled(const PackChange *changes);

#endif
