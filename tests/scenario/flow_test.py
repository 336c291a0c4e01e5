"""The API from a sent event to a closed incident, as proto/ and README describe it."""

import re
import time

from harness import audit_records, check, check_equal, check_record_ids, eventually

MEMBERS = ("id number kind status version title description source severity grade damage_level category flags reason rule "
           "policy_version assignee acknowledged acknowledge_by escalation_level asset actor observables correlation_key "
           "event_count first_seen_at last_seen_at occurred_at discovered_at reported_at opened_at updated_at closed_at "
           "resolution report").split()
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def _server(scratch, **settings):
    return scratch.server(TOCSIN_POLICY=scratch.pack(), **settings)


def _ransomware(server, **members):
    return server.event(title="Ransom note on FS1", source="edr", asset="fs1", severity="critical", **members)


def an_event_becomes_a_graded_incident_with_a_reason(scratch):
    server = _server(scratch)
    answer = server.post("/v1/events", {"source": "edr", "title": "Ransom note on FS1", "severity": "critical", "asset": "fs1",
                                        "actor": "mallory", "occurred_at": "2026-11-23T10:00:00+08:00",
                                        "observables": [{"type": "ip", "value": "192.0.2.7"}]}).expect(202)
    accepted = answer.json
    check_equal(sorted(accepted), ["correlation_key", "id"], "members of the answer")
    check(re.fullmatch(r"evt_[0-9a-z]{26}", accepted["id"]), accepted["id"])
    check(re.fullmatch(r"[0-9a-z]{26}", accepted["correlation_key"]), accepted["correlation_key"])
    check_equal(answer.headers["Location"], f"/v1/incidents?correlation_key={accepted['correlation_key']}", "Location")
    began = time.monotonic()
    incident = server.incident_of(accepted, seconds=scratch.visible_seconds)
    check(time.monotonic() - began < scratch.visible_seconds, "the incident is shown too late")
    check_equal(list(incident), MEMBERS, "members of an incident")
    check(re.fullmatch(r"inc_[0-9a-z]{26}", incident["id"]), incident["id"])
    check(re.fullmatch(r"INC-\d{4}-[0-9A-Z]{4}-[0-9A-Z]{4}", incident["number"]), incident["number"])
    check(re.fullmatch(r"\S+@\S+\+[0-9a-f]{12}", incident["policy_version"]), incident["policy_version"])
    expected = {"kind": "incident", "status": "reported", "title": "Ransom note on FS1", "source": "edr", "severity": "critical",
                "grade": "I", "damage_level": "S", "category": "01007", "rule": "ransomware", "asset": "fs1", "actor": "mallory",
                "observables": [{"type": "ip", "value": "192.0.2.7"}], "event_count": 1, "closed_at": None, "resolution": None,
                "occurred_at": "2026-11-23T02:00:00.000Z", "assignee": {"team": "soc", "person": "li"}, "report": None}
    for member, value in expected.items():
        check_equal(incident[member], value, member)
    check(incident["reason"], "the reason is empty")
    for member in ("first_seen_at", "last_seen_at", "reported_at", "opened_at", "updated_at"):
        check(TIME.fullmatch(incident[member] or ""), f"{member}: {incident[member]}")


def each_report_by_a_person_opens_its_own_record(scratch):
    server = _server(scratch)
    report = {"type": "theft", "reporter": {"name": "王芳", "contact": "wang@example.org", "relation": "employee"},
              "data_classification": "confidential", "business_affected": "now", "suspected": True,
              "first_action": {"done_at": "2026-11-23T01:00:00Z", "reference": "110-20261123-7"}}
    one, other = server.report(**report), server.report(**report)
    first, second = server.incident_of(one), server.incident_of(other)
    check(first["id"] != second["id"], "two reports have one record")
    check_equal(first["kind"], "incident", "kind")
    check_equal(first["report"]["reporter"]["name"], "王芳", "the reporter")
    check_equal(first["report"]["data_classification"], "confidential", "the classification of the data")
    check(first["grade"] in ("I", "II", "III", "IV"), f"grade {first['grade']}")
    check_equal(first["event_count"], 1, "event_count")


