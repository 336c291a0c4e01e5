/*
 * POST /v1/incidents/{id}/{command} and GET /v1/commands/{id}.
 *
 * A command is appended to tocsin.commands, and its suspended request waits until the view has accepted the journal record
 * that answers it. The request enters the waiting table (waiting.h) before the command is appended, and the view is read
 * once more after that; therefore an answer is not missed, however early it comes.
 *
 * Threads: the HTTP server's (handlers), the bus's (completed appends: they may answer, but not call the bus), the
 * service's (command_requests_answered), and one owned by CommandRequests that answers expired requests: with 202 if the
 * command is durable, else with 503.
 */
#ifndef TOCSIN_GATEWAY_COMMAND_REQUESTS_H
#define TOCSIN_GATEWAY_COMMAND_REQUESTS_H

#include "services/gateway/core/principal.h"
#include "services/gateway/view_readers.h"
#include "shared/io/bus.h"

typedef struct CommandRequests CommandRequests;

/* Nothing is owned. */
typedef struct {
	Bus *bus;
	ViewReaders *views;
	const AdminKey *key;
	int64_t wait_ms; /* how long a request waits for the effect of its command */
} CommandRequestsOptions;

/* Starts the thread. */
CommandRequests *command_requests_new(const CommandRequestsOptions *options);

/* Answers every request whose command is durable with 202; later requests as soon as their command is durable. */
void command_requests_drain(CommandRequests *requests);

/* Stops the thread. No request may wait, and no append may be in progress. */
void command_requests_free(CommandRequests *requests);

/* The view has accepted the answer to the command; store is the service's. Answers the requests that wait for it. */
void command_requests_answered(CommandRequests *requests, Store *store, Slice command);

/* Handlers; context is a CommandRequests. */
void command_issue(HttpRequest *request, void *context);
void command_read(HttpRequest *request, void *context);

#endif
