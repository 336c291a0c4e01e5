/* The field tables of the files of a policy pack, and the words of their choices. */
#include "shared/domain/policy_tables.h"

#include "shared/domain/policy_rules.h"
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

enum { ROWS_MAX = 4096, LANGUAGES_MAX = 16, ESCALATION_LEVELS_MAX = 16, NOTIFY_MAX = 64 };
enum { YEAR_SECONDS = 366 * 86400 };
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
	ROW_NAME(SourceDocument, id, ID, "Source of the events; '*' for all other sources"),
	ROW_WORDS(SourceDocument, correlate, 0, correlate_words, 1, 4, "Members that events of one incident share"),
	ROW_INTEGER(SourceDocument, window_seconds, 0, 1, YEAR_SECONDS, "Seconds after the last event"),
	ROW_INTEGER(SourceDocument, cap_seconds, 0, 1, YEAR_SECONDS, "Seconds after the first event"),
};
const FieldTable source_table = FIELD_TABLE("a source", source_fields, SourceDocument);

static const Field join_policy_fields[] = {
	ROW_CHOICE(JoinPolicy, by, FIELD_REQUIRED, join_words, "Member that linked incidents share: asset or actor"),
	ROW_INTEGER(JoinPolicy, window_seconds, FIELD_REQUIRED, 1, YEAR_SECONDS, "Seconds after one incident in which another is linked with it"),
};
const FieldTable join_policy_table = FIELD_TABLE("a join", join_policy_fields, JoinPolicy);

/* ---- categories.yaml */
static const Field category_fields[] = {
	ROW_NAME(CategoryDocument, code, ID, "Code of the category, in quotes if it looks like a number"),
	ROW_FREE(CategoryDocument, names, FIELD_REQUIRED, "Its name in each language"),
	ROW_CHOICE(CategoryDocument, kind, 0, kind_words, "Default kind of an event of this category"),
	ROW_NAME(CategoryDocument, rsit, 0, "Code in the Reference Security Incident Taxonomy"),
};
const FieldTable category_table = FIELD_TABLE("a category", category_fields, CategoryDocument);

/* ---- grading.yaml: decoded directly into GradingPolicy */
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
	    .sentence = "Grade by importance of the affected asset, then by loss"),
	ROW("social_harm", FIELD_OBJECT, offsetof(GradingPolicy, harm_grade), .flags = FIELD_REQUIRED,
	    .table = &harm_table, .sentence = "Grade by harm to society"),
	ROW("damage_levels", FIELD_OBJECT, offsetof(GradingPolicy, damage), .flags = FIELD_REQUIRED,
	    .table = &damage_table, .sentence = "Damage level by grade"),
	ROW_OBJECT(GradingPolicy, severity_loss, FIELD_REQUIRED, &severity_loss_table,
		   "Loss by severity, if no rule sets it"),
};
const FieldTable grading_table = FIELD_TABLE("grading.yaml", grading_fields, GradingPolicy);

/* ---- contacts.yaml */
static const Field person_fields[] = {
	ROW_NAME(PersonPolicy, id, ID, "Id of the person"),
	ROW_NAME(PersonPolicy, name, FIELD_PERSONAL, "Display name; default: the id"),
	ROW_NAME(PersonPolicy, language, FIELD_NOT_EMPTY, "Language of notices; default: the first language of the pack"),
	ROW_NAME(PersonPolicy, email, FIELD_NOT_EMPTY | FIELD_PERSONAL, "Mail address"),
};
const FieldTable person_table = FIELD_TABLE("a person", person_fields, PersonPolicy);

static const Field team_fields[] = {
	ROW_NAME(TeamDocument, id, ID, "Id of the team"),
	ROW_NAME(TeamDocument, name, 0, "Display name; default: the id"),
	ROW_TEXTS(TeamDocument, on_duty, FIELD_NOT_EMPTY, 0, ROWS_MAX,
		  "People to notify; the first is assigned"),
};
const FieldTable team_table = FIELD_TABLE("a team", team_fields, TeamDocument);

