/*
 * Publishing the policy pack: a gateway reads it, everybody else, other gateways too, takes it from tocsin.policies.
 * What stands there last is in force.
 *
 * Several gateways start at once, and each publishes its pack: one whose version is the last one there is not written
 * again, and where two write it at the same time nothing but that happens. A replica that is restarted may still have
 * the pack of before (a crash between the change and its own reload, an old image): if it published that, all would fall
 * back without anybody having asked for it. So at the start of a replica a pack of the same id and a lower `version` is
 * not published; the log says so, and the replica works by what is in force. To go back on purpose: SIGHUP, which always
 * publishes, or a higher version. A pack with another id, or changed under the same version, is published.
 */
#ifndef TOCSIN_GATEWAY_PUBLISH_H
#define TOCSIN_GATEWAY_PUBLISH_H

#include "services/gateway/gateway.h"

/*
 * Compiles the message (shape: shared/domain/policy.h), appends it to tocsin.policies unless the last one there is the
 * same version, or, without `always`, a newer one; waits until that is durable, and from then on accepts events by what
 * is in force. Called by one thread at a time. ERROR_INPUT: it is no valid pack, or too large; ERROR_AGAIN: it could not
 * be made durable, or what is in force could not be read. The policy in force stays in force then.
 */
Result gateway_publish_policy(Gateway *gateway, json_t *message, bool always);

#endif
