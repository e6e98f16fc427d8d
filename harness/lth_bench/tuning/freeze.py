"""Write what tuning found as a suite: the suite's own settings beside the tuned ones.

The frozen suite keeps the name of the tuned one, so that its results appear in the same tables and
finished experiments at the suite's own settings are reused.
"""

from __future__ import annotations

import copy
import json
import math
import os
import re
import shlex
import textwrap
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lth_bench.analysis.gains import tuned_label
from lth_bench.errors import UserError
from lth_bench.store.paths import disk_error, results_option
from lth_bench.store.trials import Study, Trial, read_studies
from lth_bench.suite.load import suite_of
from lth_bench.suite.overrides import add_to, apply_overrides
from lth_bench.suite.spec import StrategySpec, Suite
from lth_bench.system.text import redacted

APART = ("recipe", "task")
"""First parts of names of dimensions that are not parameters of the strategy: the recipe's values,
and the density where it is an objective."""


def write_best(
    results: Path,
    suite: Suite,
    path: Path | None,
    trial: int | None = None,
    given: str | None = None,
) -> str:
    """The frozen suite with what the studies of `suite` in these results have found so far.

    It is also written to `path` where that is given. `trial` and `given` are as in `freeze`.
    UserError where nothing has been found yet, or where the file cannot be written.
    """
    from lth_bench.store.reading import reading, to_stderr

    with reading(results, to_stderr) as con:
        studies = read_studies(con, [suite.name])
    text = freeze(
        suite, studies, path.parent if path is not None else None, trial, given, results=results
    )
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
    *,
    results: Path | None = None,
) -> str:
    """The text of a suite with every tuned label beside the suite's own, and without [tune].

    It includes the changes by `--set` and `--add`. `folder` is where the file will be, for the
    paths of one-file plugins; by default the suite's own folder. With two objectives it takes the
    trial of the front that is best by the first. `trial` is the number of another trial to take,
    where the suite has one study. `given` is the suite's path or name as the user typed it,
    `results` where the studies are. UserError where no study has found anything, where a study no
    longer fits the suite, and where trial `trial` has no value.
    """
    chosen = _chosen(suite, studies)
    if not chosen:
        raise UserError(
            f"no trial of suite {suite.name!r} has finished with a value, so there is nothing to "
            f"write; run `lth-bench tune {shlex.quote(given or suite.name)}"
            f"{results_option(results)}` first"
        )
    if trial is not None:
        chosen = _other(chosen, trial)
    document = _document(suite, folder)
    again = {tuned_label(label) for label in chosen}
    document["strategies"] = [  # replace what an earlier tuning found
        s for s in document["strategies"] if not ("tuned" in s and s.get("label") in again)
    ]
    lines, tables = [*_opening(suite, chosen), *_body(document)], document["strategies"]
    for spec in suite.strategies:
        if spec.label in chosen:
            own = next(t for t in tables if t.get("label", t["use"]) == spec.label)
            lines += _tuned(spec, own, chosen[spec.label])
    text = "\n".join(lines) + "\n"
    suite_of(text, suite.path)  # fails where a study no longer fits the suite
    return text


def _chosen(suite: Suite, studies: Sequence[Study]) -> dict[str, list[tuple[Study, Trial]]]:
    """By label: the newest study with a value for each of the suite's tasks, and its best trial."""
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
    """This trial instead of the best. UserError unless there is exactly one study and it has it."""
    found = [study for pairs in chosen.values() for study, _ in pairs]
    if len(found) > 1:
        names = "; ".join(f"{study.label} on {'/'.join(study.task)}" for study in found)
        raise UserError(
            f"--trial {number} is ambiguous: there are {len(found)} studies ({names}); choose"
            f" one with -s LABEL, and with -m and -d where a label is tuned on several tasks"
        )
    (study,) = found
    trial = next((t for t in study.complete if t.number == number), None)
    if trial is None:
        some = study.front if len(study.objectives) > 1 else study.complete
        known = ", ".join(str(t.number) for t in some[:20])
        what = "on the front" if len(study.objectives) > 1 else "finished with a value"
        raise UserError(
            f"trial {number} of {study.label} on {'/'.join(study.task)} does not exist or has no"
            f" value; trials {what}: {known}{', …' if len(some) > 20 else ''}"
        )
    return {study.label: [(study, trial)]}


def _last(study: Study) -> tuple[str, str]:
    """When its last trial ended; of two studies of one label the newer one counts."""
    times = [str(t.recorded_at) for t in study.trials if t.recorded_at is not None]
    return max(times, default=""), study.study_id


def _document(suite: Suite, folder: Path | None) -> dict[str, Any]:
    """The suite's document with its changes, without [tune]."""
    document = copy.deepcopy(tomllib.loads(suite.text))
    # an option ends with the name of the strategy that it adds
    add_to(document, {option.rsplit(" ", 1)[-1]: option for option in suite.added.values()})
    apply_overrides(document, suite.overrides)
    document.pop("tune", None)
    document["suite"]["name"] = suite.name
    if suite.overrides:  # as in `load`: leave out claims that no longer apply
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
        f"Suite {suite.name} with what tuning found for {labels}: each with the suite's own "
        f"settings, and with the tuned ones as LABEL-tuned.\n"
        f"Written by `lth-bench tune --best`, lth-bench {lth_bench.__version__}."
    )
    changes = [o for o in suite.overrides if not o.startswith("tune.")]  # this file has no [tune]
    if changes:
        text += redacted(f"\nChanged by {' '.join(f'--set {option}' for option in changes)}")
    return toml_comment(text)


