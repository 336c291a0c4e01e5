/*
 * The policy pack: everything a site decides about its incidents, as versioned data. Read from YAML (policy_read), carried
 * on the bus as one JSON message, compiled once (policy_compile) into tables, and then immutable: many threads may use one
 * Policy. Nothing here reads a clock or a file.
 *
 * Shape of the JSON: {"id","version","policy_version","pack":{…},"sources":[…],"joins":[…],"categories":[…],"grading":{…},"rules":[…],
 * "people":[…],"teams":[…],"policies":[…],"channels":[…],"words":{"zh-CN":{…},"en":{…}}}. Secrets never stand in it:
 * channels keep their ${TOCSIN_X}, resolved by notification when it sends.
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

/* One mistake: "rules.yaml:12:7: what, and what would be right". */
enum { POLICY_MISTAKES_MAX = 64, POLICY_MISTAKE = 360 };
typedef struct {
	size_t count;
	bool more;
	char list[POLICY_MISTAKES_MAX][POLICY_MISTAKE];
} PolicyMistakes;

/*
 * All files of a pack into its JSON message; every mistake at once, in the order of file, line and column. true: none,
 * *out is a new reference. pack.yaml, sources.yaml and grading.yaml must be there; of the others an absent one says
 * nothing (no rules: the defaults of services/classification decide; no words: keys stand for themselves). At most
 * 256 files. The hash in policy_version is over name, NUL, bytes, NUL of every file in the order of their names.
 */
bool policy_read(const PolicyFile *files, size_t count, json_t **out, PolicyMistakes *mistakes);

/* Takes its own reference to the message. ERROR_INPUT when it is no valid pack. */
Result policy_compile(json_t *message, Policy **out);
void policy_free(Policy *policy);

/* "default@1+0123456789ab" */
const char *policy_version(const Policy *policy);
/* The message it was compiled from; borrowed. */
json_t *policy_message(const Policy *policy);
/* Languages of the pack, the first is the site's own. NULL-terminated. */
const char *const *policy_languages(const Policy *policy);

/* ---- sources: how events of a source are put together */
typedef struct {
	bool by_source, by_rule, by_asset, by_actor; /* what makes the correlation key */
	int64_t window_seconds; /* sliding: since the last one */
	int64_t cap_seconds;    /* since the first one */
} SourcePolicy;
/* The row of the source, else the "*" row; never NULL. */
const SourcePolicy *policy_source(const Policy *policy, const char *source);

/* ---- joins: which open incidents belong together */
typedef struct {
	int by; /* index into join_words: asset, actor */
	int64_t window_seconds; /* how long after one was opened another is linked with it */
} JoinPolicy;
/* by: "asset" or "actor"; NULL: incidents that share it are not joined. */
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
const PersonPolicy *policy_person(const Policy *policy, const char *id); /* NULL: none */
const TeamPolicy *policy_team(const Policy *policy, const char *id);     /* NULL: none */

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
/* The first whose `when` fits; NULL: nobody is told. kind and grade as in documents; grade may be NULL. */
const EscalationPolicy *policy_escalation(const Policy *policy, const char *kind, const char *grade);
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
/* Name of a category code in a language, or NULL when the code is unknown. */
const char *policy_category_name(const Policy *policy, const char *code, const char *language);
/* What a machine's event of a category is where no rule says: index into kind_words; -1: the pack does not say either. */
int policy_category_kind(const Policy *policy, const char *code);

/*
 * The text of a key in a language, with {name} replaced by the given values: names and values alternate, NULL ends.
 * Falls back to the pack's first language, then to the key itself. Appended to out.
 */
void policy_words(const Policy *policy, const char *language, const char *key, Buffer *out, ...);

/* ---- classification: services/classification/core asks these */
typedef enum { IMPORTANCE_GENERAL, IMPORTANCE_IMPORTANT, IMPORTANCE_ESSENTIAL, IMPORTANCES } Importance;     /* 一般 重要 特别重要 */
typedef enum { LOSS_MINOR, LOSS_CONSIDERABLE, LOSS_SERIOUS, LOSS_GRAVE, LOSSES } Loss;                          /* 较小 较大 严重 特别严重 */
typedef enum { HARM_GENERAL, HARM_CONSIDERABLE, HARM_SERIOUS, HARM_GRAVE, HARMS } SocialHarm;                   /* 一般 较大 重大 特别重大 */
extern const char *const importance_words[], *const loss_words[], *const harm_words[]; /* general, important, essential · minor, considerable, serious, grave · … */
extern const char *const grade_words[];    /* "I","II","III","IV",NULL: index 0 is the worst */
extern const char *const damage_words[];   /* "S","A","B",NULL */
extern const char *const severity_words[]; /* "info","low","medium","high","critical",NULL */
extern const char *const kind_words[];     /* "event","incident","weakness",NULL */
extern const char *const flag_words[];     /* "serious","emergency","drill",NULL */

/* What a rule sets; -1 and NULL: says nothing. */
typedef struct {
	int kind, severity, importance, loss, social_harm; /* indices into the words */
	const char *category;
	unsigned flags; /* bit i: flag_words[i] */
	int noise;      /* 0, 1, -1 */
} RuleThen;

typedef struct {
	const char *id;
	RuleThen then;
} RulePolicy;

/*
 * The first rule whose every condition fits the document (an event or a report, as sent); NULL: none does. A condition
 * on a member that is not there is false, and so is a pattern that takes too long (a bounded number of steps).
 */
const RulePolicy *policy_rule(const Policy *policy, json_t *document);
size_t policy_rule_count(const Policy *policy);

typedef struct {
	int grade[IMPORTANCES][LOSSES]; /* index into grade_words */
	int harm_grade[HARMS];
	int damage[4];                  /* by grade: index into damage_words */
	int severity_loss[5];           /* by severity, where no rule says the loss */
} GradingPolicy;
const GradingPolicy *policy_grading(const Policy *policy);

#endif
