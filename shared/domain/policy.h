/*
 * The policy pack: all decisions of a site about its incidents, as versioned data. policy_read turns its YAML files into one
 * JSON message, which is published on the bus. policy_compile compiles that message into an immutable Policy, which threads
 * may share. No function here reads the clock or a file.
 *
 * The message: {"id","version","policy_version","pack":{…},"sources":[…],"joins":[…],"categories":[…],"grading":{…},
 * "rules":[…],"people":[…],"teams":[…],"policies":[…],"channels":[…],"words":{"zh-CN":{…},"en":{…}}}. It contains no
 * secrets: channels keep ${TOCSIN_X} as text, and notification replaces it by the setting when it sends.
 *
 * All pointers that a function here returns are borrowed from the Policy.
 */
#ifndef TOCSIN_DOMAIN_POLICY_H
#define TOCSIN_DOMAIN_POLICY_H

#include "shared/base/json.h"

typedef struct Policy Policy;

/* One file of a pack: its name relative to the pack's directory ("rules.yaml", "words/en.yaml") and its bytes. */
typedef struct {
	const char *name;
	Slice bytes;
} PolicyFile;

/* Each error is "rules.yaml:12:7: fault and remedy". */
enum { POLICY_ERRORS_MAX = 64, POLICY_ERROR_SIZE = 360 };
typedef struct {
	size_t count;
	bool more; /* further errors did not fit */
	char list[POLICY_ERRORS_MAX][POLICY_ERROR_SIZE];
} PolicyErrors;

/*
 * Reads all files of a pack into its JSON message and reports all errors at once, in the order of file, line and column.
 * True: no errors, *out is a new reference. False: *out is untouched. pack.yaml, sources.yaml and grading.yaml are required,
 * the others are optional (without rules, the defaults of services/classification apply; without words, a key is shown as its
 * own text). At most 256 files. policy_version contains the first 12 hexadecimal digits of a SHA-256: of name, NUL, bytes, NUL
 * of every file, in the order of their names.
 */
bool policy_read(const PolicyFile *files, size_t count, json_t **out, PolicyErrors *mistakes);

/* *out keeps a reference to the message. ERROR_INPUT, with *out untouched, if the message is not a valid pack. */
Result policy_compile(json_t *message, Policy **out);
/* NULL is accepted. */
void policy_free(Policy *policy);

/* "default@1+0123456789ab" */
const char *policy_version(const Policy *policy);
/* The message from which the policy was compiled. */
json_t *policy_message(const Policy *policy);
/* Languages of the pack, NULL-terminated; the first is the site's default. */
const char *const *policy_languages(const Policy *policy);

/* ---- sources: correlation of the events of a source */
typedef struct {
	bool by_source, by_rule, by_asset, by_actor; /* true: that member of the event is part of the correlation key */
	int64_t window_seconds; /* an event counts within this time after the last event … */
	int64_t cap_seconds;    /* … and within this time after the first event */
} SourcePolicy;
/* The row of the source, else the "*" row; never NULL. */
const SourcePolicy *policy_source(const Policy *policy, const char *source);

/* ---- joins: links between open incidents */
typedef struct {
	int by; /* index into join_words: asset, actor */
	int64_t window_seconds; /* incidents announced (TYPE_JOIN_ANNOUNCED) within this time of each other are linked */
} JoinPolicy;
/* by is "asset" or "actor". NULL: incidents with the same asset (or actor) are not linked. */
const JoinPolicy *policy_join(const Policy *policy, const char *by);

/* ---- people and teams */
typedef struct {
	const char *id, *name, *language, *email; /* email may be NULL */
} PersonPolicy;
typedef struct {
	const char *id, *name;
	size_t on_duty_count;
	const PersonPolicy *const *on_duty;
} TeamPolicy;
const PersonPolicy *policy_person(const Policy *policy, const char *id); /* NULL: unknown */
const TeamPolicy *policy_team(const Policy *policy, const char *id);     /* NULL: unknown */

/* ---- escalation */
typedef struct {
	int64_t after_seconds; /* from the opening or reopening */
	size_t notify_count;
	const char *const *notify; /* "team:soc", "person:li", "channel:webhook" */
} EscalationLevel;
typedef struct {
	const char *id, *team; /* team may be NULL */
	size_t level_count;
	const EscalationLevel *levels;
} EscalationPolicy;
/*
 * The first policy whose `when` matches; NULL: nobody is notified. kind and grade are indexes into kind_words and grade_words;
 * -1 is unknown and matches only a policy whose `when` names no kinds, or no grades.
 */
