/*
 * Counts appends under way, so that the caller can wait for all of them at once. The bus reports each append exactly once, possibly
 * after the caller has released the Wire: its memory is freed only after the last report.
 */
#ifndef TOCSIN_RUNTIME_WIRE_H
#define TOCSIN_RUNTIME_WIRE_H

#include "shared/domain/topics.h"
#include "shared/io/bus.h"

typedef struct Wire Wire;

/*
 * Never NULL. The reader (NULL: none) is borrowed until wire_release: its wait ends when the last append under way is reported, or
 * one as failed.
 */
Wire *wire_new(BusReader *reader);
void wire_release(Wire *wire); /* accepts NULL */

/* Releases *wire and sets a new one with the same reader: reports of earlier appends no longer count. */
void wire_replace(Wire **wire);

/* Calls bus_append, which copies the record, and counts the append if bus_append returns OK. */
Result wire_append(Wire *wire, Bus *bus, TopicId topic, unsigned partition, const BusRecord *record);

unsigned wire_pending(const Wire *wire); /* appends not reported yet */
bool wire_failed(const Wire *wire);      /* an append was reported as failed */

#endif
