/*
 * Classification: what is it, which category, how bad, and why. A pure function of report and policy, so it keeps
 * nothing: it reads intake's ledger and emits one assessment for each of its records.
 *
 *   opened                          assessed                       TYPE_ASSESSED
 *   repeated, with a document       assessed anew (it got worse)   TYPE_ASSESSED
 *   repeated, without; released;    as before: only the count      TYPE_ASSESSED_REPEAT
 *   resumed
 *
 * The report stands in the assessment byte for byte as intake wrote it. An assessment's id comes of the report
 * record's id, so that doing the work again makes the same one; response drops what it knows by the report's version.
 */
#ifndef TOCSIN_CLASSIFICATION_H
#define TOCSIN_CLASSIFICATION_H

#include "shared/runtime/handler.h"

extern const Service classification_service;

#endif
