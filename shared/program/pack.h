/* Reads a policy pack from its directory, for the program that publishes it and for the commands that check it. */
#ifndef TOCSIN_PROGRAM_PACK_H
#define TOCSIN_PROGRAM_PACK_H

#include "shared/domain/policy.h"
#include "shared/program/settings.h"

/*
 * Reads the pack in a directory (NULL: TOCSIN_POLICY, else the default pack installed beside the program). Bounds: 64 files
 * of at most 1 MiB. True: *out is a new reference. False: *mistakes holds the mistakes; each text begins with the file.
 */
bool pack_read(const Settings *settings, const char *directory, json_t **out, PolicyErrors *mistakes);

/* Receives one mistake, borrowed for the call. */
typedef void (*PackReport)(void *context, const char *mistake);

/* Like pack_read, but passes each mistake to report (NULL: report_error). Returns a new reference, or NULL after mistakes. */
json_t *pack_read_or_report(const Settings *settings, const char *directory, PackReport report, void *context);

/*
 * Reads and compiles the pack. If it is valid, prints on stdout that settings and policy are valid, and returns the policy; the
 * caller frees it with policy_free. Else reports each mistake on stderr and returns NULL.
 */
Policy *pack_check(const Settings *settings, const char *directory);

#endif
