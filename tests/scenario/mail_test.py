"""Mail over SMTP, in the language of its recipient."""

import email
import email.policy
import pathlib
import re

from harness import Skip, check, check_equal, eventually

LEVELS = """
policies:
  - id: both
    when: {kinds: [incident]}
    team: soc
    levels:
      - {after_seconds: 0, notify: ["person:li", "person:ann"]}
"""


class _Box:
    def __init__(self):
        self.mails = []

    async def handle_DATA(self, _server, _session, envelope):
        self.mails.append((envelope, email.message_from_bytes(envelope.content, policy=email.policy.default)))
        return "250 OK"


def _mail_server(scratch):
    try:
        from aiosmtpd.controller import Controller
    except ImportError:
        raise Skip("python3-aiosmtpd is not installed") from None

    class AnyPort(Controller):
        def _trigger_server(self):  # port 0: read the assigned port before the controller connects to it
            self.port = self.server.sockets[0].getsockname()[1]
            super()._trigger_server()

    box = _Box()
    controller = AnyPort(box, hostname="127.0.0.1", port=0)
    controller.start()
    scratch.closers.append(controller.stop)
    return box, f"smtp://127.0.0.1:{controller.port}"


def people_get_mail_in_their_language(scratch):
    box, url = _mail_server(scratch)
    server = scratch.server(TOCSIN_POLICY=scratch.pack(escalation=LEVELS), TOCSIN_SMTP_URL=url, TOCSIN_EGRESS_ALLOW="127.0.0.1/32",
                            TOCSIN_MAIL_FROM="tocsin@example.org", TOCSIN_PUBLIC_URL="https://tocsin.example.org")
    incident = server.incident_of(server.event(title="Ransom note on FS1 勒索", severity="critical"))
    eventually(lambda: len(box.mails) >= 2, "two mails", seconds=10)
    mails = {envelope.rcpt_tos[0]: mail for envelope, mail in box.mails}
    check_equal(sorted(mails), ["ann@example.org", "li@example.org"], "recipients")
    subject = f"[Tocsin] [critical/{incident['grade']}] {incident['number']} Ransom note on FS1 勒索"
    for mail in mails.values():
        check_equal(mail["Subject"], subject, "subject")
        check("tocsin@example.org" in mail["From"], mail["From"])
        check(re.fullmatch(r"<msg_[0-9a-z]{26}@\S+>", mail["Message-ID"]), mail["Message-ID"])
        check(f"https://tocsin.example.org/v1/incidents/{incident['id']}" in mail.get_content(), f"no link in {mail.get_content()!r}")
    check_equal(len({mail["Message-ID"] for mail in mails.values()}), 2, "message ids")
    chinese = re.compile("[\u4e00-\u9fff]{2}")
    without_title = {to: mail.get_content().replace("勒索", "") for to, mail in mails.items()}
    check(chinese.search(without_title["li@example.org"]), "the Chinese mail contains no Chinese")
    check(not chinese.search(without_title["ann@example.org"]), f"the English mail contains Chinese: {without_title['ann@example.org']}")
    sent = eventually(lambda: len(d := [e["data"] for e in server.timeline(incident["id"])
                                        if e["type"] == "delivery" and e["data"]["state"] == "sent"]) == 2 and d, "both deliveries are recorded as sent")
    check_equal({d["recipient"] for d in sent}, {"person:li", "person:ann"}, "recipients in the timeline")


def the_log_contains_no_mail_addresses(scratch):
    box, url = _mail_server(scratch)
    server = scratch.server(TOCSIN_POLICY=scratch.pack(escalation=LEVELS), TOCSIN_SMTP_URL=url, TOCSIN_EGRESS_ALLOW="127.0.0.1/32",
                            TOCSIN_MAIL_FROM="tocsin@example.org", TOCSIN_LOG_LEVEL="debug")
    server.incident_of(server.event(title="Ransom note, secret-word", severity="critical"))
    eventually(lambda: len(box.mails) >= 2, "two mails", seconds=10)
    server.stop()
    log = pathlib.Path(server.log).read_text()
    check(log and all(line["ts"] and line["level"] and line["event"] for line in server.log_lines()), "a log line lacks a member")
    for word in ("li@example.org", "secret-word", server.key):
        check(word not in log, f"the log contains {word[:12]}…")
