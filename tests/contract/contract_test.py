#!/usr/bin/env python3
"""The contract in proto/ against the tables of the program, which dump_tables prints. `make contracts` generates
parts of proto/ from the field tables: these parts must be up to date. All other parts are compared with the tables."""
import copy
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import jsonschema
import yaml

from cases import case, main

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import contracts

PROTO = ROOT / "proto"
BUILD = os.environ.get("BUILD", "build")
PREFIX = contracts.PREFIX


def tables():
    program = ROOT / BUILD / "tools/dump_tables"
    subprocess.run(["make", "-s", f"BUILD={BUILD}", f"{BUILD}/tools/dump_tables"], cwd=ROOT, check=True, stdout=sys.stderr)
    return json.loads(subprocess.run([program], check=True, stdout=subprocess.PIPE).stdout)


TABLES = tables()
SCHEMAS = {path.stem: json.loads(path.read_text()) for path in sorted((PROTO / "schemas").glob("*.json"))}
OPENAPI = yaml.safe_load((PROTO / "openapi.yaml").read_text())
ASYNCAPI = yaml.safe_load((PROTO / "asyncapi.yaml").read_text())
VALID = sorted((PROTO / "examples/valid").glob("*.json"))
INVALID = sorted((PROTO / "examples/invalid").glob("*.json"))

CHECKER = jsonschema.FormatChecker()


@CHECKER.checks("date-time")
def is_date_time(value):
    pattern = r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)"
    return not isinstance(value, str) or re.fullmatch(pattern, value) is not None


def inlined(node):
    """Replaces references between schema files by their targets."""
    if isinstance(node, dict):
        if node.get("$ref", "").startswith(PREFIX):
            return inlined(bare(SCHEMAS[node["$ref"][len(PREFIX):]]))
        return {name: inlined(value) for name, value in node.items()}
    return [inlined(value) for value in node] if isinstance(node, list) else node


def bare(schema):
    return {name: value for name, value in schema.items() if name not in ("$schema", "$id")}


def schema_of(path):
    """The schema of an example: the longest schema name with which the file name begins."""
    names = [name for name in SCHEMAS if path.stem == name or path.stem.startswith(name + "-")]
    assert names, f"{path.name}: begins with the name of no schema"
    return max(names, key=len)


def mistakes(schema, document):
    validator = jsonschema.Draft202012Validator(inlined(bare(schema)), format_checker=CHECKER)
    return [f"{list(error.absolute_path)}: {error.message[:200]}" for error in validator.iter_errors(document)]


