#include "shared/runtime/incident_store.h"

void incident_store_init(IncidentStore *incidents)
{
	*incidents = (IncidentStore){ .last = { .exists = false } };
	buffer_init(&incidents->text, INCIDENT_DOCUMENT_MAX);
}

void incident_store_forget(IncidentStore *incidents)
{
	stored_incident_release(&incidents->last);
}

void incident_store_release(IncidentStore *incidents)
{
	incident_store_forget(incidents);
	buffer_release(&incidents->text);
}

/* ---- loading */

static Result row_read(Statement *row, const Id *id, StoredIncident *out)
{
	Result result = stored_incident_read(statement_slice(row, 0), out);
	if (result_failed(result))
		return result_fail(ERROR_INTERNAL, "the stored incident %s cannot be read: %s; delete the state file, it is rebuilt from the journal",
				   id->text, result.text);
	out->id = *id;
	out->extras = (IncidentExtras){ .report_version = statement_integer(row, 1), .noise = statement_integer(row, 2) != 0,
					.base_at = statement_integer(row, 3), .sequence = statement_integer(row, 4) };
	return result_ok();
}

static Result last_load(IncidentStore *incidents, Store *store, Slice id)
{
	StoredIncident *last = &incidents->last;
	if (id.size > 0 && slice_is(id, last->id.text))
		return result_ok();
	StoredIncident next;
	bool is_id = stored_incident_new(id, &next);
	stored_incident_release(last); /* only now, because it may own the text of id */
	*last = next;
	if (!is_id)
		return result_ok();
	Statement *row = store_query(store, "SELECT document, report_version, noise, base_at, sequence FROM incidents WHERE id = ?1",
				     V_TEXT(id_slice(&next.id)));
	Result result = statement_next(row) ? row_read(row, &next.id, last) : result_ok();
	Result ended = statement_end(row);
	if (result_failed(result) || result_failed(ended))
		stored_incident_release(last);
	return result_failed(result) ? result : ended;
}

Result incident_store_load(IncidentStore *incidents, Store *store, Slice id, const StoredIncident **out)
{
	*out = &incidents->last;
	return last_load(incidents, store, id);
}

/* ---- folding */

static Result entries_fold(StoredIncident *stored, const JournalRecord *record)
{
	if (stored->id.text[0] == '\0')
		return result_fail(ERROR_INPUT, "the incident_id of a journal record is no id");
	return stored_incident_fold(stored, record->entries);
}

Result incident_store_fold(IncidentStore *incidents, Store *store, const JournalRecord *record, const StoredIncident **out)
{
	TRY(incident_store_load(incidents, store, slice_of(record->incident_id), out));
	return entries_fold(&incidents->last, record);
}

static bool is_included(const StoredIncident *stored, const JournalRecord *record)
{
	JournalEntry last;
	size_t count = json_array_size(record->entries);
	return count == 0 || (!result_failed(json_decode_record(&journal_entry_table, json_array_get(record->entries, count - 1),
								&last)) &&
			      last.version <= stored->incident.version);
}

Result incident_store_follow(IncidentStore *incidents, Store *store, const JournalRecord *record, const StoredIncident **out)
{
	TRY(incident_store_load(incidents, store, slice_of(record->incident_id), out));
	if (!is_included(*out, record))
		return entries_fold(&incidents->last, record);
	*out = NULL;
	return result_ok();
}

/* ---- saving */

Result incident_store_text(IncidentStore *incidents, Slice *out)
{
	buffer_clear(&incidents->text);
	stored_incident_write(&incidents->last, &incidents->text);
	*out = buffer_slice(&incidents->text);
	return incidents->text.overflowed ? result_fail(ERROR_INTERNAL, "the document of %s is larger than %d bytes",
							incidents->last.id.text, INCIDENT_DOCUMENT_MAX) :
					    result_ok();
}

static Result last_save(IncidentStore *incidents, Store *store)
{
	const IncidentExtras *extras = &incidents->last.extras;
	Slice document;
	TRY(incident_store_text(incidents, &document));
	return store_run(store,
			 "INSERT INTO incidents (id, document, report_version, noise, base_at, sequence) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
			 " ON CONFLICT (id) DO UPDATE SET document = ?2, report_version = ?3, noise = ?4, base_at = ?5, sequence = ?6",
			 V_TEXT(id_slice(&incidents->last.id)), V_TEXT(document), V_INTEGER(extras->report_version),
			 V_INTEGER(extras->noise), V_INTEGER(extras->base_at), V_INTEGER(extras->sequence));
}

Result incident_store_save(IncidentStore *incidents, Store *store)
{
	Result result = last_save(incidents, store);
	if (result_failed(result))
		incident_store_forget(incidents);
	return result;
}
