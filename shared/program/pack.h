/* The policy pack as it lies in a directory: read by who publishes it and by who checks it. */
#ifndef TOCSIN_PROGRAM_PACK_H
#define TOCSIN_PROGRAM_PACK_H

#include "shared/domain/policy.h"
#include "shared/program/settings.h"

/*
 * Reads the pack of a directory (NULL: TOCSIN_POLICY, else the default pack that came with the program). *out is a new
 * reference; false with every mistake in *mistakes otherwise.
 */
bool pack_read(const Settings *settings, const char *directory, json_t **out, PolicyMistakes *mistakes);

/* Says one mistake. */
typedef void (*PackSay)(void *context, const char *mistake);

/* The same, each mistake said, or complained of where `say` is NULL; a new reference, or NULL. */
json_t *pack_take(const Settings *settings, const char *directory, PackSay say, void *context);

/*
 * Reads and compiles it; says on stdout that settings and pack are right, or complains of each mistake and gives NULL. Freed by the
 * caller.
 */
Policy *pack_check(const Settings *settings, const char *directory);

#endif
