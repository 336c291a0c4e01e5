#include "services/cli/demo_alerts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS "/v1/events"
#define REPORTS "/v1/reports"

const DemoAlert demo_alerts[] = {
	{ 640, 0, 3590, EVENTS,
	  "{\"source\":\"firewall\",\"rule\":\"portscan\",\"type\":\"scan\",\"severity\":\"info\",\"asset\":"
	  "\"perimeter\","
	  "\"title\":\"Port scan from the "
	  "internet\",\"observables\":[{\"type\":\"ip\",\"value\":\"198.51.100.23\"}]}" },
	{ 180, 60, 3500, EVENTS,
	  "{\"source\":\"vulnerability-scanner\",\"rule\":\"own-scan\",\"type\":\"scan\",\"severity\":\"low\","
	  "\"asset\":\"dmz\","
	  "\"title\":\"Our own scanner probes the DMZ\"}" },
	{ 412, 300, 900, EVENTS,
	  "{\"source\":\"vpn\",\"rule\":\"auth-failed\",\"type\":\"brute-force\",\"severity\":\"medium\",\"asset\":"
	  "\"vpn1\","
	  "\"actor\":\"zhang.wei\",\"title\":\"Password guessing against the VPN\","
	  "\"observables\":[{\"type\":\"ip\",\"value\":\"203.0.113.66\"},{\"type\":\"account\",\"value\":\"zhang.wei\"}"
	  "]}" },
	{ 1, 1204, 1, EVENTS,
	  "{\"source\":\"vpn\",\"rule\":\"auth-success-after-failures\",\"type\":\"account-compromise\",\"severity\":"
	  "\"high\","
	  "\"asset\":\"vpn1\",\"actor\":\"zhang.wei\",\"title\":\"Brute force succeeded: login from abroad after 412 "
	  "failures\","
	  "\"observables\":[{\"type\":\"ip\",\"value\":\"203.0.113.66\"}]}" },
	{ 3, 1320, 60, EVENTS,
	  "{\"source\":\"edr\",\"rule\":\"credential-dump\",\"type\":\"intrusion\",\"severity\":\"high\",\"asset\":"
	  "\"jump1\","
	  "\"actor\":\"zhang.wei\",\"title\":\"Credentials read out of memory on the jump host\","
	  "\"observables\":[{\"type\":\"host\",\"value\":\"jump1\"}]}" },
	{ 96, 1500, 240, EVENTS,
	  "{\"source\":\"edr\",\"rule\":\"mass-encryption\",\"type\":\"ransomware\",\"severity\":\"critical\","
	  "\"asset\":\"fs1\","
	  "\"title\":\"Ransomware encrypts files on file server FS1\",\"observables\":[{\"type\":\"hash\",\"value\":"
	  "\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"},{\"type\":\"host\",\"value\":\"fs1\"}]"
	  "}" },
	{ 1, 1790, 1, REPORTS,
	  "{\"kind\":\"incident\",\"type\":\"malware\",\"title\":\"我的文件打不开了\","
	  "\"description\":\"FS1 上的所有文档都变成了 "
	  ".locked，还有一封勒索信。\",\"suspected\":true,\"business_affected\":\"now\","
	  "\"reporter\":{\"name\":\"刘洋\",\"contact\":\"liu.yang@example.org\",\"relation\":\"employee\","
	  "\"department\":\"财务部\"}}" },
	{ 27, 600, 1500, EVENTS,
	  "{\"source\":\"mail-gateway\",\"rule\":\"phish-url\",\"type\":\"phishing\",\"severity\":\"medium\",\"asset\":"
	  "\"mail\","
	  "\"title\":\"Phishing mails that imitate the payroll portal\","
	  "\"observables\":[{\"type\":\"url\",\"value\":\"https://payroll.example.net/login\"}]}" },
	{ 1, 2100, 1, REPORTS,
	  "{\"kind\":\"incident\",\"type\":\"theft\",\"title\":\"Laptop stolen on a train\","
	  "\"description\":\"My laptop was taken from the luggage rack. It holds the client's network plans.\","
	  "\"data_classification\":\"confidential\",\"origin\":\"project\",\"project\":\"North\",\"asset\":\"nb-0417\","
	  "\"reporter\":{\"name\":\"Chen Jie\",\"contact\":\"+86 10 5555 0117\",\"relation\":\"contractor\"},"
	  "\"first_action\":{\"reference\":\"110-7731\"}}" },
	{ 8, 2400, 300, EVENTS,
	  "{\"source\":\"dlp\",\"rule\":\"upload-confidential\",\"type\":\"data-leak\",\"severity\":\"high\",\"asset\":"
	  "\"hr-share\","
	  "\"actor\":\"sun.li\",\"title\":\"Data leak: personnel files uploaded to a private cloud drive\"}" },
	{ 75, 2500, 600, EVENTS,
	  "{\"source\":\"waf\",\"rule\":\"sqli\",\"type\":\"exploit\",\"severity\":\"high\",\"asset\":\"shop\","
	  "\"title\":\"SQL injection attempts against the "
	  "shop\",\"observables\":[{\"type\":\"ip\",\"value\":\"192.0.2.200\"}]}" },
	{ 44, 2900, 500, EVENTS,
	  "{\"source\":\"monitoring\",\"rule\":\"ddos\",\"type\":\"denial-of-service\",\"severity\":\"high\",\"asset\":"
	  "\"www\","
	  "\"title\":\"HTTP flood, the web site answers slowly\"}" },
	{ 1, 3000, 1, REPORTS,
	  "{\"kind\":\"weakness\",\"title\":\"Door to the server room does not close\",\"type\":\"other\","
	  "\"description\":\"The lock of room 2.14 has not caught since Monday; anyone can push it open.\","
	  "\"reporter\":{\"name\":\"Wang Min\",\"relation\":\"employee\"}}" },
	{ 1, 3100, 1, EVENTS,
	  "{\"source\":\"vulnerability-scanner\",\"rule\":\"CVE-2024-3094\",\"type\":\"vulnerability\",\"severity\":"
	  "\"critical\","
	  "\"asset\":\"build7\",\"title\":\"Compression library with a known back door on build7\"}" },
	{ 12, 3200, 240, EVENTS,
	  "{\"source\":\"monitoring\",\"rule\":\"disk-failing\",\"type\":\"outage\",\"severity\":\"medium\","
	  "\"asset\":\"db2\",\"title\":\"Disk of the database server db2 is failing\"}" },
};
const unsigned demo_alert_count = sizeof demo_alerts / sizeof demo_alerts[0];

