/* Compiled classification rules. Private to shared/domain. */
#ifndef TOCSIN_DOMAIN_POLICY_RULES_H
#define TOCSIN_DOMAIN_POLICY_RULES_H

#include "shared/domain/policy.h"

/* A row of rules.yaml. */
extern const FieldTable rule_table;

typedef struct Rule Rule;

/* Compiles a rule of a message that has passed the checks; the Rule borrows from tree. */
Rule *rule_new(json_t *tree);
void rule_free(Rule *rule);

/* Borrowed from the rule. */
const RulePolicy *rule_policy(const Rule *rule);

/* Working memory of the pattern matcher, for any number of rules; not for use by two threads at once. */
typedef struct RuleScratch RuleScratch;
RuleScratch *rule_scratch_new(void);
void rule_scratch_free(RuleScratch *scratch);

/* True when every condition holds for the document. */
bool rule_fits(const Rule *rule, json_t *document, RuleScratch *scratch);

/* True when pattern compiles; else writes the reason, cut to reason_size bytes with its NUL, into reason. */
bool pattern_is_valid(const char *pattern, char *reason, size_t reason_size);

#endif
