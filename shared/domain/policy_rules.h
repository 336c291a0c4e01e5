/* Compiled classification rules. Private to shared/domain. */
#ifndef TOCSIN_DOMAIN_POLICY_RULES_H
#define TOCSIN_DOMAIN_POLICY_RULES_H

#include "shared/domain/policy.h"

/* Field table of a rule in rules.yaml. */
extern const FieldTable rule_table;

typedef struct Rule Rule;

/* Compiles a rule. tree: the rule in a message that has passed the checks, else aborts; the Rule borrows from tree. */
Rule *rule_new(json_t *tree);
void rule_free(Rule *rule);

/* The rule's id and the members that it sets; borrowed from the rule. */
const RulePolicy *rule_policy(const Rule *rule);

/* Working memory of the pattern matcher. A scratch serves any number of rules, but only one thread at a time. */
typedef struct RuleScratch RuleScratch;
RuleScratch *rule_scratch_new(void);
void rule_scratch_free(RuleScratch *scratch);

/* True when every condition of the rule holds for the document (an event or a report). */
bool rule_fits(const Rule *rule, json_t *document, RuleScratch *scratch);

/* True when pattern compiles. Else false, with the error in reason, cut to reason_size bytes including its NUL. */
bool pattern_is_valid(const char *pattern, char *reason, size_t reason_size);

#endif
