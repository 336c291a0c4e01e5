/*
 * The addresses that webhooks may reach: a person who can configure a URL must not be able to reach into the server's network.
 * The check applies to the resolved address just before the connection. Neither an unusual spelling of an address nor a name that
 * resolves differently the second time bypasses it.
 *
 * Public addresses are allowed. Private, link-local, loopback, documentation, multicast and reserved addresses are refused unless
 * the operator's list (TOCSIN_EGRESS_ALLOW) has them. Plain http: is allowed only to addresses in that list. The mail server is a
 * setting of the operator and is not checked.
 */
#ifndef TOCSIN_IO_OUTBOUND_EGRESS_H
#define TOCSIN_IO_OUTBOUND_EGRESS_H

#include "shared/base/error.h"
#include "shared/base/text.h"

struct sockaddr;

enum { EGRESS_NETS_MAX = 64 };

/* An IPv4 address is stored as ::ffff:a.b.c.d, so that it equals its IPv6 spelling. `bits`: length of the prefix, 0 to 128. */
typedef struct {
	unsigned char bytes[16];
	unsigned bits;
} EgressNet;

typedef struct {
	size_t count;
	EgressNet nets[EGRESS_NETS_MAX];
} EgressRules;

/*
 * Parses addresses and CIDRs separated by commas or white space; NULL is an empty list. ERROR_INPUT, and *out is unchanged: an
 * entry is invalid or has bits set behind its prefix, or there are more than EGRESS_NETS_MAX entries.
 */
Result egress_parse(const char *list, EgressRules *out);

/* True: the address is in the operator's list. */
bool egress_listed(const EgressRules *rules, const struct sockaddr *address);

/* True: the address is in the operator's list or public. */
bool egress_allowed(const EgressRules *rules, const struct sockaddr *address);

/*
 * Checks the URL of a webhook without resolving names. ERROR_INPUT: every call of the URL would be refused; the error text does not
 * contain the URL, which may be a secret. After success a call may still be refused, because the call checks the resolved address.
 */
Result egress_url(const EgressRules *rules, const char *url);

#endif
