"""What the page may do: run its own scripts and styles, and nothing else. No network at all."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence


def policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """A content security policy that lets exactly these inline scripts and style sheets in.

    Plotly sets style attributes and fills an empty style sheet of its own, so both are allowed;
    neither can load anything, since images, fonts and all else come from nowhere but the page.
    """
    return "; ".join([
        "default-src 'none'",
        f"script-src {' '.join(map(_hash, scripts))}",
        "style-src 'unsafe-inline'",  # for browsers that do not know the two below
        f"style-src-elem {' '.join(map(_hash, [*styles, '']))}",
        "style-src-attr 'unsafe-inline'",
        "img-src data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
    ])  # fmt: skip


def site_policy(*more: str) -> str:
    """A policy for pages that share files beside them: those files and no others, wherever the site
    lies. A page opened from a disk has no origin to name, so that `file:` stands for it; pages that
    come from a server cannot load it.
    """
    return "; ".join([
        "default-src 'none'",
        f"script-src {' '.join([OWN, *more])}",
        f"style-src {OWN} 'unsafe-inline'",
        f"style-src-elem {OWN} {_hash('')}",
        "style-src-attr 'unsafe-inline'",
        "img-src data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
    ])  # fmt: skip


OWN = "'self' file:"


def inline(code: str) -> str:
    """Code as it can stand inside a script or style element, and as its hash is taken.

    AssertionError where it would end the element early; then the code is wrong, not the data.
    """
    code = code.replace("\r\n", "\n").replace("\r", "\n")
    assert not re.search(r"</(script|style)|<!--", code, re.IGNORECASE)
    return code


def in_script(json: str) -> str:
    """JSON as it can stand inside a script element."""
    for character in "<>&":
        json = json.replace(character, f"\\u{ord(character):04x}")
    return json


def map_style_id(plotly_js: str) -> str:
    """The id under which plotly looks for the styles of its maps before it adds them.

    Style sheets that the policy does not know would be an error on the console; a page that has an
    element of this id is spared them, and there are no maps here. Empty where plotly has none.
    """
    found = re.search(r'getElementById\("([0-9a-f]{64})"\)', plotly_js)
    return found[1] if found else ""


def _hash(code: str) -> str:
    digest = hashlib.sha256(code.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