def repeats_are_counted_exactly(scratch):
    server = _server(scratch)
    accepted = [server.event(source="ids", title="login failed", type="brute-force", rule="r1", asset=f"host{n % 3}")
                for n in range(60)]
    keys = {a["correlation_key"] for a in accepted}
    check_equal(len(keys), 3, "correlation keys")
    eventually(lambda: [i["event_count"] for i in server.incidents()] == [20, 20, 20], "20 events in each of 3 incidents")
    check_equal(len({i["number"] for i in server.incidents()}), 3, "numbers")


def a_repeat_after_a_quiet_period_is_counted_within_a_second(scratch):
    server = _server(scratch)
    incident = server.incident_of(server.event(type="brute-force", rule="r1"))
    time.sleep(1.5)
    server.event(type="brute-force", rule="r1")
    began = time.monotonic()
    server.incident_where(incident["id"], lambda i: i["event_count"] == 2, "the repeat is counted", seconds=2)
    seconds = time.monotonic() - began
    check(seconds < scratch.visible_seconds, f"it took {seconds:.1f} s")
    scratch.note(f"counted after {seconds * 1000:.0f} ms")


def the_same_id_is_counted_once_and_gets_the_same_answer(scratch):
    server = _server(scratch)
    answers = [server.event(id="alert-1", type="brute-force") for _ in range(5)]
    check(all(a == answers[0] for a in answers), f"different answers: {answers}")
    other = server.event(id="alert-2", type="brute-force")
    check_equal(other["correlation_key"], answers[0]["correlation_key"], "correlation key")
    incident = server.incident_of(other)
    server.event(id="alert-3", type="brute-force")  # sent after the repeats, which have been processed once alert-3 is counted
    counted = server.incident_where(incident["id"], lambda i: i["event_count"] >= 3, "three events are counted")
    check_equal(counted["event_count"], 3, "event_count")


def _alerts(server, assets, ids):
    """Sends an event for each id, with the assets in turn; returns the answers."""
    return [server.event(source="ids", title="odd", rule="r1", asset=assets[n % len(assets)], id=id) for n, id in enumerate(ids)]


def the_same_id_with_another_asset_is_another_event(scratch):
    """Runs in both modes: on Kafka most second assets are in other partitions than the first, in `tocsin serve` all are in one."""
    server = _server(scratch)
    one, other = ([f"{name}-{n}" for n in range(6)] for name in ("host", "printer"))
    ids = [f"alert-{n}" for n in range(60)]

    def counts():
        return {incident["asset"]: incident["event_count"] for incident in server.incidents()}

    def await_counts(expected, name):
        eventually(lambda: counts() == expected, name, 10, 0.1, lambda: f"{counts()}")
        check_equal(len(server.incidents()), len(expected), "incidents")
    first = _alerts(server, one, ids)
    await_counts(dict.fromkeys(one, 10), "60 ids are counted")
    check_equal(_alerts(server, one, ids), first, "the answers to repeats")
    second = _alerts(server, other, ids)
    await_counts(dict.fromkeys(one + other, 10), "60 ids are counted again with other assets")
    check_equal(len({answer["id"] for answer in first + second}), 120, "event ids")
    check_equal(_alerts(server, one, ids) + _alerts(server, other, ids), first + second, "the answers to repeats of both")
    _alerts(server, one + other, [f"mark-{n}" for n in range(12)])  # sent after the repeats
    await_counts(dict.fromkeys(one + other, 11), "one more event of each asset is counted")
    incidents = {incident["id"] for incident in server.incidents()}
    eventually(lambda: {record["subject"] for record in audit_records(server.home)} >= incidents, "the audit log has all incidents", 10)
    server.stop()
    check_record_ids(server.home)
    for words in (("check", "ledger"), ("verify", "log")):
        done = server.command(*words)
        check_equal(done.returncode, 0, f"exit code of tocsin {' '.join(words)}: {done.stdout}{done.stderr}")


