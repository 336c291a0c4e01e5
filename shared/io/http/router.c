#include "shared/io/http/router.h"

#include <string.h>
#include <strings.h>

/* ---- paths ------------------------------------------------------------------------------------------------------- */

/* Matches the {name} at *pattern with the path's segment at *at, and moves *pattern and *at behind them. False: no segment. */
static bool value_take(const char **pattern, Slice path, size_t *at, HttpMatch *out)
{
	size_t name_size = strcspn(*pattern, "}") - 1;
	Slice segment = { path.data + *at, 0 };

	while (*at < path.size && path.data[*at] != '/') {
		segment.size++;
		(*at)++;
	}
	if (segment.size == 0)
		return false;
	must(out->value_count < HTTP_PATH_VALUES);
	out->values[out->value_count].name = (Slice){ *pattern + 1, name_size };
	out->values[out->value_count].value = segment;
	out->value_count++;
	*pattern += name_size + 2;
	return true;
}

static bool path_fits(const char *pattern, Slice path, HttpMatch *out)
{
	size_t at = 0;

	out->value_count = 0;
	while (*pattern != '\0') {
		if (*pattern == '{') {
			if (!value_take(&pattern, path, &at, out))
				return false;
		} else if (at < path.size && path.data[at] == *pattern) {
			at++;
			pattern++;
		} else {
			return false;
		}
	}
	return at == path.size;
}

/* Percent-decodes into out, which must have room for text.size bytes. False: the text has a broken escape or a NUL. */
static bool percent_decode(Slice text, char *out, size_t *out_size)
{
	*out_size = 0;
	for (size_t i = 0; i < text.size; i++) {
		char byte = text.data[i];
		if (byte == '%') {
			int high = i + 2 < text.size ? hex_digit(text.data[i + 1]) : -1;
			int low = i + 2 < text.size ? hex_digit(text.data[i + 2]) : -1;
			if (high < 0 || low < 0)
				return false;
			byte = (char)(high << 4 | low);
			i += 2;
		}
		if (byte == '\0')
			return false;
		out[(*out_size)++] = byte;
	}
	return true;
}

static bool values_decode(HttpMatch *match)
{
	char *room = match->decoded;

	for (unsigned i = 0; i < match->value_count; i++) {
		Slice *value = &match->values[i].value;
		size_t size;
		if (!memchr(value->data, '%', value->size))
			continue;
		if (!percent_decode(*value, room, &size))
			return false;
		*value = (Slice){ room, size };
		room += size;
	}
	return true;
}

/* ---- routes ------------------------------------------------------------------------------------------------------ */

static bool route_served(const HttpRoute *route, HttpRouteSet set)
{
	return set == HTTP_ROUTES_ALL || route->ops == (set == HTTP_ROUTES_OPS);
}

static void allow_add(char *allow, const char *method)
{
	size_t used = strlen(allow), size = strlen(method);

	if (used + size + 3 > HTTP_ALLOW_MAX)
		return;
	if (used > 0) {
		memcpy(allow + used, ", ", 2);
		used += 2;
	}
	memcpy(allow + used, method, size + 1);
}

/* Fills out->allow. A table has one row for a path and method, so no method is listed twice. */
static void allow_list(const HttpRoute *routes, size_t count, HttpRouteSet set, Slice path, HttpMatch *out)
{
	for (size_t i = 0; i < count; i++) {
		if (!route_served(&routes[i], set) || !path_fits(routes[i].path, path, out))
			continue;
		allow_add(out->allow, routes[i].method);
		if (strcmp(routes[i].method, "GET") == 0)
			allow_add(out->allow, "HEAD");
	}
	out->value_count = 0;
}

void http_match(const HttpRoute *routes, size_t count, HttpRouteSet set, const char *method, Slice path, HttpMatch *out)
{
	const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;

	must(path.size <= HTTP_PATH_MAX);
	out->route = NULL;
	out->allow[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		if (strcmp(routes[i].method, wanted) != 0 || !route_served(&routes[i], set) ||
		    !path_fits(routes[i].path, path, out))
			continue;
		if (values_decode(out))
			out->route = &routes[i];
		return;
	}
	allow_list(routes, count, set, path, out);
}

/* ---- headers ----------------------------------------------------------------------------------------------------- */

/* True for a tchar of RFC 9110; the table has one bit for each byte value. */
static bool token_byte(unsigned char c)
{
	static const uint32_t token_bits[8] = { 0, 0x03ff6cfau, 0xc7fffffeu, 0x57ffffffu };

	return token_bits[c >> 5] >> (c & 31) & 1;
}

