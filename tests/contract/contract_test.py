#!/usr/bin/env python3
"""The contract in proto/ against the tables of the program, which dump_tables prints."""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import yaml

from cases import case, main

ROOT = Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto"
BUILD = os.environ.get("BUILD", "build")
INT64_MAX = 2**63 - 1
PREFIX = "urn:tocsin:schema:"


def tables():
    program = ROOT / BUILD / "tests/contract/dump_tables"
    subprocess.run(["make", "-s", f"BUILD={BUILD}", f"{BUILD}/tests/contract/dump_tables"], cwd=ROOT, check=True,
                   stdout=sys.stderr)
    return json.loads(subprocess.run([program], check=True, stdout=subprocess.PIPE).stdout)


TABLES = tables()
SCHEMAS = {path.stem: json.loads(path.read_text()) for path in sorted((PROTO / "schemas").glob("*.json"))}
OPENAPI = yaml.safe_load((PROTO / "openapi.yaml").read_text())
ASYNCAPI = yaml.safe_load((PROTO / "asyncapi.yaml").read_text())
VALID = sorted((PROTO / "examples/valid").glob("*.json"))
INVALID = sorted((PROTO / "examples/invalid").glob("*.json"))

# {component of openapi.yaml: its schema}, for components whose schema has another name.
COMPONENTS = {"CommandStatus": "command-status", "FalseAlarm": "false-alarm"}
# Members of answers that are texts in the field table and enums in the contract.
ANSWER_WORDS = {"kind": "kind", "status": "status", "severity": "severity", "grade": "grade",
                "damage_level": "damage_level", "resolution": "resolution"}

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


# ---- field tables


def types_of(schema):
    kinds = schema.get("type", [])
    return set([kinds] if isinstance(kinds, str) else kinds)


JSON_TYPES = {"text": "string", "integer": "integer", "boolean": "boolean", "time": "string", "choice": "string",
              "object": "object", "list": "array", "free": "object"}


def compare_bounds(where, field, schema):
    kind = field["type"]
    low, high = {"text": ("minLength", "maxLength"), "integer": ("minimum", "maximum"),
                 "list": ("minItems", "maxItems")}.get(kind, (None, None))
    if low is None or (field["min"] == 0 and field["max"] == 0 and not field["not_empty"]):
        return
    floor = field["min"] or (1 if field["not_empty"] and kind == "text" else 0)
    assert schema.get(low, 0) >= floor, f"{where}: {low}"
    if field["max"] not in (0, INT64_MAX):
        assert schema.get(high) == field["max"], f"{where}: {high} {schema.get(high)} is not {field['max']}"


def compare_field(where, field, schema, answer):
    kind = field["type"]
    if kind == "any":
        return
    assert JSON_TYPES[kind] in types_of(schema), f"{where}: is {types_of(schema)}, not {kind}"
    if field["required"]:
        assert "null" not in types_of(schema), f"{where}: may not be null"
    elif not answer:
        assert "null" in types_of(schema), f"{where}: may be null"
    assert not field["sentence"] or schema.get("description") == field["sentence"], f"{where}: differs from the sentence of the field table"
    compare_bounds(where, field, schema)
    if kind == "time":
        assert schema["format"] == "date-time", where
    if kind == "choice":
        assert [word for word in schema["enum"] if word is not None] == field["choices"], where
    if kind == "object":
        compare_table(where, field["table"], schema, answer)
    if kind == "list":
        compare_item(where + "[]", field, schema["items"], answer)


def compare_item(where, field, schema, answer):
    if field["item"] == "object":
        compare_table(where, field["table"], schema, answer)
    elif field["item"] == "choice":
        assert schema["enum"] == field["choices"], where
    else:
        assert schema["maxLength"] == (field["item_max"] or 256), where


def compare_table(where, fields, schema, answer=False):
    names = [field["name"] for field in fields]
    assert list(schema["properties"]) == names, f"{where}: different members or order"
    required = {field["name"] for field in fields if field["required"] or answer}
    assert set(schema.get("required", [])) == required, f"{where}: different required members"
    for field in fields:
        compare_field(f"{where}/{field['name']}", field, schema["properties"][field["name"]], answer)


def strict_everywhere(where, schema):
    if "properties" in schema:
        assert schema.get("additionalProperties") is False, f"{where}: must refuse unknown members"
        for name, member in schema["properties"].items():
            strict_everywhere(f"{where}/{name}", member)
    if "items" in schema:
        strict_everywhere(where + "[]", schema["items"])