static int step_compare(const void *one, const void *other)
{
	const DemoStep *left = one, *right = other;
	if (left->second != right->second)
		return left->second < right->second ? -1 : 1;
	if (left->alert != right->alert)
		return left->alert < right->alert ? -1 : 1;
	return left->ordinal < right->ordinal ? -1 : left->ordinal > right->ordinal;
}

DemoStep *demo_steps(unsigned *count)
{
	unsigned total = 0, at = 0;
	for (unsigned i = 0; i < demo_alert_count; i++)
		total += demo_alerts[i].count;
	DemoStep *steps = calloc(total, sizeof *steps);
	must(steps != NULL);
	for (unsigned i = 0; i < demo_alert_count; i++)
		for (unsigned n = 0; n < demo_alerts[i].count; n++)
			steps[at++] = (DemoStep){ &demo_alerts[i], n,
						  demo_alerts[i].from_second +
							  n * demo_alerts[i].over_seconds / demo_alerts[i].count };
	qsort(steps, total, sizeof *steps, step_compare);
	*count = total;
	return steps;
}

json_t *demo_document(const DemoStep *step, Instant start)
{
	json_t *document;
	char time[INSTANT_TEXT];
	must(!result_failed(json_read(slice_of(step->alert->document), &document)));
	instant_format(start + (Instant)step->second * 1000, time);
	json_object_set_new(document, "occurred_at", json_string(time));
	if (strcmp(step->alert->path, REPORTS) == 0)
		return document;
	json_object_set_new(document, "attributes", json_pack("{s:i}", "ordinal", (int)step->ordinal + 1));
	return document;
}
