#include "tests/unit/skimmed.h"

#include <stdlib.h>

static json_t *decoded_by_tree(const FieldTable *table, Slice bytes, void *out)
{
	json_t *tree;
	FieldErrors errors = { .count = 0 };

	must(!result_failed(json_read(bytes, &tree)));
	must(json_decode(table, tree, true, out, &errors));
	return tree;
}

/* Clears the members that skim_decode checks but does not store, so that the documents can be compared. */
static void trees_clear(const FieldTable *table, void *document)
{
	for (size_t i = 0; i < table->count; i++) {
		const Field *field = &table->fields[i];
		void *member = (char *)document + field->offset;
		if (field->type == FIELD_OBJECT)
			trees_clear(field->table, member);
		if (field->type == FIELD_LIST || field->type == FIELD_FREE || field->type == FIELD_ANY)
			*(json_t **)member = NULL;
	}
}

bool skim_agrees_with_tree(const FieldTable *table, Slice bytes)
{
	SkimTexts texts;
	void *skimmed = malloc(table->size), *read = malloc(table->size);

	must(skimmed && read);
	bool accepted = skim_decode(table, bytes, skimmed, &texts);
	if (accepted) {
		json_t *tree JSON_AUTO = decoded_by_tree(table, bytes, read);
		trees_clear(table, read);
		json_t *one JSON_AUTO = json_encode(table, skimmed);
		json_t *other JSON_AUTO = json_encode(table, read);
		must(json_equal(one, other));
	}
	free(skimmed);
	free(read);
	return accepted;
}
