#include "shared/io/outbound/egress.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

enum { IPV4_BITS = 96 };

#define IPV4(a, b, c, d, bits_)                                                                                        \
	{                                                                                                              \
		{ [10] = 0xff, [11] = 0xff, [12] = (a), [13] = (b), [14] = (c), [15] = (d) }, IPV4_BITS + (bits_)      \
	}

static const EgressNet ipv4 = IPV4(0, 0, 0, 0, 0);
static const EgressNet ipv6_public = { { 0x20 }, 3 };

/* Networks within `ipv4` and `ipv6_public` that are not public, mainly according to the IANA special-purpose registries. */
static const EgressNet denied[] = {
	IPV4(0, 0, 0, 0, 8), /* "this network": 0.0.0.0 reaches this machine */
	IPV4(10, 0, 0, 0, 8), /* private */
	IPV4(100, 64, 0, 0, 10), /* carrier-grade NAT */
	IPV4(127, 0, 0, 0, 8), /* loopback */
	IPV4(169, 254, 0, 0, 16), /* link-local: metadata services of clouds */
	IPV4(172, 16, 0, 0, 12), /* private */
	IPV4(192, 0, 0, 0, 24), /* protocol assignments */
	IPV4(192, 0, 2, 0, 24), /* documentation */
	IPV4(192, 88, 99, 0, 24), /* 6to4 relays */
	IPV4(192, 168, 0, 0, 16), /* private */
	IPV4(198, 18, 0, 0, 15), /* benchmarks */
	IPV4(198, 51, 100, 0, 24), /* documentation */
	IPV4(203, 0, 113, 0, 24), /* documentation */
	IPV4(224, 0, 0, 0, 4), /* multicast */
	IPV4(240, 0, 0, 0, 4), /* reserved, broadcast */
	{ { 0x20, 0x01 }, 23 }, /* protocol assignments: Teredo and others embed IPv4 */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, /* documentation */
	{ { 0x20, 0x02 }, 16 }, /* 6to4: embeds IPv4 */
	{ { 0x3f, 0xff }, 20 }, /* documentation */
};

static bool net_has(const EgressNet *net, const unsigned char address[static 16])
{
	unsigned whole = net->bits / 8, rest = net->bits % 8;
	unsigned char mask = (unsigned char)(0xff00u >> rest);

	return memcmp(net->bytes, address, whole) == 0 &&
	       (rest == 0 || ((net->bytes[whole] ^ address[whole]) & mask) == 0);
}

static bool nets_have(const EgressNet *nets, size_t count, const unsigned char address[static 16])
{
	for (size_t i = 0; i < count; i++)
		if (net_has(&nets[i], address))
			return true;
	return false;
}

