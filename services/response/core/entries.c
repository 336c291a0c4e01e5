#include "services/response/core/entries.h"

#include "shared/domain/documents.h"

Entries entries_begin(json_t *incident, Instant now)
{
	Entries entries = { .list = json_array(), .version = json_integer_value(json_object_get(incident, "version")), .at = now };
	Instant last = member_time(incident, "updated_at");
	if (last != INSTANT_NONE && last >= now)
		entries.at = last + 1;
	return entries;
}

void entries_add(Entries *entries, const char *type, json_t *actor, json_t *data, json_t *changes)
{
	JournalEntry entry = { .version = ++entries->version, .type = type, .at = entries->at, .actor = actor,
			       .data = data ? data : json_object(), .changes = changes ? changes : json_object() };
	json_array_append_new(entries->list, json_encode(&journal_entry_table, &entry));
	json_decref(entry.data);
	json_decref(entry.changes);
}

json_t *actor_system(const char *service)
{
	json_t *actor = json_pack("{s:s, s:s, s:s, s:[]}", "kind", "system", "id", service, "name", "Tocsin", "roles");
	must(actor != NULL);
	return actor;
}

json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

json_t *time_or_null(Instant instant)
{
	char text[INSTANT_TEXT];
	if (instant == INSTANT_NONE)
		return json_null();
	instant_format(instant, text);
	return json_string(text);
}

Instant member_time(json_t *object, const char *name)
{
	Instant instant = INSTANT_NONE;
	const char *text = member_text(object, name);
	if (text != NULL && result_failed(instant_parse(slice_of(text), &instant)))
		return INSTANT_NONE;
	return instant;
}

const char *member_text(json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}