def an_idempotency_key_replaces_a_missing_id(scratch):
    server = _server(scratch)
    headers = {"Idempotency-Key": '"8e03978e-40d5-43e8-bc93-6894a57f9324"'}
    body = {"source": "siem", "title": "once", "type": "brute-force"}
    one = server.post("/v1/events", body, headers=headers).expect(202).json
    again = server.post("/v1/events", body, headers=headers).expect(202).json
    check_equal(again, one, "the second answer")
    problem = server.post("/v1/events", body | {"title": "something else"}, headers=headers).expect(422).json
    check_equal(problem["code"], "idempotency-mismatch", "code")
    problem = server.post("/v1/events", body | {"asset": "fs1"}, headers=headers).expect(422).json
    check_equal(problem["code"], "idempotency-mismatch", "code for a body with another correlation key")
    incident = server.incident_of(one)
    report = {"kind": "incident", "description": "A laptop was stolen"}
    reported = server.post("/v1/reports", report, headers=headers).expect(202).json
    check_equal(server.post("/v1/reports", report, headers=headers).expect(202).json, reported, "the second answer to the report")
    check(server.incident_of(reported)["id"] != incident["id"], "an event and a report with one idempotency key are one incident")
    server.post("/v1/events", body).expect(202)  # once this event is counted, the repeat has been processed
    server.incident_where(incident["id"], lambda i: i["event_count"] >= 2, "an event without the key is counted")
    server.incident_of(server.report(description="A phone was stolen"))
    check_equal(sorted(i["event_count"] for i in server.incidents()), [1, 1, 2], "event counts")


def noise_opens_a_false_alarm_and_notifies_nobody(scratch):
    server = _server(scratch)
    incident = server.incident_of(server.event(source="scanner", title="port scan", type="scan"))
    check_equal((incident["kind"], incident["status"]), ("event", "false-alarm"), "kind and status")
    later = server.incident_of(_ransomware(server))["id"]
    eventually(lambda: "delivery" in [entry["type"] for entry in server.timeline(later)], "the steps of a later incident are recorded")
    check("delivery" not in [entry["type"] for entry in server.timeline(incident["id"])], "a notice was sent")


def lists_are_filtered_and_paged(scratch):
    server = _server(scratch)
    for n in range(7):
        server.incident_of(server.event(source="ids", title=f"login failed {n}", type="brute-force", asset=f"printer-{n}"))
    ransom = server.incident_of(_ransomware(server))
    weakness = server.incident_of(server.event(source="scan", title="old TLS", type="weak-spot"))
    for filters, count in (({"kind": "weakness"}, 1), ({"kind": "incident,weakness"}, 9), ({"grade": "I"}, 1),
                           ({"severity": "critical"}, 1), ({"source": "ids"}, 7), ({"category": "01007"}, 1),
                           ({"status": "closed"}, 0), ({"number": ransom["number"]}, 1), ({"category": "03003"}, 0), ({"q": "FS1"}, 1),
                           ({"q": "login failed"}, 7), ({"q": "printer-3"}, 1),
                           ({"correlation_key": weakness["correlation_key"]}, 1)):
        check_equal(len(server.incidents(**filters)), count, f"incidents with {filters}")
    page = server.get("/v1/incidents?limit=4").expect(200)
    check_equal(len(page.json["items"]), 4, "items on a page")
    check('rel="next"' in page.headers["Link"], f"Link: {page.headers['Link']}")
    ids = [i["id"] for i in server.incidents(limit=4)]
    check_equal(ids, sorted(ids, reverse=True), "newest first")
    check_equal(len(set(ids)), 9, "incidents over all pages")
    for query in ("colour=red", "kind=robbery", "limit=0", "limit=201", "limit=x", "cursor=nonsense", "grade=V",
                  "category=nonsense", "category=01007,1007", "source=%ff", "q=%c3%28", "%ff=1", "number=INC-1", "number=" + ransom["number"].lower()):
        problem = server.get(f"/v1/incidents?{query}").expect(400).json
        check_equal(problem["code"], "invalid-parameter", f"code for {query}")


