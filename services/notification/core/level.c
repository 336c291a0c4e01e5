#include "services/notification/core/level.h"

#include "services/notification/core/skip.h"
#include "shared/domain/documents.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { KEY_NAME = 512, RECIPIENT = 256, DETAIL = 1024 };

Id level_message_key(const char *incident_id, Instant base_at, int64_t level, const char *recipient)
{
	char name[KEY_NAME];
	snprintf(name, sizeof(name), "%s:%" PRId64 ":%" PRId64 ":%s", incident_id, base_at, level, recipient);
	return id_derived(ID_MESSAGE, slice_of(name), 0);
}

bool flags_have_drill(json_t *flags)
{
	size_t i;
	json_t *flag;
	json_array_foreach (flags, i, flag)
		if (json_is_string(flag) && strcmp(json_string_value(flag), "drill") == 0)
			return true;
	return false;
}

static bool is_listed(json_t *deliveries, const char *recipient)
{
	size_t i;
	json_t *tree;
	json_array_foreach (deliveries, i, tree) {
		Delivery delivery;
		bool valid = !result_failed(json_decode_record(&delivery_table, tree, &delivery));
		if (valid && strcmp(delivery.recipient, recipient) == 0)
			return true;
	}
	return false;
}

/* A resolved target. */
typedef struct {
	const char *recipient;
	const ChannelPolicy *channel;
	const PersonPolicy *person;
	Skip skip;
	const char *name, *missing; /* arguments of skip_write */
} Target;

static void target_add(const Level *level, json_t *deliveries, const Target *target)
{
	Id key = level_message_key(level->incident_id, level->base_at, level->level, target->recipient);
	Buffer detail;
	buffer_init(&detail, DETAIL);
	if (target->skip != SKIP_NONE)
		skip_write(level->policy, target->skip, target->name, target->missing, &detail);
	Delivery delivery = {
		.key = key.text,
		.channel = target->channel ? target->channel->id : NULL,
		.recipient = target->recipient,
		.escalation_level = level->level,
		.state = target->skip == SKIP_NONE ? "queued" : "skipped",
		.attempt = 0,
		.next_at = target->skip == SKIP_NONE ? level->now : INSTANT_NONE,
		.detail = target->skip == SKIP_NONE ? NULL : detail.data,
		.address = target->person ? target->person->email : NULL,
		.language = target->person ? target->person->language : NULL,
	};
	must(json_array_append_new(deliveries, json_encode(&delivery_table, &delivery)) == 0);
	buffer_release(&detail);
}

/* True when the list lacks the recipient and has room for it. If only one more fits, adds a delivery with SKIP_TOO_MANY. */
static bool target_fits(const Level *level, json_t *deliveries, const char *recipient)
{
	size_t count = json_array_size(deliveries);
	if (count == LEVEL_DELIVERIES_MAX - 1)
		target_add(level, deliveries, &(Target){ .recipient = "others", .skip = SKIP_TOO_MANY });
	return count < LEVEL_DELIVERIES_MAX - 1 && !is_listed(deliveries, recipient);
}

static size_t cut_size(const char *text)
{
	size_t size = strlen(text);
	return size < RECIPIENT ? size : RECIPIENT - 1;
}

static bool is_notified(const Level *level, const char *recipient)
{
	Id key = level_message_key(level->incident_id, level->base_at, level->level, recipient);
	return json_object_get(level->notified, key.text) != NULL;
}

static void target_reach(const Level *level, json_t *deliveries, Target *target)
{
	char missing[LEVEL_MISSING] = "", recipient[RECIPIENT];
	/* An id of the policy may be longer than Delivery.recipient allows; then the recipient is truncated. */
	snprintf(recipient, sizeof(recipient), "%.*s", (int)text_cut_size(target->recipient, cut_size(target->recipient)),
		 target->recipient);
	target->recipient = recipient;
	if (is_notified(level, recipient) || !target_fits(level, deliveries, recipient))
		return;
	if (target->skip == SKIP_NONE && !level->known)
		target->skip = SKIP_NO_INCIDENT;
	if (target->skip == SKIP_NONE && level->missing_setting(level->missing_setting_context, target->channel, missing)) {
		target->skip = SKIP_NOT_CONFIGURED;
		target->name = target->channel->id;
		target->missing = missing;
	}
	target_add(level, deliveries, target);
}