def in_openapi(pointer):
    node = OPENAPI
    for part in pointer.removeprefix("#/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


def resolved(node):
    """Replaces references within openapi.yaml by their targets."""
    if isinstance(node, dict):
        if "$ref" in node:
            return resolved(in_openapi(node["$ref"]))
        return {name: resolved(value) for name, value in node.items()}
    return [resolved(value) for value in node] if isinstance(node, list) else node


def operations():
    for path, item in OPENAPI["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def media(node):
    """Every (media type, object) below a node of openapi.yaml."""
    if isinstance(node, dict):
        for kind, value in node.get("content", {}).items() if isinstance(node.get("content"), dict) else ():
            yield kind, value
        for value in node.values():
            yield from media(value)
    elif isinstance(node, list):
        for value in node:
            yield from media(value)


# ---- schemas and examples


@case
def every_schema_is_a_schema():
    for name, schema in SCHEMAS.items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["$id"] == PREFIX + name, name
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema", name


@case
def every_valid_example_fits_its_schema():
    assert VALID
    for path in VALID:
        found = mistakes(SCHEMAS[schema_of(path)], json.loads(path.read_text()))
        assert not found, f"{path.name}: {found}"


@case
def every_invalid_example_is_refused_by_its_schema():
    assert INVALID
    for path in INVALID:
        assert path.with_suffix(".pointer").exists(), f"{path.name}: has no .pointer file"
        assert mistakes(SCHEMAS[schema_of(path)], json.loads(path.read_text())), f"{path.name} is valid"


@case
def every_schema_has_an_example():
    seen = {schema_of(path) for path in VALID}
    assert not set(SCHEMAS) - seen, set(SCHEMAS) - seen


# ---- generated parts


def stale(change=lambda proto: None, tables=TABLES):
    """The generated parts of a copy of proto/ that are stale after a change of the copy or of the tables."""
    with tempfile.TemporaryDirectory() as directory:
        proto = Path(directory) / "proto"
        shutil.copytree(PROTO, proto)
        change(proto)
        found = contracts.stale_parts(tables, proto)
        contracts.write(tables, proto)
        assert not contracts.stale_parts(tables, proto), "a second run changes something"
        return found


def edited(path, before, after):
    def change(proto):
        text = (proto / path).read_text()
        assert before in text, f"{path}: {before!r}"
        (proto / path).write_text(text.replace(before, after, 1))
    return change


def with_incident_field(**members):
    """The tables after a row `added_member` was added to the incident."""
    tables = copy.deepcopy(TABLES)
    fields = next(document["fields"] for document in tables["documents"] if document["name"] == "incident")
    row = {name: None if not isinstance(value, (bool, int)) else type(value)(0) for name, value in fields[0].items()}
    fields.insert(3, row | {"name": "added_member", "type": "text", "sentence": "A member that no document has"} | members)
    return tables


@case
def make_contracts_changes_nothing():
    found = contracts.stale_parts(TABLES, PROTO)
    assert not found, f"run `make contracts`: {found}"


@case
def a_stale_schema_is_found_by_name():
    assert stale(edited("schemas/event.json", '"maxLength": 512', '"maxLength": 511')) == ["schemas/event.json"]
    assert stale(lambda proto: (proto / "schemas/join.json").unlink()) == ["schemas/join.json"]
    assert stale(lambda proto: (proto / "schemas/old.json").write_text("{}")) == ["schemas/old.json: no table describes it"]


@case
def a_stale_block_of_openapi_is_found_by_name():
    assert stale(edited("openapi.yaml", "        - name: severity\n", "        - name: hardness\n")) == \
        ["openapi.yaml: filters: severity, hardness"]
    assert stale(edited("openapi.yaml", "          - acknowledge\n          - assign\n", "          - assign\n")) == \
        ["openapi.yaml: commands: acknowledge"]
    assert stale(edited("openapi.yaml", "    Webhook:\n      title: Webhook", "    Webhook:\n      title: Hook")) == \
        ["openapi.yaml: schemas: Webhook"]
    assert stale(edited("openapi.yaml", "number: INC-", "number: inc-"))[0].startswith("openapi.yaml: example incident-")


@case
def a_block_without_its_marker_is_found_by_name():
    for name in contracts.BLOCKS:
        try:
            stale(edited("openapi.yaml", contracts.END.format(name) + "\n", "\n"))
        except SystemExit as refusal:
            assert name in str(refusal), refusal
        else:
            raise AssertionError(name)


@case
def a_new_member_reaches_every_place_that_shows_it():
    examples = [path for path in VALID if schema_of(path) in ("incident", "webhook")]
    assert set(stale(tables=with_incident_field())) == {
        "schemas/incident.json", "openapi.yaml: schemas: Incident", *(f"examples/valid/{path.name}" for path in examples),
        "openapi.yaml: example incident-closed: added_member", "openapi.yaml: example incident-from-report: added_member",
        "openapi.yaml: example incident-from-report: inc_01m858gtmx3zjzmk6vxms14ajg", "openapi.yaml: example webhook-opened: data"}
    assert "openapi.yaml: filters: added_member" in stale(tables=with_incident_field(filter=True))
    assert "openapi.yaml: filters: q" in stale(tables=with_incident_field(search=True))


@case
def a_missing_flag_is_found_by_name():
    tables = copy.deepcopy(TABLES)
    fields = {field["name"]: field for document in tables["documents"] if document["name"] == "incident" for field in document["fields"]}
    fields["severity"]["filter"] = False
    fields["asset"]["search"] = False
    fields["version"]["always"] = False
    fields["links"]["omit_empty"] = False
    found = stale(tables=tables)
    assert "openapi.yaml: filters: q, severity" in found and "schemas/incident.json" in found, found


def strict_everywhere(where, schema):
    if "properties" in schema:
        assert schema.get("additionalProperties") is False, f"{where}: must refuse unknown members"
        for name, member in schema["properties"].items():
            strict_everywhere(f"{where}/{name}", member)
    if "items" in schema:
        strict_everywhere(where + "[]", schema["items"])


@case
def requests_are_strict():
    names = [name for name, command in TABLES["commands"].items() if not command["internal"]]
    assert len(names) > 5
    for name in ["event", "report"] + names:
        strict_everywhere(name, {key: value for key, value in SCHEMAS[name].items() if key != "anyOf"})


# ---- openapi.yaml


@case
def paths_are_the_routes():
    documented = {(method, path, operation["operationId"]) for method, path, operation in operations()}
    routed = {(route["method"], route["path"], route["operation"]) for route in TABLES["routes"]}
    assert documented == routed, documented ^ routed


@case
def open_routes_need_no_key_and_others_do():
    by_operation = {route["operation"]: route for route in TABLES["routes"]}
    assert OPENAPI["security"] == [{"key": []}]
    for _, path, operation in operations():
        route = by_operation[operation["operationId"]]
        assert (operation.get("security") == []) == route["open"], path
        assert ("401" in operation["responses"]) != route["open"], path
        assert ("requestBody" in operation) == route["body"], path


@case
def path_parameters_are_described():
    for method, path, operation in operations():
        wanted = set(re.findall(r"{(\w+)}", path))
        parameters = resolved(operation.get("parameters", []))
        found = {parameter["name"] for parameter in parameters if parameter["in"] == "path"}
        assert wanted == found, f"{method} {path}"


@case
def every_problem_code_is_documented_with_its_status():
    documented = {}
    for response in OPENAPI["components"]["responses"].values():
        for example in response["content"]["application/problem+json"]["examples"].values():
            documented[example["value"]["code"]] = (example["value"]["status"], example["value"]["title"])
    table = {code: (row["status"], row["title"]) for code, row in TABLES["problems"].items()}
    assert documented == table, set(documented.items()) ^ set(table.items())


@case
def responses_stand_under_the_status_of_their_codes():
    for method, path, operation in operations():
        for status, response in operation["responses"].items():
            for kind, value in media({"content": resolved(response).get("content", {})}):
                for example in value.get("examples", {}).values():
                    if kind == "application/problem+json":
                        assert str(example["value"]["status"]) == status, f"{method} {path} {status}"


@case
def every_example_of_openapi_fits():
    count = 0
    for _, value in media(OPENAPI):
        schema = resolved(value["schema"])
        for name, example in value.get("examples", {}).items():
            validator = jsonschema.Draft202012Validator(schema, format_checker=CHECKER)
            found = [error.message for error in validator.iter_errors(example["value"])]
            assert not found, f"{name}: {found[:3]}"
            count += 1
    assert count > 20


@case
def every_reference_of_openapi_has_a_target():
    text = (PROTO / "openapi.yaml").read_text()
    for pointer in re.findall(r"\$ref: '(#[^']+)'", text):
        in_openapi(pointer)


@case
def every_component_of_openapi_is_referenced():
    text = (PROTO / "openapi.yaml").read_text()
    for kind in ("schemas", "responses", "parameters", "headers"):
        for name in OPENAPI["components"][kind]:
            if name != "Delivery" and name != "MethodNotAllowed":
                assert f"'#/components/{kind}/{name}'" in text, f"{kind}/{name}"


@case
def openapi_has_version_licence_and_unique_operations():
    assert OPENAPI["openapi"].startswith("3.1.")
    assert OPENAPI["info"]["license"]["identifier"] == "Apache-2.0"
    identifiers = [operation["operationId"] for _, _, operation in operations()]
    assert len(identifiers) == len(set(identifiers))


@case
def the_served_description_equals_openapi_yaml():
    assert TABLES["description"] == OPENAPI


# ---- asyncapi.yaml


def channel_topics():
    return {channel["address"]: channel for channel in ASYNCAPI["channels"].values()}


@case
def channels_are_the_topics():
    channels = channel_topics()
    assert set(channels) == set(TABLES["topics"])
    for name, topic in TABLES["topics"].items():
        assert channels[name]["x-kind"] == topic["kind"], name
        assert channels[name]["x-slotted"] == topic["slotted"], name
        assert channels[name]["description"].startswith(topic["sentence"] + ". "), name
        days = topic["retention_ms"] // 86400000
        assert (f"kept {days} days" in channels[name]["description"]) == (topic["retention_ms"] > 0), name


@case
def texts_say_for_how_long_commands_are_kept():
    days = TABLES["topics"]["tocsin.commands"]["retention_ms"] // 86400000
    said = re.compile(r"(?:[Cc]ommands? are|Command ids are|Status of a command;|commands of the last)\s(?:kept for )?(\d+)\sdays")
    for page, times in (("proto/openapi.yaml", 2), ("proto/schemas/command-status.json", 1), ("docs/design/ownership.md", 1),
                        ("services/gateway/view.h", 1)):
        assert said.findall((ROOT / page).read_text()) == [str(days)] * times, page


@case
def messages_are_the_record_types():
    messages = ASYNCAPI["components"]["messages"]
    documented = {message["headers"]["properties"]["ce_type"]["const"] for message in messages.values()}
    assert documented == set(TABLES["types"]), documented ^ set(TABLES["types"])
    used = {message["$ref"].rsplit("/", 1)[1] for channel in ASYNCAPI["channels"].values()
            for message in channel["messages"].values()}
    assert used == set(messages), used ^ set(messages)


@case
def payloads_name_existing_schemas():
    for name, message in ASYNCAPI["components"]["messages"].items():
        reference = message["payload"].get("$ref")
        if reference:
            assert (PROTO / reference).exists(), name


@case
def operations_match_the_inputs_and_outputs_of_the_services():
    def topic_of(operation):
        return ASYNCAPI["channels"][operation["channel"]["$ref"].rsplit("/", 1)[1]]["address"]

    documented = {(operation["tags"][0]["name"], operation["action"], topic_of(operation))
                  for operation in ASYNCAPI["operations"].values()}
    wanted = {("gateway", "send", topic) for topic in ("tocsin.events", "tocsin.commands", "tocsin.policies")}
    for name, service in TABLES["services"].items():
        wanted |= {(name, "receive", topic) for topic in service["inputs"]}
        wanted |= {(name, "send", topic) for topic in service["outputs"] + ["tocsin.dead-letters"]}
        wanted |= {(name, "send", service["ledger"])} if service["ledger"] else set()
    assert documented == wanted, documented ^ wanted


@case
def ledger_records_carry_the_ledger_headers():
    messages = ASYNCAPI["components"]["messages"]
    for address, channel in channel_topics().items():
        for reference in channel["messages"].values():
            message = messages[reference["$ref"].rsplit("/", 1)[1]]
            assert bool(message.get("traits")) == (TABLES["topics"][address]["kind"] == "ledger"), address


if __name__ == "__main__":
    sys.exit(main())
