/*
 * Macros for the rows of field tables. The order of the rows of a table is the order of the members in the encoded document. The
 * last argument is the sentence; further members of the row may follow it (.form = &incident_id_form).
 */
#ifndef TOCSIN_DOMAIN_ROWS_H
#define TOCSIN_DOMAIN_ROWS_H

#include "shared/domain/documents.h"

#include <stddef.h>

#define ROW(name_, type_, offset_, ...)                                                                                \
	{                                                                                                              \
		.name = (name_), .type = (type_), .offset = (offset_), __VA_ARGS__                                      \
	}

#define ROW_TEXT(struct_, member_, flags_, max_, ...)                                                            \
	ROW(#member_, FIELD_TEXT, offsetof(struct_, member_), .flags = (flags_), .max = (max_), .sentence = __VA_ARGS__)
#define ROW_NAME(struct_, member_, flags_, ...) ROW_TEXT(struct_, member_, flags_, NAME_MAX_CHARACTERS, __VA_ARGS__)
#define ROW_TIME(struct_, member_, flags_, ...)                                                                  \
	ROW(#member_, FIELD_TIME, offsetof(struct_, member_), .flags = (flags_), .sentence = __VA_ARGS__)
#define ROW_INTEGER(struct_, member_, flags_, min_, max_, ...)                                                   \
	ROW(#member_, FIELD_INTEGER, offsetof(struct_, member_), .flags = (flags_), .min = (min_), .max = (max_),      \
	    .sentence = __VA_ARGS__)
#define ROW_CHOICE(struct_, member_, flags_, choices_, ...)                                                      \
	ROW(#member_, FIELD_CHOICE, offsetof(struct_, member_), .flags = (flags_), .choices = (choices_),              \
	    .sentence = __VA_ARGS__)
#define ROW_BOOLEAN(struct_, member_, ...)                                                                       \
	ROW(#member_, FIELD_BOOLEAN, offsetof(struct_, member_), .sentence = __VA_ARGS__)
#define ROW_FREE(struct_, member_, flags_, ...)                                                                  \
	ROW(#member_, FIELD_FREE, offsetof(struct_, member_), .flags = (flags_), .sentence = __VA_ARGS__)
#define ROW_ANY(struct_, member_, flags_, ...)                                                                   \
	ROW(#member_, FIELD_ANY, offsetof(struct_, member_), .flags = (flags_), .sentence = __VA_ARGS__)
#define ROW_OBJECT(struct_, member_, flags_, table_, ...)                                                        \
	ROW(#member_, FIELD_OBJECT, offsetof(struct_, member_), .flags = (flags_), .table = (table_),                  \
	    .sentence = __VA_ARGS__)
/* Lists of objects, words or texts, with at least min and at most max items (max 0: no maximum). */
#define ROW_OBJECTS(struct_, member_, flags_, table_, min_, max_, ...)                                           \
	ROW(#member_, FIELD_LIST, offsetof(struct_, member_), .flags = (flags_), .table = (table_), .min = (min_),     \
	    .max = (max_), .item = FIELD_OBJECT, .sentence = __VA_ARGS__)
#define ROW_WORDS(struct_, member_, flags_, choices_, min_, max_, ...)                                           \
	ROW(#member_, FIELD_LIST, offsetof(struct_, member_), .flags = (flags_), .choices = (choices_), .min = (min_), \
	    .max = (max_), .item = FIELD_CHOICE, .sentence = __VA_ARGS__)
#define ROW_TEXTS(struct_, member_, flags_, min_, max_, ...)                                                     \
	ROW(#member_, FIELD_LIST, offsetof(struct_, member_), .flags = (flags_), .min = (min_), .max = (max_),         \
	    .item = FIELD_TEXT, .item_max = NAME_MAX_CHARACTERS, .sentence = __VA_ARGS__)

#endif
