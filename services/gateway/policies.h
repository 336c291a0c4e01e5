/*
 * The policy in force, and the publication of the policy pack. A gateway publishes its pack on tocsin.policies; every
 * service, and every other gateway, reads it from there. The policy of the topic's last message is in force.
 *
 * Several gateways may start at once, and each publishes its pack. A pack of the same version as the last message is not
 * written again; if two gateways write it at the same time, the second message changes nothing.
 *
 * A starting replica may have an older pack than the one in force: it runs from an old image, or it crashed before it loaded
 * the new pack. To publish the older pack would roll back all services unintentionally. Therefore a starting replica does not
 * publish a pack that has the same id as the pack in force and a lower `version`; it logs a warning and uses the pack in force.
 * To go back on purpose, send SIGHUP, which always publishes, or raise the version. A pack with another id is published, and
 * so is a pack that was changed without a new `version`.
 *
 * Thread-safe, except policies_publish: only one thread at a time may call it.
 */
#ifndef TOCSIN_GATEWAY_POLICIES_H
#define TOCSIN_GATEWAY_POLICIES_H

#include "shared/domain/policy.h"
#include "shared/io/bus.h"
#include "shared/runtime/handler.h"

#include <stdatomic.h>

typedef struct Policies Policies;

/* A compiled policy, replaced as a whole; the last user frees it. */
typedef struct {
	atomic_uint references;
	Policy *policy;
	int64_t offset; /* of its message in tocsin.policies */
} PolicyShare;

/* bus is borrowed. At first no policy is in force. */
Policies *policies_new(Bus *bus);

/* No PolicyShare may be in use. Accepts NULL. */
void policies_free(Policies *policies);

/* The policy in force, NULL: none yet; release it with policy_unshare, which accepts NULL. */
PolicyShare *policy_share(Policies *policies);
void policy_unshare(PolicyShare *share);

/* Puts the policy of a record of tocsin.policies in force, unless that of this or a later record is. ERROR_INPUT: not a policy. */
Result policies_take(Policies *policies, const Record *record);

/*
 * Compiles the message (form: shared/domain/policy.h), appends it to tocsin.policies, waits until it is durable, and puts it in
 * force in this gateway. If the last message there has the same policy_version or, without `always`, the same id and a higher
 * version, nothing is appended and the last message is put in force instead. ERROR_INPUT: not a valid pack, or too large;
 * ERROR_AGAIN: the message could not be made durable, or the topic could not be read. After an error the former policy stays in
 * force.
 */
Result policies_publish(Policies *policies, json_t *message, bool always);

#endif