def an_unchanged_incident_is_answered_with_304(scratch):
    server = _server(scratch)
    incident = server.incident_of(_ransomware(server))
    # After its first level the incident does not change for ten minutes.
    server.incident_where(incident["id"], lambda i: i["escalation_level"] == 1, "the first level is reached")
    answer = server.get(f"/v1/incidents/{incident['id']}").expect(200)
    check_equal(answer.headers["ETag"], f'"{answer.json["version"]}"', "ETag")
    version = answer.headers["ETag"]
    server.get(f"/v1/incidents/{incident['id']}", headers={"If-None-Match": version}).expect(304)
    server.do(incident["id"], "note", {"text": "looked at it"}).expect(200)
    server.get(f"/v1/incidents/{incident['id']}", headers={"If-None-Match": version}).expect(200)
    head = server.request("HEAD", f"/v1/incidents/{incident['id']}").expect(200)
    check_equal(head.body, b"", "the body of HEAD")


def every_command_changes_the_incident_as_documented(scratch):
    server = _server(scratch)
    id = server.incident_of(_ransomware(server))["id"]
    answer = server.do(id, "acknowledge", {"note": "on it"}).expect(200)
    incident = answer.json
    check_equal(answer.headers["ETag"], f'"{incident["version"]}"', "ETag")
    check_equal(incident["status"], "assessing", "status")
    check(incident["acknowledged"]["at"] and incident["acknowledged"]["by"], "not acknowledged")
    version = incident["version"]
    check_equal(server.do(id, "acknowledge").expect(200).json["version"], version, "version after a second acknowledge")
    incident = server.do(id, "assign", {"team": "soc", "person": "ann", "note": "knows FS1"}).expect(200).json
    check_equal(incident["assignee"], {"team": "soc", "person": "ann"}, "assignee")
    check_equal(server.do(id, "note", {"text": "isolated"}).expect(200).json["version"], version + 2, "version after a note")
    incident = server.do(id, "close", {"resolution": "resolved", "reason": "restored from backup"}).expect(200).json
    check_equal((incident["status"], incident["resolution"]), ("closed", "resolved"), "status and resolution")
    check(incident["closed_at"], "no closed_at")
    incident = server.do(id, "reopen", {"reason": "it came back"}).expect(200).json
    check_equal((incident["status"], incident["closed_at"]), ("reopened", None), "status after reopen")
    check_equal(server.do(id, "acknowledge").expect(200).json["status"], "assessing", "status")
    check_equal(server.do(id, "false-alarm", {"reason": "a drill"}).expect(200).json["status"], "false-alarm", "status")
    types = [entry["type"] for entry in server.timeline(id) if entry["type"] not in ("delivery", "escalated")]
    check_equal(types, ["opened", "assessed", "assigned", "acknowledged", "assigned", "noted", "closed", "reopened",
                        "acknowledged", "false-alarm"], "the timeline")


def a_record_goes_through_all_statuses_of_its_kind(scratch):
    server = _server(scratch)
    close = ("close", {"resolution": "resolved", "reason": "done"})
    paths = {
        "incident": [("confirm", {"reason": "seen on two hosts"}, "confirmed"), ("contain", {"note": "isolated"}, "containing"),
                     ("eradicate", {}, "eradicating"), ("recover", {}, "recovering"), ("review", {}, "reviewing"), (*close, "closed"),
                     ("reopen", {"reason": "it came back"}, "reopened"), ("cancel", {"reason": "reported in error"}, "cancelled")],
        "weakness": [("validate", {"note": "reproduced"}, "validated"), ("plan", {}, "planned"), ("fix", {}, "fixing"),
                     ("verify", {}, "verified"), (*close, "closed")],
    }
    for kind, steps in paths.items():
        record = server.incident_of(server.report(kind, f"a {kind} for all commands"))
        for command, arguments, status in steps:
            after = server.do(record["id"], command, arguments).expect(200).json
            check_equal(after["status"], status, f"status after {command}")
        check(after["acknowledged"]["at"] or command == "cancel", "work on a record acknowledges it")
        check_equal(server.do(record["id"], "contain", {}).expect(409).json["allowed"], ["note", "reopen"], "allowed when it is over")


