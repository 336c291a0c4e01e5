/*
 * response: the only writer of incidents. Its ledger, tocsin.journal, is authoritative; the incidents in its store are a fold
 * of it. It takes assessments and commands, and informs intake of incidents that are closed or reopened.
 */
#ifndef TOCSIN_RESPONSE_RESPONSE_H
#define TOCSIN_RESPONSE_RESPONSE_H

#include "shared/runtime/handler.h"

extern const Service response_service;

#endif
