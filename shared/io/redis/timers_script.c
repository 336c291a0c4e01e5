#include "shared/io/redis/timers_script.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/*
 * Due times are stored and returned as text; the scripts compute only with numbers below 2^53. A timer without data is not
 * shown but reported as a loss: its data was evicted, or another client removed it.
 */
static const char *const sources[SCRIPTS] = {
	/*
	 * KEYS: state show data. ARGV: term process call answered reset (StepReset) max lease_ms, then id due … (due "": disarm).
	 * Returns: status now next, then id due … of the shown timers.
	 */
	[SCRIPT_STEP] =
		"local term, call, answered = tonumber(ARGV[1]), tonumber(ARGV[3]), tonumber(ARGV[4])\n"
		"local time = redis.call('TIME')\n"
		"local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
		"local known = redis.call('HMGET', KEYS[1], 'term', 'process', 'call')\n"
		"local known_term, known_call = tonumber(known[1]) or 0, tonumber(known[3]) or 0\n"
		"if known_term > term and ARGV[5] ~= '2' then return {'fenced', now, ''} end\n"
		"local own = known_term == term and known[2] == ARGV[2]\n"
		"if own and known_call >= call then return {'late', now, ''} end\n"
		"if ARGV[5] ~= '0' then redis.call('UNLINK', KEYS[2], KEYS[3])\n"
		"elseif not own or known_call < answered then return {'lost', now, ''} end\n"
		"redis.call('HSET', KEYS[1], 'term', ARGV[1], 'process', ARGV[2], 'call', ARGV[3])\n"
		"for i = 8, #ARGV, 2 do\n"
		"  if ARGV[i + 1] == '' then\n"
		"    redis.call('ZREM', KEYS[2], ARGV[i])\n"
		"    redis.call('HDEL', KEYS[3], ARGV[i])\n"
		"  else\n"
		"    redis.call('ZADD', KEYS[2], ARGV[i + 1], ARGV[i])\n"
		"    redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])\n"
		"  end\n"
		"end\n"
		"local answer = {'ok', now, ''}\n"
		"if tonumber(ARGV[6]) > 0 then\n"
		"  local until_ms = string.format('%.0f', now + tonumber(ARGV[7]))\n"
		"  local now_text = string.format('%.0f', now)\n"
		"  local ids = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now_text, 'LIMIT', 0, ARGV[6])\n"
		"  for _, id in ipairs(ids) do\n"
		"    local due = redis.call('HGET', KEYS[3], id)\n"
		"    if not due then return {'lost', now, ''} end\n"
		"    redis.call('ZADD', KEYS[2], until_ms, id)\n"
		"    answer[#answer + 1] = id\n"
		"    answer[#answer + 1] = due\n"
		"  end\n"
		"end\n"
		"answer[3] = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2] or ''\n"
		"return answer\n",
	/*
	 * KEYS: state show data of each owner. ARGV: process, then term answered of each. Returns: now, then status next of each.
	 */
	[SCRIPT_PEEK] =
		"local time = redis.call('TIME')\n"
		"local answer = {time[1] * 1000 + math.floor(time[2] / 1000)}\n"
		"for i = 1, #KEYS / 3 do\n"
		"  local show, data = KEYS[i * 3 - 1], KEYS[i * 3]\n"
		"  local term, answered = tonumber(ARGV[i * 2]), tonumber(ARGV[i * 2 + 1])\n"
		"  local known = redis.call('HMGET', KEYS[i * 3 - 2], 'term', 'process', 'call')\n"
		"  local known_term, status = tonumber(known[1]) or 0, 'ok'\n"
		"  if known_term > term then status = 'fenced'\n"
		"  elseif known_term < term or known[2] ~= ARGV[1] or (tonumber(known[3]) or 0) < answered\n"
		"    or redis.call('ZCARD', show) ~= redis.call('HLEN', data) then status = 'lost' end\n"
		"  answer[#answer + 1] = status\n"
		"  answer[#answer + 1] = redis.call('ZRANGE', show, 0, 0, 'WITHSCORES')[2] or ''\n"
		"end\n"
		"return answer\n",
};

