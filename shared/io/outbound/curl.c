#include "shared/io/outbound/outbound.h"

#include "shared/io/outbound/call.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * A worker takes a job only when there is room for its outcome, so the queue and the outcomes stay within their limits, and no
 * outcome is lost: if outcomes are not taken, the queue fills and send returns ERROR_AGAIN.
 */

enum {
	WORKERS = 4,
	WORKERS_MAX = 64,
	QUEUE_MAX = 1024,
	BODY_MAX = 1024 * 1024,
	GRACE_MS = 1000, /* time for calls running at close; then they are aborted, which takes libcurl up to a second */
};

typedef struct Job Job;

/* A queued request: one allocation, with the texts and the body after the struct. */
struct Job {
	Job *next;
	OutboundRequest request;
	char texts[];
};

typedef struct OutboundCurl OutboundCurl;

typedef struct {
	OutboundCurl *owner;
	pthread_t thread;
	Job *job; /* being sent, or NULL */
} Worker;

struct OutboundCurl {
	Outbound outbound; /* must be the first member */
	OutboundCallSettings settings;
	pthread_mutex_t mutex;
	pthread_cond_t work, idle;
	Job *first, **last;
	unsigned queued, queue_max, running;
	OutboundOutcome *outcomes; /* a ring buffer of queue_max entries */
	unsigned outcome_first, outcome_count;
	bool closing;
	pthread_mutex_t wake_mutex; /* held while wake runs, so that no wake runs after notify(NULL) */
	void (*wake)(void *context);
	void *wake_context;
	unsigned worker_count;
	Worker workers[WORKERS_MAX];
};

/* ---- jobs -------------------------------------------------------------------------------------------------------- */

static const size_t request_texts[] = {
	offsetof(OutboundRequest, key),     offsetof(OutboundRequest, url),      offsetof(OutboundRequest, secret),
	offsetof(OutboundRequest, from),    offsetof(OutboundRequest, to),       offsetof(OutboundRequest, to_name),
	offsetof(OutboundRequest, subject), offsetof(OutboundRequest, language), offsetof(OutboundRequest, thread),
};

enum { REQUEST_TEXTS = sizeof(request_texts) / sizeof(request_texts[0]) };

static const char **request_text(OutboundRequest *request, size_t i)
{
	return (const char **)(void *)((char *)request + request_texts[i]);
}

static Job *job_new(const OutboundRequest *request)
{
	OutboundRequest copy = *request;
	size_t size = request->body.size;

	for (size_t i = 0; i < REQUEST_TEXTS; i++)
		if (*request_text(&copy, i))
			size += strlen(*request_text(&copy, i)) + 1;
	Job *job = malloc(sizeof(*job) + size);
	must(job != NULL);
	*job = (Job){ .request = copy };
	char *end = job->texts;
	for (size_t i = 0; i < REQUEST_TEXTS; i++) {
		const char **text = request_text(&job->request, i);
		if (!*text)
			continue;
		size_t length = strlen(*text) + 1;
		*text = memcpy(end, *text, length);
		end += length;
	}
	if (request->body.size > 0)
		job->request.body.data = memcpy(end, request->body.data, request->body.size);
	return job;
}

/* A request whose outcome was not taken counts: its owner does not know yet that it was sent. */
static bool is_pending(const OutboundCurl *self, const char *key)
{
	for (unsigned i = 0; i < self->outcome_count; i++)
		if (strcmp(self->outcomes[(self->outcome_first + i) % self->queue_max].key, key) == 0)
			return true;
	for (unsigned i = 0; i < self->worker_count; i++)
		if (self->workers[i].job && strcmp(self->workers[i].job->request.key, key) == 0)
			return true;
	for (const Job *job = self->first; job; job = job->next)
		if (strcmp(job->request.key, key) == 0)
			return true;
	return false;
}

/* Waits for a job and for room for its outcome. NULL: the Outbound is closing. */
static Job *job_take(OutboundCurl *self, Worker *worker)
{
	while (!self->closing && (!self->first || self->outcome_count + self->running >= self->queue_max))
		pthread_cond_wait(&self->work, &self->mutex);
	if (self->closing)
		return NULL;
	worker->job = self->first;
	self->first = worker->job->next;
	if (!self->first)
		self->last = &self->first;
	self->queued--;
	self->running++;
	return worker->job;
}

/* ---- workers ----------------------------------------------------------------------------------------------------- */

static void outcome_put(OutboundCurl *self, Worker *worker, const OutboundOutcome *outcome)
{
	pthread_mutex_lock(&self->mutex);
	must(self->outcome_count < self->queue_max);
	self->outcomes[(self->outcome_first + self->outcome_count++) % self->queue_max] = *outcome;
	free(worker->job);
	worker->job = NULL;
	self->running--;
	pthread_cond_broadcast(&self->idle);
	pthread_mutex_unlock(&self->mutex);
	pthread_mutex_lock(&self->wake_mutex);
	if (self->wake)
		self->wake(self->wake_context);
	pthread_mutex_unlock(&self->wake_mutex);
}

