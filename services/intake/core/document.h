/* The document of an event that opens an incident or raises its severity. Pure. */
#ifndef TOCSIN_INTAKE_DOCUMENT_H
#define TOCSIN_INTAKE_DOCUMENT_H

#include "shared/base/error.h"
#include "shared/base/text.h"

#include <stdbool.h>

/*
 * ERROR_INPUT for a document that classification or response would refuse. Check before the event's key gets a window: otherwise
 * an incident that cannot be opened would count the sender's next events of the key. person: the report of a person.
 */
Result document_check(bool person, Slice document);

#endif
