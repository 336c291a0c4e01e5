#!/usr/bin/env python3
"""Holds C sources to the layout of the house: format.py [--write] FILES…

clang-format (.clang-format) says how a file would be laid out. Its answer is taken for everything but what is laid out by hand:
columns of tables within a line, where a statement or an initialiser that goes on is broken, and macros. A difference that is
more than that is printed as FILE:LINE with both sides, or, with --write, settled as clang-format would.

Held to besides: no blanks at a line's end, and no line of code of more than 132 columns, unless it holds a string; a comment
behind it is not counted.
"""

import difflib
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

COLUMNS = 132
# A line may be broken after one of the first and before one of the second; a statement, a body or a block begins a line of its own.
GOES_ON_AFTER = tuple(',(=?&|+-*/<>%"')
GOES_ON_BEFORE = tuple('?:."')


def laid_out(line):
    """The line with columns taken out: what stands before its first word, and one blank for many after it."""
    start = len(line) - len(line.lstrip(" \t"))
    return line[:start] + re.sub(r"[ \t]+", " ", line[start:])


def joined(lines):
    """The characters that are no blanks; the indentation of lines, by number of characters before; where blanks are, by the same."""
    text, indents, blanks = "", {}, set()
    for line in lines:
        indents[len(text)] = line[:len(line) - len(line.lstrip())]
        for word in line.split():
            blanks.add(len(text))
            text += word
    return text, indents, blanks


def goes_on(text, at, before):
    """True when a line that begins there goes on with what stands before it."""
    head, tail = re.sub(r"/\*((?!\*/).)*\*/$", "", before + text[:at]), text[at:]
    if not tail:
        return False
    if head.endswith("{"):  # of a list; what follows another begins a statement or a member
        return re.search(r"([=,{(]|enum\w*){$", head) is not None
    if head.endswith(":"):  # of a choice; what follows a label begins a statement
        return "?" in re.split(r"[;{}]", head)[-1]
    return head.endswith(GOES_ON_AFTER) or tail.startswith(GOES_ON_BEFORE)


def broken_by_hand(ours, theirs, before):
    """True when the two differ only in where something that goes on is broken, and in how far in it goes on."""
    text, our_indents, our_blanks = joined(ours)
    their_text, their_indents, their_blanks = joined(theirs)
    starts = our_indents.keys() | their_indents.keys()
    return (text == their_text and our_blanks ^ their_blanks <= starts
            and all(our_indents.get(at) == their_indents.get(at) or goes_on(text, at, before) for at in starts))


def within_macro(lines):
    """The numbers of lines that a macro's definition takes."""
    numbers, inside = set(), False
    for number, line in enumerate(lines):
        if inside or re.match(r"\s*#\s*define\b", line):
            numbers.add(number)
            inside = line.endswith("\\")
    return numbers


def differences(ours, theirs):
    """(first, end, replacement) of what is not as it should be in ours; lines from first to before end."""
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
    """What is wrong with a file, or, with write, what was done about it."""
    with open(name, encoding="utf-8") as file:
        ours = file.read().split("\n")
    theirs = subprocess.run(["clang-format", name], capture_output=True, text=True, check=True).stdout
    theirs = re.sub(r"(\(\w+\)) ~", r"\1~", theirs).split("\n")  # some versions take the cast before ~ for a value
    found, wrong = list(differences(ours, theirs)), []
    if write and found:
        for first, end, replacement in reversed(found):
            ours[first:end] = replacement
        with open(name, "w", encoding="utf-8") as file:
            file.write("\n".join(ours))
        wrong.append(f"{name}: {len(found)} mended")
    for first, end, replacement in () if write else found:
        wrong += [f"{name}:{first + 1}: would be laid out so", *(f"  -{line}" for line in ours[first:end]), *(f"  +{line}" for line in replacement)]
    wrong += [f"{name}:{number}: longer than {COLUMNS} columns" for number, line in enumerate(ours, 1) if too_long(line)]
    wrong += [f"{name}:{number}: blanks at its end" for number, line in enumerate(ours, 1) if line != line.rstrip()]
    return wrong


def main():
    write, files = "--write" in sys.argv, [word for word in sys.argv[1:] if word != "--write"]
    with ThreadPoolExecutor(os.cpu_count()) as several:
        wrong = [line for lines in several.map(lambda name: check(name, write), files) for line in lines]
    print("\n".join(wrong) if wrong else f"{len(files)} files are laid out as they should be")
    return 1 if wrong and not write else 0


sys.exit(main())
