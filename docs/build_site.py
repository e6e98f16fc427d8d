"""The documentation site: `make docs`, or `python docs/build_site.py [--stage]`.

Every page is a Markdown file or a notebook of this repository, at the place where a reader of the
code finds it, or made from the code (`reference_pages.py`). They are copied to `build/docs/pages`,
with links between files turned into links between pages; a link that leads nowhere is an error.
Zensical then builds `build/docs/site` in strict mode, which checks every anchor too. Nothing is
downloaded, and the site's pages load nothing from elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import posixpath
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import notebook_pages
import reference_pages

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "docs"

Source = str | Callable[[], str]
"""A Markdown file or a notebook, relative to the repository, or what makes a page."""

SECTIONS: dict[str, dict[str, tuple[str, Source]]] = {
    "Home": {
        "lth-bench": ("index.md", "README.md"),
    },
    "Tutorial": {
        "Your first comparison": (
            "tutorial/first-comparison.md",
            "docs/tutorial/first-comparison.md",
        ),
        "In a notebook": ("tutorial/notebook.md", "docs/tutorial/notebook.ipynb"),
    },
    "How to": {
        "Install": ("how-to/install.md", "docs/how-to/install.md"),
        "Run a suite": ("how-to/run.md", "docs/how-to/run.md"),
        "Use a cluster": ("how-to/cluster.md", "docs/how-to/cluster.md"),
        "Look at results": ("how-to/results.md", "docs/how-to/results.md"),
        "Choose a network": ("how-to/models.md", "docs/how-to/models.md"),
        "Take a ticket home": ("how-to/take-home.md", "docs/how-to/take-home.md"),
        "Train in your own loop": ("how-to/own-loop.md", "docs/how-to/own-loop.md"),
        "Query the database": ("how-to/query.md", "reports/README.md"),
        "Write a suite": ("how-to/suites.md", "suites/README.md"),
        "Reproduce a paper": ("how-to/papers.md", "suites/papers/README.md"),
        "Study the effect": ("how-to/studies.md", "suites/studies/README.md"),
        "Reference results": ("how-to/reference-results.md", "suites/reference/README.md"),
        "A task of your own": ("how-to/own-task.md", "docs/how-to/own-task.md"),
        "Write a strategy": ("how-to/strategies.md", "plugins/README.md"),
        "Example: SynFlow": ("how-to/synflow.md", "plugins/synflow/README.md"),
        "Example: TensorBoard": ("how-to/tensorboard.md", "plugins/tensorboard_observer/README.md"),
        "Contribute": ("how-to/contribute.md", "CONTRIBUTING.md"),
        "Test": ("how-to/test.md", "tests/README.md"),
        "Measure speed": ("how-to/benchmarks.md", "tests/benchmarks/training/README.md"),
        "Test without a GPU": ("how-to/pretend-gpu.md", "tests/pretend_gpu/README.md"),
        "Kill runs": ("how-to/soak.md", "tests/soak/README.md"),
    },
    "Reference": {
        "Python: lth_bench": ("reference/api.md", reference_pages.api),
        "Python: lth_bench.testing": ("reference/testing.md", reference_pages.testing),
        "Command line": ("reference/cli.md", reference_pages.command_line),
        "Suites": ("reference/suite.md", reference_pages.suite),
        "Built-in plugins": ("reference/catalogue.md", reference_pages.catalogue),
        "Views and tables": ("reference/tables.md", reference_pages.tables),
        "Changelog": ("reference/changelog.md", "CHANGELOG.md"),
    },
    "Explanation": {
        "Architecture": ("explanation/architecture.md", "ARCHITECTURE.md"),
        "Statistics": ("explanation/statistics.md", "harness/lth_bench/stats/README.md"),
        "Measurements": ("explanation/measurements.md", "docs/explanation/measurements.md"),
        "Security": ("explanation/security.md", "SECURITY.md"),
        "Several devices": (
            "explanation/devices.md",
            "harness/lth_bench/training/parallel/README.md",
        ),
        "The HTML report": ("explanation/report.md", "harness/lth_bench/output/page/README.md"),
        "The contracts' tests": ("explanation/contracts.md", "harness/lth_bench/testing/README.md"),
        "A zoo of networks": ("explanation/zoo.md", "tests/zoo/TABLE.md"),
    },
}

NOT_ON_THE_SITE = ("AGENTS.md", "docs/README.md", "harness/README.md")
"""Pointers to other pages, for readers who open that folder of the repository."""

LINK = re.compile(r"(!?)\[([^\[\]]*)\]\(([^()\s]+)\)")
CODE = re.compile(r"^```.*?^```[^\S\n]*$|`[^`\n]+`", re.M | re.S)
ELSEWHERE = re.compile(r'<script src="https?://[^"]*"[^>]*></script>')


class BrokenLink(Exception):
    """A link to a file that is not there."""


def files() -> dict[str, str]:
    """Files that are pages of the site, by path in the repository; each with its page's path."""
    pages = [page for section in SECTIONS.values() for page in section.values()]
    return {source: page for page, source in pages if isinstance(source, str)}


