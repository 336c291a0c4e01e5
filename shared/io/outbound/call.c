#include "shared/io/outbound/call.h"

#include "shared/io/system/clock.h"
#include "shared/io/outbound/mail.h"
#include "shared/io/outbound/webhook.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CONNECT_TIMEOUT_MS = 3000,
	WEBHOOK_TIMEOUT_MS = 15000,
	MAIL_TIMEOUT_MS = 10000,
	RESPONSE_MAX = 64 * 1024,
	MAIL_TEXT_MAX = 4 * 1024 * 1024,
	RETRY_AFTER_MAX_S = 24 * 60 * 60,
};

/* State shared by the callbacks of one call. */
typedef struct {
	const OutboundCallSettings *settings;
	bool listed_only; /* the URL is plain http:, so only addresses of the operator's list are allowed */
	unsigned opened, denied; /* number of sockets */
	size_t received;
	Slice upload;
	size_t uploaded;
} Call;

/* ---- callbacks --------------------------------------------------------------------------------------------------- */

/* Checks the resolved address just before libcurl connects to it. */
static curl_socket_t on_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	Call *call = context;
	const EgressRules *egress = &call->settings->egress;

	(void)purpose;
	if (!(call->listed_only ? egress_listed : egress_allowed)(egress, &address->addr)) {
		call->denied++;
		return CURL_SOCKET_BAD;
	}
	call->opened++;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Discards the body of a response; more than RESPONSE_MAX bytes end the call. */
static size_t on_response(char *data, size_t size, size_t count, void *context)
{
	Call *call = context;

	(void)data;
	call->received += size * count;
	return call->received <= RESPONSE_MAX ? size * count : 0;
}

static size_t on_upload(char *data, size_t size, size_t count, void *context)
{
	Call *call = context;
	size_t left = call->upload.size - call->uploaded, room = size * count;
	size_t taken = left < room ? left : room;

	if (taken > 0)
		memcpy(data, call->upload.data + call->uploaded, taken);
	call->uploaded += taken;
	return taken;
}

/* libcurl rewinds the upload if a kept connection turns out to be closed, to send it again on another. */
static int on_seek(void *context, curl_off_t offset, int origin)
{
	Call *call = context;

	if (origin != SEEK_SET || offset < 0 || (size_t)offset > call->upload.size)
		return CURL_SEEKFUNC_CANTSEEK;
	call->uploaded = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

static int on_progress(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	const Call *call = context;

	(void)down_total, (void)down, (void)up_total, (void)up;
	return atomic_load(&call->settings->abort) ? 1 : 0;
}

/* ---- common to webhooks and mail --------------------------------------------------------------------------------- */

static void curl_prepare(CURL *curl, Call *call, const char *protocols, long timeout_ms)
{
	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, protocols);
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* ignore http_proxy: a proxy would bypass the egress check */
	curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_response);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, call);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

static void outcome_set(OutboundOutcome *out, int outcome, const char *detail)
{
	out->outcome = outcome;
	snprintf(out->detail, sizeof(out->detail), "%s", detail);
}

/* Texts for common failures; for others libcurl's text. None contains any part of the URL. */
static const char *failure_text(CURL *curl, CURLcode code)
{
	long number = 0;

	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST: return "the host name cannot be resolved";
	case CURLE_COULDNT_CONNECT:
		curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &number);
		return number > 0 ? strerrordesc_np((int)number) : "could not connect";
	case CURLE_OPERATION_TIMEDOUT: return "timed out";
	case CURLE_PEER_FAILED_VERIFICATION: return "the certificate is not trusted";
	case CURLE_ABORTED_BY_CALLBACK: return "stopped: the service is closing";
	case CURLE_WRITE_ERROR: return "the receiver answered with more than 64 KiB";
	default: return curl_easy_strerror(code);
	}
}

/* ---- webhooks ---------------------------------------------------------------------------------------------------- */

static void header_add_line(struct curl_slist **headers, const char *name, const char *value)
{
	char line[1024];
	struct curl_slist *more;

	snprintf(line, sizeof(line), "%s: %s", name, value);
	more = curl_slist_append(*headers, line);
	must(more != NULL);
	*headers = more;
}

