/* Publishing the policy pack: the gateway reads it, everybody else takes it from tocsin.policies. */
#ifndef TOCSIN_GATEWAY_PUBLISH_H
#define TOCSIN_GATEWAY_PUBLISH_H

#include "services/gateway/gateway.h"

/*
 * Compiles the message (shape: shared/domain/policy.h), appends it to tocsin.policies unless the last one there is the
 * same version, waits until that is durable, and from then on accepts events by it. Called by one thread at a time.
 * ERROR_INPUT: it is no valid pack, or too large; ERROR_AGAIN: it could not be made durable. The policy in force stays
 * in force then.
 */
Result gateway_publish_policy(Gateway *gateway, json_t *message);

#endif