static void person_add(const Level *level, json_t *deliveries, const PersonPolicy *person)
{
	char recipient[KEY_NAME * 4];
	snprintf(recipient, sizeof(recipient), "person:%s", person->id);
	Target target = { .recipient = recipient,
			  .person = person,
			  .name = person->id,
			  .channel = policy_channel_of_type(level->policy, LEVEL_MAIL) };
	if (!person->email || !person->email[0])
		target.skip = SKIP_NO_ADDRESS;
	else if (!target.channel)
		target.skip = SKIP_NO_MAIL_CHANNEL;
	target_reach(level, deliveries, &target);
}

static void unknown_add(const Level *level, json_t *deliveries, const char *target)
{
	target_reach(level, deliveries, &(Target){ .recipient = target, .skip = SKIP_UNKNOWN_TARGET, .name = target });
}

static void channel_target(const Level *level, json_t *deliveries, const char *text, const char *id)
{
	Target target = { .recipient = text, .channel = policy_channel(level->policy, id), .name = id };
	if (!target.channel)
		target.skip = SKIP_UNKNOWN_TARGET;
	else if (strcmp(target.channel->type, LEVEL_MAIL) == 0)
		target.skip = SKIP_NEEDS_PERSON;
	else if (level->drill)
		target.skip = SKIP_DRILL;
	target_reach(level, deliveries, &target);
}

static void team_target(const Level *level, json_t *deliveries, const char *text, const char *id)
{
	const TeamPolicy *team = policy_team(level->policy, id);
	if (!team) {
		unknown_add(level, deliveries, text);
		return;
	}
	for (size_t i = 0; i < team->on_duty_count; i++)
		person_add(level, deliveries, team->on_duty[i]);
	if (team->on_duty_count == 0)
		target_reach(level, deliveries,
			     &(Target){ .recipient = text, .skip = SKIP_NOBODY_ON_DUTY, .name = team->name });
}

static void person_target(const Level *level, json_t *deliveries, const char *text, const char *id)
{
	const PersonPolicy *person = policy_person(level->policy, id);
	if (person)
		person_add(level, deliveries, person);
	else
		unknown_add(level, deliveries, text);
}

static const struct {
	Slice prefix;
	void (*resolve)(const Level *level, json_t *deliveries, const char *text, const char *id);
} targets[] = {
	{ { "channel:", 8 }, channel_target },
	{ { "team:", 5 }, team_target },
	{ { "person:", 7 }, person_target },
};

static void target_resolve(const Level *level, json_t *deliveries, const char *text)
{
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		if (slice_starts_with(slice_of(text), targets[i].prefix)) {
			targets[i].resolve(level, deliveries, text, text + targets[i].prefix.size);
			return;
		}
	unknown_add(level, deliveries, text);
}

/*
 * The reason why a level has no deliveries. SKIP_NOTIFIED: all its recipients were notified of this level under another escalation
 * policy, before the plan moved to this one (plan.h).
 */
static Skip empty_level(const EscalationLevel *row)
{
	if (!row)
		return SKIP_POLICY_CHANGED;
	return row->notify_count > 0 ? SKIP_NOTIFIED : SKIP_NO_TARGETS;
}

json_t *level_deliveries(const Level *level)
{
	json_t *deliveries = json_array();
	must(deliveries);
	const EscalationPolicy *escalation = level->escalation;
	bool exists = escalation && level->level >= 1 && (size_t)level->level <= escalation->level_count;
	const EscalationLevel *row = exists ? &escalation->levels[level->level - 1] : NULL;
	for (size_t i = 0; row && i < row->notify_count; i++)
		target_resolve(level, deliveries, row->notify[i]);
	if (json_array_size(deliveries) == 0)
		target_add(level, deliveries, &(Target){ .recipient = "nobody", .skip = empty_level(row) });
	return deliveries;
}
