/* What may stand in a policy pack: one table a file, and the words of its choices. */
#include "shared/domain/documents.h"
#include "shared/domain/policy_parts.h"
#include "shared/domain/rows.h"

const char *const importance_words[] = { "general", "important", "essential", NULL };
const char *const loss_words[] = { "minor", "considerable", "serious", "grave", NULL };
const char *const harm_words[] = { "general", "considerable", "serious", "grave", NULL };
const char *const grade_words[] = { "I", "II", "III", "IV", NULL };
const char *const damage_words[] = { "S", "A", "B", NULL };
const char *const severity_words[] = { "info", "low", "medium", "high", "critical", NULL };
const char *const kind_words[] = { "event", "incident", "weakness", NULL };
const char *const flag_words[] = { "serious", "emergency", "drill", NULL };
const char *const channel_words[] = { "webhook", "email", NULL };
static const char *const correlate_words[] = { "source", "rule", "asset", "actor", NULL };

enum { ROWS_MAX = 4096, LANGUAGES_MAX = 16, CONDITIONS_MAX = 32, ESCALATION_LEVELS_MAX = 16, NOTIFY_MAX = 64 };
enum { YEAR_SECONDS = 366 * 86400, PATTERN_MAX_CHARACTERS = 1024 };
enum { ID = FIELD_REQUIRED | FIELD_NOT_EMPTY };

/* ---- pack.yaml */
static const Field pack_fields[] = {
	ROW_TEXT(PackDocument, id, ID, 64, "Name of the pack: letters, digits, '.', '_' and '-'"),
	ROW_ANY(PackDocument, version, FIELD_REQUIRED, "Version of the pack: a whole number or a text"),
	ROW_NAME(PackDocument, timezone, ID, "IANA name of the site's time zone"),
	ROW_TEXTS(PackDocument, languages, ID, 1, LANGUAGES_MAX, "Languages of its words; the first is the site's own"),
};
const FieldTable pack_table = FIELD_TABLE("pack.yaml", pack_fields, PackDocument);

/* ---- sources.yaml */
static const Field source_fields[] = {
	ROW_NAME(SourceDocument, id, ID, "Source of the events, '*' for all others"),
	ROW_WORDS(SourceDocument, correlate, 0, correlate_words, 1, 4, "What events of one incident have in common"),
	ROW_INTEGER(SourceDocument, window_seconds, 0, 1, YEAR_SECONDS, "How long after the last one"),
	ROW_INTEGER(SourceDocument, cap_seconds, 0, 1, YEAR_SECONDS, "How long after the first one"),
};
const FieldTable source_table = FIELD_TABLE("a source", source_fields, SourceDocument);

static const Field join_policy_fields[] = {
	ROW_CHOICE(JoinPolicy, by, FIELD_REQUIRED, join_words, "What open incidents have in common: asset or actor"),
	ROW_INTEGER(JoinPolicy, window_seconds, FIELD_REQUIRED, 1, YEAR_SECONDS, "How long after one another is linked with it"),
};
const FieldTable join_policy_table = FIELD_TABLE("a join", join_policy_fields, JoinPolicy);

/* ---- categories.yaml */
static const Field category_fields[] = {
	ROW_NAME(CategoryDocument, code, ID, "Code of the category, in quotes where it looks like a number"),
	ROW_FREE(CategoryDocument, names, FIELD_REQUIRED, "Its name in each language"),
	ROW_CHOICE(CategoryDocument, kind, 0, kind_words, "What a machine's event of it is where no rule says"),
	ROW_NAME(CategoryDocument, rsit, 0, "The same in the Reference Security Incident Taxonomy"),
};
const FieldTable category_table = FIELD_TABLE("a category", category_fields, CategoryDocument);

/* ---- grading.yaml: straight into GradingPolicy */
typedef struct {
	int grade[LOSSES];
} MatrixRow;

#define CELL(name_, index_, choices_)                                                                                  \
	ROW(name_, FIELD_CHOICE, (index_) * sizeof(int), .flags = FIELD_REQUIRED, .choices = (choices_))

static const Field matrix_row_fields[] = {
	CELL("minor", LOSS_MINOR, grade_words),
	CELL("considerable", LOSS_CONSIDERABLE, grade_words),
	CELL("serious", LOSS_SERIOUS, grade_words),
	CELL("grave", LOSS_GRAVE, grade_words),
};
static const FieldTable matrix_row_table = FIELD_TABLE("a row of the matrix", matrix_row_fields, MatrixRow);

