/*
 * Which addresses webhooks may reach: whoever can name a URL must not thereby reach into the network we stand in. Judged
 * is the address a connection is really about to be made to, after the name was resolved, so that neither an odd spelling
 * of a number nor a name that changes its mind gets past it.
 *
 * Public addresses are allowed; private, link-local, loopback, documentation, multicast and reserved ones are not, unless
 * the operator's list has them. Plain http: goes only to addresses of that list. The mail server is a setting of the
 * operator's own and is not judged here.
 */
#ifndef TOCSIN_IO_OUTBOUND_EGRESS_H
#define TOCSIN_IO_OUTBOUND_EGRESS_H

#include "shared/base/error.h"
#include "shared/base/text.h"

struct sockaddr;

enum { EGRESS_NETS_MAX = 64 };

/* IPv4 stands as ::ffff:a.b.c.d, so that both spellings of an address are one. */
typedef struct {
	unsigned char bytes[16];
	unsigned bits;
} EgressNet;

typedef struct {
	size_t count;
	EgressNet nets[EGRESS_NETS_MAX];
} EgressRules;

/* Addresses and CIDRs by comma or space; NULL: none. ERROR_INPUT for what is none, more than EGRESS_NETS_MAX, or has bits
 * behind its prefix. */
Result egress_parse(const char *list, EgressRules *out);

/* The operator's list has it. */
bool egress_listed(const EgressRules *rules, const struct sockaddr *address);

/* The operator's list has it, or it is public. */
bool egress_allowed(const EgressRules *rules, const struct sockaddr *address);

/*
 * What a webhook's URL tells before any name is asked for: ERROR_INPUT, with what to do and without the URL, which may be
 * a secret, when no call to it could ever be allowed. That it is fine says only the call itself.
 */
Result egress_url(const EgressRules *rules, const char *url);

#endif
