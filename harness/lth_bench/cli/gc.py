"""`lth-bench gc`: artifacts that no result needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lth_bench.cli.options import JsonOption, ResultsOption

if TYPE_CHECKING:
    from lth_bench.maintenance.gc import ArtifactReport


def gc(
    results: ResultsOption = None,
    remove: Annotated[
        bool,
        typer.Option("--remove", metavar="", help="Remove them; by default they are only listed."),
    ] = False,
    json_: JsonOption = False,
) -> None:
    """List stored trainings and starts that no result needs; remove them with --remove.

    Results are never changed. A removed training that is needed again is trained again, and a start
    copied again from the file that the suite names.
    """
    from lth_bench.cli.output import print_json
    from lth_bench.maintenance import gc as collecting
    from lth_bench.store.paths import Paths, default_results
    from lth_bench.store.reading import reading, to_stderr

    paths = Paths(results or default_results())
    paths.require()
    with collecting.no_run(paths) as running:
        with reading(paths.results, to_stderr) as con:
            needs = collecting.read_needs(con)
        found = collecting.sort_artifacts(paths, needs, running)
        removed = collecting.remove(found.removable) if remove else None
    if json_:
        print_json(_document(paths.artifacts, found, removed))
    else:
        _tell(str(paths.artifacts), found, removed)


def _document(
    folder: object, found: ArtifactReport, removed: tuple[int, int] | None
) -> dict[str, Any]:
    return {
        "artifacts": str(folder),
        "waste": [
            {
                "path": str(w.artifact.path),
                "kind": w.artifact.kind,
                "bytes": w.artifact.bytes,
                "reason": w.reason,
            }
            for w in found.removable
        ],
        "bytes": found.bytes,
        "kept": found.kept,
        "kept_bytes": found.kept_bytes,
        "foreign": list(found.foreign),
        "run_under_way": found.running,
        "unfinished": found.unfinished,
        "removed": None if removed is None else {"count": removed[0], "bytes": removed[1]},
    }


def _tell(folder: str, found: ArtifactReport, removed: tuple[int, int] | None) -> None:
    from collections import Counter

    from lth_bench.system.text import printable

    count: Counter[tuple[str, str]] = Counter()
    size: Counter[tuple[str, str]] = Counter()
    for w in found.removable:
        count[w.artifact.kind, w.reason] += 1
        size[w.artifact.kind, w.reason] += w.artifact.bytes
    for (kind, reason), number in count.items():
        print(f"{number:>6} × {kind:<9} {_mb(size[kind, reason])}  {reason}")
    print(f"{found.kept:>6} kept       {_mb(found.kept_bytes)}  in {folder}")
    if found.foreign:
        names = printable(", ".join(found.foreign[:5])) + (", …" if found.foreign[5:] else "")
        print(f"not made by lth-bench, left alone: {names}")
    if found.running:
        print("a run is in progress: what it may use or is writing is kept")
    elif found.unfinished:
        print(f"{found.unfinished} experiments are unfinished: what they may resume from is kept")
    if removed is not None:
        print(f"removed {removed[0]} ({_mb(removed[1]).strip()})")
    elif found.removable:
        print(f"nothing was removed; run again with --remove to free {_mb(found.bytes).strip()}")
    else:
        print("nothing to remove")


def _mb(size: int) -> str:
    return f"{size / 1e6:>9,.1f} MB"
