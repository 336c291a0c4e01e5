/* A small policy pack for tests of notification: people with and without addresses, two languages, both channels. */
#ifndef TOCSIN_TESTS_NOTIFY_PACK_H
#define TOCSIN_TESTS_NOTIFY_PACK_H

#include "shared/domain/policy.h"

/* Aborts when it is not valid. To be freed with policy_free. */
Policy *notify_pack(void);

/* The pack with escalation.yaml replaced; NULL: the pack's own. */
Policy *notify_pack_with(const char *escalation);

#endif
