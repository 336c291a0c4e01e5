#!/usr/bin/env python3
"""A page that the sources name exists, with the section named: `docs/design/ownership.md, "The rule"`; so do the links between pages."""
import os
import re
import sys
import tempfile
from pathlib import Path

from cases import case, main

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("shared", "services", "tests", "tools", "proto", "k8s", "docs", ".ci", "Makefile", "Dockerfile", "docker-compose.yml",
          "README.md", "README.zh-CN.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
SKIPPED = {"node_modules", "__pycache__"}
# A page by its path in the tree, or by its name in the same folder or in docs; then, if one is named, its section.
CITATION = re.compile(r"""(?<![\w./:-])((?:[\w.-]+/)*[\w-]+(?:\.[\w-]+)*\.md)\b(?:,? "([^"]+)")?""")
# What a number of a section looks like: numbers change when a page does.
NUMBERED = re.compile(r"\.md,? (?:§|section \d)|\b(?:ownership|performance|reliability) §")


def files(root):
    for place in PLACES:
        path = root / place
        if path.is_file():
            yield path
        for directory, names, found in os.walk(path):
            names[:] = [name for name in names if name not in SKIPPED]
            yield from (Path(directory) / name for name in found)


def joined(text):
    """A text whose sentences go on over the marks of comments."""
    return re.sub(r"[ \t]*\n[ \t]*(?:\*(?!/)|//|#|--)?[ \t]*", " ", text)


def sections(page):
    return {heading.strip() for heading in re.findall(r"^#{2,6} +(.+)$", page.read_text(), re.M)}


def anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def found(root, path, page):
    for base in (root, path.parent, root / "docs"):
        if (base / page).is_file():
            return base / page
    return None


def mistakes(root):
    """["FILE: what is wrong"]. This file is left out: it quotes what must not be written."""
    wrong = []
    for path in files(root):
        if path.resolve() == Path(__file__).resolve():
            continue
        try:
            text = joined(path.read_text())
        except UnicodeDecodeError:
            continue
        place = path.relative_to(root)
        wrong += [f"{place}: name a section by its title, not its number" for _ in NUMBERED.findall(text)]
        for page, section in CITATION.findall(text):
            there = found(root, path, page)
            if there is None:
                wrong.append(f"{place}: there is no {page}")
            elif section and section not in sections(there):
                wrong.append(f'{place}: {page} has no section "{section}"')
        if path.suffix == ".md":
            wrong += [f"{place}: {link}: {why}" for link, why in broken_links(path)]
    return wrong


def broken_links(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        there = page.parent / name if name else page
        if not there.exists():
            yield target, "it is not there"
        elif fragment and fragment not in {anchor(heading) for heading in sections(there)}:
            yield target, "it has no such heading"


@case
def every_page_that_is_named_exists_with_its_section():
    wrong = mistakes(ROOT)
    assert not wrong, "\n".join(wrong)


@case
def the_sources_cite_the_design():
    cited = set()
    for path in files(ROOT):
        if path.suffix in (".c", ".h"):
            cited |= {page for page, section in CITATION.findall(joined(path.read_text())) if section}
    pages = {f"docs/design/{page.name}" for page in (ROOT / "docs/design").glob("*.md")}
    assert pages and pages <= cited, f"no comment cites {pages - cited}"


@case
def a_citation_that_leads_nowhere_is_found():
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        for place in ("docs/design", "shared"):
            (root / place).mkdir(parents=True)
        (root / "docs/design/a.md").write_text("# A\n\n## One thing\n")
        (root / "docs/b.md").write_text("# B\n[a](design/a.md#one-thing) [b](design/a.md#two) [c](c.md) [d](https://example.org/x.md)\n")
        (root / "shared/good.c").write_text('/*\n * As in docs/design/a.md, "One\n * thing", and docs/b.md.\n */\n')
        (root / "shared/bad.c").write_text('/* docs/design/a.md, "Another", docs/gone.md */\n// a.md §4\n')
        wrong = mistakes(root)
    assert not [line for line in wrong if "good.c" in line], wrong
    expected = ['has no section "Another"', "there is no docs/gone.md", "there is no a.md", "by its title", "no such heading", "it is not there"]
    for words in expected:
        assert [line for line in wrong if words in line], (words, wrong)


sys.exit(main())
