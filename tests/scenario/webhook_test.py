"""Webhooks and escalation: retries until a delivery succeeds, levels until somebody acknowledges."""

import base64
import hashlib
import hmac
import json
import time

from harness import check, check_equal, eventually

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
LEVELS = """
policies:
  - id: quick
    when: {kinds: [incident]}
    team: soc
    levels:
      - {after_seconds: 0, notify: ["channel:webhook"]}
      - {after_seconds: 1, notify: ["channel:webhook"]}
      - {after_seconds: 2, notify: ["channel:webhook"]}
"""


def _server(scratch, receiver, **settings):
    settings = {"TOCSIN_POLICY": scratch.pack(escalation=LEVELS), "TOCSIN_EGRESS_ALLOW": "127.0.0.1/32",
                "TOCSIN_WEBHOOK_SECRET": SECRET} | settings
    if receiver:
        settings["TOCSIN_WEBHOOK_URL"] = receiver.url
    return scratch.server(**settings)


def _incident(server):
    return server.incident_of(server.event(title="Ransom note on FS1", severity="critical"))


def _deliveries(server, id, **wanted):
    entries = [e["data"] for e in server.timeline(id) if e["type"] == "delivery"]
    return [d for d in entries if all(d[member] == value for member, value in wanted.items())]


def _check_signature(request):
    headers = {name.lower(): value for name, value in request["headers"].items()}
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request["body"]
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    check(expected in headers["webhook-signature"].split(), f"signature {headers['webhook-signature']} is not {expected}")
    check(abs(int(headers["webhook-timestamp"]) - time.time()) < 30, "the timestamp is not the current time")
    return headers["webhook-id"]


def a_failed_delivery_is_retried_under_the_same_message_id(scratch):
    receiver = scratch.receiver(answers=[503, 500])
    server = _server(scratch, receiver, TOCSIN_POLICY=scratch.pack("one", escalation=LEVELS.replace("after_seconds: 1", "after_seconds: 900")
                                                                  .replace("after_seconds: 2", "after_seconds: 1800")))
    incident = _incident(server)
    eventually(lambda: len(receiver.requests) == 3, "three attempts", seconds=30)
    ids = {_check_signature(request) for request in receiver.requests}
    check_equal(len(ids), 1, "message ids")
    check(receiver.requests[1]["at"] - receiver.requests[0]["at"] <= 5.5, "the first retry was late")
    body = json.loads(receiver.requests[-1]["body"])
    check_equal(body["type"], "incident.opened", "type")
    check_equal(body["data"]["incident"]["id"], incident["id"], "the incident")
    check_equal(body["data"]["escalation_level"], 1, "the level")
    eventually(lambda: _deliveries(server, incident["id"], state="sent"), "the delivery is recorded as sent")
    check_equal(_deliveries(server, incident["id"], state="sent")[0]["key"], ids.pop(), "the key in the timeline")


def escalation_continues_until_somebody_acknowledges(scratch):
    receiver = scratch.receiver()
    server = _server(scratch, receiver)
    incident = _incident(server)
    eventually(lambda: len(receiver.requests) >= 3, "three levels", seconds=10)
    bodies = [json.loads(request["body"]) for request in receiver.requests]
    check_equal([b["data"]["escalation_level"] for b in bodies], [1, 2, 3], "levels")
    check_equal([b["type"] for b in bodies], ["incident.opened", "incident.escalated", "incident.escalated"], "types")
    check_equal(len({_check_signature(request) for request in receiver.requests}), 3, "message ids")
    server.incident_where(incident["id"], lambda i: i["escalation_level"] == 3, "the incident has level 3")
    escalated = [e["data"]["escalation_level"] for e in server.timeline(incident["id"]) if e["type"] == "escalated"]
    check_equal(escalated[-1], 3, "the last escalation in the timeline")


def _levels_of(receiver, incident):
    """The levels of the notices of an incident."""
    data = [json.loads(request["body"])["data"] for request in list(receiver.requests)]
    return [each["escalation_level"] for each in data if each["incident"]["id"] == incident["id"]]


def acknowledgement_stops_the_escalation(scratch):
    receiver = scratch.receiver()
    server = _server(scratch, receiver)
    incident = _incident(server)
    eventually(lambda: receiver.requests, "the first level")
    level = server.do(incident["id"], "acknowledge").expect(200).json["escalation_level"]
    before = len(_levels_of(receiver, incident))
    later = server.incident_of(server.event(title="Ransom note on FS2", asset="fs2", severity="critical"))
    eventually(lambda: 3 in _levels_of(receiver, later), "the last level of a later incident is notified", seconds=10)
    after = len(_levels_of(receiver, incident))
    check(after <= before + 1, f"{after} notices of the acknowledged incident, {before} before")  # a notice may be on its way
    check_equal(server.incident(incident["id"])["escalation_level"], level, "the level afterwards")


def escalation_continues_after_a_restart(scratch):
    receiver = scratch.receiver()
    server = _server(scratch, receiver)
    incident = _incident(server)
    eventually(lambda: receiver.requests, "the first level")
    server.kill()
    time.sleep(2)  # the last level becomes due while the server does not run
    server.start()
    server.incident_where(incident["id"], lambda i: i["escalation_level"] == 3, "the last level", seconds=10)
    eventually(lambda: {json.loads(r["body"])["data"]["escalation_level"] for r in receiver.requests} == {1, 2, 3}, "every level is notified")


def steps_of_unset_channels_are_recorded_as_skipped(scratch):
    server = scratch.server(TOCSIN_POLICY=scratch.pack())
    incident = _incident(server)
    skipped = eventually(lambda: len(d := _deliveries(server, incident["id"], state="skipped")) == 2 and d, "two steps are skipped", 3)
    check(all(d["detail"] for d in skipped), "a skipped step has no reason")


def a_destination_that_egress_does_not_allow_is_not_contacted(scratch):
    receiver = scratch.receiver()
    server = _server(scratch, receiver, TOCSIN_EGRESS_ALLOW="10.99.0.0/16")
    incident = _incident(server)
    failed = eventually(lambda: len(d := [d for d in _deliveries(server, incident["id"]) if d["detail"]]) >= 2 and d, "two refusals are recorded", 10)
    check_equal(receiver.requests, [], "requests")
    check(failed[0]["state"] in ("failed", "queued", "skipped"), f"state {failed[0]['state']}")


def a_redirect_is_retried_and_not_followed(scratch):
    receiver = scratch.receiver(answers=[302])
    server = _server(scratch, receiver)
    incident = _incident(server)
    tried = eventually(lambda: [d for d in _deliveries(server, incident["id"]) if d["detail"] == "HTTP 302"], "the answer is recorded")
    check_equal(tried[0]["state"], "queued", "state after 302")
    eventually(lambda: [d for d in _deliveries(server, incident["id"], state="sent") if d["key"] == tried[0]["key"]], "the message is sent later", 30)


def a_delivery_answered_with_410_fails_and_is_logged(scratch):
    receiver = scratch.receiver(answers=[410])
    server = _server(scratch, receiver)
    incident = _incident(server)
    failed = eventually(lambda: _deliveries(server, incident["id"], state="failed"), "the refusal is recorded")[0]
    lines = eventually(lambda: [line for line in server.log_lines() if line["event"] == "message-failed"], "the failure is logged")
    check_equal([(line["level"], line["incident"], line["message"], line["channel"], line["detail"]) for line in lines],
                [("error", incident["id"], failed["key"], "webhook", "HTTP 410")], "members of the log line")
