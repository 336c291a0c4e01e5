#include "services/response/core/extras.h"

#include "services/response/core/entries.h"

#include <string.h>

IncidentExtras extras_new(void)
{
	return (IncidentExtras){ .base_at = INSTANT_NONE };
}

static bool starts_escalation(json_t *entry, const char *type)
{
	bool restarts = json_object_get(json_object_get(entry, "changes"), "escalation_level") != NULL;
	return strcmp(type, "opened") == 0 || strcmp(type, "reopened") == 0 || (strcmp(type, "assessed") == 0 && restarts);
}

void extras_fold(IncidentExtras *extras, json_t *entry)
{
	json_t *data = json_object_get(entry, "data");
	const char *type = member_text(entry, "type");
	int64_t report_version = json_integer_value(json_object_get(data, "report_version"));
	if (report_version > extras->report_version)
		extras->report_version = report_version;
	if (strcmp(type, "opened") == 0)
		extras->noise = json_is_true(json_object_get(data, "noise"));
	else if (strcmp(type, "reopened") == 0)
		extras->noise = false;
	if (starts_escalation(entry, type))
		extras->base_at = member_time(entry, "at");
}
