#!/usr/bin/env python3
"""Finds mistakes in C that no compiler refuses: calls.py [ROOT]. Exits with 1 if there are any.

- A Result that is cast to void instead of being handled; a result_ignore without a comment on its line or the three above.
- SQL that need not be a literal: only the files of SQL_CALLERS may call the functions that take any text. The macros store_run,
  store_query, sqlite_file_run and so on accept literals only, so that no value of a client can become part of a text.
- A variable FieldErrors without FIELD_ERRORS_AUTO, whose list would leak.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("shared", "services", "tests", "tools")
# RETURNS finds functions that return a Result, and pointers to and types of such functions; MACRO finds macros, which may call one.
RETURNS = re.compile(r"\bResult\s+(?:\(\s*\*\s*(?:const\s+)?)?(\w+)(?:\[\w*\])?\)?\s*\(")
MACRO = re.compile(r"#define (\w+)\([^)]*\)\s*(?:\\\s*)?(\w+)\(")
CAST = re.compile(r"\(void\)\s*\(*((?:\w+(?:\([^()]*\))?(?:\[[^]]*\])?(?:->|\.))*)(\w+)\s*(?:\[[^]]*\])?\(")
IGNORE = re.compile(r"\bresult_ignore\((?!Result)")
COMMENTED_ABOVE = 3
UNRELEASED = re.compile(r"\bFieldErrors \w+ *[=;,]")
SQL_CALLERS = {
    # The text is composed of constant tables and numbers, because SQL cannot bind names of columns and tables.
    "store_query_composed": {
        "services/gateway/view.c",  # a search: the names of the filters are rows of incident_filters
        "services/cli/check_log.c",  # a table of bus.db: the name of a topic and the number of a partition
        "shared/runtime/state.c",  # columns that files of early versions lack
        "shared/runtime/projection.c",  # Service.projection.keys
        "tests/simulation/judge_state.c",  # all tables of a state, from their schema
        "tests/edge/store_test.c",
        "tests/support/every_input.c",
        "tests/unit/view_test.c",
    },
    "store_run_composed": {"services/gateway/view.c"},  # columns are rows of incident_table
    "store_run_table": {"shared/runtime/state.c", "tests/unit/timer_set_test.c"},  # the runtime's schema
    # Schemas (StoreOptions.steps), and the names of the tables that a reset drops.
    "sqlite_file_run_composed": {"shared/io/sqlite/store_open.c"},
    # The functions that the macros call, and functions of SQLite.
    "store_run_": set(),
    "store_query_": set(),
    "sqlite_file_pragma_": set(),
    "sqlite_file_prepare_": set(),
    "sqlite_file_integer_": set(),
    "sqlite3_exec": {"shared/io/sqlite/file.c", "tests/edge/bus_sqlite_test.c"},
    "sqlite3_prepare": set(),
    "sqlite3_prepare_v2": {"tests/edge/bus_sqlite_test.c"},
    "sqlite3_prepare_v3": {"shared/io/sqlite/file.c", "shared/io/sqlite/store.c"},
    "sqlite3_get_table": set(),
}
SQL_DEFINED = {f"shared/io/sqlite/{name}" for name in ("store.h", "store.c", "file.h", "file.c")}
SQL_CALL = re.compile(r"\b(" + "|".join(SQL_CALLERS) + r")\(")


def uncommented(text):
    """The text with its comments replaced by blanks, so that line numbers do not change."""
    return re.sub(r"/\*.*?\*/|//[^\n]*", lambda comment: re.sub(r"[^\n]", " ", comment.group()), text, flags=re.S)


def results(codes):
    names = {name for code in codes.values() for name in RETURNS.findall(code)}
    return names | {macro for code in codes.values() for macro, called in MACRO.findall(code) if called in names}


def ignored(codes, texts):
    names = results(codes)
    for path, code in codes.items():
        for match in CAST.finditer(code):
            if match[2] in names:
                yield path, match.start(), f"{match[2]} returns a Result: handle it, or call result_ignore and say why"
        for match in IGNORE.finditer(code):
            line = code.count("\n", 0, match.start())
            near = texts[path].split("\n")[max(0, line - COMMENTED_ABOVE):line + 1]
            if not any("/*" in one or "*/" in one for one in near):
                yield path, match.start(), "say in a comment why the Result is ignored"


def composed(codes, root):
    for path, code in codes.items():
        name = path.relative_to(root).as_posix()
        for match in SQL_CALL.finditer(code):
            if name not in SQL_CALLERS[match[1]] | (set() if match[1].startswith("sqlite3_") else SQL_DEFINED):
                yield path, match.start(), f"{match[1]} takes any SQL: call a macro that takes literals, or add the file to SQL_CALLERS"


def leaked(codes):
    for path, code in codes.items():
        for match in UNRELEASED.finditer(code):
            yield path, match.start(), "declare it with FIELD_ERRORS_AUTO: its list would leak"


def main(root):
    paths = [path for place in PLACES for path in sorted((root / place).rglob("*.[ch]"))]
    texts = {path: path.read_text() for path in paths}
    codes = {path: uncommented(text) for path, text in texts.items()}
    count = 0
    for path, at, fault in [*ignored(codes, texts), *composed(codes, root), *leaked(codes)]:
        count += 1
        print(f"{path.relative_to(root)}:{codes[path].count(chr(10), 0, at) + 1}: {fault}")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT))
