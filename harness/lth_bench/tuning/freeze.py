"""What tuning found, as a suite to keep: the suite's own settings beside the tuned ones.

The frozen suite has the name of the suite it is from, so that its results stand in the same
tables, and what has been run at the suite's own settings is not run again.
"""

from __future__ import annotations

import copy
import os
import shlex
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lth_bench.errors import UserError
from lth_bench.store.paths import disk_error
from lth_bench.store.trials import Study, Trial, read_studies
from lth_bench.suite import overrides
from lth_bench.suite.additions import add_to
from lth_bench.suite.load import suite_of
from lth_bench.suite.spec import Suite
from lth_bench.system.redact import redacted
from lth_bench.tuning import toml

APART = ("recipe", "task")
"""Begin the names of what is tuned and is no parameter of the strategy: the recipe's values, and
the density of a front."""

_SUFFIX = "-tuned"
_LONGEST = 64  # characters of a label, see suite.document.SAFE_NAME


def tuned_label(label: str) -> str:
    """The name under which a label's tuned settings are reported: `imp-tuned`."""
    return label[: _LONGEST - len(_SUFFIX)] + _SUFFIX


def write_best(
    results: Path,
    suite: Suite,
    path: Path | None,
    trial: int | None = None,
    given: str | None = None,
) -> str:
    """The frozen suite of what the studies of `suite` in these results have found so far.

    Written to `path`, where one is given. `trial` is as in `freeze`; `given` is what the user calls
    the suite. UserError where nothing is found yet, and where the file cannot be written.
    """
    from lth_bench.store.reading import reading, to_stderr

    with reading(results, to_stderr) as con:
        studies = read_studies(con, [suite.name])
    text = freeze(suite, studies, path.parent if path is not None else None, trial, given)
    if path is not None:
        try:
            path.write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            raise disk_error(error, path, "write") from error
    return text


def freeze(
    suite: Suite,
    studies: Sequence[Study],
    folder: Path | None = None,
    trial: int | None = None,
    given: str | None = None,
) -> str:
    """A suite file with every tuned label beside the suite's own, and without [tune].

    `folder` is where it will lie, for the paths of one-file plugins; by default the suite's own.
    What `--set` and `--add` changed is in it. Of two objectives it takes the front's best by the
    first. `trial` is the number of another one to take, of the suite's only study. `given` is the
    suite's path or name as the user has it. UserError where no study of the suite has found
    anything, where one does not fit the suite any more, and where no such trial has a value.
    """
    chosen = _chosen(suite, studies)
    if not chosen:
        raise UserError(
            f"no trial of suite {suite.name!r} has ended with a value, so there is nothing to "
            f"freeze; run `lth-bench tune {shlex.quote(given or suite.name)}` first"
        )
    if trial is not None:
        chosen = _other(chosen, trial)
    document = _document(suite, folder)
    again = {tuned_label(label) for label in chosen}
    document["strategies"] = [  # what an earlier tuning found
        s for s in document["strategies"] if not ("tuned" in s and s.get("label") in again)
    ]
    lines = [*_opening(suite, chosen), *_body(document)]
    for spec in suite.strategies:
        if spec.label in chosen:
            lines += _tuned(spec.use, spec.label, spec.controls, chosen[spec.label])
    text = "\n".join(lines) + "\n"
    suite_of(text, suite.path)  # an error here would be ours, or a study's that no longer fits
    return text


def _chosen(suite: Suite, studies: Sequence[Study]) -> dict[str, list[tuple[Study, Trial]]]:
    """By label: the studies of the suite's tasks that have found something, the newest of each."""
    specs = {spec.label: spec for spec in suite.strategies}
    tasks = {(t.model.label, t.dataset.label, t.recipe_name): t for t in suite.tasks}
    newest: dict[tuple[str, tuple[str, str, str]], Study] = {}
    for study in sorted(studies, key=_last):
        task, spec = tasks.get(study.task), specs.get(study.label)
        if task is None or spec is None or study.best is None:
            continue
        if spec.use == study.strategy and spec.applies_to(task):
            newest[study.label, study.task] = study
    found: dict[str, list[tuple[Study, Trial]]] = defaultdict(list)
    for label in specs:
        for task_key in tasks:
            study_ = newest.get((label, task_key))
            if study_ is not None and study_.best is not None:
                found[label].append((study_, study_.best))
    return found


def _other(
    chosen: Mapping[str, list[tuple[Study, Trial]]], number: int
) -> dict[str, list[tuple[Study, Trial]]]:
    """That trial in place of the best. UserError unless there is one study, which has it."""
    found = [study for pairs in chosen.values() for study, _ in pairs]
    if len(found) > 1:
        names = "; ".join(f"{study.label} on {'/'.join(study.task)}" for study in found)
        raise UserError(
            f"trial {number} of which study? name one with -s LABEL, and with -m and -d where it is"
            f" on several tasks: {names}"
        )
    (study,) = found
    trial = next((t for t in study.complete if t.number == number), None)
    if trial is None:
        some = study.front if len(study.objectives) > 1 else study.complete
        known = ", ".join(str(t.number) for t in some[:20])
        what = "the front is" if len(study.objectives) > 1 else "those that have one are"
        raise UserError(
            f"no trial {number} of {study.label} on {'/'.join(study.task)} has ended with a value;"
            f" {what} {known}{', …' if len(some) > 20 else ''}"
        )
    return {study.label: [(study, trial)]}


def _last(study: Study) -> tuple[str, str]:
    """When it was worked on last; of two studies of one label the newer one counts."""
    times = [str(t.recorded_at) for t in study.trials if t.recorded_at is not None]
    return max(times, default=""), study.study_id