typedef struct {
	MatrixRow rows[IMPORTANCES];
} Matrix;

static const Field matrix_fields[] = {
	ROW("general", FIELD_OBJECT, offsetof(Matrix, rows[IMPORTANCE_GENERAL]), .flags = FIELD_REQUIRED,
	    .table = &matrix_row_table),
	ROW("important", FIELD_OBJECT, offsetof(Matrix, rows[IMPORTANCE_IMPORTANT]), .flags = FIELD_REQUIRED,
	    .table = &matrix_row_table),
	ROW("essential", FIELD_OBJECT, offsetof(Matrix, rows[IMPORTANCE_ESSENTIAL]), .flags = FIELD_REQUIRED,
	    .table = &matrix_row_table),
};
static const FieldTable matrix_table = FIELD_TABLE("the matrix", matrix_fields, Matrix);

static const Field harm_fields[] = {
	CELL("general", HARM_GENERAL, grade_words),
	CELL("considerable", HARM_CONSIDERABLE, grade_words),
	CELL("serious", HARM_SERIOUS, grade_words),
	CELL("grave", HARM_GRAVE, grade_words),
};
static const FieldTable harm_table = {
	.name = "social_harm",
	.fields = harm_fields,
	.count = sizeof(harm_fields) / sizeof(harm_fields[0]),
	.size = sizeof(((GradingPolicy *)NULL)->harm_grade),
};

static const Field damage_fields[] = {
	CELL("I", 0, damage_words),
	CELL("II", 1, damage_words),
	CELL("III", 2, damage_words),
	CELL("IV", 3, damage_words),
};
static const FieldTable damage_table = {
	.name = "damage_levels",
	.fields = damage_fields,
	.count = sizeof(damage_fields) / sizeof(damage_fields[0]),
	.size = sizeof(((GradingPolicy *)NULL)->damage),
};

static const Field severity_loss_fields[] = {
	CELL("info", 0, loss_words), CELL("low", 1, loss_words),      CELL("medium", 2, loss_words),
	CELL("high", 3, loss_words), CELL("critical", 4, loss_words),
};
static const FieldTable severity_loss_table = {
	.name = "severity_loss",
	.fields = severity_loss_fields,
	.count = sizeof(severity_loss_fields) / sizeof(severity_loss_fields[0]),
	.size = sizeof(((GradingPolicy *)NULL)->severity_loss),
};

static const Field grading_fields[] = {
	ROW("matrix", FIELD_OBJECT, offsetof(GradingPolicy, grade), .flags = FIELD_REQUIRED, .table = &matrix_table,
	    .sentence = "Grade by importance of what is hit, then by loss"),
	ROW("social_harm", FIELD_OBJECT, offsetof(GradingPolicy, harm_grade), .flags = FIELD_REQUIRED,
	    .table = &harm_table, .sentence = "Grade by harm to society"),
	ROW("damage_levels", FIELD_OBJECT, offsetof(GradingPolicy, damage), .flags = FIELD_REQUIRED,
	    .table = &damage_table, .sentence = "Damage level by grade"),
	ROW_OBJECT(GradingPolicy, severity_loss, FIELD_REQUIRED, &severity_loss_table,
		   "Loss by severity, where no rule says it"),
};
const FieldTable grading_table = FIELD_TABLE("grading.yaml", grading_fields, GradingPolicy);

/* ---- rules.yaml */
static const Field condition_fields[] = {
	ROW_NAME(ConditionDocument, field, ID, "JSON pointer into the event or report"),
	ROW_ANY(ConditionDocument, is, 0, "Equal to this text, number or boolean"),
	ROW_ANY(ConditionDocument, in, 0, "Equal to one of these"),
	ROW_TEXT(ConditionDocument, matches, FIELD_NOT_EMPTY, PATTERN_MAX_CHARACTERS,
		 "A text in which this regular expression (PCRE2) is found"),
	ROW_ANY(ConditionDocument, at_least, 0, "This number or more; for /severity this word or worse"),
};
const FieldTable condition_table = FIELD_TABLE("a condition", condition_fields, ConditionDocument);

#define THEN_PLACE(member_) (offsetof(RuleDocument, then.member_) - offsetof(RuleDocument, then))

