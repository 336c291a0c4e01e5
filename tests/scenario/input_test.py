"""Invalid input: every refusal is a problem document that names the fault, and changes nothing."""

import gzip
import json
import socket

from harness import check, check_equal

PROBLEM = {"type", "title", "status", "detail", "instance", "code", "trace_id"}
EVENT = {"source": "siem", "title": "x"}


def _check_problem(answer, status, code):
    check_equal(answer.status, status, f"status ({answer.body[:300]!r})")
    check_equal(answer.headers.get_content_type(), "application/problem+json", "content type")
    problem = answer.json
    check(PROBLEM <= set(problem), f"members missing: {PROBLEM - set(problem)}")
    check_equal(problem["status"], status, "status in the document")
    check_equal(problem["code"], code, "code")
    check_equal(problem["type"], f"urn:tocsin:problem:{code}", "type")
    check(problem["detail"] and problem["title"], "no detail or title")
    return problem


def documents_that_are_not_json_are_malformed(scratch):
    server = scratch.server()
    deep = b'{"source":"s","title":"t","attributes":' + b'{"a":' * 40 + b"1" + b"}" * 41
    for body in (b"", b"{", b"[]", b'"text"', b"null", b'{"source":"s","title":"t"} x', b'{"source":"s","source":"s","title":"t"}',
                 b'{"source":"s","title":"t\\u0000"}', b'{"source":"s","title":"t\x00"}', b'{"source":"s","title":"\xff\xfe"}',
                 b"{'source':'s'}", deep, b'{"source":"s","title":"\\ud800"}'):
        _check_problem(server.post("/v1/events", body), 400, "malformed-json")
    check_equal(server.incidents(), [], "incidents")


def every_fault_in_a_document_is_reported_with_its_pointer(scratch):
    server = scratch.server()
    body = {"title": "", "severity": "dire", "occurred_at": "yesterday", "colour": "red", "asset": 7,
            "observables": [{"type": "ip", "value": "192.0.2.1"}, {"type": "smell"}]}
    problem = _check_problem(server.post("/v1/events", body), 422, "validation-failed")
    pointers = {error["pointer"] for error in problem["errors"]}
    for pointer in ("/source", "/title", "/severity", "/occurred_at", "/colour", "/asset", "/observables/1/type", "/observables/1/value"):
        check(pointer in pointers, f"{pointer} is not among {sorted(pointers)}")
    check(all(error["detail"] for error in problem["errors"]), "an error has no detail")
    problem = _check_problem(server.post("/v1/reports", {"kind": "robbery", "reporter": {"relation": "friend"}}), 422, "validation-failed")
    pointers = {error["pointer"] for error in problem["errors"]}
    check({"/kind", "/description", "/reporter/relation"} <= pointers, f"{sorted(pointers)}")


def length_limits_are_exact_to_the_character(scratch):
    server = scratch.server()
    server.event(title="界" * 512)
    server.event(source="界" * 256)
    server.event(observables=[{"type": "ip", "value": "192.0.2.1"}] * 64)
    for members in ({"title": "界" * 513}, {"source": "s" * 257}, {"id": "i" * 257}, {"source": ""}, {"title": " \u3000"},
                    {"observables": [{"type": "ip", "value": "192.0.2.1"}] * 65}, {"attributes": []}):
        _check_problem(server.post("/v1/events", EVENT | members), 422, "validation-failed")


def requests_without_a_valid_key_are_unauthorized(scratch):
    server = scratch.server()
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": server.key}, {"Authorization": f"Basic {server.key}"},
                    {"Authorization": f"Bearer {server.key[:-1]}"}, {"Authorization": f"Bearer {server.key}x"}):
        for method, path in (("POST", "/v1/events"), ("GET", "/v1/incidents"), ("GET", "/v1/incidents/inc_0")):
            answer = server.request(method, path, EVENT if method == "POST" else None, headers=headers, key=None)
            problem = _check_problem(answer, 401, "unauthorized")
            check(("not known" in problem["detail"]) == bool(headers), problem)
            check("Bearer" in answer.headers["WWW-Authenticate"], "WWW-Authenticate")