static bool name_is_invalid(Slice name)
{
	for (size_t i = 0; i < name.size; i++)
		if (!token_byte((unsigned char)name.data[i]))
			return true;
	return name.size == 0;
}

static bool name_is(Slice name, Slice wanted)
{
	return name.size == wanted.size && strncasecmp(name.data, wanted.data, wanted.size) == 0;
}

void http_head_add(HttpHead *head, Slice name, const char *value, size_t value_size)
{
	Slice text = { value, value_size };

	head->name_invalid |= name_is_invalid(name);
	if (name_is(name, SLICE("Host"))) {
		head->hosts++;
		head->host_is_list |= memchr(value, ',', value_size) != NULL;
	} else if (name_is(name, SLICE("Content-Length"))) {
		head->content_lengths++;
		head->content_length = text;
	} else if (name_is(name, SLICE("Transfer-Encoding"))) {
		head->transfer_encodings++;
		head->transfer_encoding = text;
	} else if (name_is(name, SLICE("Content-Type"))) {
		head->content_types++;
		head->content_type = value;
	} else if (name_is(name, SLICE("Content-Encoding"))) {
		head->content_encoding = value;
	}
}

bool http_length_is_valid(Slice length)
{
	int64_t ignored;

	return length.size > 0 && length.data[0] != '-' && slice_integer(length, &ignored);
}

const char *http_head_fault(const HttpHead *head)
{
	if (head->name_invalid)
		return "a header name contains a character that RFC 9110 does not allow there";
	if (head->hosts == 0 && head->host_required)
		return "the Host header is missing";
	if (head->hosts > 1 || head->host_is_list)
		return "there is more than one Host: send one";
	if (head->content_lengths > 0 && head->transfer_encodings > 0)
		return "there are both Content-Length and Transfer-Encoding: send one of them";
	if (head->content_lengths > 1 || (head->content_lengths == 1 && !http_length_is_valid(head->content_length)))
		return "Content-Length must be one decimal number";
	if (head->transfer_encodings > 1 ||
	    (head->transfer_encodings == 1 && !name_is(head->transfer_encoding, SLICE("chunked"))))
		return "Transfer-Encoding must be chunked";
	if (head->content_types > 1)
		return "there is more than one Content-Type: send one";
	return NULL;
}

int64_t http_head_length(const HttpHead *head)
{
	int64_t length = 0;

	if (head->transfer_encodings > 0)
		return -1;
	if (head->content_lengths > 0)
		must(slice_integer(head->content_length, &length));
	return length;
}

/*
 * The value of a media type's parameter: name, "=", a token or a quoted string without escapes. SLICE_NONE: no parameter has this
 * name.
 */
static Slice parameter_of(const char *parameters, Slice name)
{
	for (const char *at = parameters; *at == ';'; at += strcspn(at, ";")) {
		at += 1 + strspn(at + 1, " \t");
		size_t size = strcspn(at, "=; \t");
		if (!name_is((Slice){ at, size }, name) || at[size] != '=')
			continue;
		const char *value = at + size + 1;
		return *value == '"' ? (Slice){ value + 1, strcspn(value + 1, "\"") } : (Slice){ value, strcspn(value, "; \t") };
	}
	return SLICE_NONE;
}

/* The parameters behind application/json, possibly ""; NULL for any other type. */
static const char *after_json(const char *type)
{
	static const char json[] = "application/json";
	const char *rest;

	if (!type || strncasecmp(type, json, sizeof(json) - 1) != 0)
		return NULL;
	rest = type + sizeof(json) - 1;
	rest += strspn(rest, " \t");
	return *rest == '\0' || *rest == ';' ? rest : NULL;
}

const char *http_media_fault(const HttpHead *head)
{
	const char *parameters = after_json(head->content_type);

	if (!parameters)
		return "the body must be application/json";
	Slice charset = parameter_of(parameters, SLICE("charset"));
	if (charset.size > 0 && !name_is(charset, SLICE("utf-8")) && !name_is(charset, SLICE("utf8")))
		return "the body must be UTF-8: remove the charset from Content-Type, or set it to utf-8";
	if (head->content_encoding && !name_is(slice_of(head->content_encoding), SLICE("identity")))
		return "a compressed body is not accepted: send it without Content-Encoding";
	return NULL;
}
