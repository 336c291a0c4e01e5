/* The records of notification's ledger: drafting them, and folding them into state. */
#ifndef TOCSIN_NOTIFICATION_RECORDS_H
#define TOCSIN_NOTIFICATION_RECORDS_H

#include "services/notification/state.h"
#include "shared/runtime/handler.h"

/* A record of which nothing is there but the incident. */
DeliveryRecord record_of(const char *incident_id);

/* id may be NULL: derived from the input. The record's policy version is filled in. */
Result record_draft(Handler *handler, const char *type, const DeliveryRecord *record, const Id *id, Slice cause);

/* One delivery that was tried, or given up. state: of delivery_words; next_at: for queued. */
Result attempt_draft(Handler *handler, const DueDelivery *delivery, const char *state, int64_t attempt, Instant next_at,
		     const char *detail);

/* Timers: "level:<incident>:<n>", "send:<msg_…>". */
enum { TIMER_ID = 128 };
void level_timer(char out[static TIMER_ID], Slice incident, int64_t level);
bool level_timer_read(Slice timer, Slice *incident, int64_t *level);
bool send_timer_read(Slice timer, Slice *key);

/* Service.apply: pure in state and record. */
Result records_apply(Handler *handler, const Record *record);

#endif
