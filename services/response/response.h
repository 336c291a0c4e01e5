/*
 * Response: the only writer of an incident. Its ledger, tocsin.journal, is the truth; the incidents in its store are a fold
 * of it. It takes assessments and commands, and tells intake when an incident is closed.
 */
#ifndef TOCSIN_RESPONSE_RESPONSE_H
#define TOCSIN_RESPONSE_RESPONSE_H

#include "shared/runtime/handler.h"

extern const Service response_service;

#endif
