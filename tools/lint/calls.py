#!/usr/bin/env python3
"""Finds calls in C that no compiler refuses: calls.py [ROOT]. Exits with 1 if there are any.

- A Result that is cast to void instead of being handled; a result_ignore without a comment on its line or the three above.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("shared", "services", "tests", "tools")
# Functions, members and variables of functions, and function types, that return a Result; and the macros that call one.
RETURNS = re.compile(r"\bResult\s+(?:\(\s*\*\s*(?:const\s+)?)?(\w+)(?:\[\w*\])?\)?\s*\(")
MACRO = re.compile(r"#define (\w+)\([^)]*\)\s*(?:\\\s*)?(\w+)\(")
CAST = re.compile(r"\(void\)\s*\(*((?:\w+(?:\([^()]*\))?(?:\[[^]]*\])?(?:->|\.))*)(\w+)\s*(?:\[[^]]*\])?\(")
IGNORE = re.compile(r"\bresult_ignore\((?!Result)")
COMMENTED_ABOVE = 3


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


def main(root):
    paths = [path for place in PLACES for path in sorted((root / place).rglob("*.[ch]"))]
    texts = {path: path.read_text() for path in paths}
    codes = {path: uncommented(text) for path, text in texts.items()}
    count = 0
    for path, at, fault in ignored(codes, texts):
        count += 1
        print(f"{path.relative_to(root)}:{codes[path].count(chr(10), 0, at) + 1}: {fault}")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT))