/* False: the secret is invalid. */
static bool webhook_headers(const OutboundRequest *request, struct curl_slist **headers)
{
	int64_t timestamp_s = clock_now() / 1000;
	char timestamp[24];
	bool usable = true;
	Buffer signature;

	snprintf(timestamp, sizeof(timestamp), "%lld", (long long)timestamp_s);
	header_add_line(headers, "Content-Type", "application/json");
	header_add_line(headers, "webhook-id", request->key);
	header_add_line(headers, "webhook-timestamp", timestamp);
	if (request->secret) {
		buffer_init(&signature, 512);
		usable = webhook_sign(request->secret, request->key, timestamp_s, request->body, &signature);
		if (usable)
			header_add_line(headers, "webhook-signature", signature.data);
		buffer_release(&signature);
	}
	*headers = curl_slist_append(*headers, "Expect:");
	return usable;
}

static void webhook_judge(CURL *curl, const Call *call, CURLcode code, OutboundOutcome *out)
{
	long status = 0;
	curl_off_t retry_after_s = 0;
	char detail[32];

	if (call->denied > 0 && call->opened == 0)
		return outcome_set(out, OUTCOME_REFUSED, "address not allowed: set TOCSIN_EGRESS_ALLOW");
	if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
		return outcome_set(out, OUTCOME_REFUSED, "the URL must begin with https:, or with http: for addresses in TOCSIN_EGRESS_ALLOW");
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	/* A response that is too long still has a valid status. */
	if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && status > 0))
		return outcome_set(out, OUTCOME_RETRY, failure_text(curl, code));
	snprintf(detail, sizeof(detail), "HTTP %ld", status);
	outcome_set(out, webhook_outcome((unsigned)status), detail);
	curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after_s);
	if (out->outcome == OUTCOME_RETRY && retry_after_s > 0)
		out->retry_after_ms = (retry_after_s < RETRY_AFTER_MAX_S ? retry_after_s : RETRY_AFTER_MAX_S) * 1000;
}

static void webhook_call(CURL *curl, Call *call, const OutboundRequest *request, OutboundOutcome *out)
{
	struct curl_slist *headers = NULL;

	call->listed_only = strncasecmp(request->url, "https:", 6) != 0;
	curl_prepare(curl, call, "http,https", WEBHOOK_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_URL, request->url);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, call);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "tocsin/" TOCSIN_VERSION);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.size);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.size > 0 ? request->body.data : "");
	if (webhook_headers(request, &headers)) {
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
		webhook_judge(curl, call, curl_easy_perform(curl), out);
	} else {
		outcome_set(out, OUTCOME_REFUSED, "the secret of the webhook is not whsec_ followed by base64");
	}
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
}

/* ---- mail -------------------------------------------------------------------------------------------------------- */

/* The server's URL with the EHLO name as its path, as libcurl expects it. NULL: the URL is invalid. */
static CURLU *mail_url(const char *url, const char *host)
{
	CURLU *parts = curl_url();
	char path[OUTBOUND_HOST + 2];

	must(parts != NULL);
	snprintf(path, sizeof(path), "/%s", host);
	if (curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_set(parts, CURLUPART_PATH, path, 0) == CURLUE_OK)
		return parts;
	curl_url_cleanup(parts);
	return NULL;
}

static bool is_this_machine(const char *host)
{
	struct in_addr address;

	if (inet_pton(AF_INET, host, &address) == 1)
		return ntohl(address.s_addr) >> 24 == 127;
	return strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0;
}

/* A password is sent only over an encrypted connection to a server with a valid certificate, or to this machine. */
static bool password_needs_encryption(CURLU *url)
{
	char *password = NULL, *host = NULL;
	bool needed = false;

	if (curl_url_get(url, CURLUPART_PASSWORD, &password, 0) == CURLUE_OK &&
	    curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK)
		needed = !is_this_machine(host);
	curl_free(password);
	curl_free(host);
	return needed;
}

