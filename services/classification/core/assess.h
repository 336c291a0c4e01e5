/*
 * Assesses a report by the standard, in the steps below. Pure: the verdict depends only on policy and document.
 *
 * The standard (GB/T 20986, GB/T 20985; ISO/IEC 27035). An occurrence that indicates a possible breach is an event; one that
 * is likely to harm the business is an incident; a possible failure of protection without harm yet is a weakness. Each has a
 * category. The severity of an incident is its grade, I to IV: the worse of two grades. A matrix gives one of them for the
 * importance of the asset and the loss to the business; the harm to society gives the other. The foreseeable damage has a
 * level, S, A or B. The policy pack defines the matrix, the mappings and the categories.
 *
 *   1  rule: the first rule of the pack that matches the document; an event without a severity has severity medium
 *   2  noise: as stated by the rule; the kind of noise is always event
 *   3  kind: stated by the rule, else by the reporter, else (reports of machines only) by the category, else event
 *   4  category: stated by the rule, else "other"
 *   5  severity: stated by the rule, else by the document, else none
 *   6  importance: stated by the rule, else general
 *   7  loss: stated by the rule, else by the pack for the severity, else minor
 *   8  social harm: stated by the rule, else general
 *   9  grade: from the matrix, by importance and loss; or the grade of the social harm, if that grade is worse
 *  10  damage level: stated by the pack for the grade
 *  11  flags: stated by the rule
 *
 * The verdict records which source decided steps 3, 4, 7 and 9; verdict_reason chooses its sentences by it.
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
	int kind; /* like all other int members, an index into a list of words of policy.h */
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

/* form: "event", "report" (of a person) or NULL, which means event. document: as accepted by the gateway; it is not changed. */
Verdict assess(const Policy *policy, const char *form, json_t *document);

/* Appends the reasons for the verdict, as sentences in the first language of the pack. */
void verdict_reason(const Policy *policy, const Verdict *verdict, Buffer *out);

/* A new object of assessment_table; reason may be NULL. */
json_t *verdict_encode(const Policy *policy, const Verdict *verdict, const char *reason);

#endif