static void *worker_run(void *context)
{
	Worker *worker = context;
	OutboundCurl *self = worker->owner;
	CURL *curl = curl_easy_init();
	OutboundOutcome outcome;

	must(curl != NULL);
	for (;;) {
		pthread_mutex_lock(&self->mutex);
		Job *job = job_take(self, worker);
		pthread_mutex_unlock(&self->mutex);
		if (!job)
			break;
		outbound_call(curl, &self->settings, &job->request, &outcome);
		outcome_put(self, worker, &outcome);
	}
	curl_easy_cleanup(curl);
	return NULL;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

/* Spaces and other characters than printable ASCII are invalid, because the key is written into headers unescaped. */
static bool key_is_valid(const char *key)
{
	for (const char *c = key; *c != '\0'; c++)
		if (*c <= ' ' || *c >= 0x7f)
			return false;
	return key[0] != '\0' && strlen(key) < OUTBOUND_KEY;
}

static Result curl_send(Outbound *outbound, const OutboundRequest *request)
{
	OutboundCurl *self = (OutboundCurl *)outbound;
	Result result = result_ok();

	if (!request->key || !request->url || !key_is_valid(request->key) || request->body.size > BODY_MAX)
		return result_fail(ERROR_INPUT,
				   "a request needs a key of 1 to 63 printable ASCII characters, a URL, and a body of at most 1 MiB");
	pthread_mutex_lock(&self->mutex);
	if (!is_pending(self, request->key)) {
		if (self->queued >= self->queue_max) {
			result = result_fail(ERROR_AGAIN, "the queue is full: %u requests are waiting", self->queued);
		} else {
			Job *job = job_new(request);
			*self->last = job;
			self->last = &job->next;
			self->queued++;
			pthread_cond_signal(&self->work);
		}
	}
	pthread_mutex_unlock(&self->mutex);
	return result;
}

static bool curl_outcome(Outbound *outbound, OutboundOutcome *out)
{
	OutboundCurl *self = (OutboundCurl *)outbound;
	bool found;

	pthread_mutex_lock(&self->mutex);
	found = self->outcome_count > 0;
	if (found) {
		*out = self->outcomes[self->outcome_first];
		self->outcome_first = (self->outcome_first + 1) % self->queue_max;
		self->outcome_count--;
		pthread_cond_signal(&self->work);
	}
	pthread_mutex_unlock(&self->mutex);
	return found;
}

static void curl_notify(Outbound *outbound, void (*wake)(void *context), void *context)
{
	OutboundCurl *self = (OutboundCurl *)outbound;

	pthread_mutex_lock(&self->wake_mutex);
	self->wake = wake;
	self->wake_context = context;
	pthread_mutex_unlock(&self->wake_mutex);
}

/* Running calls get GRACE_MS to end, then are aborted. Queued requests are dropped: the service sends them again. */
static void wait_for_idle(OutboundCurl *self)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += GRACE_MS / 1000;
	pthread_mutex_lock(&self->mutex);
	self->closing = true;
	pthread_cond_broadcast(&self->work);
	while (self->running > 0 && pthread_cond_timedwait(&self->idle, &self->mutex, &until) == 0)
		continue;
	atomic_store(&self->settings.abort, true);
	pthread_mutex_unlock(&self->mutex);
}

static void curl_close(Outbound *outbound)
{
	OutboundCurl *self = (OutboundCurl *)outbound;

	wait_for_idle(self);
	for (unsigned i = 0; i < self->worker_count; i++)
		pthread_join(self->workers[i].thread, NULL);
	while (self->first) {
		Job *job = self->first;
		self->first = job->next;
		free(job);
	}
	pthread_cond_destroy(&self->work);
	pthread_cond_destroy(&self->idle);
	pthread_mutex_destroy(&self->mutex);
	pthread_mutex_destroy(&self->wake_mutex);
	free(self->outcomes);
	free(self);
}

static const OutboundOperations operations = {
	.send = curl_send,
	.outcome = curl_outcome,
	.notify = curl_notify,
	.close = curl_close,
};

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static void curl_init_once(void)
{
	must(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

static void locks_init(OutboundCurl *self)
{
	pthread_condattr_t monotonic;

	must(pthread_condattr_init(&monotonic) == 0);
	must(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
	must(pthread_mutex_init(&self->mutex, NULL) == 0);
	must(pthread_mutex_init(&self->wake_mutex, NULL) == 0);
	must(pthread_cond_init(&self->work, NULL) == 0);
	must(pthread_cond_init(&self->idle, &monotonic) == 0);
	pthread_condattr_destroy(&monotonic);
}

/* Workers block all signals, which the main thread handles. */
static void workers_start(OutboundCurl *self, unsigned count)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	self->worker_count = count;
	for (unsigned i = 0; i < count; i++) {
		self->workers[i].owner = self;
		must(pthread_create(&self->workers[i].thread, NULL, worker_run, &self->workers[i]) == 0);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* The host name is used in mail and in a URL unescaped; an invalid host name is replaced by "localhost". */
static void host_copy(const char *host, char out[static OUTBOUND_HOST])
{
	static const char valid[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";

	if (!host || host[0] == '\0' || host[strspn(host, valid)] != '\0' ||
	    !text_copy(slice_of(host), out, OUTBOUND_HOST))
		text_copy(SLICE("localhost"), out, OUTBOUND_HOST);
}

Result outbound_curl_open(const OutboundCurlOptions *options, Outbound **out)
{
	static pthread_once_t initialised = PTHREAD_ONCE_INIT;
	unsigned workers = options->workers > 0 ? options->workers : WORKERS;
	EgressRules egress;

	TRY(egress_parse(options->egress_allow, &egress));
	pthread_once(&initialised, curl_init_once);
	OutboundCurl *self = calloc(1, sizeof(*self));
	must(self != NULL);
	self->outbound.operations = &operations;
	self->settings.egress = egress;
	host_copy(options->mail_host, self->settings.host);
	self->queue_max = options->queue_max > 0 ? options->queue_max : QUEUE_MAX;
	self->outcomes = calloc(self->queue_max, sizeof(*self->outcomes));
	must(self->outcomes != NULL);
	self->last = &self->first;
	locks_init(self);
	workers_start(self, workers < WORKERS_MAX ? workers : WORKERS_MAX);
	*out = &self->outbound;
	return result_ok();
}