const EscalationPolicy *policy_escalation(const Policy *policy, int kind, int grade);
/*
 * Time by which the record must be acknowledged: base plus the delay of the first level whose after_seconds is not 0, at most
 * INSTANT_MAX. INSTANT_NONE: there is no such level, or no policy matches.
 */
Instant policy_acknowledge_by(const Policy *policy, int kind, int grade, Instant base);
/* The escalation policy with this id; NULL for an unknown id and for NULL. */
const EscalationPolicy *policy_escalation_by_id(const Policy *policy, const char *id);
size_t policy_escalation_count(const Policy *policy);

/* ---- channels */
typedef struct {
	const char *id, *type;  /* type: webhook, email */
	const char *url, *server, *secret, *from; /* with ${TOCSIN_X} unresolved; NULL where absent */
} ChannelPolicy;
const ChannelPolicy *policy_channels(const Policy *policy, size_t *count);          /* in the pack's order */
const ChannelPolicy *policy_channel(const Policy *policy, const char *id);          /* NULL: none */
const ChannelPolicy *policy_channel_of_type(const Policy *policy, const char *type); /* the first; NULL: none */

/* ---- categories and words */
/* Name of a category in a language, else in the first language of the pack; NULL if the code is unknown. */
const char *policy_category_name(const Policy *policy, const char *code, const char *language);
/* The default kind of an event of a category: index into kind_words; -1: the code is unknown or has no default kind. */
int policy_category_kind(const Policy *policy, const char *code);

/*
 * Appends the text of a key in a language, with {name} replaced by values. The variable arguments are name and value (NULL:
 * empty) in turn, at most 32 pairs, ended by NULL; {name} stays if no argument has that name. If the language (may be NULL) has no
 * text for the key, uses the first language of the pack, then the key itself.
 */
void policy_words(const Policy *policy, const char *language, const char *key, Buffer *out, ...);

/* ---- classification: used by services/classification/core */
typedef enum { IMPORTANCE_GENERAL, IMPORTANCE_IMPORTANT, IMPORTANCE_ESSENTIAL, IMPORTANCES } Importance;     /* 一般 重要 特别重要 */
typedef enum { LOSS_MINOR, LOSS_CONSIDERABLE, LOSS_SERIOUS, LOSS_GRAVE, LOSSES } Loss;                          /* 较小 较大 严重 特别严重 */
typedef enum { HARM_GENERAL, HARM_CONSIDERABLE, HARM_SERIOUS, HARM_GRAVE, HARMS } SocialHarm;                   /* 一般 较大 重大 特别重大 */
extern const char *const importance_words[], *const loss_words[], *const harm_words[]; /* general, important, essential · minor, considerable, serious, grave · … */
extern const char *const grade_words[];    /* "I","II","III","IV",NULL: index 0 is the worst */
extern const char *const damage_words[];   /* "S","A","B",NULL */
extern const char *const severity_words[]; /* "info","low","medium","high","critical",NULL */
extern const char *const kind_words[];     /* "event","incident","weakness",NULL */
extern const char *const flag_words[];     /* "serious","emergency","drill",NULL */

/* The members that a rule sets; -1 or NULL: the rule does not set the member. */
typedef struct {
	int kind, severity, importance, loss, social_harm; /* indices into kind_words, severity_words, … */
	const char *category;
	unsigned flags; /* bit i: flag_words[i] */
	int noise;      /* 0 or 1; -1: not set */
} RuleThen;

typedef struct {
	const char *id;
	RuleThen then;
} RulePolicy;

/*
 * The first rule whose conditions all hold for the document (an event or a report as sent); NULL: none. A condition on an
 * absent member is false, and so is `matches` if the pattern exceeds a limit of the matcher (100,000 steps).
 */
const RulePolicy *policy_rule(const Policy *policy, json_t *document);
size_t policy_rule_count(const Policy *policy);

typedef struct {
	int grade[IMPORTANCES][LOSSES]; /* index into grade_words */
	int harm_grade[HARMS];          /* by harm: index into grade_words */
	int damage[4];                  /* by grade: index into damage_words */
	int severity_loss[5];           /* by severity, if no rule sets the loss: index into loss_words */
} GradingPolicy;
const GradingPolicy *policy_grading(const Policy *policy);

#endif
