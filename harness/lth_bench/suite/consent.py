"""What a suite asks for beyond training, and gets only if the command line asks for it too: code of
its own, and a database elsewhere.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from lth_bench.errors import UserError
from lth_bench.suite.spec import Suite
from lth_bench.system.redact import redacted


def require_plugins(suite: Suite, files: Sequence[Path], command: str) -> None:
    """Refuse a suite whose `plugins` are not all among `files`; the error prints what to type.

    A suite names them relative to its own folder. `command` is what was typed, without --plugin:
    `lth-bench run mine.toml`.
    """
    folder = suite.path.resolve().parent
    named = {Path(file).resolve() for file in files}
    missing = [folder / name for name in suite.plugins if (folder / name).resolve() not in named]
    if missing:
        flags = (f"--plugin {shlex.quote(_short(path))}" for path in [*files, *missing])
        options = " ".join(dict.fromkeys(flags))
        raise UserError(
            f"suite {suite.name!r} needs code of its own: {', '.join(map(_short, missing))}."
            f" Read it, then allow it with\n  {command} {options}",
            ("plugins",),
        )


def require_storage(suite: Suite, command: str) -> None:
    """Refuse a suite that keeps its studies in a database the command line does not name.

    Its URL may lead to any host and any file. `command` is what was typed, without --storage.
    """
    url = suite.tune.storage if suite.tune is not None else None
    if url is None or any(at == ("tune", "storage")[: len(at)] for at in suite.overridden):
        return
    raise UserError(
        f"suite {suite.name!r} keeps its studies in a database, {redacted(url)}, which is"
        f" not opened because a file says so. If you trust it, name it yourself:\n"
        f"  {command} --storage {shlex.quote(redacted(url))}\n"
        f"or keep them beside the results: remove `storage` from [tune]",
        ("tune", "storage"),
    )


def _short(path: Path) -> str:
    whole = Path(path).resolve()  # what a link leads to is what would run
    try:
        return str(whole.relative_to(Path.cwd()))
    except ValueError:
        return str(whole)
