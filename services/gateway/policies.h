/*
 * The policy in force, and the publication of the policy pack. A gateway publishes its pack on tocsin.policies; every
 * service, and every other gateway, reads it from there. The last message of the topic is in force.
 *
 * Several gateways start at once, and each publishes its pack. A pack of the same version as the last message is not
 * written again; if two gateways write it at the same time, the second message changes nothing. A restarted replica may
 * still have the previous pack (a crash between the change and its own reload, an old image), and publishing that would
 * roll back all services unintentionally. Therefore a starting replica does not publish a pack that has the id of the one
 * in force and a lower `version`; it logs this and works by the pack in force. To go back on purpose, send SIGHUP, which
 * always publishes, or raise the version. A pack with another id, or changed under the same version, is published.
 *
 * Thread-safe, except policies_publish, which is called by one thread at a time.
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

/* bus is not owned. No policy is in force yet. */
Policies *policies_new(Bus *bus);

/* No PolicyShare may be in use. Accepts NULL. */
void policies_free(Policies *policies);

/* The policy in force, NULL: none yet; release it with policy_unshare, which accepts NULL. */
PolicyShare *policy_share(Policies *policies);
void policy_unshare(PolicyShare *share);

/* Puts the policy of a message of tocsin.policies in force, unless a later message is. ERROR_INPUT: it is not a policy. */
Result policies_take(Policies *policies, const Record *record);

/*
 * Compiles the message (shape: shared/domain/policy.h) and appends it to tocsin.policies, unless the last message there has
 * the same version or, without `always`, a newer one. Waits until the message is durable and puts it, or the last one, in
 * force here. ERROR_INPUT: not a valid pack, or too large; ERROR_AGAIN: the message could not be made durable, or the topic
 * could not be read. After an error the former policy stays in force.
 */
Result policies_publish(Policies *policies, json_t *message, bool always);

#endif
