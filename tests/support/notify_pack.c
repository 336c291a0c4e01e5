#include "tests/support/notify_pack.h"

#include <stdio.h>
#include <string.h>

static const char pack[] = "id: site\n"
			   "version: 1\n"
			   "timezone: Asia/Shanghai\n"
			   "languages: [zh-CN, en]\n";
static const char sources[] = "sources:\n"
			      "  - id: \"*\"\n"
			      "    correlate: [source, rule]\n"
			      "    window_seconds: 900\n"
			      "    cap_seconds: 86400\n";
static const char categories[] = "categories:\n"
				 "  - code: \"01007\"\n"
				 "    names: {zh-CN: 勒索软件, en: Ransomware}\n";
static const char grading[] =
	"matrix:\n"
	"  essential: {grave: I, serious: II, considerable: III, minor: IV}\n"
	"  important: {grave: II, serious: III, considerable: IV, minor: IV}\n"
	"  general: {grave: III, serious: IV, considerable: IV, minor: IV}\n"
	"social_harm: {grave: I, serious: II, considerable: III, general: IV}\n"
	"damage_levels: {I: S, II: S, III: A, IV: B}\n"
	"severity_loss: {info: minor, low: minor, medium: considerable, high: serious, critical: grave}\n";
static const char rules[] = "rules: []\n";
static const char contacts[] = "people:\n"
			       "  - {id: li, name: 李雷, language: zh-CN, email: li@site.example}\n"
			       "  - {id: ann, name: Ann Lee, language: en, email: ann@site.example}\n"
			       "  - {id: mute, name: No Mail, language: en}\n"
			       "teams:\n"
			       "  - {id: soc, name: SOC, on_duty: [li, ann]}\n"
			       "  - {id: night, name: Night shift, on_duty: []}\n";
static const char escalation[] =
	"policies:\n"
	"  - id: urgent\n"
	"    when: {kinds: [incident], grades: [I, II]}\n"
	"    team: soc\n"
	"    levels:\n"
	"      - {after_seconds: 0, notify: [\"channel:hook\", \"team:soc\", \"person:li\"]}\n"
	"      - {after_seconds: 60, notify: [\"person:mute\", \"team:night\", \"channel:post\"]}\n"
	"      - {after_seconds: 300, notify: []}\n"
	"  - id: quiet\n"
	"    when: {kinds: [incident], grades: [III]}\n"
	"    levels:\n"
	"      - {after_seconds: 3600, notify: [\"channel:hook\"]}\n";
static const char channels[] =
	"channels:\n"
	"  - {id: hook, type: webhook, url: \"${TOCSIN_WEBHOOK_URL}\", secret: \"${TOCSIN_WEBHOOK_SECRET}\"}\n"
	"  - {id: post, type: email, server: \"${TOCSIN_SMTP_URL}\", from: \"${TOCSIN_MAIL_FROM}\"}\n";
static const char words_zh[] = "mail.drill: 这是演练。\n"
			       "mail.opened: 有新的事件等待您处理。\n"
			       "mail.escalated: 事件仍无人确认，现升级至第 {value} 级。\n"
			       "mail.line.number: \"编号：{value}\"\n"
			       "mail.line.title: \"标题：{value}\"\n"
			       "mail.line.kind: \"类型：{value}\"\n"
			       "mail.line.severity: \"严重程度：{value}\"\n"
			       "mail.line.grade: \"级别：{value}\"\n"
			       "mail.line.category: \"类别：{value}\"\n"
			       "mail.line.reason: \"理由：{value}\"\n"
			       "mail.line.asset: \"资产：{value}\"\n"
			       "mail.line.source: \"来源：{value}\"\n"
			       "mail.line.opened: \"建立时间：{value}\"\n"
			       "mail.line.team: \"负责团队：{value}\"\n"
			       "mail.kind.incident: 事件\n"
			       "mail.severity.high: 高\n"
			       "mail.link: \"详情：{value}\"\n"
			       "mail.footer: 由警钟发送。\n"
			       "skip.not-configured: \"渠道 {name} 未配置：{setting} 未设置\"\n"
			       "skip.drill: 演练不通知外部系统\n";
static const char words_en[] = "mail.drill: This is a drill.\n"
			       "mail.opened: A new case waits for you.\n"
			       "mail.escalated: Nobody has acknowledged it; this is level {value}.\n"
			       "mail.line.number: \"Number: {value}\"\n"
			       "mail.line.title: \"Title: {value}\"\n"
			       "mail.line.kind: \"Kind: {value}\"\n"
			       "mail.line.severity: \"Severity: {value}\"\n"
			       "mail.line.grade: \"Grade: {value}\"\n"
			       "mail.line.category: \"Category: {value}\"\n"
			       "mail.line.reason: \"Reason: {value}\"\n"
			       "mail.line.asset: \"Asset: {value}\"\n"
			       "mail.line.source: \"Source: {value}\"\n"
			       "mail.line.opened: \"Opened: {value}\"\n"
			       "mail.line.team: \"Team: {value}\"\n"
			       "mail.kind.incident: incident\n"
			       "mail.severity.high: high\n"
			       "mail.link: \"Details: {value}\"\n"
			       "mail.footer: Sent by Tocsin.\n"
			       "skip.not-configured: \"channel {name} is not set up: {setting} is not set\"\n"
			       "skip.drill: a drill tells no other systems\n";

Policy *notify_pack_with(const char *other)
{
	const PolicyFile files[] = {
		{ "pack.yaml", slice_of(pack) },
		{ "sources.yaml", slice_of(sources) },
		{ "categories.yaml", slice_of(categories) },
		{ "grading.yaml", slice_of(grading) },
		{ "rules.yaml", slice_of(rules) },
		{ "contacts.yaml", slice_of(contacts) },
		{ "escalation.yaml", slice_of(other ? other : escalation) },
		{ "channels.yaml", slice_of(channels) },
		{ "words/zh-CN.yaml", slice_of(words_zh) },
		{ "words/en.yaml", slice_of(words_en) },
	};
	static PolicyErrors mistakes;
	json_t *message JSON_AUTO = NULL;
	Policy *policy = NULL;
	mistakes.count = 0;
	if (!policy_read(files, sizeof(files) / sizeof(files[0]), &message, &mistakes))
		for (size_t i = 0; i < mistakes.count; i++)
			fprintf(stderr, "%s\n", mistakes.list[i]);
	must(message);
	must(!result_failed(policy_compile(message, &policy)));
	return policy;
}

Policy *notify_pack(void)
{
	return notify_pack_with(NULL);
}
