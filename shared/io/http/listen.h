/*
 * Addresses of listeners: "127.0.0.1:8080", "[::1]:8080". An IPv6 address stands in brackets and has no zone. 0.0.0.0 is every
 * IPv4 address of the machine; [::] is every IPv6 and every IPv4 address (IPV6_V6ONLY is off, whatever the system's default).
 */
#ifndef TOCSIN_IO_HTTP_LISTEN_H
#define TOCSIN_IO_HTTP_LISTEN_H

#include <stdbool.h>
#include <sys/socket.h>

enum { LISTEN_TEXT = 64, LISTEN_URL = 72 }; /* bytes, with the terminating zero */

#define LISTEN_FORM "an IP address and a port, like 127.0.0.1:8080 or [::1]:8080"

typedef struct {
	struct sockaddr_storage socket;
	socklen_t size;
} ListenAddress;

/* False, with *out undefined, if the text is not an address and a port of 0 to 65535. */
bool listen_parse(const char *text, ListenAddress *out);

/* Writes an IPv4 or IPv6 address in its usual form, "127.0.0.1:8080" or "[::1]:8080". Aborts for any other address family. */
void listen_format(const ListenAddress *address, char out[static LISTEN_TEXT]);

/*
 * The URL of the listener for a client on this machine, without a slash at the end: the loopback address replaces 0.0.0.0 and [::].
 * listen_parse must accept the text; otherwise the process aborts.
 */
void listen_url(const char *text, char out[static LISTEN_URL]);

#endif
