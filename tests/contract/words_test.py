#!/usr/bin/env python3
"""The stop list of `make lint` (tools/lint/words.py): its words are found in prose only."""
import subprocess
import sys
import tempfile
from pathlib import Path

from cases import case, main

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools/lint/words.py"


def found(suffix, text):
    """The hits in a file with this suffix and text, as ["LINE: "WORD": write …"]. Checks that the exit code is 1 if there are
    hits, else 0."""
    name = f"text{suffix}"
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / name).write_text(text)
        done = subprocess.run([sys.executable, TOOL, directory], capture_output=True, text=True)
    assert done.returncode == (1 if done.stdout else 0) and not done.stderr, done
    return [line.split(f"{name}:", 1)[1] for line in done.stdout.splitlines()]


@case
def a_word_in_a_comment_or_a_text_of_c_is_found():
    lines = found(".c", '/* It is made\n * ANEW, and moves to\n * and fro. */\nint dice;\nchar *a = "the surroundings fail";\n// mended\n')
    assert sorted(line.split(" write ")[0] for line in lines) == ['2: "anew":', '2: "to and fro":', '5: "surroundings":', '6: "mended":'], lines


@case
def identifiers_are_ignored():
    assert not found(".c", "/* bus_set_deadline and a_stranger_writes; recommended */\nint hurry(int dice);\n")


@case
def code_in_markdown_is_ignored():
    assert not found(".md", "The line `timers-armed-anew` and `anew`.\n\n```\nanew\n```\n")
    assert len(found(".md", "`a` anew\n")) == 1


@case
def a_chinese_word_is_found_within_others():
    assert len(found(".md", "记录的位移是\n")) == 1 and not found(".md", "记录的偏移量是\n")


@case
def a_sentence_does_not_begin_with_a_relative_clause():
    assert len(found(".c", "/* What is stale is written. Whether it is. */\n")) == 2
    assert not found(".c", '/* It says what is stale. Who may write? */\nchar *a = "What next?";\n')


@case
def the_list_has_each_word_once_with_its_replacement():
    rows = [line for line in (ROOT / "tools/lint/words.txt").read_text().splitlines() if line.strip() and not line.startswith("#")]
    words = [row.split(" = ")[0] for row in rows]
    assert len(rows) > 30 and all(row.count(" = ") == 1 for row in rows), rows
    assert len(set(words)) == len(words), sorted(word for word in words if words.count(word) > 1)


@case
def the_public_pages_have_no_hits():
    done = subprocess.run([sys.executable, TOOL], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


sys.exit(main())
