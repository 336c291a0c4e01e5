"""Start: the created files, the greeting, and one clear line for each reason not to start."""

import os
import re
import signal
import socket
import stat
import subprocess

from harness import REPOSITORY, Skip, check, check_equal, eventually, free_port

LINE_AND_COLUMN = re.compile(r"tocsin: \S+\.yaml:\d+:\d+: \S")


def _refused(server, code, *words):
    """Checks that the server ends with this exit code and that its lines on stderr begin with "tocsin: " and contain the
    words. Returns the lines that are not warnings."""
    server.launch()
    _, errors = server.process.communicate(timeout=30)
    check_equal(server.process.returncode, code, f"exit code ({errors})")
    lines = [line for line in errors.splitlines() if not line.startswith("tocsin: warning: ")]
    check(lines and all(line.startswith("tocsin: ") for line in lines), f"lines of another form: {errors}")
    for word in words:
        check(word in errors, f"{word!r} is not in: {errors}")
    return lines


def the_first_start_creates_a_home_and_prints_a_greeting(scratch):
    server = scratch.server()
    for name, mode in ((".", 0o700), ("admin.key", 0o600), ("audit", 0o700)):
        check_equal(stat.S_IMODE((server.home / name).stat().st_mode), mode, f"mode of {name}")
    open_to_others = [str(path.relative_to(server.home)) for path in server.home.rglob("*") if path.lstat().st_mode & 0o077]
    check_equal(open_to_others, [], "files with permissions for other users")
    check(re.fullmatch(r"tcs_[0-9a-hjkmnp-tv-z]{8}_[0-9a-hjkmnp-tv-z]{52}\n", (server.home / "admin.key").read_text()), "the key has another form")
    check(str(server.home / "admin.key") in server.greeting, "the greeting does not name the file of the key")
    check_equal(server.greeting.count("curl "), 2, "curl commands in the greeting")
    check_equal(server.greeting.splitlines()[-1], f"tocsin: ready on {server.url}", "the last line")
    scratch.note(f"ready after {server.start_ms:.0f} ms, {server.rss_kib() / 1024:.1f} MiB resident")
    first_ms = server.start_ms
    key = server.key
    server.stop()
    server.start()
    check_equal(server.key, key, "the key after a restart")
    scratch.note(f"again after {server.start_ms:.0f} ms")
    if not scratch.slow_start:
        check(min(first_ms, server.start_ms) < 1000, f"ready only after {first_ms:.0f} ms, and again after {server.start_ms:.0f} ms")


def the_commands_of_the_greeting_work(scratch):
    server = scratch.server()
    commands = re.findall(r"curl (?:.*\\\n)*.*", server.greeting)
    for command in commands:
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30)
        check_equal(done.returncode, 0, f"exit code of {command}: {done.stderr}")
        check('"correlation_key"' in done.stdout or '"items"' in done.stdout, f"{command} answered {done.stdout}")


