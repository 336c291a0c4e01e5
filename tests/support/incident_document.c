#include "tests/support/incident_document.h"

json_t *incident_document_new(void)
{
	Incident incident = incident_change_none().values;
	incident.version = 0;
	return json_encode(&incident_table, &incident);
}

void incident_document_read(json_t *document, Incident *out)
{
	IncidentChange decoded;
	json_t *rest = json_copy(document);
	int64_t version = json_integer_value(json_object_get(document, "version"));
	json_object_del(rest, "version"); /* a document without entries has version 0, which decoding refuses */
	Result result = incident_change_decode(rest, &decoded);
	must(!result_failed(result));
	*out = decoded.values;
	out->version = version;
	json_decref(rest);
}

Result incident_document_apply(json_t *document, json_t *entry)
{
	StoredIncident stored;
	json_t *entries JSON_AUTO = json_pack("[O]", entry);
	must(stored_incident_new(SLICE("inc_0"), &stored));
	incident_document_read(document, &stored.incident);
	stored.extras.sequence = stored.incident.version;
	Result result = stored_incident_fold(&stored, entries);
	if (!result_failed(result)) {
		json_t *after JSON_AUTO = json_encode(&incident_table, &stored.incident);
		json_object_clear(document);
		json_object_update(document, after);
	}
	stored_incident_release(&stored);
	return result;
}
