/* Policy packs: the first line names a file of the default pack, the other lines replace its contents. */
#include "tests/fuzz/fuzz.h"

#include "tests/unit/pack.h"

#include <stdlib.h>
#include <string.h>

static const char document[] = "{\"source\":\"suricata\",\"title\":\"a scan of ports\",\"severity\":\"high\",\"category\":\"ATK-SCAN\","
			       "\"actor\":{\"address\":\"192.0.2.7\"},\"assets\":[{\"name\":\"web-1\"}]}";

/* A pack without errors compiles, and applying its rules to any document does not fail. */
static void check_compiled(json_t *message)
{
	Policy *policy;
	json_t *tree;
	must(!result_failed(policy_compile(message, &policy)));
	must(!result_failed(json_read(SLICE(document), &tree)));
	(void)policy_rule(policy, tree);
	must(policy_source(policy, "no such source") && policy_languages(policy)[0]);
	json_decref(tree);
	policy_free(policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	PolicyErrors mistakes = { .count = 0 };
	json_t *message;
	char *name = slice_copy((Slice){ (const char *)bytes, size });
	char *text = strchr(name, '\n');
	if (text) {
		*text++ = '\0';
		if (pack_read_changed((PackChange[]){ { name, text }, { NULL, NULL } }, &message, &mistakes)) {
			check_compiled(message);
			json_decref(message);
		} else {
			must(mistakes.count > 0 && mistakes.list[0][0]);
		}
	}
	free(name);
	return 0;
}
