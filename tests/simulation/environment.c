#include "tests/simulation/environment.h"

#include "services/audit/audit.h"
#include "services/notification/notification.h"

#include <string.h>

enum { QUEUE_MAX = 64, OUTCOME_LATE_MS = 10000 };

/* ---- the receiver of messages, with a queue for each sender: accepts or fails messages, answers late, loses answers */

typedef struct {
	Outbound outbound;
	size_t queued, answered;
	const World *world;
	Instant answers_at; /* the owner does not see outcomes before this time */
	OutboundOutcome queue[QUEUE_MAX], answers[QUEUE_MAX];
} Sender;

static Sender senders[OUTBOUND_SENDERS];

static Result sender_send(Outbound *outbound, const OutboundRequest *message)
{
	Sender *sender = (Sender *)outbound;
	if (sender->queued == QUEUE_MAX)
		return result_fail(ERROR_AGAIN, "the queue is full");
	for (size_t i = 0; i < sender->queued; i++)
		if (strcmp(sender->queue[i].key, message->key) == 0)
			return result_ok();
	OutboundOutcome *sent = &sender->queue[sender->queued++];
	*sent = (OutboundOutcome){ .attempt = message->attempt };
	must(text_copy(slice_of(message->key), sent->key, sizeof(sent->key)));
	return result_ok();
}

static bool sender_outcome(Outbound *outbound, OutboundOutcome *out)
{
	Sender *sender = (Sender *)outbound;
	if (sender->answered == 0 || sender->world->now < sender->answers_at)
		return false;
	*out = sender->answers[--sender->answered];
	return true;
}

static void sender_notify(Outbound *outbound, void (*wake)(void *context), void *context)
{
	(void)outbound, (void)wake, (void)context;
}

static const OutboundOperations sender_operations = { .send = sender_send, .outcome = sender_outcome, .notify = sender_notify };

static void receiver_accept(World *world, const char *key)
{
	size_t i = 0;
	while (i < world->received_count && strcmp(world->received[i], key) != 0)
		i++;
	if (i == world->received_count) {
		must(world->received_count < WORLD_SENT_MAX);
		must(text_copy(slice_of(key), world->received[world->received_count++], OUTBOUND_KEY));
		world->repeated[i] = 0;
	}
	world->repeated[i] += world->calm_at != INSTANT_NONE && world->now >= world->calm_at;
}

static bool sender_step(World *world, Sender *sender)
{
	if (sender->queued == 0 || sender->answered == QUEUE_MAX)
		return false;
	OutboundOutcome outcome = sender->queue[0];
	memmove(sender->queue, sender->queue + 1, --sender->queued * sizeof(sender->queue[0]));
	uint32_t choice = world->quiet ? 0 : random_below(world, 10);
	outcome.outcome = choice < 6 ? OUTCOME_SENT : choice < 9 ? OUTCOME_RETRY : OUTCOME_REFUSED;
	if (outcome.outcome == OUTCOME_SENT)
		receiver_accept(world, outcome.key);
	if (world->now >= world->calm_at && world->calm_at != INSTANT_NONE && random_below(world, 2))
		sender->answers_at = world->now + random_below(world, OUTCOME_LATE_MS); /* the lease must hold until then */
	if (choice != 5) /* 5: the receiver accepted the message, but the outcome is lost */
		sender->answers[sender->answered++] = outcome;
	return true;
}

void outbound_step(World *world, unsigned sender)
{
	sender_step(world, &senders[sender]);
}

bool outbound_drain(World *world)
{
	bool moved = false;
	for (size_t i = 0; i < OUTBOUND_SENDERS; i++)
		moved |= sender_step(world, &senders[i]);
	return moved;
}

static Sender *sender_of(const Unit *unit)
{
	return unit->service == &notification_service ? &senders[unit->partition * WORLD_REPLICAS_MAX + unit->replica] : NULL;
}

Outbound *outbound_of(const Unit *unit)
{
	Sender *sender = sender_of(unit);
	return sender ? &sender->outbound : NULL;
}

void outbound_crash(World *world, const Unit *unit)
{
	Sender *sender = sender_of(unit);
	if (!sender)
		return;
	if (random_below(world, 2))
		sender->queued = 0;
	sender->answered = 0;
}

/* ---- settings */

static const char *setting(void *context, const char *name)
{
	(void)context;
	static const char *const values[][2] = { { "TOCSIN_WEBHOOK_URL", "https://hooks.example.org/tocsin" },
						 { "TOCSIN_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" },
						 { "TOCSIN_SMTP_URL", "smtp://mail.example.org" },
						 { "TOCSIN_MAIL_FROM", "tocsin@example.org" } };
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (strcmp(values[i][0], name) == 0)
			return values[i][1];
	return NULL;
}

static NotificationEnvironment notification_environment = { .setting = setting, .public_url = "http://127.0.0.1:8080" };

/* ---- audit's disk: one file in memory, which survives crashes */

typedef struct {
	AuditLedger ledger;
	World *world;
} MemoryLedger;

static Result ledger_cut(AuditLedger *ledger, int64_t size)
{
	Buffer *file = &((MemoryLedger *)ledger)->world->audit_file;
	if (file->size < (size_t)size)
		return result_fail(ERROR_INTERNAL, "the audit file is shorter than accepted");
	file->size = (size_t)size;
	return result_ok();
}

static Result ledger_write(AuditLedger *ledger, Slice lines)
{
	Buffer *file = &((MemoryLedger *)ledger)->world->audit_file;
	buffer_append(file, lines);
	must(!file->overflowed);
	return result_ok();
}

static Result ledger_read(AuditLedger *ledger, int64_t from, size_t size, Buffer *out)
{
	Buffer *file = &((MemoryLedger *)ledger)->world->audit_file;
	if ((size_t)from + size > file->size)
		return result_fail(ERROR_INTERNAL, "the audit file ends before the bytes to read");
	buffer_append(out, (Slice){ file->data + from, size });
	return result_ok();
}

static const AuditLedgerOperations ledger_operations = { .cut = ledger_cut, .write = ledger_write, .read = ledger_read };
static MemoryLedger memory_ledger;
static AuditEnvironment audit_environment = { .ledger = &memory_ledger.ledger };

void *service_environment(World *world, const Service *service)
{
	memory_ledger = (MemoryLedger){ { &ledger_operations }, world };
	if (service == &notification_service)
		return &notification_environment;
	return service == &audit_service ? &audit_environment : NULL;
}

void environment_reset(World *world)
{
	buffer_clear(&world->audit_file);
	for (size_t i = 0; i < OUTBOUND_SENDERS; i++)
		senders[i] = (Sender){ .outbound = { &sender_operations }, .world = world };
}
