#!/usr/bin/env python3
"""The packaging (Dockerfile, docker-compose.yml, k8s/) against the programs and their settings."""
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import jsonschema
import yaml

from cases import Skip, case, main

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / os.environ.get("BUILD", "build") / "bin"
SERVICES = ("gateway", "intake", "classification", "response", "notification", "audit")
TOOLS = ROOT / "build/ship-tools"  # downloads are kept here
KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.5.0"
SCHEMAS = ("kubernetes-validate==1.37.0", "kubernetes_validate/kubernetes-json-schema/v1.37.0-local-strict/")  # the package that contains the schemas
OVERLAYS = ("embedded", "distributed")
DRAIN_SECONDS = 20  # the default of TOCSIN_DRAIN_TIMEOUT_MS
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"].startswith("tocsin:")}


def settings_of(command):
    """The settings that the program of a command reads."""
    text = subprocess.run([BIN / command[0], "--settings"], check=True, capture_output=True, text=True).stdout
    return set(re.findall(r"^(TOCSIN_[A-Z_]+)", text, re.M))


def known(command, names):
    settings = settings_of(command)
    unknown = [name for name in names if name.startswith("TOCSIN_") and name not in settings and name.removesuffix("_FILE") not in settings]
    assert not unknown, f"{command}: does not read {unknown}"


# The secret settings, according to the table of settings.
SECRETS = set(re.findall(r'"(TOCSIN_[A-Z_]+)"[^{}]*\.secret = true', (ROOT / "shared/program/settings.c").read_text()))
# Secret settings that may be readable by everybody if their value matches the pattern, which permits no password.
PLAIN_ADDRESS = {"TOCSIN_REDIS_URL": r"rediss?://[\w.-]+:\d+/\d+"}


def secret(name, value):
    """True if the variable contains a secret itself, not the path of a file."""
    if name in SECRETS:
        return not re.fullmatch(PLAIN_ADDRESS.get(name, "(?!)"), str(value))
    return bool(re.search(r"SECRET|PASSWORD|TOKEN|CREDENTIAL|_KEY$", name)) and not name.endswith("_FILE")


def go(*arguments, cwd=ROOT):
    """Runs Go, which downloads modules through its proxy; returns the error or None."""
    program = shutil.which("go", path=f"{os.environ['PATH']}:/usr/local/go/bin")
    if not program:
        raise Skip("Go is not installed")
    done = subprocess.run([program, *arguments], cwd=cwd, env=os.environ | {"GOBIN": str(TOOLS)}, capture_output=True, text=True, timeout=600)
    return done.stderr[-300:].strip() if done.returncode else None


