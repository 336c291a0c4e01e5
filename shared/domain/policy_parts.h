/*
 * The inside of a policy pack, for the policy_*.c files alone: the parts as their field tables decode them, the checks
 * that look across parts, and compiled rules.
 *
 * There is one set of tables and one set of checks. They speak of places in the MESSAGE ("/rules/3/then/category"):
 * policy_read turns these into FILE:LINE:COLUMN, policy_compile reports the first as it stands.
 */
#ifndef TOCSIN_DOMAIN_POLICY_PARTS_H
#define TOCSIN_DOMAIN_POLICY_PARTS_H

#include "shared/domain/policy.h"

/* ---- parts as decoded; everything borrowed from the message */
typedef struct {
	const char *id;
	json_t *version; /* a whole number or a text */
	const char *timezone;
	json_t *languages;
} PackDocument;

typedef struct {
	const char *id;
	json_t *correlate;
	int64_t window_seconds, cap_seconds; /* INT64_MIN: not said */
} SourceDocument;

typedef struct {
	const char *code;
	json_t *names; /* language → name */
	int kind;
	const char *rsit;
} CategoryDocument;

typedef struct {
	const char *field;
	json_t *is, *in;
	const char *matches;
	json_t *at_least;
} ConditionDocument;

typedef struct {
	const char *id;
	json_t *when;
	struct {
		RuleThen then;
		json_t *flags;
	} then;
} RuleDocument;

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

extern const FieldTable pack_table, source_table, join_policy_table, category_table, grading_table, condition_table, rule_table;
extern const FieldTable person_table, team_table, level_table, escalation_table, channel_table;

/* ---- parts of the message and the files they come from; words/LANGUAGE.yaml are not among them */
enum { PARTS_OF_FILE_MAX = 2 };
typedef struct {
	const char *name;
	const FieldTable *table; /* of the whole file */
	bool required;
	bool whole; /* the file is the part; else its members of these names are */
	const char *parts[PARTS_OF_FILE_MAX];
} PackFile;
extern const PackFile pack_files[];
extern const size_t pack_file_count;

/* The message as a whole. */
typedef struct {
	const char *policy_version;
	PackDocument pack;
	json_t *sources, *joins, *categories, *rules, *people, *teams, *policies, *channels, *words;
	GradingPolicy grading;
} MessageDocument;
extern const FieldTable message_table;

/* ---- checks: one row a part; each adds what it finds, and passes over what the tables have already refused */
typedef struct {
	const char *part;
	void (*check)(json_t *message, FieldErrors *errors);
} PackCheck;
extern const PackCheck pack_checks[];
extern const size_t pack_check_count;

void check_rules(json_t *message, FieldErrors *errors);
void check_channels(json_t *message, FieldErrors *errors);
void check_settings(json_t *message, FieldErrors *errors);
void check_words(json_t *message, FieldErrors *errors);

/* The ids of a part as the names of a new object; NULL when the part could not be read, and nothing can be said of it. */
json_t *part_ids(json_t *message, const char *part, const char *member);

/* Complains of ids that stand twice in a part. */
void check_unique(json_t *message, const char *part, const char *member, FieldErrors *errors);

/* True unless ids are known and id, a text, is not among them. */
bool id_is_known(const json_t *ids, const char *id);

/* The text of a member, or NULL; the pointer to a place, written into out and returned. */
const char *part_text(const json_t *object, const char *name);
const char *pointer_at(char out[static FIELD_POINTER], const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- rules */
typedef struct Rule Rule;

/* Compiles the rule of a message that has passed the checks. */
Rule *rule_new(json_t *document);
void rule_free(Rule *rule);
const RulePolicy *rule_policy(const Rule *rule);

/* What matching patterns needs to write to; one for all conditions asked at once. */
typedef struct RuleScratch RuleScratch;
RuleScratch *rule_scratch_new(void);
void rule_scratch_free(RuleScratch *scratch);
bool rule_fits(const Rule *rule, json_t *document, RuleScratch *scratch);

/* Why a pattern is none, into what; false when it is one. */
bool pattern_is_wrong(const char *pattern, char *what, size_t what_size);

#endif