def _body(document: Mapping[str, Any]) -> list[str]:
    """The document as TOML: plain values, then tables, then lists of tables."""
    plain = {k: v for k, v in document.items() if not _is_tables(v) and not isinstance(v, Mapping)}
    lines = [*toml_entries(plain)]
    lines += ["", "[suite]", *toml_entries(document["suite"])]
    for name, recipe in document.get("recipes", {}).items():
        lines += ["", f"[recipes.{toml_key(name)}]", *toml_entries(recipe)]
    for name in ("tasks", "strategies", "claims"):
        for table in document.get(name, ()):
            lines += ["", f"[[{name}]]", *toml_entries(table)]
    return lines


def _is_tables(item: object) -> bool:
    return isinstance(item, list) and any(isinstance(x, Mapping) for x in item)


def _tuned(
    spec: StrategySpec, own: Mapping[str, Any], found: Sequence[tuple[Study, Trial]]
) -> list[str]:
    """The tuned label beside the strategy whose table in the suite is `own`."""
    lines = ["", "[[strategies]]"]
    lines += toml_entries(
        {
            "use": spec.use,
            "label": tuned_label(spec.label),
            "controls": list(spec.controls),
            **{key: own[key] for key in ("ablations", "compared_to") if key in own},
        }
    )
    for study, trial in found:
        table: dict[str, Any] = {
            "model": study.model, "dataset": study.dataset, "recipe": study.recipe,
            "study": study.study_id, "trial": trial.number, "steps": study.steps,
            "tuning_seeds": list(study.seeds),
        }  # fmt: skip
        lines += ["", *toml_comment(_origin(study, trial)), "[[strategies.tuned]]"]
        lines += toml_entries(table)
        searched = {name.split(".")[0] for name in trial.params}
        params = _settings(study, trial)
        if params:
            lines.append("[strategies.tuned.params]")
            for name, item in params.items():
                note = "" if name in searched else "  # the suite's own"
                lines.append(toml_entries({name: item})[0] + note)
        train = {
            name.removeprefix("recipe."): item
            for name, item in trial.params.items()
            if name.startswith("recipe.")
        }
        if train:
            lines += ["[strategies.tuned.train]", *toml_entries(train)]
    return lines


def _settings(study: Study, trial: Trial) -> Mapping[str, Any]:
    """The strategy's parameters in a trial: the tuned ones, and those that are not defaults."""
    if trial.settings is None:
        raise UserError(
            f"these results have no experiment of trial {trial.number} of study {study.study_id}, "
            f"so not all of its parameters are known; merge the results of the machine that ran it"
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
    """Where a label's values come from, as a comment."""
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
    by_hand = study.best is None or trial.number != study.best.number
    best = "best of the front by the first objective, " if len(study.objectives) > 1 else ""
    best = "chosen by hand, " if by_hand else best
    beat = "" if by_hand or len(study.objectives) > 1 else ", which no trial beat"
    same = f"the suite's own settings{beat}: " if trial.origin == "default" else ""
    return (
        f"{same}trial {trial.number} of {len(study.trials)}, {best}"
        f"sampler {study.sampler or 'unknown'}, on the validation split at density {where}: "
        f"{what}{beside}{day}, "
        f"lth-bench {lth_bench.__version__}"
    )


_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH = 100


def toml_value(item: Any) -> str:
    """A value as TOML on one line. TypeError for a type that TOML does not have."""
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, int):
        return str(item)
    if isinstance(item, float):
        return repr(item) if math.isfinite(item) else str(item)
    if isinstance(item, str):
        # JSON's escapes are TOML's, but for the one control character that JSON lets stand
        return json.dumps(item, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(item, Mapping):
        inner = ", ".join(f"{toml_key(k)} = {toml_value(v)}" for k, v in item.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(item, Sequence):
        return f"[{', '.join(map(toml_value, item))}]"
    raise TypeError(f"TOML has no {type(item).__name__}")


def toml_key(name: str) -> str:
    """A key, quoted where necessary."""
    return name if _BARE.fullmatch(name) else toml_value(name)


def toml_entries(table: Mapping[str, Any]) -> list[str]:
    """`key = value` lines; a list that is too long for one line gets a line for each item."""
    lines: list[str] = []
    for name, item in table.items():
        line = f"{toml_key(name)} = {toml_value(item)}"
        if len(line) > _WIDTH and isinstance(item, list):
            lines += [f"{toml_key(name)} = [", *(f"    {toml_value(x)}," for x in item), "]"]
        else:
            lines.append(line)
    return lines


def toml_comment(text: str) -> list[str]:
    """Comment lines. No character of the text can end the comment."""
    lines = (line for part in text.splitlines() for line in textwrap.wrap(part, _WIDTH - 2))
    return [f"# {''.join(c if c.isprintable() else '�' for c in line)}" for line in lines]
