/*
 * What a report is, and how bad: the norm, and the order in which it is asked. Pure: policy and document in, verdict
 * out.
 *
 * The norm (GB/T 20986, GB/T 20985; ISO/IEC 27035). An occurrence that points to a possible breach is an event; one
 * that is likely to harm the business is an incident; a possible failure of protection without harm yet is a weakness.
 * What happened has a category. How bad it is has a grade, I to IV: the worse of two, of which one comes of how
 * important the thing hit is and how grave the loss to the business, the other of the harm to society. The foreseeable
 * damage has a level, S, A or B. The matrix, the mappings and the categories are the policy pack's.
 *
 *   1  the first rule of the pack that fits the document; an event without a severity is one of severity medium
 *   2  noise, when the rule says so: an event, whatever else is said
 *   3  kind: the rule's, else what the reporter says, else (machines) what the category is, else an event
 *   4  category: the rule's, else "other"
 *   5  severity: the rule's, else the document's, else none
 *   6  importance: the rule's, else general
 *   7  loss: the rule's, else what the pack expects of the severity, else minor
 *   8  social harm: the rule's, else general
 *   9  grade: the matrix of 6 and 7, unless 8 alone gives a worse one
 *  10  damage level: the pack's, by grade
 *  11  flags: the rule's
 *
 * The verdict remembers what decided at 3, 4, 7 and 9, and the reason names it.
 */
#ifndef TOCSIN_CLASSIFICATION_CORE_ASSESS_H
#define TOCSIN_CLASSIFICATION_CORE_ASSESS_H

#include "shared/domain/policy.h"

/* The category of what no rule gives one. */
#define CATEGORY_OTHER "10000"

typedef enum { KIND_BY_DEFAULT, KIND_BY_RULE, KIND_BY_REPORTER, KIND_BY_CATEGORY, KIND_DECIDERS } KindDecider;

typedef struct {
	const RulePolicy *rule; /* the policy's own; NULL: none fits */
	bool noise;
	int kind; /* this and the following: indices into the words of policy.h */
	KindDecider kind_by;
	const char *category; /* the policy's own, or CATEGORY_OTHER */
	bool category_by_rule;
	int severity; /* -1: none */
	int importance, loss, social_harm;
	bool loss_by_severity;
	int matrix_grade, grade, damage_level;
	bool grade_by_harm;
	unsigned flags; /* bit i: flag_words[i] */
} Verdict;

/* form is "event" or "report". document is as sent, already accepted by the gateway; it is not changed. */
Verdict assess(const Policy *policy, const char *form, json_t *document);

/* Why, in the pack's first language, appended. */
void verdict_reason(const Policy *policy, const Verdict *verdict, Buffer *out);

/* A new object of assessment_table; reason may be NULL. */
json_t *verdict_encode(const Policy *policy, const Verdict *verdict, const char *reason);

#endif
