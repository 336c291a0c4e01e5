#include "services/response/core/extras.h"

#include "services/response/core/entries.h"

#include <string.h>

IncidentExtras extras_new(void)
{
	return (IncidentExtras){ .base_at = INSTANT_NONE };
}

static bool begins_escalation(json_t *entry, const char *type)
{
	bool anew = json_object_get(json_object_get(entry, "changes"), "escalation_level") != NULL;
	return strcmp(type, "opened") == 0 || strcmp(type, "reopened") == 0 || (strcmp(type, "assessed") == 0 && anew);
}

void extras_fold(IncidentExtras *standing, json_t *entry)
{
	json_t *data = json_object_get(entry, "data");
	const char *type = member_text(entry, "type");
	int64_t report_version = json_integer_value(json_object_get(data, "report_version"));
	if (report_version > standing->report_version)
		standing->report_version = report_version;
	if (strcmp(type, "opened") == 0)
		standing->noise = json_is_true(json_object_get(data, "noise"));
	else if (strcmp(type, "reopened") == 0)
		standing->noise = false;
	if (begins_escalation(entry, type))
		standing->base_at = member_time(entry, "at");
}
