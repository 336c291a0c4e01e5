/*
 * POST /v1/incidents/{id}/{command} and GET /v1/commands/{id}.
 *
 * A command is appended to tocsin.commands, and its suspended request waits until the view has accepted the journal record
 * that answers the command. The request first enters the waiting table (waiting.h). Then the view is read once more, because
 * a repeated command may have been answered meanwhile. Only then is a new command appended. So no answer is missed.
 *
 * Threads
 *   the HTTP server's   handlers
 *   the bus's           completed appends: they may answer requests, but must not call the bus
 *   the service's       command_requests_answered
 *   its own thread      answers expired requests: with 202 if the command is durable, else with 503
 */
#ifndef TOCSIN_GATEWAY_COMMAND_REQUESTS_H
#define TOCSIN_GATEWAY_COMMAND_REQUESTS_H

#include "services/gateway/core/principal.h"
#include "services/gateway/view_readers.h"
#include "shared/io/bus.h"

typedef struct CommandRequests CommandRequests;

/* Everything is borrowed and must outlive the CommandRequests. */
typedef struct {
	Bus *bus;
	ViewReaders *views;
	const AdminKey *key;
	int64_t wait_ms; /* how long a request waits for the effect of its command */
} CommandRequestsOptions;

/* Starts the thread that answers expired requests. */
CommandRequests *command_requests_new(const CommandRequestsOptions *options);

/* From now on no request waits for the effect of its command: it is answered with 202 as soon as the command is durable. */
void command_requests_drain(CommandRequests *requests);

/* Stops the thread. When it is called, no request may wait and no append may be in progress. */
void command_requests_free(CommandRequests *requests);

/* Answers the requests that wait for the command. The view has accepted its effect; store is the service's Store of the view. */
void command_requests_answered(CommandRequests *requests, Store *store, Slice command);

/* The answer to GET /v1/commands/{id}. */
typedef struct {
	const char *id, *incident_id;
	int status;      /* CommandState */
	int64_t version; /* INT64_MIN: null */
	json_t *problem;
} CommandAnswer;
extern const FieldTable command_status_table;

/* Handlers; context is a CommandRequests. */
void command_issue(HttpRequest *request, void *context);
void command_read(HttpRequest *request, void *context);

#endif
