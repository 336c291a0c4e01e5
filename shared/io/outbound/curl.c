#include "shared/io/outbound/outbound.h"

#include "shared/io/outbound/call.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * A worker takes a job only when there is room for its outcome, so neither list can pass its bound and no outcome is lost:
 * if nobody collects outcomes, the queue fills, and send says so.
 */

enum {
	WORKERS = 4,
	WORKERS_MAX = 64,
	QUEUE_MAX = 1024,
	BODY_MAX = 1024 * 1024,
	GRACE_MS =
		1000, /* for calls that run when we close; then they are told to end, which takes libcurl up to a second */
};

typedef struct Job Job;

/* One piece of memory with the texts behind it. */
struct Job {
	Job *next;
	OutboundRequest message;
	char texts[];
};

typedef struct OutboundCurl OutboundCurl;

typedef struct {
	OutboundCurl *owner;
	pthread_t thread;
	Job *job; /* under way, or NULL */
} Worker;

struct OutboundCurl {
	Outbound outside;
	OutboundCallSettings settings;
	pthread_mutex_t mutex;
	pthread_cond_t work, idle;
	Job *first, **last;
	unsigned queued, queue_max, running;
	OutboundOutcome *outcomes; /* a ring of queue_max */
	unsigned outcome_first, outcome_count;
	bool closing;
	pthread_mutex_t wake_mutex; /* held while wake runs, so that notify(NULL) ends it for good */
	void (*wake)(void *context);
	void *wake_context;
	unsigned worker_count;
	Worker workers[WORKERS_MAX];
};

/* ---- jobs ------------------------------------------------------------------------------------------------------ */

static const size_t message_texts[] = {
	offsetof(OutboundRequest, key),     offsetof(OutboundRequest, url),      offsetof(OutboundRequest, secret),
	offsetof(OutboundRequest, from),    offsetof(OutboundRequest, to),       offsetof(OutboundRequest, to_name),
	offsetof(OutboundRequest, subject), offsetof(OutboundRequest, language), offsetof(OutboundRequest, thread),
};

enum { MESSAGE_TEXTS = sizeof(message_texts) / sizeof(message_texts[0]) };

static const char **message_text(OutboundRequest *message, size_t i)
{
	return (const char **)(void *)((char *)message + message_texts[i]);
}

static Job *job_new(const OutboundRequest *message)
{
	OutboundRequest copy = *message;
	size_t size = message->body.size;

	for (size_t i = 0; i < MESSAGE_TEXTS; i++)
		if (*message_text(&copy, i))
			size += strlen(*message_text(&copy, i)) + 1;
	Job *job = malloc(sizeof(*job) + size);
	must(job != NULL);
	*job = (Job){ .message = copy };
	char *room = job->texts;
	for (size_t i = 0; i < MESSAGE_TEXTS; i++) {
		const char **text = message_text(&job->message, i);
		if (!*text)
			continue;
		size_t length = strlen(*text) + 1;
		*text = memcpy(room, *text, length);
		room += length;
	}
	if (message->body.size > 0)
		job->message.body.data = memcpy(room, message->body.data, message->body.size);
	return job;
}

static bool under_way(const OutboundCurl *self, const char *key)
{
	for (unsigned i = 0; i < self->worker_count; i++)
		if (self->workers[i].job && strcmp(self->workers[i].job->message.key, key) == 0)
			return true;
	for (const Job *job = self->first; job; job = job->next)
		if (strcmp(job->message.key, key) == 0)
			return true;
	return false;
}

/* The next job, when there is room for what comes of it; NULL: closing. */
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

/* ---- workers --------------------------------------------------------------------------------------------------- */

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
		outbound_call(curl, &self->settings, &job->message, &outcome);
		outcome_put(self, worker, &outcome);
	}
	curl_easy_cleanup(curl);
	return NULL;
}

/* ---- operations ------------------------------------------------------------------------------------------------ */

/* The key stands in headers as it is. */
static bool key_fits(const char *key)
{
	for (const char *c = key; *c != '\0'; c++)
		if (*c <= ' ' || *c >= 0x7f)
			return false;
	return key[0] != '\0' && strlen(key) < OUTBOUND_KEY;
}

static Result curl_send(Outbound *outside, const OutboundRequest *message)
{
	OutboundCurl *self = (OutboundCurl *)outside;
	Result result = result_ok();

	if (!message->key || !message->url || !key_fits(message->key) || message->body.size > BODY_MAX)
		return result_fail(ERROR_INPUT,
				   "a message needs a key of printable characters, a URL and at most 1 MiB of body");
	pthread_mutex_lock(&self->mutex);
	if (!under_way(self, message->key)) {
		if (self->queued >= self->queue_max) {
			result = result_fail(ERROR_AGAIN, "%u messages are waiting to be sent already", self->queued);
		} else {
			Job *job = job_new(message);
			*self->last = job;
			self->last = &job->next;
			self->queued++;
			pthread_cond_signal(&self->work);
		}
	}
	pthread_mutex_unlock(&self->mutex);
	return result;
}

static bool curl_outcome(Outbound *outside, OutboundOutcome *out)
{
	OutboundCurl *self = (OutboundCurl *)outside;
	bool there;

	pthread_mutex_lock(&self->mutex);
	there = self->outcome_count > 0;
	if (there) {
		*out = self->outcomes[self->outcome_first];
		self->outcome_first = (self->outcome_first + 1) % self->queue_max;
		self->outcome_count--;
		pthread_cond_signal(&self->work);
	}
	pthread_mutex_unlock(&self->mutex);
	return there;
}

static void curl_notify(Outbound *outside, void (*wake)(void *context), void *context)
{
	OutboundCurl *self = (OutboundCurl *)outside;

	pthread_mutex_lock(&self->wake_mutex);
	self->wake = wake;
	self->wake_context = context;
	pthread_mutex_unlock(&self->wake_mutex);
}

/* Running calls get a while to end by themselves, then are told to. What is queued is dropped: its ledger sends it again. */
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

static void curl_close(Outbound *outside)
{
	OutboundCurl *self = (OutboundCurl *)outside;

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

/* ---- opening --------------------------------------------------------------------------------------------------- */

static void curl_begin(void)
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

/* Workers take no signals: those are the program's. */
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

/* A host name stands in mail and in a URL as it is; what is none becomes "localhost". */
static void host_copy(const char *host, char out[static OUTBOUND_HOST])
{
	static const char fitting[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";

	if (!host || host[0] == '\0' || host[strspn(host, fitting)] != '\0' ||
	    !text_copy(slice_of(host), out, OUTBOUND_HOST))
		text_copy(SLICE("localhost"), out, OUTBOUND_HOST);
}

Result outbound_curl_open(const OutboundCurlOptions *options, Outbound **out)
{
	static pthread_once_t begun = PTHREAD_ONCE_INIT;
	unsigned workers = options->workers > 0 ? options->workers : WORKERS;
	EgressRules egress;

	TRY(egress_parse(options->egress_allow, &egress));
	pthread_once(&begun, curl_begin);
	OutboundCurl *self = calloc(1, sizeof(*self));
	must(self != NULL);
	self->outside.operations = &operations;
	self->settings.egress = egress;
	host_copy(options->mail_host, self->settings.host);
	self->queue_max = options->queue_max > 0 ? options->queue_max : QUEUE_MAX;
	self->outcomes = calloc(self->queue_max, sizeof(*self->outcomes));
	must(self->outcomes != NULL);
	self->last = &self->first;
	locks_init(self);
	workers_start(self, workers < WORKERS_MAX ? workers : WORKERS_MAX);
	*out = &self->outside;
	return result_ok();
}
