/* What the parts of the judge share. Nothing else includes it. */
#ifndef TOCSIN_TESTS_JUDGE_INTERNAL_H
#define TOCSIN_TESTS_JUDGE_INTERNAL_H

#include "tests/simulation/judge.h"

extern World *judged;

void broken_promise(const char *format, ...) __attribute__((format(printf, 1, 2)));

typedef void (*Visit)(void *context, unsigned partition, const BusRecord *record, Slice type);

/* All records, also those that were trimmed. */
void walk_stream(TopicId topic, Visit visit, void *context);

/* Accepted records of a ledger, bookkeeping left out, also those that were trimmed. */
void walk_ledger(TopicId topic, Visit visit, void *context);

/* A new reference; the record's body is JSON. */
json_t *body_of(const BusRecord *record);
const char *member(json_t *object, const char *name); /* "" where there is none */

/* As it stands in a service's state; a new reference, NULL: it is not there. */
json_t *document_in(const char *service, unsigned partition, const char *id);

void judge_told(json_t *incidents);
void judge_audit(void);
void judge_outputs(void);
void judge_ids(void);
void judge_links(json_t *incidents);
void judge_views(void);
void judge_table(json_t *incidents);
void judge_fresh(void);

#endif