def a_port_in_use_is_reported(scratch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        _refused(scratch.server(start=False, TOCSIN_LISTEN=f"127.0.0.1:{port}"), 3, str(port))


def a_second_process_on_one_home_does_not_start(scratch):
    scratch.server()
    lines = _refused(scratch.server(start=False), 3, "another")
    check_equal(len(lines), 1, "lines")


def a_home_that_cannot_be_written_is_reported(scratch):
    if os.geteuid() == 0:
        path = "/proc/tocsin"
    else:
        path = scratch.path("closed")
        path.mkdir(mode=0o500)
        path = path / "home"
    lines = _refused(scratch.server(start=False, TOCSIN_HOME=path), 3, str(path))
    check_equal(len(lines), 1, "lines")


def a_file_in_place_of_the_home_is_reported(scratch):
    scratch.path("home").write_text("")
    _refused(scratch.server(start=False), 3, str(scratch.path("home")))


def all_invalid_settings_are_reported_at_once(scratch):
    lines = _refused(scratch.server(start=False, TOCSIN_LISTEN="everywhere", TOCSIN_LOG_LEVEL="loud", TOCSIN_BODY_MAX="12",
                                    TOCSIN_ADMIN_KEY="short", TOCSIN_EGRESS_ALLOW="10.0.0.0/40", TOCSIN_SMTP_URL="mail",
                                    TOCSIN_WEBHOOK_SECRET="abc", TOCSIN_HOME_FILE="/nowhere", TOCSIN_HOME=""), 2)
    for name in ("LISTEN", "LOG_LEVEL", "BODY_MAX", "ADMIN_KEY", "EGRESS_ALLOW", "SMTP_URL", "WEBHOOK_SECRET", "HOME_FILE"):
        check(any(f"TOCSIN_{name}" in line for line in lines), f"TOCSIN_{name} is not reported: {lines}")
    check(not any("short" in line or "abc" in line.split() for line in lines), "a line contains a secret")


def unknown_settings_cause_warnings_and_settings_of_other_programs_do_not(scratch):
    server = scratch.server(TOCSIN_LISTENN="x", TOCSIN_KAFKA_BROKERS="k:9092", TOCSIN_REDIS_URL="redis://r", TOCSIN_SERVICE_HOST="10.0.0.1")
    warnings = [line for line in server.greeting.splitlines() if "warning" in line]
    check_equal(len(warnings), 2, f"warnings: {warnings}")
    check(any("TOCSIN_LISTENN" in line for line in warnings), f"{warnings}")


def settings_are_read_from_files(scratch):
    scratch.path("key").write_text("0123456789abcdef0123456789abcdef-key\n")
    server = scratch.server(TOCSIN_ADMIN_KEY_FILE=scratch.path("key"))
    server.get("/v1/incidents", key="0123456789abcdef0123456789abcdef-key").expect(200)
    check(not (server.home / "admin.key").exists(), "a key was created although one is set")


def an_invalid_policy_is_reported_with_every_position(scratch):
    pack = scratch.pack(rules="rules:\n  - {id: a, when: [], then: {kind: catastrophe}}\n  - {id: a, wenn: []}\n", escalation="policies: {\n")
    server = scratch.server(start=False, TOCSIN_POLICY=pack)
    lines = _refused(server, 2, "rules.yaml:2:", "rules.yaml:3:", "escalation.yaml:")
    check(all(LINE_AND_COLUMN.match(line) for line in lines), f"no FILE:LINE:COLUMN in {lines}")
    checked = server.command("check", str(pack))
    check_equal(checked.returncode, 1, "exit code of check")
    check_equal(checked.stderr.splitlines(), lines, "lines of check")
    check_equal(server.command("check", str(REPOSITORY / "shared/policy/default")).returncode, 0, "exit code of check of the default pack")
    _refused(scratch.server(start=False, TOCSIN_POLICY=scratch.path("nowhere")), 2, "nowhere")


def check_reports_missing_files_of_a_pack_and_channels_that_notify_nobody(scratch):
    channels = 'channels:\n  - {id: hook, type: webhook, url: "${TOCSIN_WEBHOK_URL}"}\n  - {id: mail, type: email, server: "smtp://a.example", from: "${TOCSIN_MAIL_FROM}"}\n'
    escalation = "policies: [{id: all, when: {}, team: soc, levels: [{after_seconds: 0, notify: ['channel:hook', 'channel:mail']}]}]\n"
    pack = scratch.pack(channels=channels, escalation=escalation)

    def notes(**settings):
        done = scratch.server(start=False, **settings).command("check", str(pack))
        check_equal(done.returncode, 0, f"exit code ({done.stderr})")
        return [line for line in done.stdout.splitlines() if line.startswith("note: ")]
    hook, mail = notes()
    check("hook" in hook and "TOCSIN_WEBHOK_URL is not a setting" in hook, hook)
    check("mail" in mail and "TOCSIN_MAIL_FROM is not set" in mail, mail)
    check_equal(notes(TOCSIN_MAIL_FROM="soc@a.example"), [hook], "notes if the mail channel is complete")
    (pack / "channels.yaml").write_text(channels.replace("WEBHOK", "WEBHOOK"))
    for url, egress, words in (("http://127.0.0.1:9000/secret", "", "it is not set"), ("https://10.1.2.3/secret", "10.9.0.0/16", "not allowed"),
                               ("http://10.9.2.3/secret", "10.9.0.0/16", "")):
        found = [note for note in notes(TOCSIN_WEBHOOK_URL=url, TOCSIN_EGRESS_ALLOW=egress) if "hook" in note]
        check_equal(len(found), 1 if words else 0, f"notes of {url}: {found}")
        check(not words or (words in found[0] and "TOCSIN_EGRESS_ALLOW" in found[0] and "secret" not in found[0]), f"{found}")
    for file, words in (("rules", "no rules"), ("escalation", "no escalation")):
        (pack / f"{file}.yaml").rename(pack / f"{file}.yml")
        done = scratch.server(start=False).command("check", str(pack))
        check_equal((done.returncode, f"{file}.yml:1:1: is not read" in done.stderr), (1, True), f"check of {file}.yml ({done.stderr})")
        (pack / f"{file}.yml").unlink()
        check(any(words in note for note in notes()), f"no note contains {words}")


def sighup_loads_a_changed_policy_and_refuses_an_invalid_one(scratch):
    pack = scratch.pack()
    server = scratch.server(TOCSIN_POLICY=pack)
    first = server.incident_of(server.event(title="ransom one", asset="a"))
    rules = (pack / "rules.yaml").read_text()
    (pack / "rules.yaml").write_text(rules.replace("loss: grave", "loss: minor"))
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: [line for line in server.log_lines() if line["event"] == "policy-reloaded"], "the reload is logged")

    def regraded():
        regraded.count += 1
        incident = server.incident_of(server.event(title="ransom two", asset=f"b{regraded.count}"))
        return incident if incident["policy_version"] != first["policy_version"] else None
    regraded.count = 0
    second = eventually(regraded, "the new policy decides", pause=0.1)
    check(second["grade"] != first["grade"], "the grade is the same")
    (pack / "rules.yaml").write_text(rules.replace("kind: incident", "kind: catastrophe"))
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: [line for line in server.log_lines() if line["event"] == "policy-refused"], "the refusal is logged")
    mistakes = [line for line in server.log_lines() if line["event"] == "policy-mistake"]
    check(len(mistakes) >= 2 and all("rules.yaml:" in line["detail"] for line in mistakes), f"{mistakes}")
    third = server.incident_of(server.event(title="ransom three", asset="c"))
    check_equal(third["policy_version"], second["policy_version"], "the policy in force")
    server.get("/readyz", key=None).expect(200)