static void mail_set_encryption(CURL *curl, CURLU *url)
{
	char *scheme = NULL;
	bool encrypted =
		curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK && strcasecmp(scheme, "smtps") == 0;

	curl_free(scheme);
	if (encrypted || password_needs_encryption(url)) {
		curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
		return;
	}
	/*
	 * Opportunistic: encrypted if the server offers it. Verifying the certificate would not stop an attacker in the middle, who
	 * could remove the offer and then receive the mail in plain text.
	 */
	curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)CURLUSESSL_TRY);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
}

static void mail_judge(CURL *curl, CURLcode code, OutboundOutcome *out)
{
	long reply = 0;
	char detail[32];

	if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
		return outcome_set(out, OUTCOME_REFUSED, "the URL of the mail server must begin with smtp: or smtps:");
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply);
	snprintf(detail, sizeof(detail), "SMTP %ld", reply);
	if (code == CURLE_OK)
		return outcome_set(out, OUTCOME_SENT, detail);
	if (reply >= 400)
		return outcome_set(out, mail_outcome((unsigned)reply), detail);
	outcome_set(out, OUTCOME_RETRY, failure_text(curl, code));
}

static void mail_transfer(CURL *curl, Call *call, CURLU *url, const OutboundRequest *request, OutboundOutcome *out)
{
	char from[MAIL_ADDRESS_MAX + 3], to[MAIL_ADDRESS_MAX + 3];

	snprintf(from, sizeof(from), "<%s>", request->from);
	snprintf(to, sizeof(to), "<%s>", request->to);
	struct curl_slist *recipients = curl_slist_append(NULL, to);
	curl_prepare(curl, call, "smtp,smtps", MAIL_TIMEOUT_MS);
	mail_set_encryption(curl, url);
	curl_easy_setopt(curl, CURLOPT_CURLU, url);
	curl_easy_setopt(curl, CURLOPT_MAIL_FROM, from);
	curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients);
	curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)call->upload.size);
	curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_upload);
	curl_easy_setopt(curl, CURLOPT_READDATA, call);
	curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek);
	curl_easy_setopt(curl, CURLOPT_SEEKDATA, call);
	mail_judge(curl, curl_easy_perform(curl), out);
	curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, NULL);
	curl_easy_setopt(curl, CURLOPT_CURLU, NULL);
	curl_slist_free_all(recipients);
}

static void mail_call(CURL *curl, Call *call, const OutboundRequest *request, OutboundOutcome *out)
{
	const char *host = call->settings->host;
	Mail mail = { .id = request->key,
		      .thread = request->thread,
		      .host = host,
		      .from = request->from,
		      .to = request->to,
		      .to_name = request->to_name,
		      .subject = request->subject ? request->subject : "",
		      .language = request->language,
		      .date = clock_now(),
		      .body = request->body };
	Buffer text;

	if (!mail_is_address(request->from) || !mail_is_address(request->to))
		return outcome_set(out, OUTCOME_REFUSED, "the mail address of the sender or of the recipient is invalid");
	CURLU *url = mail_url(request->url, host);
	if (!url)
		return outcome_set(out, OUTCOME_REFUSED, "the URL of the mail server must begin with smtp: or smtps:");
	buffer_init(&text, MAIL_TEXT_MAX);
	mail_write(&mail, &text);
	call->upload = buffer_slice(&text);
	mail_transfer(curl, call, url, request, out);
	buffer_release(&text);
	curl_url_cleanup(url);
}

/* ---------------------------------------------------------------------------------------------------------------- */

void outbound_call(CURL *curl, const OutboundCallSettings *settings, const OutboundRequest *request, OutboundOutcome *out)
{
	static void (*const calls[])(CURL *, Call *, const OutboundRequest *, OutboundOutcome *) = {
		[OUTBOUND_WEBHOOK] = webhook_call,
		[OUTBOUND_MAIL] = mail_call,
	};
	Call call = { .settings = settings };

	*out = (OutboundOutcome){ .attempt = request->attempt };
	must(text_copy(slice_of(request->key), out->key, sizeof(out->key)));
	calls[request->kind](curl, &call, request, out);
}