static bool address_bytes(const struct sockaddr *address, unsigned char out[static 16])
{
	if (address->sa_family == AF_INET) {
		memcpy(out, ipv4.bytes, 12);
		memcpy(out + 12, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
		return true;
	}
	if (address->sa_family == AF_INET6) {
		memcpy(out, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
		return true;
	}
	return false;
}

bool egress_listed(const EgressRules *rules, const struct sockaddr *address)
{
	unsigned char bytes[16];

	return address_bytes(address, bytes) && nets_have(rules->nets, rules->count, bytes);
}

bool egress_allowed(const EgressRules *rules, const struct sockaddr *address)
{
	unsigned char bytes[16];

	if (!address_bytes(address, bytes))
		return false;
	if (nets_have(rules->nets, rules->count, bytes))
		return true;
	return (net_has(&ipv4, bytes) || net_has(&ipv6_public, bytes)) &&
	       !nets_have(denied, sizeof(denied) / sizeof(denied[0]), bytes);
}

/* ---- a URL ------------------------------------------------------------------------------------------------------- */

/* Parses a host that is an address in any spelling. False: the host is a name. */
static bool host_address(const char *host, struct sockaddr_storage *out)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
	bool bracketed = host[0] == '[';
	struct addrinfo *found;
	char bare[INET6_ADDRSTRLEN];

	if (!text_copy((Slice){ host + bracketed, strlen(host) - 2 * bracketed }, bare, sizeof(bare)) ||
	    getaddrinfo(bare, NULL, &hints, &found) != 0)
		return false;
	memcpy(out, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return true;
}

static bool host_refused(const EgressRules *rules, bool plain, const char *host)
{
	struct sockaddr_storage address;

	if (strcasecmp(host, "localhost") == 0)
		return host_refused(rules, plain, "127.0.0.1") && host_refused(rules, plain, "::1");
	return host_address(host, &address) &&
	       !(plain ? egress_listed : egress_allowed)(rules, (const struct sockaddr *)&address);
}

static Result target_check(const EgressRules *rules, const char *scheme, const char *host)
{
	bool plain = strcasecmp(scheme, "http") == 0;

	if (!plain && strcasecmp(scheme, "https") != 0)
		return result_fail(ERROR_INPUT, "its URL must begin with https:, or with http: for addresses in TOCSIN_EGRESS_ALLOW");
	if (plain && rules->count == 0)
		return result_fail(ERROR_INPUT, "http: needs TOCSIN_EGRESS_ALLOW, and it is not set: set it, or use https:");
	if (host_refused(rules, plain, host))
		return result_fail(ERROR_INPUT, "its address is not allowed: add it to TOCSIN_EGRESS_ALLOW");
	return result_ok();
}

Result egress_url(const EgressRules *rules, const char *url)
{
	Result result = result_fail(ERROR_INPUT, "its URL is invalid: write https://HOST[:PORT]/PATH");
	CURLU *parts = curl_url();
	char *scheme = NULL, *host = NULL;

	must(parts != NULL);
	if (curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK)
		result = target_check(rules, scheme, host);
	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(parts);
	return result;
}

/* ---- the operator's list ----------------------------------------------------------------------------------------- */

/* Parses an address into out->bytes; *width is the number of bits of the address in its own notation, 32 or 128. */
static bool address_parse(Slice text, EgressNet *out, unsigned *width)
{
	char copy[INET6_ADDRSTRLEN];

	if (!text_copy(text, copy, sizeof(copy)))
		return false;
	*out = ipv4;
	*width = 32;
	if (inet_pton(AF_INET, copy, out->bytes + 12) == 1)
		return true;
	*width = 128;
	return inet_pton(AF_INET6, copy, out->bytes) == 1;
}

/* True: no bit is set behind the prefix. */
static bool net_is_canonical(const EgressNet *net)
{
	for (unsigned bit = net->bits; bit < 128; bit++)
		if (net->bytes[bit / 8] & 0x80 >> bit % 8)
			return false;
	return true;
}

static bool net_parse(Slice text, EgressNet *out)
{
	const char *slash = memchr(text.data, '/', text.size);
	size_t size = slash ? (size_t)(slash - text.data) : text.size;
	unsigned width;
	int64_t bits;

	if (!address_parse((Slice){ text.data, size }, out, &width))
		return false;
	bits = width;
	if (slash && !slice_integer((Slice){ slash + 1, text.size - size - 1 }, &bits))
		return false;
	if (bits < 0 || bits > width)
		return false;
	out->bits = (unsigned)bits + 128 - width;
	return net_is_canonical(out);
}

Result egress_parse(const char *list, EgressRules *out)
{
	static const char separators[] = ", \t\r\n";
	EgressRules rules = { 0 };

	for (const char *at = list ? list : ""; *(at += strspn(at, separators)) != '\0';
	     at += strcspn(at, separators)) {
		Slice net = { at, strcspn(at, separators) };
		if (rules.count == EGRESS_NETS_MAX)
			return result_fail(ERROR_INPUT, "more than %d networks are listed: merge some", EGRESS_NETS_MAX);
		if (!net_parse(net, &rules.nets[rules.count]))
			return result_fail(ERROR_INPUT,
					   "'%.*s' is not a network: write for example 10.1.0.0/16, 192.168.1.7 or fd00:1::/32",
					   (int)(net.size < 64 ? net.size : 64), net.data);
		rules.count++;
	}
	*out = rules;
	return result_ok();
}
