"""Files that the documents name are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from documents import DOCUMENTS, ROOT

NAMED = [p for p in DOCUMENTS if p.name not in ("CHANGELOG.md", "TABLE.md")]
ROOTS = [ROOT, ROOT / "harness" / "lth_bench", ROOT / "plugins", ROOT / "tests"]
READERS = {
    "grown.py",
    "product.py",
    "blend.py",
    "idea.toml",
    "marked.py",
    "marked.toml",
    "my_idea.py",
    "NAME.py",
    "test_NAME.py",
    "random.py",
}
"""Files that a reader writes, or could have."""


@pytest.mark.parametrize("document", NAMED, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_of_code_exist(document: Path) -> None:
    named = re.findall(r"`([\w./*]+\.(?:py|sql|js|toml))`", document.read_text("utf-8"))
    folder = document.parent
    places = [folder, folder.parent, *folder.glob("*/"), *ROOTS]
    missing = [
        name
        for name in named
        if Path(name).name not in READERS
        and not any(next(place.glob(name), None) for place in places)
    ]
    assert missing == []