def unknown_resources_are_not_found(scratch):
    server = scratch.server()
    for path in ("/v1/incidents/inc_00000000000000000000000000", "/v1/incidents/nonsense", "/v1/commands/cmd_00000000000000000000000000",
                 "/v1/incidents/inc_00000000000000000000000000/timeline", "/v1/nothing", "/", "/v1/incidents/../../etc/passwd"):
        _check_problem(server.get(path), 404, "not-found")
    _check_problem(server.do("inc_00000000000000000000000000", "close", {"resolution": "resolved", "reason": "x"}), 404, "not-found")


def a_wrong_method_is_answered_with_the_allowed_methods(scratch):
    server = scratch.server()
    for method, path, allowed in (("DELETE", "/v1/events", "POST"), ("GET", "/v1/reports", "POST"), ("PUT", "/v1/incidents", "GET"),
                                  ("POST", "/readyz", "GET")):
        answer = server.request(method, path, {} if method == "PUT" else None)
        _check_problem(answer, 405, "method-not-allowed")
        check(allowed in answer.headers["Allow"], f"Allow: {answer.headers['Allow']}")


def too_large_bodies_and_other_media_types_are_refused(scratch):
    server = scratch.server(TOCSIN_BODY_MAX=8192)
    server.event(attributes={"a": "x" * 7000})
    large = _check_problem(server.post("/v1/events", json.dumps(EVENT | {"attributes": {"a": "x" * 9000}}).encode()), 413, "too-large")
    check("8192 bytes" in large["detail"], large)
    for type in ("text/plain", "application/xml", "application/x-www-form-urlencoded"):
        _check_problem(server.post("/v1/events", b"{}", headers={"Content-Type": type}), 415, "unsupported-media-type")
    charset = _check_problem(server.post("/v1/events", EVENT, headers={"Content-Type": "application/json; charset=gbk"}), 415, "unsupported-media-type")
    check("UTF-8" in charset["detail"], charset)
    packed = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    compressed = _check_problem(server.post("/v1/events", gzip.compress(json.dumps(EVENT).encode()), headers=packed), 415, "unsupported-media-type")
    check("Content-Encoding" in compressed["detail"], compressed)
    server.post("/v1/events", EVENT, headers={"Content-Type": "application/json; charset=utf-8"}).expect(202)


def commands_are_validated_like_events(scratch):
    server = scratch.server()
    id = server.incident_of(server.report())["id"]
    for command, body in (("note", {}), ("note", {"text": ""}), ("close", {"resolution": "gone", "reason": "x"}), ("close", {}),
                          ("close", {"resolution": "resolved"}), ("reopen", {}), ("false-alarm", {}), ("assign", {}),
                          ("assign", {"person": "nobody-we-know"}), ("acknowledge", {"text": "x"})):
        _check_problem(server.do(id, command, body), 422, "validation-failed")
    for header in ("7", "*x", '"seven"', ""):
        check(server.do(id, "note", {"text": "x"}, headers={"If-Match": header}).status in (400, 412), f"If-Match: {header}")
    _check_problem(server.do(id, "explode", {}), 404, "not-found")
    check("noted" not in [entry["type"] for entry in server.timeline(id)], "a refused command was executed")


def broken_connections_do_no_harm(scratch):
    server = scratch.server()
    host, port = server.address.split(":")
    head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key}\r\nContent-Type: application/json\r\n"
    for bytes in (b"", b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", f"{head}Content-Length: 100\r\n\r\n{{".encode(),
                  f"{head}Content-Length: -1\r\n\r\n".encode(), f"{head}Transfer-Encoding: chunked\r\n\r\nZZ\r\n".encode(),
                  b"A" * 100000):
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            try:
                connection.sendall(bytes)
            except OSError:
                pass  # the server closed the connection
    server.incident_of(server.event())
    check_equal(len(server.incidents()), 1, "incidents")


def a_chunked_body_is_accepted(scratch):
    server = scratch.server()
    host, port = server.address.split(":")
    body = json.dumps(EVENT).encode()
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key}\r\n"
                           "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for at in range(0, len(body), 5):
            piece = body[at:at + 5]
            connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        check(connection.recv(4096).startswith(b"HTTP/1.1 202"), "the body was not accepted")
