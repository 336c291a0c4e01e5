/* Incident documents as JSON, for tests that compare them member by member. */
#ifndef TOCSIN_TESTS_INCIDENT_DOCUMENT_H
#define TOCSIN_TESTS_INCIDENT_DOCUMENT_H

#include "shared/domain/incident.h"

/* A document with version 0 whose other members are absent from the incident. A new reference. */
json_t *incident_document_new(void);

/*
 * Folds one journal entry into the document, whose members are replaced. If the entry is refused, the document is unchanged. Aborts
 * if the document is invalid.
 */
Result incident_document_apply(json_t *document, json_t *entry);

/* Decodes a document; *out borrows from the document. Aborts if the document is invalid. */
void incident_document_read(json_t *document, Incident *out);

#endif