def relinked(text: str, source: str, page: str, copy: Callable[[str, str], None]) -> str:
    """The text of the file `source` with its links as they must be on the page `page`.

    A link to a file that is a page leads there, one to a picture calls `copy(picture, page path)`,
    and one to any other file of the repository becomes its text: the site holds no code. Raises
    BrokenLink.
    """
    known = files()

    def replaced(match: re.Match[str]) -> str:
        image, words, target = match.groups()
        if "://" in target or target.startswith("#"):
            return match[0]
        path, _, anchor = target.partition("#")
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if not (ROOT / wanted).exists():
            raise BrokenLink(f"{source}: {target} is not in this repository")
        if (ROOT / wanted).is_dir():
            wanted += "/README.md"
        if image:
            copied = f"pictures/{posixpath.basename(wanted)}"
            copy(wanted, copied)
            return f"![{words}]({_from(page, copied)})"
        if wanted in known:
            return f"[{words}]({_from(page, known[wanted])}{'#' if anchor else ''}{anchor})"
        return words

    # a link's words may hold code, so code is put aside and comes back afterwards
    aside: list[str] = []

    def put_aside(match: re.Match[str]) -> str:
        # GitHub's tables need `a\|b` in code, Python-Markdown's `a|b`
        aside.append(match[0] if match[0].startswith("```") else match[0].replace("\\|", "|"))
        return f"\0{len(aside) - 1}\0"

    linked = LINK.sub(replaced, CODE.sub(put_aside, text))
    return re.sub(r"\0(\d+)\0", lambda match: aside[int(match[1])], linked)


def _from(page: str, target: str) -> str:
    return posixpath.relpath(target, posixpath.dirname(page) or ".")


def stage(folder: Path) -> None:
    """Write every page into `folder`, which is emptied first. Raises BrokenLink."""
    shutil.rmtree(folder, ignore_errors=True)

    def copy(picture: str, place: str) -> None:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / picture, folder / place)

    for section in SECTIONS.values():
        for page, source in section.values():
            if isinstance(source, str):
                text = (ROOT / source).read_text(encoding="utf-8")
                if source.endswith(".ipynb"):
                    text = notebook_pages.markdown(json.loads(text))
                text = relinked(text, source, page, copy)
            else:
                text = source()
            (folder / page).parent.mkdir(parents=True, exist_ok=True)
            (folder / page).write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "docs" / "wide.css", folder / "wide.css")


def navigation() -> str:
    """The sections as Zensical's `nav`, in TOML."""
    nav = []
    for section, pages in SECTIONS.items():
        titles = ", ".join(
            f"{{ {json.dumps(t)} = {json.dumps(p)} }}" for t, (p, _) in pages.items()
        )
        nav.append(f"  {{ {json.dumps(section)} = [{titles}] }},\n")
    return f"[\n{''.join(nav)}]"


def settings(build: Path) -> Path:
    """Zensical's settings with navigation and folders filled in."""
    text = (ROOT / "docs" / "zensical.toml").read_text(encoding="utf-8")
    for name, value in {
        "docs_dir": json.dumps("pages"),
        "site_dir": json.dumps("site"),
        "harness": json.dumps(str(ROOT / "harness")),
        "nav": navigation(),
    }.items():
        text = text.replace(f'"@{name}@"', value)
    path = build / "zensical.toml"
    path.write_text(text, encoding="utf-8")
    return path


def build(folder: Path) -> int:
    """Stage the pages and build the site; Zensical's exit code."""
    stage(folder / "pages")
    zensical = Path(sys.executable).with_name("zensical")
    command = [zensical, "build", "--strict", "--clean", "--config-file", settings(folder)]
    done = subprocess.run([*map(str, command)], cwd=folder, env=os.environ, check=False)
    if done.returncode == 0:
        stay_at_home(folder / "site")
    return done.returncode


def stay_at_home(site: Path) -> None:
    """Take out what the theme's pages would load from another host: a script that lets the search
    work in pages that are opened as files. They say that there is no search, and load nothing.
    """
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        page.write_text(ELSEWHERE.sub("", text), encoding="utf-8")


def main() -> int:
    """Do what the command line says; the exit code."""
    parser = argparse.ArgumentParser(description="Build the documentation site.")
    parser.add_argument("--stage", action="store_true", help="only the pages, without Zensical")
    parser.add_argument("--folder", type=Path, default=BUILD, help="where to (build/docs)")
    options = parser.parse_args()
    try:
        if options.stage:
            stage(options.folder / "pages")
            return 0
        code = build(options.folder)
    except BrokenLink as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except FileNotFoundError as error:
        if "zensical" not in str(error):
            raise
        print('error: the site needs the extra `docs`: pip install -e ".[docs]"', file=sys.stderr)
        return 1
    if code == 0:
        site = options.folder / "site"
        print(f"the site: {site / 'index.html'}")
        print(f"with its search: python -m http.server -d {shlex.quote(str(site))}")
    return code


if __name__ == "__main__":
    sys.exit(main())