# Permitted connections: (direction, setting, peer, ports). A program that uses the setting connects to the peer (Egress) or accepts
# connections from it (Ingress). Setting None: every program. `tocsin topics` accepts no connections (served_by).
CONNECTIONS = [
    ("Egress", "TOCSIN_KAFKA_BROKERS", "kafka", {("TCP", 9092)}),
    ("Egress", "TOCSIN_REDIS_URL", "redis", {("TCP", 6379)}),
    ("Egress", "TOCSIN_WEBHOOK_URL", "the world", {("TCP", 443)}),
    ("Egress", "TOCSIN_SMTP_URL", "the world", {("TCP", 465), ("TCP", 587)}),
    ("Egress", None, "names", {("UDP", 53), ("TCP", 53)}),
    ("Ingress", "TOCSIN_OPS_LISTEN", "monitoring", {("TCP", 9090)}),
    ("Ingress", "TOCSIN_ADMIN_KEY", "senders", {("TCP", 8080)}),
]
PRIVATE = {"0.0.0.0/0": ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"], "::/0": ["fc00::/7", "fe80::/10"]}


def namespace_of(**labels):
    return [{"namespaceSelector": {"matchLabels": {name.replace("__", "/").replace("_", "."): value for name, value in labels.items()}}}]


# {peer: the selectors by which a rule of a network policy names it}.
PEERS = {
    "kafka": namespace_of(kubernetes_io__metadata_name="kafka"),
    "redis": namespace_of(kubernetes_io__metadata_name="redis"),
    "names": namespace_of(kubernetes_io__metadata_name="kube-system"),
    "monitoring": namespace_of(tocsin_io__watches="true"),
    "senders": namespace_of(tocsin_io__sends="true"),
    "the world": [{"ipBlock": {"cidr": cidr, "except": private}} for cidr, private in PRIVATE.items()],
}


def served_by(command):
    """The settings that a command uses. `tocsin --settings` lists the settings of all commands, but of the commands in the
    manifests only `tocsin topics` uses Kafka."""
    if command[:2] == ["tocsin", "topics"]:
        return {name for name in settings_of(command) if name.startswith("TOCSIN_KAFKA_")}
    return {name for name in settings_of(command) if command[0] != "tocsin" or not name.startswith("TOCSIN_KAFKA_")}


def connections(command, direction):
    """{(peer, protocol, port)}: the connections of a program that the table permits."""
    settings = served_by(command) | {None}
    return {(peer, *port) for way, setting, peer, ports in CONNECTIONS if way == direction and setting in settings for port in ports}


# ---- the image


def instructions(text):
    """(stage, instruction, arguments) of a Dockerfile; stage 0 is before the first FROM."""
    stage, joined = 0, re.sub(r"\\\n\s*", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.M))
    for line in filter(str.strip, joined.splitlines()):
        word, _, rest = line.strip().partition(" ")
        stage += word == "FROM"
        yield stage, word, rest.strip()


def mistakes_of_image(text):
    """Violations of the common rules of hadolint, without pinned versions of Debian packages, because Debian keeps only the newest
    version in a release."""
    read = list(instructions(text))
    last, wrong = max(stage for stage, _, _ in read), []
    bases = dict(rest.split("=", 1) for stage, word, rest in read if word == "ARG" and stage == 0 and "=" in rest)
    names = {match.group(1): stage for stage, word, rest in read if word == "FROM" and (match := re.search(r" AS (\w+)$", rest))}
    for stage, word, rest in read:
        where = f"{word} {rest[:60]}"
        if word == "FROM":
            image = re.sub(r"\$\{(\w+)\}", lambda match: bases.get(match.group(1), ""), rest.split(" ")[0])
            if not re.fullmatch(r"[\w./-]+/[\w.-]+(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})", image):
                wrong.append(f"{where}: name a registry, and a tag other than latest")
        if word == "ADD" or word != word.upper() or word == "MAINTAINER":
            wrong.append(f"{where}: use COPY")
        if word in ("ENV", "ARG") and any(secret(name, value) or name in SECRETS for name, value in re.findall(r"(\w+)(?:=(\S*))?", rest)):
            wrong.append(f"{where}: a secret would be in every layer")
        if word == "USER" and not re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", rest):
            wrong.append(f"{where}: use numbers, so that Kubernetes can verify that it is not root")
        if word in ("CMD", "ENTRYPOINT") and not rest.startswith("[") or word == "HEALTHCHECK" and " CMD [" not in rest:
            wrong.append(f"{where}: use the exec form, because a shell does not forward signals")
        if word == "WORKDIR" and not rest.startswith("/"):
            wrong.append(f"{where}: use an absolute path")
        if word == "COPY" and (match := re.search(r"--from=(\w+)", rest)) and names.get(match.group(1), last) >= stage:
            wrong.append(f"{where}: no earlier stage has this name")
        if word == "RUN":
            for command in re.findall(r"\bapt(?:-get)? (?:\S+ )*?install\b[^&|;]*", rest):
                if not command.startswith("apt-get") or " -y" not in command or "--no-install-recommends" not in command:
                    wrong.append(f"{where}: use apt-get install -y --no-install-recommends")
            if "apt-get update" in rest and "install" not in rest:
                wrong.append(f"{where}: a cached update becomes outdated")
            if "apt-get" in rest and "rm -rf /var/lib/apt/lists/*" not in rest:
                wrong.append(f"{where}: remove /var/lib/apt/lists")
            if re.search(r"\b(sudo|curl|wget|ssh|dist-upgrade)\b|\bchmod (-R )?777", rest):
                wrong.append(f"{where}: install from packages only, without changing modes")
            if "|" in rest.replace("||", "") and not any(each == "SHELL" and "pipefail" in words for number, each, words in read if number == stage):
                wrong.append(f"{where}: set pipefail, or a failure is hidden")
    for word in ("USER", "HEALTHCHECK", "CMD", "WORKDIR"):
        if [each for stage, each, _ in read if stage == last].count(word) != 1:
            wrong.append(f"the last stage must have {word} exactly once")
    return wrong