def an_event_is_promoted_to_an_incident_and_escalates(scratch):
    server = _server(scratch)
    event = server.incident_of(server.event(title="odd"))
    server.do(event["id"], "acknowledge").expect(200)
    check_equal(server.do(event["id"], "promote", {"kind": "event", "reason": "x"}).expect(422).json["errors"][0]["pointer"], "/kind", "pointer")
    promoted = server.do(event["id"], "promote", {"kind": "incident", "reason": "confirmed by the SOC"}).expect(200).json
    check_equal((promoted["id"], promoted["number"]), (event["id"], event["number"]), "id and number")
    check_equal((promoted["kind"], promoted["status"], promoted["acknowledged"]["at"]), ("incident", "reported", None), "kind and status")
    server.incident_where(event["id"], lambda i: i["escalation_level"] >= 1, "escalation has started")
    types = [entry["type"] for entry in server.timeline(event["id"]) if entry["type"] not in ("delivery", "escalated")]
    check_equal(types, ["opened", "assessed", "acknowledged", "promoted", "assigned"], "the timeline")
    server.do(event["id"], "promote", {"kind": "weakness", "reason": "x"}).expect(409)


def events_and_weaknesses_have_their_own_lifecycles(scratch):
    server = _server(scratch)
    event = server.incident_of(server.event(title="odd"))
    check_equal((event["kind"], event["status"]), ("event", "received"), "kind and status")
    check_equal(server.do(event["id"], "acknowledge").expect(200).json["status"], "triaging", "status")
    closed = server.do(event["id"], "close", {"resolution": "other", "reason": "harmless"}).expect(200).json
    check_equal(closed["status"], "informational", "status")
    check_equal(server.do(event["id"], "reopen", {"reason": "not so"}).expect(200).json["status"], "triaging", "status")
    weakness = server.incident_of(server.event(title="old TLS", type="weak-spot", asset="www"))
    check_equal((weakness["kind"], weakness["status"]), ("weakness", "reported"), "kind and status")
    noted = server.do(weakness["id"], "acknowledge").expect(200).json
    check_equal(noted["status"], "reported", "status")
    check(noted["acknowledged"]["at"], "not acknowledged")
    closed = server.do(weakness["id"], "close", {"resolution": "accepted", "reason": "goes next month"}).expect(200).json
    check_equal(closed["status"], "closed", "status")
    check_equal(server.do(weakness["id"], "reopen", {"reason": "it stayed"}).expect(200).json["status"], "reported", "status")


def _let_intake_read():
    """Waits until intake has read a closing or a reopening, some milliseconds after the answer to the command. Nothing outside
    shows this."""
    time.sleep(0.5)


def a_closed_incident_counts_no_more_events(scratch):
    server = _server(scratch)
    first = server.incident_of(_ransomware(server))
    server.do(first["id"], "close", {"resolution": "resolved", "reason": "done"}).expect(200)
    _let_intake_read()
    accepted = _ransomware(server)
    found = eventually(lambda: len(i := server.incidents(correlation_key=accepted["correlation_key"])) == 2 and i,
                       "a new incident for the same key")
    check_equal([i["event_count"] for i in found], [1, 1], "event counts")


