/* /livez, /readyz, /metrics and /openapi.json: open to everybody. */
#include "services/gateway/gateway_internal.h"

#include "shared/edge/metrics.h"

enum { METRICS_MAX = 4 << 20, READY_MAX = 64 << 10 };

static const char plain[] = "text/plain; charset=utf-8";

void ops_livez(HttpRequest *request, void *context)
{
	(void)context;
	answer_text(request, 200, plain, SLICE("ok\n"));
}

static bool wants_lines(HttpRequest *request)
{
	const char *verbose = http_query(request, "verbose");

	return verbose && !slice_is(slice_of(verbose), "0");
}

void ops_readyz(HttpRequest *request, void *context)
{
	Gateway *gateway = context;
	Buffer lines;

	buffer_init(&lines, READY_MAX);
	PolicyShare *policy = policy_share(gateway);
	bool draining = atomic_load(&gateway->draining);
	buffer_text(&lines, policy ? "[+]policy ok\n" : "[-]policy not published yet\n");
	buffer_text(&lines, draining ? "[-]process is stopping\n" : "[+]process ok\n");
	bool ready = gateway->options.ready(gateway->options.ready_context, &lines) && policy && !draining;
	policy_unshare(policy);
	if (!wants_lines(request))
		buffer_clear(&lines);
	buffer_text(&lines, ready ? "ready\n" : "not ready\n");
	answer_text(request, ready ? 200 : 503, plain, buffer_slice(&lines));
	buffer_release(&lines);
}

void ops_metrics(HttpRequest *request, void *context)
{
	Buffer text;

	(void)context;
	buffer_init(&text, METRICS_MAX);
	metrics_write(&text);
	answer_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", buffer_slice(&text));
	buffer_release(&text);
}

void describe_api(HttpRequest *request, void *context)
{
	Gateway *gateway = context;

	answer_json(request, 200, buffer_slice(&gateway->description), NULL);
}
