/* A small policy pack for tests of notification: people with and without mail addresses, two languages, both channels. */
#ifndef TOCSIN_TESTS_NOTIFY_PACK_H
#define TOCSIN_TESTS_NOTIFY_PACK_H

#include "shared/domain/policy.h"

/* The caller frees the policy with policy_free. */
Policy *notify_pack(void);

/*
 * The pack with `escalation` as the text of escalation.yaml; NULL: like notify_pack. Aborts if the text is invalid. The caller
 * frees the policy with policy_free.
 */
Policy *notify_pack_with(const char *escalation);

#endif
