#!/usr/bin/env python3
"""Writes the generated parts of proto/ from the tables of the program, which build/tools/dump_tables prints.

    contracts.py [--check] [--proto DIR] [--docs DIR] [--tables FILE]     # `make contracts`; --check only lists the stale parts

Generated are all of proto/schemas, and in proto/openapi.yaml the blocks between the markers BEGIN and END: the filters of the list of
incidents, the names and bodies of the commands, the schemas of requests and answers, and copies of some examples; and in the pages for
integrators the diagrams of the lifecycles. Paths and prose are written by
hand. So are the examples in proto/examples/valid, but those of answers are completed: members that they lack are added as null.
proto/asyncapi.yaml has no generated part: it names the members of records only by references to proto/schemas.
"""
import argparse
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
PREFIX = "urn:tocsin:schema:"
INT64_MAX = 2**63 - 1
JSON_TYPES = {"text": "string", "integer": "integer", "boolean": "boolean", "time": "string", "choice": "string",
              "object": "object", "list": "array", "free": "object"}
FILTER_VALUES_MAX = 64
BEGIN, END = "# ---- {}: written by `make contracts`", "# ---- end of {}"
WIDTH = 126


# ---- schemas of documents


def document_of(command, name):
    """The arguments of a command, described as a separate document."""
    return command["arguments"] | {"name": name, "title": name.replace("-", " ").capitalize() + " (command)",
                                   "sentence": command["sentence"] + ".", "use": "request", "one_of": command["one_of"]}


def documents_of(tables):
    """All documents and the arguments of the commands of clients, by name."""
    commands = [document_of(command, name) for name, command in tables["commands"].items() if not command["internal"]]
    return {document["name"]: document for document in tables["documents"] + commands}


def needs_value(field):
    return field["required"] or field["always"]


def text_bounds(field):
    if field["choices"]:
        return {}
    low, high = max(field["min"], 1 if field["not_empty"] else 0), field["max"]
    return ({"minLength": low} if low else {}) | ({"maxLength": high} if high else {})


def integer_bounds(field):
    if field["min"] == 0 and field["max"] == 0:
        return {}
    return {"minimum": field["min"]} | ({"maximum": field["max"]} if field["max"] != INT64_MAX else {})


def item_schema(field, use):
    if field["item"] == "object":
        return part_schema(field["table"], use)
    if field["item"] == "choice":
        return {"type": "string", "enum": field["choices"]}
    low = {"minLength": 1} if field["not_empty"] else {}
    return {"type": JSON_TYPES[field["item"]]} | (low | {"maxLength": field["item_max"] or 256} if field["item"] == "text" else {})


def list_bounds(field):
    return ({"minItems": field["min"]} if field["min"] else {}) | ({"maxItems": field["max"]} if field["max"] else {})


def part_schema(table, use):
    """The schema of a table nested in a document with this use. In an answer, a table with a title has a separate
    schema, to which a reference is returned."""
    if table["title"] and use == "answer":
        return {"$ref": PREFIX + table["name"]}
    return object_schema(table, use)


def object_schema(table, use):
    required = [field["name"] for field in table["fields"]
                if (not field["omit_empty"] and not field["restricted"] if use == "answer" else needs_value(field))]
    schema = {"type": "object"} | ({"required": required} if required else {})
    schema["properties"] = {field["name"]: field_schema(field, use) for field in table["fields"]}
    return schema | ({"additionalProperties": False} if use == "request" else {})


def own_schema(field, use):
    """The schema of a field without its description and without null as a value."""
    kind = field["type"]
    if kind == "any":
        return {}
    if kind == "object" or (kind == "free" and field["table"] and use == "answer"):
        return part_schema(field["table"], use)
    schema = {"type": JSON_TYPES[kind]}
    if kind == "text":
        schema |= text_bounds(field) | ({"pattern": field["pattern"]} if field["pattern"] else {})
    elif kind == "integer":
        schema |= integer_bounds(field)
    elif kind == "time":
        schema["format"] = "date-time"
    elif kind == "list":
        schema |= {"items": item_schema(field, use)} | list_bounds(field)
    if kind in ("text", "choice") and field["choices"]:
        schema["enum"] = field["choices"]
    return schema


