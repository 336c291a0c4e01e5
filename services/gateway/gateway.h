/*
 * The gateway: the REST API for machines and people. It authenticates, validates, accepts durably, and answers
 * questions from a view of its own.
 *
 * Two halves that share one Gateway:
 *   gateway_service   a reader of journal, deliveries and commands: folds them into the view (view.h), and wakes the
 *                     requests that wait for a command; and of policies, whichever gateway published them. Until the view
 *                     has caught up, questions and commands are answered with 503; events and reports are taken
 *   gateway_routes    the HTTP side: threads of the server, which read the view through Stores of their own and append
 *                     to tocsin.events and tocsin.commands
 * The service works without a Gateway too (environment NULL), as in the simulation: it then only keeps the view.
 *
 * ProgramState: gateway_new → the HTTP server → (process starts the service on the file at view_path) → gateway_publish_policy
 * → … → gateway_drain → the HTTP server is stopped → the process is stopped → the bus is closed → gateway_free.
 */
#ifndef TOCSIN_GATEWAY_H
#define TOCSIN_GATEWAY_H

#include "services/gateway/core/accept.h"
#include "services/gateway/core/principal.h"
#include "shared/io/bus.h"
#include "shared/io/http/server.h"
#include "shared/program/program.h"

typedef struct Gateway Gateway;

extern const Service gateway_service;

/* For the program it runs in: the routes, the policy pack, the greeting. */
extern const ServiceHooks gateway_hooks;

/*
 * Every route of its own, in the order of the API's description. body_max of those that take a body is the setting's
 * default.
 */
extern const HttpRoute gateway_route_table[];
extern const size_t gateway_route_count;

typedef struct {
	Bus *bus; /* not owned */
	AdminKey key;
	const char *view_path; /* the service's state file; copied */
	int64_t command_wait_ms; /* how long a command waits for its effect */
	size_t body_max; /* bytes */
} GatewayOptions;

/* ERROR_INTERNAL: the description of the API that was built in cannot be read. */
Result gateway_new(const GatewayOptions *options, Gateway **out);

/* Answers every waiting command with 202, and those to come as soon as they are durable. */
void gateway_drain(Gateway *gateway);

/* Nothing may be appended any more, and no request may be under way. */
void gateway_free(Gateway *gateway);

/* What http_server_start takes; context of all of them is the Gateway. */
const HttpRoute *gateway_routes(const Gateway *gateway);
Result gateway_admit(HttpRequest *request, void *gateway);
void gateway_refuse(HttpRequest *request, unsigned status, const char *detail, void *gateway);

/* The record to append to tocsin.events, partition accepted->slot % P; borrows from both. */
BusRecord accepted_record(const Accepted *accepted, const AcceptInput *input);

#endif
