#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/http/router.h"

#include <string.h>

static const HttpRoute routes[] = {
	{ .method = "GET", .path = "/livez", .ops = true },
	{ .method = "GET", .path = "/v1/incidents" },
	{ .method = "POST", .path = "/v1/events" },
	{ .method = "GET", .path = "/v1/incidents/{id}" },
	{ .method = "PATCH", .path = "/v1/incidents/{id}" },
	{ .method = "POST", .path = "/v1/incidents/{id}/commands/{command}" },
};

enum { ROUTES = sizeof(routes) / sizeof(routes[0]) };

static HttpMatch match_in(HttpRouteSet set, const char *method, const char *path)
{
	static HttpMatch match;

	memset(&match, 0x5a, sizeof(match));
	http_match(routes, ROUTES, set, method, slice_of(path), &match);
	return match;
}

static HttpMatch match(const char *method, const char *path)
{
	return match_in(HTTP_ROUTES_ALL, method, path);
}

static void a_path_without_names_matches(void **state)
{
	(void)state;
	assert_ptr_equal(match("GET", "/v1/incidents").route, &routes[1]);
	assert_ptr_equal(match("POST", "/v1/events").route, &routes[2]);
}

static void a_name_takes_one_whole_segment(void **state)
{
	HttpMatch found = match("POST", "/v1/incidents/inc_1/commands/close");

	(void)state;
	assert_ptr_equal(found.route, &routes[5]);
	assert_int_equal(found.value_count, 2);
	assert_true(slice_is(found.values[0].name, "id"));
	assert_true(slice_is(found.values[0].value, "inc_1"));
	assert_true(slice_is(found.values[1].name, "command"));
	assert_true(slice_is(found.values[1].value, "close"));
}

static void similar_paths_do_not_match(void **state)
{
	static const char *const unknown[] = { "",
					       "/",
					       "v1/incidents",
					       "/v1",
					       "/v1/incident",
					       "/v1/incidents/",
					       "/v1//incidents",
					       "/V1/incidents",
					       "/v1/incidentsx",
					       "/v1/incidents/a/b",
					       "/v1/incidents/a/",
					       "/v1/%69ncidents" };

	(void)state;
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		HttpMatch found = match("GET", unknown[i]);
		if (found.route || found.allow[0] != '\0')
			fail_msg("'%s' matches a route or a path", unknown[i]);
	}
}

static void a_wrong_method_lists_the_right_ones(void **state)
{
	(void)state;
	assert_null(match("DELETE", "/v1/incidents/inc_1").route);
	assert_string_equal(match("DELETE", "/v1/incidents/inc_1").allow, "GET, HEAD, PATCH");
	assert_string_equal(match("GET", "/v1/events").allow, "POST");
	assert_string_equal(match("HEAD", "/v1/events").allow, "POST");
}

static void a_head_request_matches_the_get_route(void **state)
{
	(void)state;
	assert_ptr_equal(match("HEAD", "/v1/incidents/inc_1").route, &routes[3]);
}

static void values_are_decoded_after_the_match(void **state)
{
	HttpMatch found;

	(void)state;
	http_match(routes, ROUTES, HTTP_ROUTES_ALL, "POST", SLICE("/v1/incidents/a%2Fb%20c/commands/%e4%b8%ad"),
		   &found);
	assert_ptr_equal(found.route, &routes[5]);
	assert_true(slice_is(found.values[0].value, "a/b c"));
	assert_true(slice_is(found.values[1].value, "\xe4\xb8\xad"));
}

static void a_broken_escape_or_a_nul_matches_no_route(void **state)
{
	static const char *const broken[] = { "/v1/incidents/a%", "/v1/incidents/a%2", "/v1/incidents/a%2x",
					      "/v1/incidents/a%00b" };

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		assert_null(match("GET", broken[i]).route);
		assert_string_equal(match("GET", broken[i]).allow, "");
	}
}

static void operations_routes_are_served_by_their_listener_only(void **state)
{
	(void)state;
	assert_ptr_equal(match_in(HTTP_ROUTES_ALL, "GET", "/livez").route, &routes[0]);
	assert_ptr_equal(match_in(HTTP_ROUTES_OPS, "GET", "/livez").route, &routes[0]);
	assert_null(match_in(HTTP_ROUTES_PUBLIC, "GET", "/livez").route);
	assert_null(match_in(HTTP_ROUTES_OPS, "GET", "/v1/incidents").route);
	assert_string_equal(match_in(HTTP_ROUTES_PUBLIC, "POST", "/livez").allow, "");
}

/* ---- headers ---- */

typedef struct {
	const char *name, *value;
} Line;

static HttpHead head_of(const Line *lines, size_t count)
{
	HttpHead head = { 0 };

	for (size_t i = 0; i < count; i++)
		http_head_add(&head, slice_of(lines[i].name), lines[i].value, strlen(lines[i].value));
	return head;
}

