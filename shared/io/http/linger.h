/* Closes sockets in such a way that clients can still read their answers. Private to the HTTP server. */
#ifndef TOCSIN_IO_HTTP_LINGER_H
#define TOCSIN_IO_HTTP_LINGER_H

enum {
	HTTP_DRAIN_MAX = 16 * 1024 * 1024, /* the most bytes that are read and dropped after a refusal */
	HTTP_LINGER_MAX = 128, /* the most sockets that are shut for sending and still read at a time */
};

typedef struct HttpLinger HttpLinger;

/* Starts a thread that reads from at most HTTP_LINGER_MAX sockets. http_linger_free closes them all and accepts NULL. */
HttpLinger *http_linger_new(void);
void http_linger_free(HttpLinger *linger);

/*
 * Takes ownership of a socket whose sending side was shut down; a negative socket is ignored. The socket is closed when the client
 * closes its side, or when the limits of linger.c are reached. If the thread already has HTTP_LINGER_MAX sockets, the new socket is
 * closed at once. Any thread.
 */
void http_linger_take(HttpLinger *linger, int socket);

#endif
