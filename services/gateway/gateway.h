/*
 * The gateway: the REST API for machines and people. It authenticates and validates requests, records accepted ones durably,
 * and answers queries from its own view.
 *
 *   gateway_service   reads journal, deliveries and commands into the view (view.h) and answers the requests that wait for
 *                     the effect of a command. It also reads policies, which any gateway may have published. Until the
 *                     view has caught up, queries and commands are answered with 503; events and reports are accepted
 *   gateway_routes    the HTTP handlers, on the server's threads: they read the view through their own Stores
 *                     (view_readers.h) and append to tocsin.events and tocsin.commands
 *
 * gateway_service also works without a Gateway (handler->environment is NULL), as in the simulation; then it only keeps the view.
 *
 * Modules: answers.h (responses), policies.h (policy in force), view_readers.h (Stores for threads that read), ingest.h
 * (events, reports), queries.h (GET), command_requests.h (commands). Each module owns its state; Gateway only connects them.
 *
 * Order of calls: gateway_new → the HTTP server starts → the process starts the service on the file at view_path →
 * gateway_publish_policy → … → gateway_drain → the HTTP server stops → the process stops → the bus is closed →
 * gateway_free.
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

/* For the program that runs the gateway: routes, publication of the policy pack, greeting. */
extern const ServiceHooks gateway_hooks;

/* Every route of the gateway, in the order of proto/openapi.yaml. body_max of a POST is the default of TOCSIN_BODY_MAX. */
extern const HttpRoute gateway_route_table[];
extern const size_t gateway_route_count;

typedef struct {
	Bus *bus; /* not owned; outlives the gateway's requests */
	AdminKey key;
	const char *view_path; /* the service's state file; copied */
	int64_t command_wait_ms; /* how long a request waits for the effect of its command */
	size_t body_max; /* bytes */
} GatewayOptions;

/* ERROR_INTERNAL: the built-in description of the API cannot be read. */
Result gateway_new(const GatewayOptions *options, Gateway **out);

/* From now on no request waits for the effect of its command: it is answered with 202 as soon as the command is durable. */
void gateway_drain(Gateway *gateway);

/* Call it after the bus was closed, when no request is in progress. Accepts NULL. */
void gateway_free(Gateway *gateway);

/* gateway_route_count routes for http_server_start, with the contexts of their handlers. Valid as long as the gateway. */
const HttpRoute *gateway_routes(const Gateway *gateway);

/* Callbacks for http_server_start; the context is the Gateway. */
Result gateway_admit(HttpRequest *request, void *gateway);
void gateway_refuse(HttpRequest *request, unsigned status, const char *detail, void *gateway);

/* Calls policies_publish (policies.h). Only one thread at a time may call it. */
Result gateway_publish_policy(Gateway *gateway, json_t *message, bool always);

/* True once a policy is in force, so that events can be accepted. */
bool gateway_has_policy(Gateway *gateway);

/* The record to append to partition accepted->slot % bus->partitions of tocsin.events; it borrows from both arguments. */
BusRecord accepted_record(const Accepted *accepted, const AcceptInput *input);

#endif
