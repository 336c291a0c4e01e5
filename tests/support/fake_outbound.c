#include "tests/support/fake_outbound.h"

#include <stdio.h>
#include <string.h>

static Result fake_send(Outbound *outbound, const OutboundRequest *request)
{
	FakeOutbound *fake = (FakeOutbound *)outbound;
	if (fake->full)
		return result_fail(ERROR_AGAIN, "the queue is full");
	must(fake->sent_count < FAKE_OUTBOUND_MAX);
	FakeMessage *sent = &fake->sent[fake->sent_count++];
	*sent = (FakeMessage){ .attempt = request->attempt, .kind = request->kind };
	must(text_copy(slice_of(request->key), sent->key, sizeof(sent->key)));
	snprintf(sent->to, sizeof(sent->to), "%s", request->kind == OUTBOUND_MAIL ? request->to : request->url);
	snprintf(sent->subject, sizeof(sent->subject), "%s", request->subject ? request->subject : "");
	if (request->kind == OUTBOUND_WEBHOOK)
		must(!result_failed(json_read(request->body, &sent->body)));
	return result_ok();
}

static bool fake_outcome(Outbound *outbound, OutboundOutcome *out)
{
	FakeOutbound *fake = (FakeOutbound *)outbound;
	if (fake->silent || fake->answered == fake->sent_count)
		return false;
	const FakeMessage *sent = &fake->sent[fake->answered++];
	*out = fake->answer;
	memcpy(out->key, sent->key, sizeof(out->key));
	out->attempt = sent->attempt;
	return true;
}

static const OutboundOperations operations = { .send = fake_send, .outcome = fake_outcome };

void fake_outbound_init(FakeOutbound *fake)
{
	memset(fake, 0, sizeof(*fake));
	fake->outbound.operations = &operations;
	fake_outbound_answers(fake, OUTCOME_SENT, "");
}

void fake_outbound_release(FakeOutbound *fake)
{
	for (size_t i = 0; i < fake->sent_count; i++)
		json_decref(fake->sent[i].body);
	fake->sent_count = fake->answered = 0;
}

void fake_outbound_answers(FakeOutbound *fake, int outcome, const char *detail)
{
	memset(&fake->answer, 0, sizeof(fake->answer));
	fake->answer.outcome = outcome;
	snprintf(fake->answer.detail, sizeof(fake->answer.detail), "%s", detail);
}
