#!/usr/bin/env python3
"""What is shipped to run Tocsin in containers (Dockerfile, docker-compose.yml, k8s/) against the programs and their settings."""
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
TOOLS = ROOT / "build/ship-tools"  # fetched once
KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.5.0"
SCHEMAS = ("kubernetes-validate==1.37.0", "kubernetes_validate/kubernetes-json-schema/v1.37.0-local-strict/")  # a package that holds them
OVERLAYS = ("embedded", "distributed")
DRAIN_SECONDS = 20  # TOCSIN_DRAIN_TIMEOUT_MS by default
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"].startswith("tocsin:")}


def settings_of(command):
    """The settings the program of a container's command reads."""
    text = subprocess.run([BIN / command[0], "--settings"], check=True, capture_output=True, text=True).stdout
    return set(re.findall(r"^(TOCSIN_[A-Z_]+)", text, re.M))


def known(command, names):
    settings = settings_of(command)
    unknown = [name for name in names if name.startswith("TOCSIN_") and name not in settings and name.removesuffix("_FILE") not in settings]
    assert not unknown, f"{command}: {unknown} is no setting of it"


def go(*arguments, cwd=ROOT):
    """Runs Go, which fetches what it builds through its proxy; what went wrong, or None."""
    program = shutil.which("go", path=f"{os.environ['PATH']}:/usr/local/go/bin")
    if not program:
        raise Skip("there is no Go")
    done = subprocess.run([program, *arguments], cwd=cwd, env=os.environ | {"GOBIN": str(TOOLS)}, capture_output=True, text=True, timeout=600)
    return done.stderr[-300:].strip() if done.returncode else None


# ---- the image


@case
def the_image_runs_as_nobody_and_knows_its_health():
    text = (ROOT / "Dockerfile").read_text()
    last = text[text.rindex("\nFROM "):]
    assert re.search(r"^USER 10001:10001$", last, re.M)
    assert re.search(r'^HEALTHCHECK .*CMD \["tocsin", "healthcheck"\]$', last, re.M)
    assert re.search(r'^CMD \["tocsin", "serve"\]$', last, re.M)
    assert not re.search(r"^ADD |:latest|^RUN .*(curl|wget)", text, re.M)
    for name in re.findall(r"(TOCSIN_[A-Z_]+)=", last):
        assert name in settings_of(["tocsin"]), name


@case
def what_is_copied_into_the_image_is_what_the_build_reads():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == {"Makefile", "proto", "services", "shared", "tools"}, kept
    assert all((ROOT / name).exists() for name in kept)


@case
def what_is_shipped_has_the_version_of_the_program():
    version = subprocess.run([BIN / "tocsin", "version"], check=True, capture_output=True, text=True).stdout.split()[1]
    assert {service["image"] for service in OURS.values()} == {f"tocsin:{version}"}
    assert yaml.safe_load((ROOT / "proto/openapi.yaml").read_text())["info"]["version"] == version
    for overlay in OVERLAYS:
        for workload, pod in workloads(rendered(overlay)):
            assert pod["containers"][0]["image"].endswith(f":{version}"), (overlay, workload["metadata"]["name"])


# ---- compose