def a_reopened_incident_counts_events_again(scratch):
    server = _server(scratch)
    first = server.incident_of(_ransomware(server))
    server.do(first["id"], "close", {"resolution": "resolved", "reason": "done"}).expect(200)
    server.do(first["id"], "reopen", {"reason": "it came back"}).expect(200)
    _let_intake_read()
    accepted = _ransomware(server)
    server.incident_where(first["id"], lambda i: i["event_count"] == 2, "the reopened incident counts the event")
    check_equal(len(server.incidents(correlation_key=accepted["correlation_key"])), 1, "incidents of the key")


def a_newer_incident_keeps_counting_after_the_older_one_is_reopened(scratch):
    server = _server(scratch)
    first = server.incident_of(_ransomware(server))
    server.do(first["id"], "close", {"resolution": "resolved", "reason": "done"}).expect(200)
    key = first["correlation_key"]
    _let_intake_read()
    _ransomware(server)
    eventually(lambda: len(server.incidents(correlation_key=key)) == 2, "a new incident for the same key")
    server.do(first["id"], "reopen", {"reason": "it came back"}).expect(200)
    _let_intake_read()
    _ransomware(server)
    eventually(lambda: [i["event_count"] for i in server.incidents(correlation_key=key)] == [2, 1], "the newer incident counts the event")


_WORSE_RULES = """rules:
  - {id: worse, when: [{field: /severity, is: critical}], then: {kind: incident, category: "01007", importance: essential, loss: grave}}
"""


def an_acknowledged_event_that_becomes_an_incident_must_be_acknowledged_again(scratch):
    receiver = scratch.receiver()
    server = scratch.server(TOCSIN_POLICY=scratch.pack(rules=_WORSE_RULES), TOCSIN_WEBHOOK_URL=receiver.url,
                            TOCSIN_EGRESS_ALLOW="127.0.0.0/8")
    event = server.incident_of(server.event(title="odd", severity="low"))
    server.do(event["id"], "acknowledge").expect(200)
    server.event(title="odd", severity="critical")
    incident = server.incident_where(event["id"], lambda i: i["kind"] == "incident", "the event becomes an incident")
    check_equal((incident["status"], incident["acknowledged"]), ("reported", {"at": None, "by": None}), "status and acknowledged")
    check(incident["acknowledge_by"], "no acknowledge_by")
    assessed = [entry for entry in server.timeline(event["id"]) if entry["type"] == "assessed"][-1]
    check_equal(assessed["data"]["was"]["kind"], "event", "the former kind")
    check(assessed["data"]["was"]["acknowledged"]["at"], "the entry does not contain the former acknowledgement")
    eventually(lambda: receiver.requests, "a notice is sent")
    check_equal(server.do(event["id"], "acknowledge").expect(200).json["status"], "assessing", "status")


_JOINING_SOURCES = """sources:
  - {id: "*", correlate: [source, rule, asset, actor], window_seconds: 900, cap_seconds: 86400}
joins:
  - {by: asset, window_seconds: 3600}
"""


def incidents_of_one_asset_are_linked_if_the_policy_has_joins(scratch):
    server = scratch.server(TOCSIN_POLICY=scratch.pack(sources=_JOINING_SOURCES))
    one, other = (server.incident_of(server.event(source=source, title="odd", asset="fs1"))["id"] for source in ("ids", "edr"))
    server.incident_of(server.event(source="ids", title="odd", asset="fs2"))
    for id, linked in ((one, other), (other, one)):
        incident = server.incident_where(id, lambda i: "links" in i, "it is linked")
        check_equal(incident["links"], [{"incident_id": linked, "by": "asset"}], "links")
        entries = [entry["data"] for entry in server.timeline(id) if entry["type"] == "linked"]
        number = server.incident(linked)["number"]
        check_equal(entries, [{"incident_id": linked, "number": number, "by": "asset", "key": "fs1"}], "linked entries")
    server.do(one, "close", {"resolution": "resolved", "reason": "done"}).expect(200)
    _let_intake_read()
    third = server.incident_of(server.event(source="siem", title="odd", asset="fs1"))["id"]
    incident = server.incident_where(third, lambda i: "links" in i, "it is linked")
    check_equal(incident["links"], [{"incident_id": other, "by": "asset"}], "links to open incidents only")
    server.stop()
    server.start()
    check_equal(len(server.incident(other)["links"]), 2, "links after a restart")
    unlinked = server.incident_of(server.event(source="ids", title="odd", asset="fs3"))
    check_equal(list(unlinked), MEMBERS, "members of an incident without links")


