/*
 * The reference of `make bench-ingest`: ulfius in its default mode, with a thread for each connection. It parses the body with
 * jansson, stores nothing and answers 202: the throughput of a plain REST service in C without durability.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>
#include <ulfius.h>

static int take(const struct _u_request *request, struct _u_response *response, void *context)
{
	(void)context;
	json_error_t error;
	json_t *tree = json_loadb(request->binary_body, request->binary_body_length, JSON_REJECT_DUPLICATES, &error);
	ulfius_set_string_body_response(response, tree ? 202 : 400, tree ? "{\"id\":\"evt_00000000000000000000000000\"}" : "{}");
	json_decref(tree);
	return U_CALLBACK_CONTINUE;
}

int main(int argc, char **argv)
{
	struct _u_instance instance;
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	unsigned port = argc > 1 ? (unsigned)atoi(argv[1]) : 18099;
	sigset_t signals;
	int received;
	address.sin_port = htons((unsigned short)port);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	if (ulfius_init_instance(&instance, port, &address, NULL) != U_OK)
		return 1;
	ulfius_add_endpoint_by_val(&instance, "POST", "/v1", "/events", 0, take, NULL);
	if (ulfius_start_framework(&instance) != U_OK)
		return 1;
	printf("ready\n");
	fflush(stdout);
	sigwait(&signals, &received);
	ulfius_stop_framework(&instance);
	ulfius_clean_instance(&instance);
	return 0;
}