static const Field then_fields[] = {
	ROW("kind", FIELD_CHOICE, THEN_PLACE(then.kind), .choices = kind_words),
	ROW("category", FIELD_TEXT, THEN_PLACE(then.category), .flags = FIELD_NOT_EMPTY, .max = NAME_MAX_CHARACTERS),
	ROW("severity", FIELD_CHOICE, THEN_PLACE(then.severity), .choices = severity_words),
	ROW("importance", FIELD_CHOICE, THEN_PLACE(then.importance), .choices = importance_words),
	ROW("loss", FIELD_CHOICE, THEN_PLACE(then.loss), .choices = loss_words),
	ROW("social_harm", FIELD_CHOICE, THEN_PLACE(then.social_harm), .choices = harm_words),
	ROW("flags", FIELD_LIST, THEN_PLACE(flags), .item = FIELD_CHOICE, .choices = flag_words),
	ROW("noise", FIELD_BOOLEAN, THEN_PLACE(then.noise)),
};
static const FieldTable then_table = {
	.name = "then",
	.fields = then_fields,
	.count = sizeof(then_fields) / sizeof(then_fields[0]),
	.size = sizeof(((RuleDocument *)NULL)->then),
};

static const Field rule_fields[] = {
	ROW_NAME(RuleDocument, id, ID, "Name of the rule, as assessments give it"),
	ROW_OBJECTS(RuleDocument, when, 0, &condition_table, 0, CONDITIONS_MAX, "All must fit; none: always fits"),
	ROW_OBJECT(RuleDocument, then, FIELD_REQUIRED, &then_table, "What it says of what fits"),
};
const FieldTable rule_table = FIELD_TABLE("a rule", rule_fields, RuleDocument);

/* ---- contacts.yaml */
static const Field person_fields[] = {
	ROW_NAME(PersonPolicy, id, ID, "Id of the person"),
	ROW_NAME(PersonPolicy, name, FIELD_PERSONAL, "For people; the id where absent"),
	ROW_NAME(PersonPolicy, language, FIELD_NOT_EMPTY, "Language of notices; the site's own where absent"),
	ROW_NAME(PersonPolicy, email, FIELD_NOT_EMPTY | FIELD_PERSONAL, "Where mail goes"),
};
const FieldTable person_table = FIELD_TABLE("a person", person_fields, PersonPolicy);

static const Field team_fields[] = {
	ROW_NAME(TeamDocument, id, ID, "Id of the team"),
	ROW_NAME(TeamDocument, name, 0, "For people; the id where absent"),
	ROW_TEXTS(TeamDocument, on_duty, FIELD_NOT_EMPTY, 0, ROWS_MAX,
		  "The people who are told, the first is assigned"),
};
const FieldTable team_table = FIELD_TABLE("a team", team_fields, TeamDocument);

/* ---- escalation.yaml */
static const Field level_fields[] = {
	ROW_INTEGER(LevelDocument, after_seconds, FIELD_REQUIRED, 0, YEAR_SECONDS, "From the opening or reopening"),
	ROW_TEXTS(LevelDocument, notify, FIELD_REQUIRED | FIELD_NOT_EMPTY, 0, NOTIFY_MAX,
		  "team:ID, person:ID or channel:ID"),
};
const FieldTable level_table = FIELD_TABLE("a level", level_fields, LevelDocument);

#define WHEN_PLACE(member_) (offsetof(EscalationDocument, when.member_) - offsetof(EscalationDocument, when))

static const Field escalation_when_fields[] = {
	ROW("kinds", FIELD_LIST, WHEN_PLACE(kinds), .min = 1, .item = FIELD_CHOICE, .choices = kind_words),
	ROW("grades", FIELD_LIST, WHEN_PLACE(grades), .min = 1, .item = FIELD_CHOICE, .choices = grade_words),
};
static const FieldTable escalation_when_table = {
	.name = "when",
	.fields = escalation_when_fields,
	.count = sizeof(escalation_when_fields) / sizeof(escalation_when_fields[0]),
	.size = sizeof(((EscalationDocument *)NULL)->when),
};

static const Field escalation_fields[] = {
	ROW_NAME(EscalationDocument, id, ID, "Name of the policy, as deliveries give it"),
	ROW_OBJECT(EscalationDocument, when, 0, &escalation_when_table, "Which incidents; absent: all"),
	ROW_NAME(EscalationDocument, team, FIELD_NOT_EMPTY, "The team they are assigned to"),
	ROW_OBJECTS(EscalationDocument, levels, 0, &level_table, 0, ESCALATION_LEVELS_MAX, "Who is told, and when"),
};
const FieldTable escalation_table = FIELD_TABLE("an escalation policy", escalation_fields, EscalationDocument);