#define HEAD(...) head_of((const Line[]){ __VA_ARGS__ }, sizeof((const Line[]){ __VA_ARGS__ }) / sizeof(Line))

static void valid_headers_have_no_fault(void **state)
{
	HttpHead plain = HEAD({ "Host", "a" }, { "X-It's_fine.~", "\"any, thing\"" });
	HttpHead sized = HEAD({ "host", "a" }, { "content-LENGTH", "17" }, { "content-type", "application/json" });
	HttpHead chunked = HEAD({ "Host", "a" }, { "Transfer-Encoding", "Chunked" });

	(void)state;
	assert_null(http_head_fault(&plain));
	assert_int_equal(http_head_length(&plain), 0);
	assert_null(http_head_fault(&sized));
	assert_int_equal(http_head_length(&sized), 17);
	assert_string_equal(sized.content_type, "application/json");
	assert_null(http_head_fault(&chunked));
	assert_int_equal(http_head_length(&chunked), -1);
}

static void ambiguous_headers_are_faults(void **state)
{
	HttpHead heads[] = {
		HEAD({ "Content-Length", "2" }, { "Transfer-Encoding", "chunked" }),
		HEAD({ "Content-Length", "2" }, { "Content-Length", "2" }),
		HEAD({ "Content-Length", "2,7" }),
		HEAD({ "Content-Length", "-1" }),
		HEAD({ "Content-Length", "+2" }),
		HEAD({ "Content-Length", "0x2" }),
		HEAD({ "Content-Length", "" }),
		HEAD({ "Content-Length", "99999999999999999999" }),
		HEAD({ "Content-Length ", "2" }),
		HEAD({ "Transfer-Encoding", "xchunked" }),
		HEAD({ "Transfer-Encoding", "identity, chunked" }),
		HEAD({ "Transfer-Encoding", "chunked" }, { "Transfer-Encoding", "chunked" }),
		HEAD({ "Host", "a" }, { "Host", "a" }),
		HEAD({ "Host", "a, b" }),
		HEAD({ "Content-Type", "a/b" }, { "Content-Type", "a/b" }),
		HEAD({ "X\tY", "1" }),
		HEAD({ "X(Y", "1" }),
		HEAD({ "\xc3\xa4", "1" }),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		if (!http_head_fault(&heads[i]))
			fail_msg("case %zu has no fault", i);
}

static const char *media_fault(const char *type, const char *coding)
{
	return http_media_fault(&(HttpHead){ .content_type = type, .content_encoding = coding });
}

static void only_json_is_accepted(void **state)
{
	(void)state;
	assert_null(media_fault("application/json", NULL));
	assert_null(media_fault("Application/JSON; charset=utf-8", NULL));
	assert_null(media_fault("application/json ;x=y", NULL));
	assert_non_null(media_fault(NULL, NULL));
	assert_non_null(media_fault("", NULL));
	assert_non_null(media_fault("application/jsonx", NULL));
	assert_non_null(media_fault("application/problem+json", NULL));
	assert_non_null(media_fault("text/plain", NULL));
	assert_non_null(media_fault("application/json, text/plain", NULL));
}

static void a_body_of_another_charset_is_refused(void **state)
{
	(void)state;
	assert_null(media_fault("application/json;charset=UTF-8", NULL));
	assert_null(media_fault("application/json; x=y; charset=\"utf-8\"", NULL));
	assert_null(media_fault("application/json; charset=utf8 ; x", NULL));
	assert_null(media_fault("application/json; charsets=gbk", NULL));
	assert_null(media_fault("application/json;", NULL));
	assert_null(media_fault("application/json; charset", NULL));
	assert_non_null(strstr(media_fault("application/json; charset=gbk", NULL), "UTF-8"));
	assert_non_null(strstr(media_fault("application/json; x=\"y\";Charset=\"GB18030\"", NULL), "UTF-8"));
}

static void a_compressed_body_is_refused(void **state)
{
	(void)state;
	assert_null(media_fault("application/json", "identity"));
	assert_non_null(strstr(media_fault("application/json", "gzip"), "Content-Encoding"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_without_names_matches),
		cmocka_unit_test(a_name_takes_one_whole_segment),
		cmocka_unit_test(similar_paths_do_not_match),
		cmocka_unit_test(a_wrong_method_lists_the_right_ones),
		cmocka_unit_test(a_head_request_matches_the_get_route),
		cmocka_unit_test(values_are_decoded_after_the_match),
		cmocka_unit_test(a_broken_escape_or_a_nul_matches_no_route),
		cmocka_unit_test(operations_routes_are_served_by_their_listener_only),
		cmocka_unit_test(valid_headers_have_no_fault),
		cmocka_unit_test(ambiguous_headers_are_faults),
		cmocka_unit_test(only_json_is_accepted),
		cmocka_unit_test(a_body_of_another_charset_is_refused),
		cmocka_unit_test(a_compressed_body_is_refused),
	};
	return cmocka_run_group_tests_name("http_router", tests, NULL, NULL);
}
