/*
 * Classification: assesses the kind, category and grade of each report, with reasons. An assessment is a pure function of
 * report and policy, so the service keeps no state: it reads intake's ledger and emits one record for each report record.
 *
 *   report record                              assessment                     type of the record emitted
 *   opened                                     assessed                       TYPE_ASSESSED
 *   repeated, with a document                  assessed again (more severe)   TYPE_ASSESSED
 *   repeated, no document; released; resumed   not assessed, only passed on   TYPE_ASSESSED_REPEAT
 *
 * The emitted record embeds the report record byte for byte. Its id is derived from that of the report record, so a repeated
 * run emits the same id. The response service deduplicates assessments by the version of the report.
 */
#ifndef TOCSIN_CLASSIFICATION_H
#define TOCSIN_CLASSIFICATION_H

#include "shared/runtime/handler.h"

extern const Service classification_service;

#endif