def or_null(schema):
    if "$ref" in schema:
        return {"oneOf": [schema, {"type": "null"}]}
    if "type" not in schema:
        return schema
    return schema | {"type": [schema["type"], "null"]} | ({"enum": schema["enum"] + [None]} if "enum" in schema else {})


def field_schema(field, use):
    schema = own_schema(field, use)
    if not needs_value(field) and not (use == "answer" and field["omit_empty"]):
        schema = or_null(schema)
    sentence = field["sentence"] and field["sentence"] + (f" (since {field['since']})" if field["since"] else "")
    if field["fallback"] is not None:
        schema["default"] = field["fallback"] if field["type"] in ("text", "choice") else json.loads(field["fallback"])
    return ({"description": sentence} if sentence else {}) | schema


def document_schema(document):
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": PREFIX + document["name"],
            "title": document["title"], "description": document["sentence"]}
    schema = head | object_schema(document, document["use"])
    if document.get("one_of"):
        schema["anyOf"] = [{"required": [name], "properties": {name: {"type": "string"}}} for name in document["one_of"]]
    return schema


# ---- examples


def completed(node, table, documents):
    """An example of an answer with all members in the order of the table. Members that it lacked and that may be null are null."""
    if not isinstance(node, dict):
        return node
    fields = {field["name"]: field for field in table["fields"]}
    nested = {name: field["table"] for name, field in fields.items() if field["type"] in ("object", "free") and field["table"]}
    nested = {name: documents.get(part["name"], part) for name, part in nested.items()}
    order = [name for name, field in fields.items() if name in node or not (needs_value(field) or field["omit_empty"])]
    order += [name for name in node if name not in fields]
    return {name: completed(node.get(name), nested[name], documents) if name in nested else node.get(name) for name in order}


def examples_of(documents, proto):
    """The example documents of answers by the names of their files."""
    answers = sorted((name for name, document in documents.items() if document["use"] == "answer"), key=len, reverse=True)
    found = {}
    for path in sorted((proto / "examples/valid").glob("*.json")):
        name = next((name for name in sorted(documents, key=len, reverse=True) if path.stem.startswith(name)), None)
        if name in answers:
            found[path.stem] = completed(json.loads(path.read_text()), documents[name], documents)
    return found


# ---- YAML


def scalar(value, context="{{k: {}}}"):
    """A value on one line. context: "k: {}" if the value is used only in block style; the default also permits flow style."""
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        plain = yaml.safe_load(context.format(value)) == {"k": value}
    except yaml.YAMLError:
        plain = False
    return value if plain else "'" + value.replace("'", "''") + "'"


def flow(node):
    if isinstance(node, dict):
        return "{" + ", ".join(f"{scalar(name)}: {flow(value)}" for name, value in node.items()) + "}"
    return "[" + ", ".join(flow(value) for value in node) + "]" if isinstance(node, list) else scalar(node)


def is_leaf(node):
    """True for values that stand on one line if they fit."""
    if isinstance(node, dict):
        return "description" not in node and all(not isinstance(value, (dict, list)) for value in node.values())
    return not isinstance(node, list) or all(not isinstance(value, (dict, list)) for value in node)


def member_lines(lead, node, indent):
    """The lines of `lead` ("name:" or "-") and a value."""
    short = f"{' ' * indent}{lead} {scalar(node, 'k: {}') if isinstance(node, str) else flow(node)}"
    if is_leaf(node) and len(short) <= WIDTH:
        return [short]
    if isinstance(node, str):
        return textwrap.wrap(short, WIDTH, subsequent_indent=" " * (indent + 2), break_long_words=False, break_on_hyphens=False)
    lines = block_lines(node, indent + 2)
    if lead == "-":
        return [f"{' ' * indent}- {lines[0].lstrip()}"] + lines[1:]
    return [" " * indent + lead] + lines


