/* Checks of references between the parts of a policy pack. Private to shared/domain. */
#ifndef TOCSIN_DOMAIN_POLICY_CHECK_H
#define TOCSIN_DOMAIN_POLICY_CHECK_H

#include "shared/base/json.h"

/*
 * One row for each check: `part` is the part of the pack that it checks, or "settings", which checks all parts. A check adds its
 * errors with pointers into the message ("/rules/3/then/category"). It skips values that the field tables have already refused. A
 * part that is null was unreadable; references to that part are not checked.
 */
typedef struct {
	const char *part;
	void (*check)(json_t *message, FieldErrors *errors);
} PackCheck;
extern const PackCheck pack_checks[];
extern const size_t pack_check_count;

/* The text of a member, borrowed; NULL where it is absent or not a text. object may be NULL. */
const char *part_text(const json_t *object, const char *name);

#endif