def operational_endpoints_can_have_a_separate_listener(scratch):
    port = free_port()
    server = scratch.server(TOCSIN_OPS_LISTEN=f"127.0.0.1:{port}")
    server.get("/livez", key=None).expect(404)
    main, server.url = server.url, f"http://127.0.0.1:{port}"
    server.get("/livez", key=None).expect(200)
    server.get("/readyz", key=None).expect(200)
    check(b"tocsin_build_info" in server.get("/metrics", key=None).body, "metrics")
    server.get("/v1/incidents", key=None).expect(404)
    server.url = None
    for settings, code in (({}, 0), ({"TOCSIN_OPS_LISTEN": f"0.0.0.0:{port}"}, 0), ({"TOCSIN_URL": "http://127.0.0.1:1"}, 1)):
        check_equal(server.command("healthcheck", **settings).returncode, code, f"exit code of healthcheck with {settings}")
    check_equal(server.command("healthcheck", f"http://127.0.0.1:{port}/").returncode, 0, "exit code of healthcheck of an address that ends with /")
    check_equal(server.command("healthcheck", "http://127.0.0.1:1").returncode, 1, "exit code of healthcheck of another server")
    server.url = main


def both_listeners_can_have_an_ipv6_address(scratch):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        raise Skip("this machine has no IPv6 loopback address") from None
    port = free_port()
    server = scratch.server(TOCSIN_LISTEN="[::1]:0", TOCSIN_OPS_LISTEN=f"[::]:{port}")
    check(re.fullmatch(r"http://\[::1\]:[1-9]\d*", server.url), f"the ready line has {server.url}")
    check_equal(server.incident_of(server.event(source="siem", asset="fs1"))["event_count"], 1, "events")
    demo = server.command("demo")
    check_equal(demo.returncode, 0, f"exit code of demo: {demo.stderr}")
    main = server.url
    for server.url in (f"http://[::1]:{port}", f"http://127.0.0.1:{port}"):
        server.get("/livez", key=None).expect(200)
    server.url = None
    check_equal(server.command("healthcheck").returncode, 0, "exit code of healthcheck with the address in TOCSIN_OPS_LISTEN")
    server.url = main
    check_equal(server.command("healthcheck").returncode, 1, "exit code of healthcheck with the address in TOCSIN_URL, which does not serve /readyz")
    _refused(scratch.server("other", start=False, TOCSIN_LISTEN="::1:8080"), 2, "TOCSIN_LISTEN", "[::1]:8080")
    _refused(scratch.server("other", start=False, TOCSIN_LISTEN="[2001:db8::1]:0"), 3, "[2001:db8::1]:0 is not an address of this machine")
    taken = main.removeprefix("http://")
    _refused(scratch.server("other", start=False, TOCSIN_LISTEN=taken), 3, f"{taken} is in use")


def every_flag_and_command_prints_its_usage(scratch):
    server = scratch.server(start=False)
    for arguments, code, words in ((["help"], 0, "serve"), (["--help"], 0, "serve"), (["version"], 0, "tocsin "), (["--version"], 0, "tocsin "),
                                   (["version", "--json"], 0, '"version"'), (["--settings"], 0, "TOCSIN_HOME"), (["--check"], 0, "valid"),
                                   ([], 2, ""), (["fly"], 2, ""), (["serve", "now"], 2, ""), (["version", "-x"], 2, "")):
        done = server.command(*arguments)
        check_equal(done.returncode, code, f"exit code of {arguments}")
        check(words in done.stdout, f"{words!r} is not in the output of {arguments}: {done.stdout}")
        if code:
            check("tocsin" in done.stderr, f"{arguments} prints no error")
    check_equal(server.command("healthcheck", "http://127.0.0.1:1").returncode, 1, "exit code of healthcheck without a server")
    check_equal(server.command("check", "ledger").returncode, 3, "exit code of check ledger without a ledger")