/* ---- channels.yaml */
static const Field channel_fields[] = {
	ROW_NAME(ChannelDocument, id, ID, "Id of the channel"),
	ROW_CHOICE(ChannelDocument, type, FIELD_REQUIRED, channel_words, "webhook or email"),
	ROW_TEXT(ChannelDocument, url, FIELD_NOT_EMPTY, TEXT_MAX_CHARACTERS, "webhook: where it is posted to"),
	ROW_TEXT(ChannelDocument, server, FIELD_NOT_EMPTY, TEXT_MAX_CHARACTERS, "email: smtp://… or smtps://…"),
	ROW_TEXT(ChannelDocument, secret, FIELD_NOT_EMPTY, TEXT_MAX_CHARACTERS, "webhook: what it is signed with"),
	ROW_TEXT(ChannelDocument, from, FIELD_NOT_EMPTY, TEXT_MAX_CHARACTERS, "email: the sender's address"),
};
const FieldTable channel_table = FIELD_TABLE("a channel", channel_fields, ChannelDocument);

/* ---- the files, and the message of all parts */
#define ROWS_OF(part_, table_, flags_) ROW_OBJECTS(MessageDocument, part_, flags_, table_, 0, ROWS_MAX, NULL)

static const Field sources_file_fields[] = { ROWS_OF(sources, &source_table, FIELD_REQUIRED),
					     ROWS_OF(joins, &join_policy_table, 0) };
static const FieldTable sources_file = FIELD_TABLE("sources.yaml", sources_file_fields, MessageDocument);
static const Field categories_file_fields[] = { ROWS_OF(categories, &category_table, FIELD_REQUIRED) };
static const FieldTable categories_file = FIELD_TABLE("categories.yaml", categories_file_fields, MessageDocument);
static const Field rules_file_fields[] = { ROWS_OF(rules, &rule_table, FIELD_REQUIRED) };
static const FieldTable rules_file = FIELD_TABLE("rules.yaml", rules_file_fields, MessageDocument);
static const Field contacts_file_fields[] = { ROWS_OF(people, &person_table, 0), ROWS_OF(teams, &team_table, 0) };
static const FieldTable contacts_file = FIELD_TABLE("contacts.yaml", contacts_file_fields, MessageDocument);
static const Field escalation_file_fields[] = { ROWS_OF(policies, &escalation_table, FIELD_REQUIRED) };
static const FieldTable escalation_file = FIELD_TABLE("escalation.yaml", escalation_file_fields, MessageDocument);
static const Field channels_file_fields[] = { ROWS_OF(channels, &channel_table, FIELD_REQUIRED) };
static const FieldTable channels_file = FIELD_TABLE("channels.yaml", channels_file_fields, MessageDocument);

const PackFile pack_files[] = {
	{ .name = "pack.yaml", .table = &pack_table, .required = true, .whole = true, .parts = { "pack" } },
	{ .name = "sources.yaml", .table = &sources_file, .required = true, .parts = { "sources", "joins" } },
	{ .name = "categories.yaml", .table = &categories_file, .parts = { "categories" } },
	{ .name = "grading.yaml", .table = &grading_table, .required = true, .whole = true, .parts = { "grading" } },
	{ .name = "rules.yaml", .table = &rules_file, .parts = { "rules" } },
	{ .name = "contacts.yaml", .table = &contacts_file, .parts = { "people", "teams" } },
	{ .name = "escalation.yaml", .table = &escalation_file, .parts = { "policies" } },
	{ .name = "channels.yaml", .table = &channels_file, .parts = { "channels" } },
};
const size_t pack_file_count = sizeof pack_files / sizeof pack_files[0];

static const Field message_fields[] = {
	ROW_NAME(MessageDocument, policy_version, ID, "id@version+ and 12 hex digits of the files' hash"),
	ROW_OBJECT(MessageDocument, pack, FIELD_REQUIRED, &pack_table, NULL),
	ROWS_OF(sources, &source_table, FIELD_REQUIRED),
	ROWS_OF(joins, &join_policy_table, 0),
	ROWS_OF(categories, &category_table, 0),
	ROW_OBJECT(MessageDocument, grading, FIELD_REQUIRED, &grading_table, NULL),
	ROWS_OF(rules, &rule_table, 0),
	ROWS_OF(people, &person_table, 0),
	ROWS_OF(teams, &team_table, 0),
	ROWS_OF(policies, &escalation_table, 0),
	ROWS_OF(channels, &channel_table, 0),
	ROW_FREE(MessageDocument, words, 0, "language → key → text"),
};
const FieldTable message_table = FIELD_TABLE("policy", message_fields, MessageDocument);
