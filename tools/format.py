#!/usr/bin/env python3
"""Checks the layout of C sources: format.py [--write] FILES…

Compares each file with the output of clang-format (.clang-format). Three things may differ, because they are laid out by hand: columns
of tables within a line, the places where a long statement or initialiser is broken, and macros. Every other difference is printed as
FILE:LINE with both sides or, with --write, replaced by clang-format's layout.

Also checks that no line ends with blanks and that no line of code has more than 132 columns, unless it holds a string; a comment at the
end of the line is not counted.
"""

import difflib
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

COLUMNS = 132
# A statement may be broken after a character of GOES_ON_AFTER and before one of GOES_ON_BEFORE. Statements, bodies and blocks
# must begin on a new line.
GOES_ON_AFTER = tuple(',(=?&|+-*/<>%"')
GOES_ON_BEFORE = tuple('?:."')


def laid_out(line):
    """The line without column alignment: its indentation is kept, later runs of blanks become one blank."""
    start = len(line) - len(line.lstrip(" \t"))
    return line[:start] + re.sub(r"[ \t]+", " ", line[start:])


def joined(lines):
    """(text without blanks, {position of a line in this text: indentation of the line}, {position of a word in this text})."""
    text, indents, blanks = "", {}, set()
    for line in lines:
        indents[len(text)] = line[:len(line) - len(line.lstrip())]
        for word in line.split():
            blanks.add(len(text))
            text += word
    return text, indents, blanks


def goes_on(text, at, before):
    """True if a line that begins at text[at] continues the previous statement. before: the code before text."""
    head, tail = re.sub(r"/\*((?!\*/).)*\*/$", "", before + text[:at]), text[at:]
    if not tail:
        return False
    if head.endswith("{"):  # the brace of a list; after any other brace a statement or a member begins
        return re.search(r"([=,{(]|enum\w*){$", head) is not None
    if head.endswith(":"):  # the colon of a conditional expression; after a label a statement begins
        return "?" in re.split(r"[;{}]", head)[-1]
    return head.endswith(GOES_ON_AFTER) or tail.startswith(GOES_ON_BEFORE)


def broken_by_hand(ours, theirs, before):
    """True if ours and theirs differ only in the places where statements are broken and in the indentation of continued lines."""
    text, our_indents, our_blanks = joined(ours)
    their_text, their_indents, their_blanks = joined(theirs)
    starts = our_indents.keys() | their_indents.keys()
    return (text == their_text and our_blanks ^ their_blanks <= starts
            and all(our_indents.get(at) == their_indents.get(at) or goes_on(text, at, before) for at in starts))


def within_macro(lines):
    """The numbers of the lines of macro definitions."""
    numbers, inside = set(), False
    for number, line in enumerate(lines):
        if inside or re.match(r"\s*#\s*define\b", line):
            numbers.add(number)
            inside = line.endswith("\\")
    return numbers


def differences(ours, theirs):
    """(first, end, replacement) for each difference; the lines from first to before end are to be replaced."""
    macros = within_macro(ours)
    matcher = difflib.SequenceMatcher(None, [laid_out(line) for line in ours], [laid_out(line) for line in theirs], autojunk=False)
    for kind, first, end, start, stop in matcher.get_opcodes():
        if kind == "equal" or (first < end and macros >= set(range(first, end))):
            continue
        if not broken_by_hand(ours[first:end], theirs[start:stop], "".join("".join(ours[max(0, first - 20):first]).split())):
            yield first, end, theirs[start:stop]


def too_long(line):
    code = re.sub(r"\s*/\*.*?\*/\s*$", "", line)
    return len(code.expandtabs(8)) > COLUMNS and '"' not in code


def check(name, write):
    """Messages about a file: its differences or, with write, the number of differences that were replaced, and its other faults."""
    with open(name, encoding="utf-8") as file:
        ours = file.read().split("\n")
    theirs = subprocess.run(["clang-format", name], capture_output=True, text=True, check=True).stdout
    theirs = re.sub(r"(\(\w+\)) ~", r"\1~", theirs).split("\n")  # some versions read the cast before ~ as a value
    found, wrong = list(differences(ours, theirs)), []
    if write and found:
        for first, end, replacement in reversed(found):
            ours[first:end] = replacement
        with open(name, "w", encoding="utf-8") as file:
            file.write("\n".join(ours))
        wrong.append(f"{name}: {len(found)} replaced")
    for first, end, replacement in () if write else found:
        wrong += [f"{name}:{first + 1}: clang-format lays this out differently", *(f"  -{line}" for line in ours[first:end]), *(f"  +{line}" for line in replacement)]
    wrong += [f"{name}:{number}: more than {COLUMNS} columns: break the line" for number, line in enumerate(ours, 1) if too_long(line)]
    wrong += [f"{name}:{number}: blanks at the end of the line: remove them" for number, line in enumerate(ours, 1) if line != line.rstrip()]
    return wrong


def main():
    write, files = "--write" in sys.argv, [word for word in sys.argv[1:] if word != "--write"]
    with ThreadPoolExecutor(os.cpu_count()) as several:
        wrong = [line for lines in several.map(lambda name: check(name, write), files) for line in lines]
    print("\n".join(wrong) if wrong else f"the layout of {len(files)} files is right")
    return 1 if wrong and not write else 0


sys.exit(main())
