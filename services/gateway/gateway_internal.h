/*
 * What the files of the gateway share. Nothing else includes it.
 *
 * Threads: the HTTP server's (handlers), the bus's (done callbacks: they may answer, and call nothing of the bus), the
 * service's (accepted), and one of its own that answers commands whose time is over (deadlines.c).
 */
#ifndef TOCSIN_GATEWAY_INTERNAL_H
#define TOCSIN_GATEWAY_INTERNAL_H

#include "services/gateway/gateway.h"
#include "services/gateway/core/preconditions.h"
#include "services/gateway/idempotency.h"
#include "services/gateway/view.h"
#include "services/gateway/waiting.h"

#include <pthread.h>
#include <stdatomic.h>

enum { ROUTES_MAX = 16, VIEW_READERS = 4, ANSWER_MAX = 32 << 20 };

/* A compiled policy and how many use it. */
typedef struct {
	atomic_uint references;
	Policy *policy;
	int64_t offset; /* of its message in tocsin.policies */
} PolicyShare;

typedef struct {
	pthread_mutex_t mutex;
	Store *store; /* opened at the first use */
} ViewReader;

struct Gateway {
	GatewayOptions options;
	char *view_path;
	HttpRoute routes[ROUTES_MAX];
	Buffer description; /* openapi.json */

	pthread_mutex_t policy_mutex;
	PolicyShare *policy; /* what was published last, as far as it is known here; NULL: nothing yet */

	ViewReader readers[VIEW_READERS];
	atomic_uint next_reader;
	atomic_bool caught_up; /* the view holds all that the logs held at the start (handler.h); until then nobody reads it */

	IdempotencyCache *repeats;
	Waiting *waiting;
	pthread_t deadlines;
	pthread_mutex_t deadline_mutex;
	pthread_cond_t deadline_changed;
	bool stopping;
	atomic_bool draining;
};

/* ---- policy_share.c */
PolicyShare *policy_share(Gateway *gateway); /* NULL: none yet; give back with policy_unshare */
void policy_unshare(PolicyShare *share);
/* Takes the policy (NULL: none any more) that stands there, unless a later one is in force. */
void policy_replace(Gateway *gateway, Policy *policy, int64_t offset);
/* A message of tocsin.policies, whichever gateway published it. */
Result policy_handle(Handler *handler, const Record *record);

/*
 * ---- a Store of the view for this thread; *reader is to be given back in every case but failure
 *
 * ERROR_AGAIN until the view has caught up: an incident that it does not hold yet would be answered with 404.
 */
Result view_borrow(Gateway *gateway, ViewReader **reader);
/* False: the request was answered with 503. */
bool view_borrow_or_answer(Gateway *gateway, HttpRequest *request, ViewReader **reader);
void view_return(ViewReader *reader);

/* ---- answers.c: each answers the request */
void answer_problem(HttpRequest *request, const Problem *problem);
void answer_refusal(HttpRequest *request, ProblemCode code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void answer_failure(HttpRequest *request, Result result);
/* 503: it may have been taken or not. Never a 2xx, and no reason to do without an answer: asking again does no harm. */
void answer_doubt(HttpRequest *request);
void answer_errors(HttpRequest *request, ProblemCode code, const char *detail, const FieldErrors *errors,
		   const char *const *allowed);
void answer_json(HttpRequest *request, unsigned status, Slice body, const char *location);
void answer_incident(HttpRequest *request, Slice document, int64_t version);
void answer_not_modified(HttpRequest *request, int64_t version);

/* ---- handlers, by file */
void ingest_event(HttpRequest *request, void *context);
void ingest_report(HttpRequest *request, void *context);

void query_incidents(HttpRequest *request, void *context);
void query_incident(HttpRequest *request, void *context);
void query_timeline(HttpRequest *request, void *context);

void command_issue(HttpRequest *request, void *context);
void command_read(HttpRequest *request, void *context);
/* The view has accepted the answer to a command; store is the service's own. */
void command_answered(Gateway *gateway, Store *store, Slice command);
void answer_pending(HttpRequest *request, Slice command);

void describe_api(HttpRequest *request, void *context);

/* ---- deadlines.c */
void deadlines_start(Gateway *gateway);
void deadlines_changed(Gateway *gateway);
void deadlines_stop(Gateway *gateway); /* answers all that wait */

/* ---- description.c: proto/openapi.yaml, built in, as JSON appended to out */
Result description_write(Buffer *out);

#endif
