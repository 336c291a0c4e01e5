/* The server: everything `tocsin serve` holds while it lives. Parts are opened in this order and closed in the other. */
#ifndef TOCSIN_CLI_SERVER_H
#define TOCSIN_CLI_SERVER_H

#include "services/audit/audit.h"
#include "services/cli/home.h"
#include "services/gateway/gateway.h"
#include "services/notification/notification.h"
#include "shared/service/process.h"

#include <stdatomic.h>

typedef struct {
	Settings *settings;
	Home home;
	Bus *bus;
	Timers *timers;
	Outside *outside;
	AuditLedger *audit_ledger;
	AuditEnvironment audit;
	NotificationEnvironment notification;
	Gateway *gateway;
	ProcessService services[6]; /* the process borrows them for its life */
	HttpServer *http;
	_Atomic(Process *) process; /* asked by the threads of the HTTP server, which are there before it */
	char view_path[PATH_SIZE];
	char url[64]; /* http:// and the listener as bound */
	atomic_bool draining;
} Server;

/*
 * Opens all of it and puts the policy pack in force. Every failure is one of the surroundings. To be closed in every case;
 * settings are borrowed until then.
 */
Result server_open(Server *server, Settings *settings, json_t *pack);

/* True when every service takes input and nothing drains. *failed: one has stopped for good, *why says which and what. */
bool server_ready(Server *server, bool *failed, Result *why);

/* Says no to /readyz, and after TOCSIN_DRAIN_DELAY_MS takes no more connections and lets those there are be answered. */
void server_drain(Server *server);

/* Lets batches under way finish, within TOCSIN_DRAIN_TIMEOUT_MS, and closes everything. */
void server_close(Server *server);

#endif