static const char *const status_names[STATUSES] = {
	[STATUS_OK] = "ok",
	[STATUS_LOST] = "lost",
	[STATUS_FENCED] = "fenced",
	[STATUS_LATE] = "late",
};

/*
 * TEXTS_MAX: bytes of the numbers and keys of the longest call. OWNER_KEYS: keys of one owner. STEP_HEAD: values in the answer to
 * a step before its timers.
 */
enum { TEXTS_MAX = OWNERS_MAX * (3 * KEY_ROOM + 2 * 24) + CHANGES_MAX * 24 + 1024, OWNER_KEYS = 3, STEP_HEAD = 3 };

void script_init(Script *script, const char *prefix, const char *process)
{
	memset(script, 0, sizeof(*script));
	script->prefix = prefix;
	script->process = process;
	buffer_init(&script->texts, TEXTS_MAX);
}

void script_release(Script *script)
{
	buffer_release(&script->texts);
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

static Result source_load(Script *script, RedisClient *client, ScriptId id)
{
	const Slice words[] = { SLICE("SCRIPT"), SLICE("LOAD"), slice_of(sources[id]) };
	RedisAnswer answer;
	redis_client_send(client, words, 3);
	TRY(redis_client_receive(client, &answer));
	if (answer.count != 1 || answer.values[0].kind != REDIS_TEXT || answer.values[0].text.size != SHA_TEXT - 1)
		return result_fail(ERROR_AGAIN, "Redis sent an answer of an unexpected form");
	text_copy(answer.values[0].text, script->sha[id], SHA_TEXT);
	return result_ok();
}

/* Sends a write that has no effect. Only a write detects a read-only replica of Redis, which loads scripts and answers peeks. */
static Result write_probe(RedisClient *client, const char *prefix)
{
	char key[KEY_ROOM + 8];
	Buffer text;
	RedisAnswer answer;
	buffer_init(&text, sizeof(key));
	buffer_format(&text, "%sprobe", prefix);
	const Slice words[] = { SLICE("UNLINK"), buffer_slice(&text) };
	redis_client_send(client, words, 2);
	buffer_release(&text);
	return redis_client_receive(client, &answer);
}

Result script_load(Script *script, RedisClient *client)
{
	for (ScriptId id = 0; id < SCRIPTS; id++)
		TRY(source_load(script, client, id));
	return write_probe(client, script->prefix);
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

static void word_add(Script *script, Slice word)
{
	must(script->count < REDIS_WORDS_MAX);
	script->words[script->count++] = word;
}

/*
 * Adds the bytes of script->texts from `begin` on as a word. call_end sets the word's address, because the buffer may still be
 * reallocated.
 */
static void text_add(Script *script, size_t begin)
{
	word_add(script, (Slice){ NULL, script->texts.size - begin });
}

static void number_add(Script *script, int64_t number)
{
	size_t begin = script->texts.size;
	buffer_format(&script->texts, "%" PRId64, number);
	text_add(script, begin);
}

static void keys_add(Script *script, const char *owner)
{
	static const char *const kinds[OWNER_KEYS] = { "state", "show", "data" };
	for (size_t i = 0; i < OWNER_KEYS; i++) {
		size_t begin = script->texts.size;
		buffer_format(&script->texts, "%s%s:%s", script->prefix, owner, kinds[i]);
		text_add(script, begin);
	}
}

static void call_begin(Script *script, ScriptId id, size_t owners)
{
	script->count = 0;
	buffer_clear(&script->texts);
	word_add(script, SLICE("EVALSHA"));
	word_add(script, slice_of(script->sha[id]));
	number_add(script, (int64_t)(owners * OWNER_KEYS));
}

static void call_end(Script *script, RedisClient *client)
{
	size_t at = 0;
	must(!script->texts.overflowed);
	for (size_t i = 0; i < script->count; i++)
		if (script->words[i].data == NULL) {
			script->words[i].data = script->texts.data + at;
			at += script->words[i].size;
		}
	redis_client_send(client, script->words, script->count);
}

void script_step(Script *script, RedisClient *client, const ScriptStep *step)
{
	call_begin(script, SCRIPT_STEP, 1);
	keys_add(script, step->owner);
	number_add(script, (int64_t)step->term);
	word_add(script, slice_of(script->process));
	number_add(script, (int64_t)step->call);
	number_add(script, (int64_t)step->answered);
	number_add(script, step->reset);
	number_add(script, (int64_t)step->max);
	number_add(script, step->lease_ms);
	for (size_t i = 0; i < step->change_count; i++) {
		const RedisTimer *change = &step->changes[i];
		word_add(script, (Slice){ change->id, change->id_size });
		if (change->due_at == INSTANT_NONE)
			word_add(script, SLICE(""));
		else
			number_add(script, change->due_at);
	}
	call_end(script, client);
}

void script_peek(Script *script, RedisClient *client, const ScriptPeek *peeks, size_t count)
{
	call_begin(script, SCRIPT_PEEK, count);
	for (size_t i = 0; i < count; i++)
		keys_add(script, peeks[i].owner);
	word_add(script, slice_of(script->process));
	for (size_t i = 0; i < count; i++) {
		number_add(script, (int64_t)peeks[i].term);
		number_add(script, (int64_t)peeks[i].answered);
	}
	call_end(script, client);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool status_read(const RedisValue *value, ScriptStatus *out)
{
	for (ScriptStatus status = 0; status < STATUSES; status++)
		if (value->kind == REDIS_TEXT && slice_is(value->text, status_names[status])) {
			*out = status;
			return true;
		}
	return false;
}

static bool next_read(const RedisValue *value, Instant *out)
{
	*out = INSTANT_NONE;
	return (value->kind == REDIS_TEXT && value->text.size == 0) || redis_value_integer(value, out);
}

bool step_read(const RedisAnswer *answer, ScriptStatus *status, Instant *now, Instant *next)
{
	return answer->count >= STEP_HEAD && status_read(&answer->values[0], status) &&
	       redis_value_integer(&answer->values[1], now) && next_read(&answer->values[2], next);
}

static bool shown_read(const RedisValue *id, const RedisValue *due, RedisTimer *out)
{
	if (id->kind != REDIS_TEXT || id->text.size == 0 || id->text.size > TIMER_ID_MAX ||
	    !redis_value_integer(due, &out->due_at))
		return false;
	out->id_size = id->text.size;
	memcpy(out->id, id->text.data, id->text.size);
	return true;
}

bool step_shown(const RedisAnswer *answer, RedisTimer **out, size_t *count)
{
	*out = NULL;
	*count = (answer->count - STEP_HEAD) / 2;
	if (*count == 0 || answer->count != STEP_HEAD + *count * 2)
		return answer->count == STEP_HEAD;
	RedisTimer *shown = calloc(*count, sizeof(*shown));
	must(shown != NULL);
	const RedisValue *pairs = answer->values + STEP_HEAD;
	for (size_t i = 0; i < *count; i++)
		if (!shown_read(&pairs[i * 2], &pairs[i * 2 + 1], &shown[i])) {
			free(shown);
			return false;
		}
	*out = shown;
	return true;
}

bool peek_now(const RedisAnswer *answer, size_t count, Instant *now)
{
	return answer->count == 1 + count * 2 && redis_value_integer(&answer->values[0], now);
}

bool peek_read(const RedisAnswer *answer, size_t index, ScriptStatus *status, Instant *next)
{
	return status_read(&answer->values[1 + index * 2], status) && next_read(&answer->values[2 + index * 2], next);
}
