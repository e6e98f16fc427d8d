"""A headless Chromium, and axe-core, which finds what keeps people from a page.

`MISSING` says why there is no browser, `NO_AXE` why there is no axe-core; empty where there is one.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = (
    "the package `playwright` is not installed"
    if find_spec("playwright") is None
    else ""
    if CHROMIUM
    else "there is no chromium on this machine"
)

AXE = Path(
    os.environ.get("LTH_BENCH_AXE")
    or Path(__file__).parents[1] / "build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
)
"""Where `.ci/browser` puts it."""
NO_AXE = MISSING or ("" if AXE.is_file() else "axe-core is not installed (.ci/browser)")

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip

PATIENCE = 240_000
"""Milliseconds that a busy machine has for any one step; a hang ends the whole run after 600 s."""

HOSTILE = "<b>imp</b>&lt;%{x}'\"</script>"
"""A name that a page must show as it is."""


@contextmanager
def launched() -> Iterator[Any]:
    """A browser of playwright's, closed afterwards."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        opened = started.chromium.launch(
            executable_path=CHROMIUM, args=list(ARGUMENTS), timeout=PATIENCE
        )
        yield opened
        opened.close()


def becomes(read: Callable[[], Any], wanted: Any) -> None:
    """Wait until what is read of a page is what is wanted.

    A click on a page that still scrolls, or is behind on a busy machine, is followed by what it
    does within some frames, not at once.
    """
    last = time.monotonic() + 100
    while read() != wanted and time.monotonic() < last:
        time.sleep(0.05)
    assert read() == wanted


def findings(page: Any, *impacts: str) -> dict[str, list[str]]:
    """What axe-core finds on a page of these impacts: rules, each with the elements concerned."""
    page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    found: list[dict[str, Any]] = page.evaluate(
        """async () => {
            const done = await axe.run(document, { preload: false, resultTypes: ['violations'] });
            const html = nodes => nodes.map(node => node.html.slice(0, 200));
            return done.violations.map(one => ({ ...one, html: html(one.nodes) }));
        }"""
    )
    return {one["id"]: one["html"] for one in found if one["impact"] in impacts}