def block_lines(node, indent):
    if isinstance(node, dict):
        return [line for name, value in node.items() for line in member_lines(scalar(name) + ":", value, indent)]
    return [line for value in node for line in member_lines("-", value, indent)]


# ---- openapi.yaml


def component_of(name):
    return "".join(part.capitalize() for part in name.split("-"))


def as_component(node):
    if isinstance(node, dict):
        return {name: "#/components/schemas/" + component_of(value.removeprefix(PREFIX)) if name == "$ref" else as_component(value)
                for name, value in node.items() if name not in ("$schema", "$id")}
    return [as_component(value) for value in node] if isinstance(node, list) else node


def references(node):
    return set(re.findall(PREFIX + "([a-z-]+)", json.dumps([value for name, value in node.items() if name != "$id"])))


def schemas_block(documents):
    schemas = {name: document_schema(document) for name, document in documents.items()}
    shown = {name for name, document in documents.items() if document["use"] != "record"}
    shown |= {name for known in shown for name in references(schemas[known])}
    return {component_of(name): as_component(schema) for name, schema in schemas.items() if name in shown}


def filter_parameter(field):
    item = {name: value for name, value in own_schema(field, "answer").items() if name in ("type", "enum", "pattern")}
    if not field["form_is_checked"]:
        item.pop("pattern", None)
    return {"name": field["name"], "in": "query", "description": f"{field['sentence']}; any of these values",
            "style": "form", "explode": False, "schema": {"type": "array", "items": item, "maxItems": FILTER_VALUES_MAX}}


def search_parameter(fields):
    names = [field["name"] for field in fields if field["search"]]
    return {"name": "q", "in": "query", "description": f"Substring of {', '.join(names[:-1])} or {names[-1]}; ASCII letters in either case",
            "schema": {"type": "string", "maxLength": 4096}}


def filters_block(documents):
    fields = documents["incident"]["fields"]
    return [filter_parameter(field) for field in fields if field["filter"]] + [search_parameter(fields)]


def commands_block(tables):
    return {"enum": [name for name, command in tables["commands"].items() if not command["internal"]]}


def bodies_block(tables, proto):
    """Schema and examples of the body of a command."""
    names = commands_block(tables)["enum"]
    examples = {path.stem: {"value": json.loads(path.read_text())} for name in names
                for path in sorted((proto / "examples/valid").glob(f"{name}-*.json"))}
    return {"schema": {"anyOf": [{"$ref": "#/components/schemas/" + component_of(name)} for name in names]}, "examples": examples}


def blocks_of(tables, examples, proto):
    """The content of each block of openapi.yaml that may be generated."""
    documents = documents_of(tables)
    blocks = {"filters": filters_block(documents), "commands": commands_block(tables), "bodies": bodies_block(tables, proto),
              "schemas": schemas_block(documents)}
    return blocks | {f"example {name}": example for name, example in examples.items()}


BLOCKS = ("filters", "commands", "bodies", "schemas")


BLOCK = re.compile("^( *)" + BEGIN.format("([^:\n]+)") + "\n(.*?)^ *" + END.format(r"\2") + "\n", re.M | re.S)


def block_text(name, content, indent):
    lines = [BEGIN.format(name)] + [line[indent:] for line in block_lines(content, indent)] + [END.format(name)]
    return "".join(f"{' ' * indent}{line}\n" for line in lines)


def members(content):
    if isinstance(content, dict):
        content = content.get("enum", content)
    if isinstance(content, list):
        return {str(entry.get("name", entry.get("id")) if isinstance(entry, dict) else entry): entry for entry in content}
    return content or {}


def differences(before, after):
    """The names of members that differ between two contents of a block; both may differ in layout only."""
    before, after = members(before), members(after)
    names = list(after) + [name for name in before if name not in after]
    return [name for name in names if name not in before or name not in after or before[name] != after[name]]


