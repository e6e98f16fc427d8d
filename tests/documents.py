"""The Markdown files of this repository: what a reader made beside them is not among them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("docs", "harness", "plugins", "reports", "suites", "tests")


def _tracked() -> list[Path]:
    """What git tracks; outside of a checkout, what there is in the folders and beside them."""
    try:
        done = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        found = [ROOT / name for name in done.stdout.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        found = []
    if not found:
        found = [*ROOT.glob("*"), *(p for f in FOLDERS for p in (ROOT / f).rglob("*"))]
    return sorted(p for p in found if p.is_file())


TRACKED = _tracked()
DOCUMENTS = [p for p in TRACKED if p.suffix == ".md"]


def blocks(document: Path, language: str) -> list[str]:
    """The document's code blocks of a language, which may be a regular expression."""
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text("utf-8"), re.M | re.S)
