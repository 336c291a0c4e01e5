/*
 * Records that follow from accepted records, and dead letters. Appends are counted on a Wire; the caller decides when all of
 * them must be durable. The id of an output is a function of the record it follows from: publishing it again changes nothing.
 */
#ifndef TOCSIN_RUNTIME_OUTPUTS_H
#define TOCSIN_RUNTIME_OUTPUTS_H

#include "shared/domain/ledger.h"
#include "shared/runtime/handler.h"
#include "shared/runtime/runtime.h"
#include "shared/runtime/wire.h"

typedef struct {
	Handler *handler;
	Bus *bus;
	Wire *wire;
	const Record *from; /* the record that outputs follow from; NULL: no output may be emitted now */
	unsigned emitted;   /* outputs of that record so far */
	Buffer headers;
	RuntimeFigures *figures;
} Outputs;

/* reader is borrowed until outputs_release: it is woken when the outputs under way are reported. */
void outputs_init(Outputs *outputs, Handler *handler, BusReader *reader, RuntimeFigures *figures);
void outputs_release(Outputs *outputs);

/* Appends an output of outputs->from on outputs->wire (handler_emit). */
Result outputs_emit(Outputs *outputs, TopicId topic, unsigned slot, const Draft *draft);

/* Calls the service's function (derive, handle) with the record; outputs that it emits follow from this record. */
Result outputs_of(Outputs *outputs, Result (*function)(Handler *handler, const Record *record), const Record *record);

/*
 * Derives again from the accepted records between `from` and the ledger's offset `until`, on a new wire. ERROR_AGAIN: not all of
 * these records have arrived.
 */
Result outputs_derive_again(Outputs *outputs, BusReader *reader, const LedgerCursor *from, int64_t until);

/* The body of a dead letter. */
typedef struct {
	const char *service, *topic, *reason;
	int64_t partition, offset;
} DeadLetter;
extern const FieldTable dead_letter_table;

/* Appends a dead letter for the input on this wire. ERROR_AGAIN: it cannot be appended; the position must stay before the input. */
Result outputs_dead_letter(Outputs *outputs, Wire *wire, BusPosition input, const char *reason);

#endif
