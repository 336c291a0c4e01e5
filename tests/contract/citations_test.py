#!/usr/bin/env python3
"""Citations of pages in the sources, such as `docs/design/ownership.md, "The rule"`, and links between pages lead to an existing section."""
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
# A page by its path in the tree, or by its name in the same directory or in docs, and optionally a section.
CITATION = re.compile(r"""(?<![\w./:-])((?:[\w.-]+/)*[\w-]+(?:\.[\w-]+)*\.md)\b(?:,? "([^"]+)")?""")
# References to a section by number are rejected, because numbers change when a page does.
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
    """The text with line breaks and comment marks replaced by spaces."""
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
    """["FILE: error"]. Skips this file, which quotes invalid citations."""
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
            cited = found(root, path, page)
            if cited is None:
                wrong.append(f"{place}: {page} does not exist")
            elif section and section not in sections(cited):
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
            yield target, "the file does not exist"
        elif fragment and fragment not in {anchor(heading) for heading in sections(there)}:
            yield target, "the page has no such heading"


@case
def every_cited_page_and_section_exists():
    wrong = mistakes(ROOT)
    assert not wrong, "\n".join(wrong)


@case
def every_design_page_is_cited_by_a_source():
    cited = set()
    for path in files(ROOT):
        if path.suffix in (".c", ".h"):
            cited |= {page for page, section in CITATION.findall(joined(path.read_text())) if section}
    pages = {f"docs/design/{page.name}" for page in (ROOT / "docs/design").glob("*.md")}
    assert pages and pages <= cited, f"no comment cites {pages - cited}"


@case
def an_invalid_citation_is_detected():
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
    expected = ['has no section "Another"', "docs/gone.md does not exist", "a.md does not exist", "by its title", "no such heading", "the file does not exist"]
    for words in expected:
        assert [line for line in wrong if words in line], (words, wrong)


sys.exit(main())