def _document(suite: Suite, folder: Path | None) -> dict[str, Any]:
    """The suite's document as it was run, without [tune]."""
    document = copy.deepcopy(tomllib.loads(suite.text))
    # an option ends in the name of the strategy that it adds
    add_to(document, {option.rsplit(" ", 1)[-1]: option for option in suite.added.values()})
    overrides.apply(document, suite.overrides)
    document.pop("tune", None)
    document["suite"]["name"] = suite.name
    if suite.overrides:  # as the reader does: a claim that has lost its ground is left out
        kept = {claim.name for claim in suite.claims}
        claims = [c for c in document.pop("claims", ()) if c.get("name") in kept]
        document |= {"claims": claims} if claims else {}
    own = suite.path.parent
    if folder is not None and folder.resolve() != own.resolve() and "plugins" in document:
        document["plugins"] = [
            Path(os.path.relpath(own / plugin, folder)).as_posix() for plugin in document["plugins"]
        ]
    return document


def _opening(suite: Suite, chosen: Mapping[str, Sequence[tuple[Study, Trial]]]) -> list[str]:
    import lth_bench

    labels = ", ".join(chosen)
    text = (
        f"Suite {suite.name} with what tuning found for {labels}: each as the suite has it, and "
        f"as found, under the name LABEL{_SUFFIX}.\n"
        f"Written by `lth-bench tune --best`, lth-bench {lth_bench.__version__}."
    )
    changes = [o for o in suite.overrides if not o.startswith("tune.")]  # [tune] is left out
    if changes:
        text += redacted(f"\nAs changed by {' '.join(f'--set {option}' for option in changes)}")
    return toml.comment(text)


def _body(document: Mapping[str, Any]) -> list[str]:
    """The document as TOML: plain values, then tables, then lists of tables."""
    plain = {k: v for k, v in document.items() if not _is_tables(v) and not isinstance(v, Mapping)}
    lines = [*toml.entries(plain)]
    lines += ["", "[suite]", *toml.entries(document["suite"])]
    for name, recipe in document.get("recipes", {}).items():
        lines += ["", f"[recipes.{toml.key(name)}]", *toml.entries(recipe)]
    for name in ("tasks", "strategies", "claims"):
        for table in document.get(name, ()):
            lines += ["", f"[[{name}]]", *toml.entries(table)]
    return lines


def _is_tables(item: object) -> bool:
    return isinstance(item, list) and any(isinstance(x, Mapping) for x in item)


def _tuned(
    use: str, label: str, controls: Sequence[str], found: Sequence[tuple[Study, Trial]]
) -> list[str]:
    lines = ["", "[[strategies]]"]
    lines += toml.entries({"use": use, "label": tuned_label(label), "controls": list(controls)})
    for study, trial in found:
        table: dict[str, Any] = {
            "model": study.model, "dataset": study.dataset, "recipe": study.recipe,
            "study": study.study_id, "trial": trial.number, "steps": study.steps,
            "tuning_seeds": list(study.seeds),
        }  # fmt: skip
        lines += ["", *toml.comment(_origin(study, trial)), "[[strategies.tuned]]"]
        lines += toml.entries(table)
        searched = {name.split(".")[0] for name in trial.params}
        params = _settings(study, trial)
        if params:
            lines.append("[strategies.tuned.params]")
            for name, item in params.items():
                note = "" if name in searched else "  # the suite's own"
                lines.append(toml.entries({name: item})[0] + note)
        train = {
            name.removeprefix("recipe."): item
            for name, item in trial.params.items()
            if name.startswith("recipe.")
        }
        if train:
            lines += ["[strategies.tuned.train]", *toml.entries(train)]
    return lines


def _settings(study: Study, trial: Trial) -> Mapping[str, Any]:
    """The strategy's parameters in that trial: those searched, and what is not its default."""
    if trial.settings is None:
        raise UserError(
            f"the experiments of trial {trial.number} of study {study.study_id} are not in these "
            f"results, so its parameters are not all known; merge the results it is from"
        )
    found: dict[str, Any] = {}
    for name, item in trial.params.items():
        path = name.split(".")
        if path[0] in (*trial.settings, *APART):
            continue
        inner = found
        for table in path[:-1]:
            inner = inner.setdefault(table, {})
        inner[path[-1]] = item
    return {**trial.settings, **found}


def _origin(study: Study, trial: Trial) -> str:
    """Where a label's values are from, in words."""
    import lth_bench

    what = ", ".join(
        f"{objective} {value:.4g}"
        for objective, value in zip(study.objectives, trial.values, strict=True)
    )
    own = study.default
    beside = "" if own is None or trial.origin == "default" else (
        f"; the suite's own settings: {', '.join(f'{value:.4g}' for value in own.values)}"
    )  # fmt: skip
    day = "" if trial.recorded_at is None else f", {trial.recorded_at:%Y-%m-%d}"
    where = ", ".join(f"{density:.4g}" for density in study.densities)
    asked = study.best is None or trial.number != study.best.number
    best = "of the front the best by the first objective, " if len(study.objectives) > 1 else ""
    best = "chosen by hand, " if asked else best
    beat = "" if asked or len(study.objectives) > 1 else ", which no trial beat"
    same = f"the suite's own settings{beat}: " if trial.origin == "default" else ""
    return (
        f"{same}trial {trial.number} of {len(study.trials)}, {best}by {study.sampler or 'unknown'}"
        f" on the validation split at {where} left: {what}{beside}{day}, "
        f"lth-bench {lth_bench.__version__}"
    )
