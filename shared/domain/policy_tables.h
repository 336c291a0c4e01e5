/*
 * Field tables of the files of a policy pack, and of the message that contains the whole pack. Files and message share the
 * tables of their rows, so each row is described once. Private to shared/domain.
 */
#ifndef TOCSIN_DOMAIN_POLICY_TABLES_H
#define TOCSIN_DOMAIN_POLICY_TABLES_H

#include "shared/domain/policy.h"

/* ---- decoded rows; all pointers are borrowed from the message */
typedef struct {
	const char *id;
	json_t *version; /* an integer or a text */
	const char *timezone;
	json_t *languages;
} PackDocument;

typedef struct {
	const char *id;
	json_t *correlate;
	int64_t window_seconds, cap_seconds; /* INT64_MIN: not set */
} SourceDocument;

typedef struct {
	const char *code;
	json_t *names; /* language → name */
	int kind;
	const char *rsit;
} CategoryDocument;

typedef struct {
	const char *id, *name;
	json_t *on_duty;
} TeamDocument;

typedef struct {
	int64_t after_seconds;
	json_t *notify;
} LevelDocument;

typedef struct {
	const char *id, *team;
	struct {
		json_t *kinds, *grades;
	} when;
	json_t *levels;
} EscalationDocument;

typedef struct {
	const char *id;
	int type;
	const char *url, *server, *secret, *from;
} ChannelDocument;

extern const char *const channel_words[]; /* webhook, email */
enum { CHANNEL_WEBHOOK, CHANNEL_EMAIL };

extern const FieldTable pack_table, source_table, join_policy_table, category_table, grading_table;
extern const FieldTable person_table, team_table, level_table, escalation_table, channel_table;

/* ---- the files of a pack and the parts of the message that each contains, except words/LANGUAGE.yaml */
enum { PARTS_OF_FILE_MAX = 2 };
typedef struct {
	const char *name;
	const FieldTable *table; /* of the whole file */
	bool required;
	bool whole; /* true: the whole file is one part; false: each part is a member of the file */
	const char *parts[PARTS_OF_FILE_MAX];
} PackFile;
extern const PackFile pack_files[];
extern const size_t pack_file_count;

/* The message that contains the whole pack. */
typedef struct {
	const char *id, *version, *policy_version;
	PackDocument pack;
	json_t *sources, *joins, *categories, *rules, *people, *teams, *policies, *channels, *words;
	GradingPolicy grading;
} MessageDocument;
extern const FieldTable message_table;

#endif
