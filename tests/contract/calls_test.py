#!/usr/bin/env python3
"""Rules for calls, kept by the compilers and by tools/lint/calls.py: a Result is not ignored; SQL texts are literals."""
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cases import case, main

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools/lint/calls.py"
IGNORING = '#include "shared/base/error.h"\nvoid ignore(void);\nvoid ignore(void)\n{\n\t%s;\n}\n'


def warnings(compiler, text):
    """The compiler's messages about a source, with the warnings of the Makefile; "" if it is accepted."""
    options = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-I", ROOT, "-fsyntax-only", "-xc", "-"]
    done = subprocess.run([compiler, *options], input=text, capture_output=True, text=True)
    assert (done.returncode == 0) == (done.stderr == ""), done
    return done.stderr


def found(text):
    """The hits of calls.py in a tree that contains only this source, as ["LINE: FAULT"], without the path of the source."""
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "shared").mkdir()
        (Path(directory) / "shared/text.c").write_text(text)
        done = subprocess.run([sys.executable, TOOL, directory], capture_output=True, text=True)
    assert done.returncode == (1 if done.stdout else 0) and not done.stderr, done
    return [line.split("text.c:", 1)[1] for line in done.stdout.splitlines()]


@case
def gcc_and_clang_refuse_an_ignored_result():
    for compiler in ["gcc"] + ["clang"] * bool(shutil.which("clang")):
        assert "unused-result" in warnings(compiler, IGNORING % 'result_fail(ERROR_INPUT, "x")'), compiler
        assert "unused-result" in warnings(compiler, IGNORING % "Result (*call)(void) = result_ok; call()"), compiler
        assert not warnings(compiler, IGNORING % 'result_ignore(result_fail(ERROR_INPUT, "x"))'), compiler


@case
def a_result_that_is_cast_to_void_is_found():
    declared = "Result one(int a);\nstatic Result (*const two[])(int a) = { one };\nstruct T { Result (*three)(struct T *t); };\n" \
               "#define four(a) one(a)\nint five(int a);\n"
    for call in ("one(1)", "two[0](1)", "t->three(t)", "t.other->three(t)", "of(t)->three(t)", "four(1)"):
        lines = found(f"{declared}(void){call};\n")
        assert len(lines) == 1 and lines[0].startswith("6: "), (call, lines)
    assert not found(f"{declared}(void)five(1);\n(void)t;\n/* (void)one(1) */\nint six(void);\nint a = one(1).kind;\n")


@case
def a_result_is_ignored_for_a_reason():
    assert found("void f(void)\n{\n\n\n\tresult_ignore(one());\n}\n") == ["5: say in a comment why the Result is ignored"]
    assert not found("\tresult_ignore(one()); /* the next call reports it */\n")
    assert not found("\t/* The next call reports it. */\n\tif (two)\n\t\tresult_ignore(one());\n")


@case
def sql_that_is_not_a_literal_does_not_compile():
    for header, call in (("store", "store_run(0, %s)"), ("store", "store_query(0, %s, V_NULL)"), ("file", "sqlite_file_run(0, %s)"),
                         ("file", "sqlite_file_prepare(0, %s, 0, 0)"), ("file", "sqlite_file_integer(0, %s, 0, 0)")):
        source = f'#include "shared/io/sqlite/{header}.h"\nvoid run(const char *text);\nvoid run(const char *text)\n{{\n\t' \
                 f'(void)text, (void){call};\n}}\n'
        assert not warnings("gcc", source % '"SELECT 1"'), call
        assert "expected" in warnings("gcc", source % "text"), call


@case
def sql_that_need_not_be_a_literal_is_found():
    lines = found("store_query_composed(store, sql, 0, 0);\nstore_run_(store, sql, 0, 0);\nsqlite3_exec(db, sql, 0, 0, 0);\n"
                  'store_query(store, "SELECT 1");\n/* sqlite3_exec(db) */\n')
    assert [line.split(" takes ")[0] for line in lines] == ["1: store_query_composed", "2: store_run_", "3: sqlite3_exec"], lines


@case
def field_errors_that_would_leak_are_found():
    assert len(found("\tFieldErrors errors = { .count = 0 };\n")) == 1
    assert not found("\tFieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };\nvoid f(FieldErrors *errors, int a);\n")


@case
def the_sources_have_no_hits():
    done = subprocess.run([sys.executable, TOOL], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


sys.exit(main())