def a_command_with_an_outdated_if_match_is_refused(scratch):
    server = _server(scratch)
    id = server.incident_of(_ransomware(server))["id"]
    version = server.incident_where(id, lambda i: i["escalation_level"] == 1, "the first level is reached")["version"]
    problem = server.do(id, "note", {"text": "x"}, headers={"If-Match": f'"{version + 7}"'}).expect(412).json
    check_equal(problem["code"], "version-conflict", "code")
    incident = server.incident(id)
    server.do(id, "note", {"text": "x"}, headers={"If-Match": f'"{incident["version"]}"'}).expect(200)


def a_command_that_the_status_forbids_is_refused_with_the_allowed_commands(scratch):
    server = _server(scratch)
    id = server.incident_of(_ransomware(server))["id"]
    problem = server.do(id, "reopen", {"reason": "why not"}).expect(409).json
    check_equal(problem["code"], "transition-refused", "code")
    check_equal(sorted(problem["allowed"]), ["acknowledge", "assign", "cancel", "close", "confirm", "false-alarm", "note"], "allowed commands")
    server.do(id, "close", {"resolution": "resolved", "reason": "done"}).expect(200)
    problem = server.do(id, "close", {"resolution": "resolved", "reason": "again"}).expect(409).json
    check_equal(sorted(problem["allowed"]), ["note", "reopen"], "allowed commands")


def a_command_repeated_with_its_idempotency_key_is_executed_once(scratch):
    server = _server(scratch)
    id = server.incident_of(_ransomware(server))["id"]
    headers = {"Idempotency-Key": "note-1"}
    one = server.do(id, "note", {"text": "once"}, headers=headers).expect(200).json
    again = server.do(id, "note", {"text": "once"}, headers=headers).expect(200).json
    check(again["version"] >= one["version"], "the version fell")
    server.do(id, "note", {"text": "twice"}, headers=headers).expect(422)
    notes = [entry for entry in server.timeline(id) if entry["type"] == "noted"]
    check_equal(len(notes), 1, "notes in the timeline")


def a_pending_command_can_be_polled(scratch):
    server = _server(scratch, TOCSIN_COMMAND_WAIT_MS=0)
    id = server.incident_of(_ransomware(server))["id"]
    answer = server.do(id, "note", {"text": "later"}).expect(202)
    check_equal(answer.json["status"], "pending", "status")
    check_equal(answer.headers["Location"], f"/v1/commands/{answer.json['id']}", "Location")
    command = eventually(lambda: (c := server.get(answer.headers["Location"]).json)["status"] == "done" and c, "the command is done")
    check_equal(command["incident_id"], id, "incident_id")
    refused = server.do(id, "reopen", {"reason": "no"}).expect(202)
    command = eventually(lambda: (c := server.get(refused.headers["Location"]).json)["status"] == "refused" and c, "it is refused")
    check_equal(command["problem"]["code"], "transition-refused", "code")


def the_api_description_is_served(scratch):
    server = _server(scratch)
    description = server.get("/openapi.json", key=None).expect(200).json
    check(description["openapi"].startswith("3."), description["openapi"])
    check("/v1/events" in description["paths"], "paths")
    for path in ("/livez", "/readyz", "/metrics"):
        server.get(path, key=None).expect(200)
    check("[+]" in server.get("/readyz?verbose=1", key=None).body.decode(), "/readyz has no line of a dependency")
    check("tocsin_http_requests_total" in server.get("/metrics", key=None).body.decode(), "metrics")
    check_equal(server.command("healthcheck").returncode, 0, "exit code of healthcheck")
