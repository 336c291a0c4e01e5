/* Incident documents as JSON, for tests that compare them member by member. */
#ifndef TOCSIN_TESTS_INCIDENT_DOCUMENT_H
#define TOCSIN_TESTS_INCIDENT_DOCUMENT_H

#include "shared/domain/incident.h"

/* A document whose members are all absent; version 0. A new reference. */
json_t *incident_document_new(void);

/* Folds one journal entry; the document is replaced, member by member. It is unchanged on failure. */
Result incident_document_apply(json_t *document, json_t *entry);

/* Decodes a document; *out borrows from it. The test fails if it is invalid. */
void incident_document_read(json_t *document, Incident *out);

#endif
