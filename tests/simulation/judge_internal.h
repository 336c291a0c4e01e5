/* Shared by the parts of the judge, and included only by them. */
#ifndef TOCSIN_TESTS_JUDGE_INTERNAL_H
#define TOCSIN_TESTS_JUDGE_INTERNAL_H

#include "tests/simulation/judge.h"

extern World *judged; /* the world under judgement */

/* Prints the seed and the text on stderr, and counts one broken invariant. */
void invariant_broken(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* type: the header ce_type of the record. */
typedef void (*Visit)(void *context, unsigned partition, const BusRecord *record, Slice type);

/* Visits all records of a topic, including trimmed ones. */
void walk_stream(TopicId topic, Visit visit, void *context);

/* Visits the accepted records of a ledger, including trimmed ones, but not the records of the ownership protocol
 * (tocsin.ledger.*). */
void walk_ledger(TopicId topic, Visit visit, void *context);

/* The JSON body of a record, as a new reference. Aborts if the body is not JSON. */
json_t *body_of(const BusRecord *record);
const char *member(json_t *object, const char *name); /* "" if the member is missing; borrowed */

/* The incident's document in the state of the partition's owner, as a new reference; NULL if the owner has no such document. */
json_t *document_in(const char *service, unsigned partition, const char *id);

void judge_notifications(json_t *incidents);
void judge_audit(void);
void judge_outputs(void);
void judge_ids(void);
void judge_links(json_t *incidents);
void judge_views(void);
void judge_table(json_t *incidents);
void judge_fresh(void);

#endif
