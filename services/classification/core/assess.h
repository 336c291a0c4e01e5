/*
 * Assesses a report by the standard, in the order of the steps below. Pure: policy and document in, verdict out.
 *
 * The standard (GB/T 20986, GB/T 20985; ISO/IEC 27035). An occurrence that indicates a possible breach is an event; one that
 * is likely to harm the business is an incident; a possible failure of protection without harm yet is a weakness. Each has a
 * category. The severity of an incident is its grade, I to IV: the worse of two grades, one of the importance of the asset
 * and the loss to the business, the other of the harm to society. The foreseeable damage has a level, S, A or B. The policy
 * pack defines the matrix, the mappings and the categories.
 *
 *   1  the first rule of the pack that matches the document; an event without a severity has severity medium
 *   2  noise, if the rule states it: an event, whatever the later steps give
 *   3  kind: of the rule, else of the reporter, else (machines) of the category, else event
 *   4  category: of the rule, else "other"
 *   5  severity: of the rule, else of the document, else none
 *   6  importance: of the rule, else general
 *   7  loss: of the rule, else the pack's for the severity, else minor
 *   8  social harm: of the rule, else general
 *   9  grade: the matrix of 6 and 7, unless 8 alone gives a worse one
 *  10  damage level: the pack's for the grade
 *  11  flags: of the rule
 *
 * The verdict records the deciding source of steps 3, 4, 7 and 9, and the reason names it.
 */
#ifndef TOCSIN_CLASSIFICATION_CORE_ASSESS_H
#define TOCSIN_CLASSIFICATION_CORE_ASSESS_H

#include "shared/domain/policy.h"

/* The category of a report to which no rule assigns one. */
#define CATEGORY_OTHER "10000"

typedef enum { KIND_BY_DEFAULT, KIND_BY_RULE, KIND_BY_REPORTER, KIND_BY_CATEGORY, KIND_DECIDERS } KindDecider;

typedef struct {
	const RulePolicy *rule; /* borrowed from the policy; NULL: no rule matches */
	bool noise;
	int kind; /* like all numbers below, an index into the words of policy.h */
	KindDecider kind_by;
	const char *category; /* borrowed from the policy, or CATEGORY_OTHER */
	bool category_by_rule;
	int severity; /* -1: none */
	int importance, loss, social_harm;
	bool loss_by_severity;
	int matrix_grade, grade, damage_level;
	bool grade_by_harm;
	unsigned flags; /* bit i: flag_words[i] */
} Verdict;

/* form is "event" or "report"; NULL: event. document is as sent and accepted by the gateway; it is not changed. */
Verdict assess(const Policy *policy, const char *form, json_t *document);

/* Appends the reasons, in the first language of the pack. */
void verdict_reason(const Policy *policy, const Verdict *verdict, Buffer *out);

/* A new object of assessment_table; reason may be NULL. */
json_t *verdict_encode(const Policy *policy, const Verdict *verdict, const char *reason);

#endif