def read_compose():
    """docker-compose.yml as `docker compose config` reads it: after the schema, names, lengths of time, sizes and dependencies."""
    source = ROOT / "tests/contract/compose"
    problem = go("mod", "download", cwd=source)
    if problem:
        raise Skip(f"the specification's reader cannot be fetched: {problem}")
    problem = go("build", "-o", TOOLS / "compose", ".", cwd=source)
    assert not problem, problem
    done = subprocess.run([TOOLS / "compose", "docker-compose.yml"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@case
def compose_fits_the_specification_and_agrees_with_itself():
    services = read_compose()["services"]
    assert services.keys() == COMPOSE["services"].keys()
    for name, service in services.items():
        written = COMPOSE["services"][name]
        assert service["command"] == written.get("command"), name
        assert {setting for setting in service.get("environment") or {}} == set(written.get("environment", {})), name
        assert service["restart"] in ("no", "always", "on-failure", "unless-stopped"), name
        assert set(service.get("depends_on") or {}) == set(written.get("depends_on", {})), name


@case
def compose_declares_nothing_that_is_not_used():
    services = COMPOSE["services"].values()
    used = {"networks": {name for service in services for name in service["networks"]},
            "volumes": {volume.split(":")[0] for service in services for volume in service.get("volumes", [])},
            "secrets": {name for service in services for name in service.get("secrets", [])}}
    for kind, names in used.items():
        assert set(COMPOSE[kind]) == names, kind


@case
def compose_has_every_service_once():
    commands = [service["command"][0] for service in OURS.values()]
    assert sorted(commands) == sorted(["tocsin", "tocsin"] + [f"tocsin-{name}" for name in SERVICES]), commands
    assert all((BIN / command).exists() for command in commands)


@case
def compose_gives_only_settings_that_there_are():
    for service in OURS.values():
        known(service["command"], service["environment"])


@case
def compose_containers_have_no_more_rights_than_they_need():
    for name, service in COMPOSE["services"].items():
        # Kafka's own start writes its settings beside its programs.
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
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert {name for name, service in OURS.items() if "outside" in service["networks"]} == {"gateway", "notification", "embedded"}


@case
def compose_holds_no_secret():
    assert all("file" in secret for secret in COMPOSE["secrets"].values())
    for name, service in COMPOSE["services"].items():
        for setting, value in service.get("environment", {}).items():
            assert not re.search(r"SECRET$|_KEY$|SMTP_URL$", setting) or str(value).startswith("${"), f"{name}: {setting}"


@case
def compose_keeps_what_must_not_be_lost():
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
    """Kubernetes' own, by file name, from the package that carries them."""
    if not list(TOOLS.glob("kubernetes_validate*.whl")):
        pip = shutil.which("pip") or shutil.which("pip3")
        if not pip:
            raise Skip("there is no pip to fetch the schemas with")
        done = subprocess.run([pip, "download", "--quiet", "--no-deps", "--dest", TOOLS, SCHEMAS[0]], capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise Skip(f"the schemas cannot be fetched: {done.stderr[-300:]}")
    return zipfile.ZipFile(next(TOOLS.glob("kubernetes_validate*.whl")))


def local(node):
    """A schema whose references lead into the document it stands in."""
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


def workloads(documents):
    for workload in of_kind(documents, "StatefulSet", "Deployment", "Job", "DaemonSet", "CronJob", "Pod"):
        yield workload, workload["spec"]["template"]["spec"]


@case
def kubernetes_runs_every_service_once():
    commands = [pod["containers"][0]["command"][0] for _, pod in workloads(rendered("distributed"))]
    assert sorted(commands) == sorted(["tocsin"] + [f"tocsin-{name}" for name in SERVICES]), commands
    assert [pod["containers"][0]["command"] for _, pod in workloads(rendered("embedded"))] == [["tocsin", "serve"]]


@case
def kubernetes_manifests_fit_the_schemas():
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
def kubernetes_asks_how_each_service_is():
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
def kubernetes_gives_only_settings_that_there_are():
    for overlay in OVERLAYS:
        documents = rendered(overlay)
        maps = {each["metadata"]["name"]: each["data"] for each in of_kind(documents, "ConfigMap")}
        for _, pod in workloads(documents):
            container = pod["containers"][0]
            known(container["command"], [each["name"] for each in container.get("env", [])])
            for source in container.get("envFrom", []):
                if "configMapRef" in source:
                    known(container["command"], maps[source["configMapRef"]["name"]])


@case
def kubernetes_manifests_hold_no_secret():
    for overlay in OVERLAYS:
        documents = rendered(overlay)
        assert not of_kind(documents, "Secret")
        for config in of_kind(documents, "ConfigMap"):
            assert not [name for name in config["data"] if re.search(r"SECRET|ADMIN_KEY|SMTP_URL", name)]


@case
def kubernetes_keeps_state_where_a_service_has_some():
    documents = rendered("distributed")
    keeps = {document["metadata"]["name"].removeprefix("tocsin-") for document in of_kind(documents, "StatefulSet")}
    assert keeps == {"intake", "response", "notification", "audit"}, keeps
    replicas = {document["metadata"]["name"]: document["spec"]["replicas"] for document in of_kind(documents, "StatefulSet", "Deployment")}
    assert replicas.pop("tocsin-audit") == 1 and all(count >= 2 for count in replicas.values()), replicas
    guarded = {each["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] for each in of_kind(documents, "PodDisruptionBudget")}
    assert guarded == set(SERVICES), guarded


def allowed(documents, labels, direction):
    """The ports a pod with these labels may reach, or be reached at, by all policies that select it."""
    ports, chosen = set(), False
    for policy in of_kind(documents, "NetworkPolicy"):
        wanted = policy["spec"]["podSelector"].get("matchLabels", {})
        if direction in policy["spec"]["policyTypes"] and wanted.items() <= labels.items():
            chosen = True
            for rule in policy["spec"].get(direction.lower(), []):
                ports |= {port["port"] for port in rule["ports"]}
    assert chosen, "no policy selects it: everything is allowed"
    return ports


# Whom a program talks to stands in its settings.
REACHED = {"TOCSIN_KAFKA_BROKERS": {9092}, "TOCSIN_REDIS_URL": {6379}, "TOCSIN_WEBHOOK_URL": {443}, "TOCSIN_SMTP_URL": {465, 587}}


@case
def kubernetes_lets_nobody_talk_to_whom_he_need_not():
    documents = rendered("distributed")
    for workload, pod in workloads(documents):
        labels, command = workload["spec"]["template"]["metadata"]["labels"], pod["containers"][0]["command"]
        # `tocsin topics` reads the settings of all its commands and asks Kafka only.
        settings = {"TOCSIN_KAFKA_BROKERS"} if command == ["tocsin", "topics", "apply"] else settings_of(command)
        reach = {53}.union(*(ports for setting, ports in REACHED.items() if setting in settings))
        assert allowed(documents, labels, "Egress") == reach, (command, allowed(documents, labels, "Egress"))
        assert allowed(documents, labels, "Ingress") == {9090} | ({8080} if "TOCSIN_ADMIN_KEY" in settings else set()), command


sys.exit(main())