def without(schema, names):
    return schema | {"properties": {name: value for name, value in schema["properties"].items() if name not in names}}


@case
def schemas_are_the_field_tables():
    for name, fields in TABLES["tables"].items():
        if name in SCHEMAS and name not in ("delivery", "incident"):
            compare_table(name, fields, SCHEMAS[name])
    missing = set(TABLES["tables"]) - set(SCHEMAS) - {"incident-more"}
    assert not missing, missing


@case
def an_incident_has_its_members_and_optional_ones():
    members, more = (TABLES["tables"][name] for name in ("incident", "incident-more"))
    names = [[field["name"] for field in fields] for fields in (members, more)]
    compare_table("incident", members, without(SCHEMAS["incident"], names[1]), answer=True)
    assert list(SCHEMAS["incident"]["properties"]) == names[0] + names[1]
    for field in more:
        schema = SCHEMAS["incident"]["properties"][field["name"]]
        assert "null" not in types_of(schema), f"{field['name']}: is absent instead of null"
        compare_field(f"incident/{field['name']}", field, schema, answer=True)


@case
def commands_are_the_commands_table():
    for name, command in TABLES["commands"].items():
        if command["internal"]:
            assert name not in SCHEMAS
            continue
        assert SCHEMAS[name]["description"] == command["sentence"] + ".", name
        compare_table(name, command["arguments"], SCHEMAS[name])
        strict_everywhere(name, {key: value for key, value in SCHEMAS[name].items() if key != "anyOf"})
        one_of = [entry["required"][0] for entry in SCHEMAS[name].get("anyOf", [])]
        assert one_of == (command["one_of"] or []), name


@case
def documents_of_senders_are_strict():
    for name in ("event", "report"):
        strict_everywhere(name, SCHEMAS[name])


@case
def words_of_answers_are_the_words_of_the_tables():
    properties = SCHEMAS["incident"]["properties"]
    for member, words in ANSWER_WORDS.items():
        assert [word for word in properties[member]["enum"] if word] == TABLES["words"][words], member
    assert SCHEMAS["entry"]["properties"]["type"]["enum"] == TABLES["words"]["entry"] + ["delivery"]
    assert SCHEMAS["delivery"]["properties"]["state"]["enum"] == TABLES["words"]["delivery_state"]


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
    assert SCHEMAS["problem"]["properties"]["code"]["enum"] == list(TABLES["problems"])


@case
def responses_stand_under_the_status_of_their_codes():
    for method, path, operation in operations():
        for status, response in operation["responses"].items():
            for kind, value in media({"content": resolved(response).get("content", {})}):
                for example in value.get("examples", {}).values():
                    if kind == "application/problem+json":
                        assert str(example["value"]["status"]) == status, f"{method} {path} {status}"


@case
def components_are_the_schemas():
    def renamed(node):
        if isinstance(node, dict):
            return {name: "#/components/schemas/" + component_of(value[len(PREFIX):])
                    if name == "$ref" and value.startswith(PREFIX) else renamed(value) for name, value in node.items()}
        return [renamed(value) for value in node] if isinstance(node, list) else node

    def component_of(name):
        return "".join(part.capitalize() for part in name.split("-"))

    shared = [name for name in SCHEMAS if component_of(name) in OPENAPI["components"]["schemas"]]
    assert {"event", "report", "incident", "entry", "problem", "webhook", "command-status"} <= set(shared)
    for name in shared:
        assert OPENAPI["components"]["schemas"][component_of(name)] == renamed(bare(SCHEMAS[name])), name


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
def filters_are_the_filter_table():
    listing = resolved(OPENAPI["paths"]["/v1/incidents"]["get"]["parameters"])
    names = [parameter["name"] for parameter in listing]
    assert names == TABLES["filters"] + ["q", "limit", "cursor"]
    for parameter in listing:
        words = TABLES["words"].get(parameter["name"])
        if words:
            assert parameter["schema"]["items"]["enum"] == words, parameter["name"]


@case
def commands_in_openapi_are_the_commands_table():
    public = [name for name, command in TABLES["commands"].items() if not command["internal"]]
    assert OPENAPI["components"]["parameters"]["Command"]["schema"]["enum"] == public


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