/* ---- escalation.yaml */
static const Field level_fields[] = {
	ROW_INTEGER(LevelDocument, after_seconds, FIELD_REQUIRED, 0, YEAR_SECONDS, "Seconds after the opening or reopening"),
	ROW_TEXTS(LevelDocument, notify, FIELD_REQUIRED | FIELD_NOT_EMPTY, 0, NOTIFY_MAX,
		  "team:ID, person:ID or channel:ID"),
};
const FieldTable level_table = FIELD_TABLE("a level", level_fields, LevelDocument);

#define WHEN_OFFSET(member_) (offsetof(EscalationDocument, when.member_) - offsetof(EscalationDocument, when))

static const Field escalation_when_fields[] = {
	ROW("kinds", FIELD_LIST, WHEN_OFFSET(kinds), .min = 1, .item = FIELD_CHOICE, .choices = kind_words),
	ROW("grades", FIELD_LIST, WHEN_OFFSET(grades), .min = 1, .item = FIELD_CHOICE, .choices = grade_words),
};
static const FieldTable escalation_when_table = {
	.name = "when",
	.fields = escalation_when_fields,
	.count = sizeof(escalation_when_fields) / sizeof(escalation_when_fields[0]),
	.size = sizeof(((EscalationDocument *)NULL)->when),
};

static const Field escalation_fields[] = {
	ROW_NAME(EscalationDocument, id, ID, "Name of the policy, as deliveries give it"),
	ROW_OBJECT(EscalationDocument, when, 0, &escalation_when_table, "Incidents to which it applies; default: all"),
	ROW_NAME(EscalationDocument, team, FIELD_NOT_EMPTY, "Team to which they are assigned"),
	ROW_OBJECTS(EscalationDocument, levels, 0, &level_table, 0, ESCALATION_LEVELS_MAX, "Levels: whom to notify, and when"),
};
const FieldTable escalation_table = FIELD_TABLE("an escalation policy", escalation_fields, EscalationDocument);

/* ---- channels.yaml */
static const Field channel_fields[] = {
	ROW_NAME(ChannelDocument, id, ID, "Id of the channel"),
	ROW_CHOICE(ChannelDocument, type, FIELD_REQUIRED, channel_words, "webhook or email"),
	ROW_TEXT(ChannelDocument, url, FIELD_NOT_EMPTY, TEXT_MAX_CHARACTERS, "webhook: URL to post to"),
	ROW_TEXT(ChannelDocument, server, FIELD_NOT_EMPTY, TEXT_MAX_CHARACTERS, "email: smtp://… or smtps://…"),
	ROW_TEXT(ChannelDocument, secret, FIELD_NOT_EMPTY, TEXT_MAX_CHARACTERS, "webhook: signing secret"),
	ROW_TEXT(ChannelDocument, from, FIELD_NOT_EMPTY, TEXT_MAX_CHARACTERS, "email: the sender's address"),
};
const FieldTable channel_table = FIELD_TABLE("a channel", channel_fields, ChannelDocument);

/* ---- the files of a pack, and the message that contains the whole pack */
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

static const TextForm policy_version_form = { .pattern = "^.+@.+\\+[0-9a-f]{12}$" };

static const Field message_fields[] = {
	ROW_TEXT(MessageDocument, id, FIELD_ALWAYS, 64, "Name of the pack, which is the key of the record"),
	ROW_NAME(MessageDocument, version, FIELD_ALWAYS, "Version of the pack as text"),
	ROW_NAME(MessageDocument, policy_version, ID, "id@version+ and 12 hex digits of the files' hash",
		 .form = &policy_version_form),
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
const FieldTable message_table =
	FIELD_DOCUMENT("policy-pack", message_fields, MessageDocument, TABLE_RECORD, "Policy pack",
		       "Body of the records of tocsin.policies: a whole pack. It holds no secrets; channels name the settings "
		       "that do.");
