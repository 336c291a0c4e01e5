/* The records of notification's ledger: drafts them, and folds accepted ones into state. */
#ifndef TOCSIN_NOTIFICATION_RECORDS_H
#define TOCSIN_NOTIFICATION_RECORDS_H

#include "services/notification/state.h"
#include "shared/runtime/handler.h"

/* A record with only the incident's id set; borrows incident_id. */
DeliveryRecord record_of(const char *incident_id);

/* Drafts a record with the policy version in force. id NULL: the id is derived from the input. ERROR_INTERNAL: too large. */
Result record_draft(Handler *handler, const char *type, const DeliveryRecord *record, const Id *id, Slice cause);

/* Drafts the outcome of an attempt. state: a word of delivery_words; next_at: INSTANT_NONE unless queued; detail may be NULL. */
Result attempt_draft(Handler *handler, const DueDelivery *delivery, const char *state, int64_t attempt, Instant next_at,
		     const char *detail);

/* Ids of timers: "level:<incident>:<n>", "send:<msg_…>". The _read functions return false for other ids. Slices borrow timer. */
enum { TIMER_ID = 128 };
void level_timer(char out[static TIMER_ID], Slice incident, int64_t level);
bool level_timer_read(Slice timer, Slice *incident, int64_t *level);
bool send_timer_read(Slice timer, Slice *key);

/* Service.apply: applies an accepted record to the state. Uses only state and record. */
Result records_apply(Handler *handler, const Record *record);

#endif