@case
def the_dockerfile_follows_the_rules():
    assert mistakes_of_image((ROOT / "Dockerfile").read_text()) == []


@case
def every_rule_detects_a_violation():
    text = (ROOT / "Dockerfile").read_text()
    for old, new in (("debian:bookworm-slim", "debian"), ("debian:bookworm-slim", "debian:latest"), ("FROM ${BASE} AS build", "FROM debian:12 AS build"),
                     ("COPY . .", "ADD . ."), ("COPY . .", "copy . ."), ("USER 10001:10001", "USER tocsin"), ("USER 10001:10001", "USER 0:0"),
                     ("USER 10001:10001\n", ""), ('CMD ["tocsin", "serve"]', "CMD tocsin serve"), ("--from=build", "--from=other"),
                     ('CMD ["tocsin", "healthcheck"]', "CMD tocsin healthcheck"), ("WORKDIR /source", "WORKDIR source"),
                     ("-qq --no-install-recommends ca-", "-qq ca-"), ("apt-get install -y -qq --no-install-recommends ca-", "apt install -y --no-install-recommends ca-"),
                     ("&& apt-get clean && rm -rf /var/lib/apt/lists/* ", "&& rm -rf "), ("RUN make deps", "RUN apt-get update && rm -rf /var/lib/apt/lists/*"),
                     ("RUN make deps", "RUN curl http://localhost/ -o x"), ('SHELL ["/bin/bash", "-o", "pipefail", "-c"]\n', ""),
                     ("ENV TOCSIN_HOME", "ENV TOCSIN_ADMIN_KEY=0123 TOCSIN_HOME"), ("ARG BASE", "ARG TOCSIN_WEBHOOK_SECRET\nARG BASE"),
                     ("ENV TOCSIN_HOME", "ENV TOCSIN_SMTP_URL=smtp://a:b@c TOCSIN_HOME")):
        assert old in text, old
        assert mistakes_of_image(text.replace(old, new)), (old, new)


@case
def the_image_has_an_unprivileged_user_and_a_health_check():
    """tests/image checks the built image."""
    text = (ROOT / "Dockerfile").read_text()
    last = text[text.rindex("\nFROM "):]
    assert re.search(r"^USER 10001:10001$", last, re.M)
    assert re.search(r'^HEALTHCHECK .*CMD \["tocsin", "healthcheck"\]$', last, re.M)
    assert re.search(r'^CMD \["tocsin", "serve"\]$', last, re.M)
    for name in re.findall(r"(TOCSIN_[A-Z_]+)=", last):
        assert name in settings_of(["tocsin"]), name


@case
def the_image_copies_exactly_what_the_build_reads():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == {"Makefile", "proto", "services", "shared", "tools"}, kept
    assert all((ROOT / name).exists() for name in kept)


@case
def the_packaging_has_the_version_of_the_program():
    version = subprocess.run([BIN / "tocsin", "version"], check=True, capture_output=True, text=True).stdout.split()[1]
    assert {service["image"] for service in OURS.values()} == {f"tocsin:{version}"}
    assert yaml.safe_load((ROOT / "proto/openapi.yaml").read_text())["info"]["version"] == version
    for overlay in OVERLAYS:
        for workload, pod in workloads(rendered(overlay)):
            assert pod["containers"][0]["image"].endswith(f":{version}"), (overlay, workload["metadata"]["name"])


