#include "shared/io/http/listen.h"

#include "shared/base/error.h"
#include "shared/base/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { PORT_MAX = 65535 };

static struct sockaddr_in *as_ipv4(ListenAddress *address)
{
	return (struct sockaddr_in *)(void *)&address->socket;
}

static struct sockaddr_in6 *as_ipv6(ListenAddress *address)
{
	return (struct sockaddr_in6 *)(void *)&address->socket;
}

static bool ipv4_parse(Slice host, uint16_t port, ListenAddress *out)
{
	char text[INET_ADDRSTRLEN];
	struct sockaddr_in *address = as_ipv4(out);

	out->size = sizeof *address;
	address->sin_family = AF_INET;
	address->sin_port = htons(port);
	return text_copy(host, text, sizeof text) && inet_pton(AF_INET, text, &address->sin_addr) == 1;
}

static bool ipv6_parse(Slice host, uint16_t port, ListenAddress *out)
{
	char text[INET6_ADDRSTRLEN];
	struct sockaddr_in6 *address = as_ipv6(out);

	out->size = sizeof *address;
	address->sin6_family = AF_INET6;
	address->sin6_port = htons(port);
	return text_copy(host, text, sizeof text) && inet_pton(AF_INET6, text, &address->sin6_addr) == 1;
}

bool listen_parse(const char *text, ListenAddress *out)
{
	const char *colon = strrchr(text, ':');
	int64_t port;

	*out = (ListenAddress){ .size = 0 };
	if (!colon || !slice_integer(slice_of(colon + 1), &port) || port < 0 || port > PORT_MAX)
		return false;
	Slice host = { text, (size_t)(colon - text) };
	bool bracketed = host.size >= 2 && host.data[0] == '[' && host.data[host.size - 1] == ']';
	if (!bracketed)
		return ipv4_parse(host, (uint16_t)port, out);
	return ipv6_parse((Slice){ host.data + 1, host.size - 2 }, (uint16_t)port, out);
}

void listen_format(const ListenAddress *address, char out[static LISTEN_TEXT])
{
	ListenAddress copy = *address;
	char host[INET6_ADDRSTRLEN];

	if (copy.socket.ss_family == AF_INET) {
		must(inet_ntop(AF_INET, &as_ipv4(&copy)->sin_addr, host, sizeof host) != NULL);
		snprintf(out, LISTEN_TEXT, "%s:%u", host, ntohs(as_ipv4(&copy)->sin_port));
		return;
	}
	must(copy.socket.ss_family == AF_INET6 && inet_ntop(AF_INET6, &as_ipv6(&copy)->sin6_addr, host, sizeof host) != NULL);
	snprintf(out, LISTEN_TEXT, "[%s]:%u", host, ntohs(as_ipv6(&copy)->sin6_port));
}

void listen_url(const char *text, char out[static LISTEN_URL])
{
	ListenAddress address;
	char near[LISTEN_TEXT];

	must(listen_parse(text, &address));
	struct sockaddr_in *ipv4 = as_ipv4(&address);
	struct sockaddr_in6 *ipv6 = as_ipv6(&address);
	if (ipv4->sin_family == AF_INET && ipv4->sin_addr.s_addr == htonl(INADDR_ANY))
		ipv4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (ipv6->sin6_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&ipv6->sin6_addr))
		ipv6->sin6_addr = in6addr_loopback;
	listen_format(&address, near);
	snprintf(out, LISTEN_URL, "http://%s", near);
}
