#!/usr/bin/env python3
"""The metrics table against the sources: every metric is updated, with the operation and labels of its row."""
import re
import sys
from pathlib import Path

from cases import case, main

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "shared/io/system/metrics.c"
HEADER = ROOT / "shared/io/system/metrics.h"
CALLS = {"counter": {"add"}, "gauge": {"add", "set"}, "histogram": {"observe_us"}}


def rows():
    """{id: (name, type, labels)}"""
    found = re.findall(r"\[(METRIC_\w+)\] = \{ \"(\w+)\", METRIC_(\w+), \{ ([^}]*) \}", TABLE.read_text())
    return {id: (name, type.lower(), re.findall(r'"(\w+)"', labels)) for id, name, type, labels in found}


def calls():
    """[(id, operation, label values, file)] of all calls outside the tests."""
    sources = [path for part in ("services", "shared") for path in sorted((ROOT / part).rglob("*.c")) if path != TABLE]
    call = r"metric_(\w+)\((METRIC_\w+), ((?:[^,()]|\((?:[^()]|\([^()]*\))*\))+), ((?:[^,()]|\((?:[^()]|\([^()]*\))*\))+),"
    return [(id, operation, [first.strip(), second.strip()], str(path.relative_to(ROOT)))
            for path in sources for operation, id, first, second in re.findall(call, path.read_text())]


@case
def every_metric_is_updated():
    counted = {id for id, *_ in calls()}
    assert len(rows()) > 10 and rows().keys() == counted, rows().keys() ^ counted


@case
def every_call_matches_its_row():
    for id, operation, values, where in calls():
        name, type, labels = rows()[id]
        assert operation in CALLS[type], f"{where}: {name} is a {type}"
        assert [value != "NULL" for value in values] == [len(labels) > 0, len(labels) > 1], f"{where}: {name} has the labels {labels}"


@case
def the_header_agrees_with_the_table():
    declared = re.findall(r"(METRIC_\w+), +/\* (\w+)(?:\{([\w,]*)\})?", HEADER.read_text())
    assert [id for id, *_ in declared] == list(rows()), set(rows()) ^ {id for id, *_ in declared}
    for id, name, labels in declared:
        assert (name, [label for label in labels.split(",") if label]) == (rows()[id][0], rows()[id][2]), id


sys.exit(main())