def openapi_of(text, blocks):
    """The text with its blocks replaced, and the names of stale members."""
    stale, names = [], []

    def replaced(found):
        indent, name, old = found.groups()
        if name not in blocks:
            raise SystemExit(f"openapi.yaml: no table or example is named {name}")
        names.append(name)
        content = blocks[name]
        if name.startswith("example ") and text[:found.start()].endswith("items:\n"):
            content = [content]
        new = block_text(name, content, len(indent))
        if new != found[0]:
            stale.append(f"openapi.yaml: {name}: {', '.join(differences(yaml.safe_load(old), content)) or 'layout'}")
        return new

    text = BLOCK.sub(replaced, text)
    missing = [name for name in BLOCKS if name not in names]
    if missing:
        raise SystemExit(f"openapi.yaml: has no line {BEGIN.format(missing[0])!r}, or none {END.format(missing[0])!r} after it")
    return text, stale


# ---- pages

PAGES = ("integrators.md", "integrators.zh-CN.md")
PICTURE = re.compile(r"<!-- lifecycle ([a-z]+), written by make contracts -->\n.*?<!-- end of lifecycle \1 -->\n", re.S)


def page_of(name, text, tables):
    """The text of a page with its diagrams replaced, and the names of the stale ones."""
    stale, names = [], []

    def replaced(found):
        kind = found[1]
        names.append(kind)
        new = (f"<!-- lifecycle {kind}, written by make contracts -->\n```mermaid\n{tables['lifecycles'][kind]}```\n"
               f"<!-- end of lifecycle {kind} -->\n")
        if new != found[0]:
            stale.append(f"{name}: lifecycle {kind}")
        return new

    text = PICTURE.sub(replaced, text)
    if sorted(names) != sorted(tables["lifecycles"]):
        raise SystemExit(f"{name}: has the lifecycles {names}, not {list(tables['lifecycles'])}")
    return text, stale


# ---- all files


def files_of(tables, proto, docs):
    """The text of every generated file by its path (None: to be removed), and the stale parts."""
    documents = documents_of(tables)
    examples = examples_of(documents, proto)
    contents = {f"schemas/{name}.json": document_schema(document) for name, document in documents.items()}
    contents |= {f"examples/valid/{name}.json": example for name, example in examples.items()}
    texts = {path: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for path, content in contents.items()}
    texts |= {f"schemas/{path.name}": None for path in (proto / "schemas").glob("*.json") if f"schemas/{path.name}" not in texts}
    stale = [path + (": no table describes it" if text is None else "") for path, text in texts.items()
             if text is None or not (proto / path).exists() or (proto / path).read_text() != text]
    texts["openapi.yaml"], more = openapi_of((proto / "openapi.yaml").read_text(), blocks_of(tables, examples, proto))
    texts, stale = {proto / path: text for path, text in texts.items()}, stale + more
    for name in PAGES:
        texts[docs / name], more = page_of(name, (docs / name).read_text(), tables)
        stale += more
    return texts, stale


def stale_parts(tables, proto, docs=ROOT / "docs"):
    return files_of(tables, proto, docs)[1]


def write(tables, proto, docs=ROOT / "docs"):
    texts, stale = files_of(tables, proto, docs)
    for path, text in texts.items():
        if text is None:
            path.unlink()
        elif not path.exists() or path.read_text() != text:
            path.write_text(text)
    return stale


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; list the stale parts and exit with 1 if there are any")
    parser.add_argument("--proto", type=Path, default=ROOT / "proto")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    parser.add_argument("--tables", type=Path, help="output of dump_tables; default: run it")
    options = parser.parse_args()
    program = [ROOT / "build/tools/dump_tables"]
    text = options.tables.read_text() if options.tables else subprocess.run(program, check=True, stdout=subprocess.PIPE).stdout
    stale = (stale_parts if options.check else write)(json.loads(text), options.proto, options.docs)
    for part in stale:
        print(f"{part}: {'is stale: run `make contracts`' if options.check else 'written'}")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
