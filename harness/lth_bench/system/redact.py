"""Passwords, kept out of what is recorded and what is shown."""

from __future__ import annotations

import re

HIDDEN = "***"

# scheme://user:password@ up to the last @ of the word: a password that should have been escaped may
# hold a slash or an @ itself
_IN_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s/:@'\"\\]*:)(?!\*\*\*@)[^\s'\"\\]+(?=@)")
_IN_QUERY = re.compile(
    r"([?&;](?:password|passwd|pwd|secret|token|api_?key)=)(?!\*\*\*)[^\s&;'\"\\]+", re.IGNORECASE
)


def redacted(text: str) -> str:
    """The text with `***` for every password of a URL in it: a command line, a message, a suite,
    a line of JSON.
    """
    if "://" not in text:
        return text
    return _IN_QUERY.sub(rf"\1{HIDDEN}", _IN_URL.sub(rf"\1{HIDDEN}", text))
