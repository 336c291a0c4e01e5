#!/usr/bin/env python3
"""Finds words that words.txt rejects: words.py [PATH…], by default in PATHS. Exits with 1 if there are any.

Searches prose only: comments and strings of C, everything but code in Markdown, the whole text of other files. Names in C are not searched.
"""
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "tools/lint/words.txt"
PATHS = ["README.md", "README.zh-CN.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs", "tools", "Makefile", ".ci", ".clang-tidy", ".yamllint",
         "shared", "services", "tests", "proto", "k8s", "docker-compose.yml", "Dockerfile"]
SUFFIXES = {".c", ".h", ".md", ".py", ".sh", ".js", ".yaml", ".yml", ".json", ".pml", ".lua", ""}
LEFT_OUT = {"words.txt", "words.py", "words_test.py", "package-lock.json", "node_modules", "__pycache__", "corpus"}

C_PROSE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)
MARKDOWN_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.S | re.M)


def blanked(text):
    return re.sub(r"[^\n]", " ", text)


def prose(path, text):
    """The prose of a text. Everything else is replaced by blanks, so that line numbers do not change."""
    if path.suffix in (".c", ".h"):
        shown = list(blanked(text))
        for match in C_PROSE.finditer(text):
            shown[match.start():match.end()] = match.group()
        return "".join(shown)
    if path.suffix == ".md":
        return MARKDOWN_CODE.sub(lambda code: blanked(code.group()), text)
    return text


def pattern_of(words):
    if words.startswith("^"):  # with a capital, in a sentence that does not end with a question mark
        return re.compile(rf"(?<![\w-]){words[1:]}(?![\w-])(?![^.!?]*\?)")
    if not words.isascii():
        return re.compile(words)
    return re.compile(r"(?<![\w-])" + r"[\s*#/]+".join(re.escape(word) for word in words.split()) + r"(?![\w-])", re.I)


def rejected():
    """[(pattern, words, replacement)]."""
    rows = [line.split(" = ", 1) for line in LIST.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return [(pattern_of(words), words, instead) for words, instead in rows]


def files(paths):
    for name in paths:
        path = ROOT / name
        if path.is_file():
            yield path
        for directory, names, found in os.walk(path):
            names[:] = sorted(set(names) - LEFT_OUT)
            yield from (Path(directory) / file for file in sorted(set(found) - LEFT_OUT) if Path(file).suffix in SUFFIXES)


def main(paths):
    rows, count = rejected(), 0
    for path in files(paths):
        try:
            text = prose(path, path.read_text())
        except UnicodeDecodeError:
            continue
        for pattern, words, instead in rows:
            for match in pattern.finditer(text):
                count += 1
                line = text.count("\n", 0, match.start()) + 1
                print(f"{os.path.relpath(path, ROOT)}:{line}: \"{words}\": write {instead}")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or PATHS))