# ---- compose


def read_compose(**given):
    """docker-compose.yml with the given variables, read like `docker compose config`: checks schema, names, durations, sizes,
    dependencies."""
    source = ROOT / "tests/contract/compose"
    problem = go("mod", "download", cwd=source)
    if problem:
        raise Skip(f"the reader of compose files cannot be fetched: {problem}")
    problem = go("build", "-o", TOOLS / "compose", ".", cwd=source)
    assert not problem, problem
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")} | given
    done = subprocess.run([TOOLS / "compose", "docker-compose.yml"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@case
def compose_is_valid_and_consistent():
    services = read_compose()["services"]
    assert services.keys() == COMPOSE["services"].keys()
    for name, service in services.items():
        written = COMPOSE["services"][name]
        assert service["command"] == written.get("command"), name
        assert {setting for setting in service.get("environment") or {}} == set(written.get("environment", {})), name
        assert service["restart"] in ("no", "always", "on-failure", "unless-stopped"), name
        assert set(service.get("depends_on") or {}) == set(written.get("depends_on", {})), name


@case
def compose_declares_nothing_unused():
    services = COMPOSE["services"].values()
    used = {"networks": {name for service in services for name in service["networks"]},
            "volumes": {volume.split(":")[0] for service in services for volume in service.get("volumes", []) if not volume.startswith("$")},
            "secrets": {name for service in services for name in service.get("secrets", [])}}
    for kind, names in used.items():
        assert set(COMPOSE[kind]) == names, kind


@case
def compose_has_every_service_once():
    commands = [service["command"][0] for service in OURS.values()]
    assert sorted(commands) == sorted(["tocsin", "tocsin"] + [f"tocsin-{name}" for name in SERVICES]), commands
    assert all((BIN / command).exists() for command in commands)


@case
def compose_sets_only_existing_settings():
    for service in OURS.values():
        known(service["command"], service["environment"])


@case
def compose_containers_have_no_more_rights_than_they_need():
    for name, service in COMPOSE["services"].items():
        # Kafka needs a writable root file system: its start script writes the settings beside the programs.
        assert service.get("read_only") or name == "kafka", name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"] and service["mem_limit"], name
        assert not service.get("privileged") and service.get("network_mode") != "host", name
    for name, service in OURS.items():
        assert int(service["stop_grace_period"].rstrip("s")) > DRAIN_SECONDS, name


@case
def compose_is_reached_from_this_machine_only():
    for name, service in COMPOSE["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name


@case
def secrets_are_distinguished_from_other_settings():
    assert SECRETS >= {"TOCSIN_ADMIN_KEY", "TOCSIN_WEBHOOK_SECRET", "TOCSIN_SMTP_URL", "TOCSIN_KAFKA_OPTIONS", "TOCSIN_REDIS_URL"}, SECRETS
    for name, value in (("TOCSIN_SMTP_URL", "${TOCSIN_SMTP_URL:-}"), ("TOCSIN_WEBHOOK_SECRET", "${TOCSIN_WEBHOOK_SECRET:-}"),
                        ("TOCSIN_ADMIN_KEY", ""), ("TOCSIN_REDIS_URL", "redis://:word@redis:6379/0"), ("TOCSIN_REDIS_URL", "${TOCSIN_REDIS_URL}"),
                        ("TOCSIN_KAFKA_OPTIONS", "a=b"), ("KAFKA_SSL_KEY_PASSWORD", "x")):
        assert secret(name, value), (name, value)
    for name, value in (("TOCSIN_SMTP_URL_FILE", "/run/secrets/smtp_url"), ("TOCSIN_REDIS_URL", "redis://redis:6379/0"), ("TOCSIN_INSTANCE", "a")):
        assert not secret(name, value), (name, value)


@case
def compose_contains_no_secret_and_passes_none_by_environment():
    assert all(set(each) == {"file"} for each in COMPOSE["secrets"].values())
    for name, service in COMPOSE["services"].items():
        given = service.get("environment", {})
        assert not [setting for setting, value in given.items() if secret(setting, value)], name
        named = {setting: re.search(r"/run/secrets/(\w+)", value).group(1) for setting, value in given.items() if setting.endswith("_FILE")}
        assert sorted(named.values()) == sorted(service.get("secrets", [])), (name, named)
        assert all(re.fullmatch(r"\$\{%s:\+/run/secrets/\w+\}|/run/secrets/admin_key" % setting, given[setting]) for setting in named), (name, named)


@case
def compose_requires_only_the_key_and_mounts_other_secrets_if_named():
    """If a secret is not configured, its setting is empty, which counts as not set, and /dev/null is mounted. Otherwise its
    file is mounted."""
    optional = {"TOCSIN_WEBHOOK_SECRET_FILE": "webhook_secret", "TOCSIN_SMTP_URL_FILE": "smtp_url"}
    without, given = read_compose(), read_compose(**{setting: f"./kept/{name}" for setting, name in optional.items()})
    for setting, name in optional.items():
        assert without["secrets"][name]["file"] == "/dev/null" and given["secrets"][name]["file"] == str(ROOT / "kept" / name)
        for notifier in ("notification", "embedded"):
            assert without["services"][notifier]["environment"][setting] == "", (notifier, setting)
            assert given["services"][notifier]["environment"][setting] == f"/run/secrets/{name}", (notifier, setting)
            assert f"/run/secrets/{name}" in [each["target"] for each in given["services"][notifier]["secrets"]], (notifier, name)
    empty = {name: value for name, value in without["services"]["embedded"]["environment"].items() if not value}
    done = subprocess.run([BIN / "tocsin", "--check"], capture_output=True, text=True,
                          env={name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")} | empty)
    assert set(optional) < set(empty) and done.returncode == 0, done.stderr


@case
def links_in_notices_have_the_address_of_the_api():
    """Programs that notify people get the address of the API, because their own listener is not reachable."""
    for name, service in OURS.items():
        assert ("TOCSIN_PUBLIC_URL" in service.get("environment", {})) == (name in ("notification", "embedded")), name
    for name in ("notification", "embedded"):
        assert read_compose()["services"][name]["environment"]["TOCSIN_PUBLIC_URL"] == "http://" + OURS["gateway"]["ports"][0].rsplit(":", 1)[0]
        given = read_compose(TOCSIN_PUBLIC_URL="https://tocsin.example.org")["services"][name]["environment"]
        assert given["TOCSIN_PUBLIC_URL"] == "https://tocsin.example.org", name
    for overlay in OVERLAYS:
        documents = rendered(overlay)
        services = {each["metadata"]["name"]: each["spec"] for each in of_kind(documents, "Service")}
        notifiers = [container for container in containers(documents) if "TOCSIN_PUBLIC_URL" in served_by(container["command"])]
        assert len(notifiers) == 1, overlay
        url = environment_of(notifiers[0], documents)["TOCSIN_PUBLIC_URL"]
        name = re.fullmatch(r"http://([\w-]+)\.tocsin\.svc", url)
        assert name and services[name.group(1)]["ports"] == [{"name": "http", "port": 80, "targetPort": "http"}], url


@case
def compose_keeps_state_in_volumes():
    for name in ("kafka", "redis", "audit", "response", "embedded"):
        assert COMPOSE["services"][name]["volumes"], name
    redis = COMPOSE["services"]["redis"]["command"]
    assert redis[redis.index("--maxmemory-policy") + 1] == "noeviction" and redis[redis.index("--appendonly") + 1] == "yes"


# ---- Kubernetes


def kustomize():
    found = shutil.which("kustomize")
    if not found and not (TOOLS / "kustomize").exists():
        problem = go("install", KUSTOMIZE)
        if problem:
            raise Skip(f"kustomize cannot be built: {problem}")
    return found or TOOLS / "kustomize"


def rendered(overlay):
    text = subprocess.run([kustomize(), "build", ROOT / "k8s/overlays" / overlay], check=True, capture_output=True, text=True).stdout
    return [document for document in yaml.safe_load_all(text) if document]


def schemas():
    """The schemas of Kubernetes as an archive, from the package that contains them."""
    if not list(TOOLS.glob("kubernetes_validate*.whl")):
        pip = shutil.which("pip") or shutil.which("pip3")
        if not pip:
            raise Skip("pip is not installed, so the schemas cannot be fetched")
        done = subprocess.run([pip, "download", "--quiet", "--no-deps", "--dest", TOOLS, SCHEMAS[0]], capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise Skip(f"the schemas cannot be fetched: {done.stderr[-300:]}")
    return zipfile.ZipFile(next(TOOLS.glob("kubernetes_validate*.whl")))


def local(node):
    """The schema with its references replaced by references into the same document."""
    if isinstance(node, dict):
        return {name: value.replace("/api/_definitions.json#", "#") if name == "$ref" and isinstance(value, str) else local(value)
                for name, value in node.items() if name not in ("$id", "id")}
    return [local(value) for value in node] if isinstance(node, list) else node


def schema_of(document, archive, definitions):
    group, _, version = document["apiVersion"].rpartition("/")
    name = "-".join(part for part in (document["kind"].lower(), group.split(".")[0], version) if part)
    return local(json.loads(archive.read(f"{SCHEMAS[1]}{name}.json"))) | {"$defs": definitions}


def of_kind(documents, *kinds):
    return [document for document in documents if document["kind"] in kinds]


def containers(documents):
    return [pod["containers"][0] for _, pod in workloads(documents)]


def environment_of(container, documents):
    """The environment of a container according to the manifests: its ConfigMaps, overridden by its own variables."""
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind(documents, "ConfigMap")}
    given = {}
    for source in container.get("envFrom", []):
        given |= maps.get(source.get("configMapRef", {}).get("name"), {})
    return given | {each["name"]: each.get("value", "") for each in container.get("env", [])}


def workloads(documents):
    for workload in of_kind(documents, "StatefulSet", "Deployment", "Job", "DaemonSet", "CronJob", "Pod"):
        yield workload, workload["spec"]["template"]["spec"]


@case
def kubernetes_runs_every_service_once():
    commands = [pod["containers"][0]["command"][0] for _, pod in workloads(rendered("distributed"))]
    assert sorted(commands) == sorted(["tocsin"] + [f"tocsin-{name}" for name in SERVICES]), commands
    assert [pod["containers"][0]["command"] for _, pod in workloads(rendered("embedded"))] == [["tocsin", "serve"]]


@case
def kubernetes_manifests_are_valid():
    archive = schemas()
    definitions = local(json.loads(archive.read(f"{SCHEMAS[1]}_definitions.json")))["$defs"]
    for overlay in OVERLAYS:
        for document in rendered(overlay):
            errors = jsonschema.Draft202012Validator(schema_of(document, archive, definitions)).iter_errors(document)
            wrong = [f"{'/'.join(map(str, error.path))}: {error.message}" for error in errors]
            assert not wrong, (document["kind"], document["metadata"]["name"], wrong)


@case
def kubernetes_pods_are_restricted():
    for overlay in OVERLAYS:
        documents = rendered(overlay)
        [namespace] = of_kind(documents, "Namespace")
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        for workload, pod in workloads(documents):
            name = workload["metadata"]["name"]
            assert pod["automountServiceAccountToken"] is False and pod["enableServiceLinks"] is False, name
            assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] == 10001, name
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
            assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod) and len(pod["containers"]) == 1, name
            assert not any("hostPath" in volume for volume in pod.get("volumes", [])), name
            container = pod["containers"][0]
            assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                                    "capabilities": {"drop": ["ALL"]}}, name
            assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"], name


@case
def kubernetes_probes_every_service():
    for overlay in OVERLAYS:
        for workload, pod in workloads(rendered(overlay)):
            if workload["kind"] == "Job":
                continue
            container = pod["containers"][0]
            environment = {each["name"]: each.get("value", "") for each in container["env"]}
            ports = {port["name"]: port["containerPort"] for port in container["ports"]}
            assert environment["TOCSIN_OPS_LISTEN"] == f"0.0.0.0:{ports['ops']}" and environment["TOCSIN_LISTEN"] == f"0.0.0.0:{ports['http']}"
            for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
                assert container[probe]["httpGet"] == {"path": path, "port": "ops"}, (workload["metadata"]["name"], probe)
            drain = (int(environment["TOCSIN_DRAIN_DELAY_MS"]) + int(environment["TOCSIN_DRAIN_TIMEOUT_MS"])) / 1000
            assert pod["terminationGracePeriodSeconds"] > drain, workload["metadata"]["name"]


@case
def kubernetes_sets_only_existing_settings():
    for overlay in OVERLAYS:
        documents = rendered(overlay)
        for container in containers(documents):
            known(container["command"], environment_of(container, documents))


@case
def kubernetes_manifests_contain_no_secret():
    for overlay in OVERLAYS:
        documents = rendered(overlay)
        assert not of_kind(documents, "Secret")
        for config in of_kind(documents, "ConfigMap"):
            assert not [name for name, value in config["data"].items() if secret(name, value)], config
        for container in containers(documents):
            plain = [each for each in container.get("env", []) if secret(each["name"], each.get("value", ""))]
            assert not [each for each in plain if "secretKeyRef" not in each.get("valueFrom", {})], plain


@case
def kubernetes_keeps_the_state_of_services_with_state():
    documents = rendered("distributed")
    keeps = {document["metadata"]["name"].removeprefix("tocsin-") for document in of_kind(documents, "StatefulSet")}
    assert keeps == {"intake", "response", "notification", "audit"}, keeps
    replicas = {document["metadata"]["name"]: document["spec"]["replicas"] for document in of_kind(documents, "StatefulSet", "Deployment")}
    assert replicas.pop("tocsin-audit") == 1 and all(count >= 2 for count in replicas.values()), replicas
    guarded = {each["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] for each in of_kind(documents, "PodDisruptionBudget")}
    assert guarded == set(SERVICES), guarded


def selects(selector, labels):
    """True if a label selector selects an object with these labels."""
    tests = {"In": lambda key, values: labels.get(key) in values, "NotIn": lambda key, values: labels.get(key) not in values,
             "Exists": lambda key, values: key in labels, "DoesNotExist": lambda key, values: key not in labels}
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        tests[each["operator"]](each["key"], each.get("values")) for each in selector.get("matchExpressions", []))


def peer_named(rule, direction):
    """The name in PEERS of the peers of a rule; "everybody" for a rule without peers; other peers as JSON."""
    peers = rule.get("to" if direction == "Egress" else "from")
    return next((name for name, written in PEERS.items() if peers == written), "everybody" if not peers else json.dumps(peers))


def allowed(policies, labels, direction):
    """{(peer, protocol, port)}: the connections that all policies together permit a pod with these labels."""
    chosen = [policy["spec"] for policy in policies if direction in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], labels)]
    assert chosen, "no policy selects the pod, so everything is permitted"
    return {(peer_named(rule, direction), port.get("protocol", "TCP"), port.get("port", "any"))
            for spec in chosen for rule in spec.get(direction.lower(), []) for port in rule.get("ports") or [{}]}


@case
def kubernetes_permits_only_the_connections_in_the_table():
    for overlay in OVERLAYS:
        documents = rendered(overlay)
        policies = of_kind(documents, "NetworkPolicy")
        for workload, pod in workloads(documents):
            labels, command = workload["spec"]["template"]["metadata"]["labels"], pod["containers"][0]["command"]
            for direction in ("Egress", "Ingress"):
                found, wanted = allowed(policies, labels, direction), connections(command, direction)
                assert found == wanted, (overlay, command, direction, found ^ wanted)
        # A pod without the labels of Tocsin may only resolve names.
        assert allowed(policies, {"another": "pod"}, "Egress") == {("names", *port) for port in CONNECTIONS[4][3]}, overlay


@case
def a_changed_network_policy_is_detected():
    """Each changed rule permits other connections than the unchanged rule."""
    labels = {"a": "b"}
    spec = {"podSelector": {"matchLabels": labels}, "policyTypes": ["Egress"], "egress": [{"to": PEERS["kafka"], "ports": [{"protocol": "TCP", "port": 9092}]}]}
    right = {("kafka", "TCP", 9092)}
    assert allowed([{"spec": spec}], labels, "Egress") == right
    rule = spec["egress"][0]
    for wrong in ({"ports": rule["ports"]}, {"to": [], "ports": rule["ports"]}, {"to": PEERS["redis"], "ports": rule["ports"]}, {"to": rule["to"]},
                  {"to": rule["to"] + PEERS["redis"], "ports": rule["ports"]}, {"to": [{"podSelector": {}}], "ports": rule["ports"]},
                  {"to": rule["to"], "ports": [{"protocol": "UDP", "port": 9092}]}, {"to": rule["to"], "ports": rule["ports"] + [{"port": 22}]}):
        assert allowed([{"spec": spec | {"egress": [wrong]}}], labels, "Egress") != right, wrong


@case
def the_table_of_connections_agrees_with_the_programs():
    """Compares the table with the settings of the programs, their values in the manifests, and the topics of the services (make
    map)."""
    assert {setting for _, setting, _, _ in CONNECTIONS} - {None} <= set().union(*(settings_of([f"tocsin-{name}"]) for name in SERVICES))
    documents = rendered("distributed")
    for container in containers(documents):
        given = environment_of(container, documents)
        for direction, setting, peer, ports in CONNECTIONS:
            if setting in ("TOCSIN_KAFKA_BROKERS", "TOCSIN_REDIS_URL") and setting in served_by(container["command"]):
                host, port = re.fullmatch(r"(?:redis://)?([\w.-]+):(\d+)(?:/\d+)?", given[setting]).groups()
                assert PEERS[peer] == namespace_of(kubernetes_io__metadata_name=host.split(".")[1]) and ports == {("TCP", int(port))}, (setting, host)
            elif setting == "TOCSIN_OPS_LISTEN" and setting in given:
                assert ports == {("TCP", int(given[setting].rsplit(":", 1)[1]))}
            elif setting == "TOCSIN_ADMIN_KEY" and f"{setting}_FILE" in given:
                assert ports == {("TCP", int(given["TOCSIN_LISTEN"].rsplit(":", 1)[1]))}
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "SAN", "STEPS")}
    shown = subprocess.run(["make", "-s", f"BUILD={os.environ.get('BUILD', 'build')}", "map"], cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    flows = {block.split(":")[0]: set(re.findall(r"^    (?:reads |owns  |writes) (\S+)", block, re.M)) for block in re.split(r"^(?=\w+: )", shown, flags=re.M)}
    served = {name: topics for name, topics in flows.items() if topics}
    assert served.keys() == set(SERVICES), served.keys()
    # Services exchange records over Kafka only, so every program must reach Kafka, and no program reaches another program.
    assert all(topic.startswith("tocsin.") for topics in served.values() for topic in topics)
    assert all(("kafka", "TCP", 9092) in connections([f"tocsin-{name}"], "Egress") for name in served)


@case
def compose_permits_only_the_connections_in_the_table():
    nets = {name: set(service["networks"]) for name, service in COMPOSE["services"].items()}
    assert nets["kafka"] == {"inside"} and nets["redis"] == {"timers"}
    assert all(COMPOSE["networks"][name]["internal"] for name in ("inside", "timers"))
    of_peer = {"kafka": "inside", "redis": "timers", "the world": "outside", "senders": "outside"}
    for name, service in OURS.items():
        peers = {peer for direction in ("Egress", "Ingress") for peer, _, _ in connections(service["command"], direction)}
        assert nets[name] == {of_peer[peer] for peer in peers if peer in of_peer}, (name, nets[name], peers)


sys.exit(main())
