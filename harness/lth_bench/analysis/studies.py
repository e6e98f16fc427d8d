"""An Optuna study in memory, made from a study's rows.

Plotly reads a little HTML in its texts, and names come from a stranger's database. So names and
choices are escaped here, before Optuna writes them into anything.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.evidence.subject import spread
from lth_bench.store.trials import Study, Trial
from lth_bench.system.text import printable

if TYPE_CHECKING:
    import optuna

_WIDTH = 40  # characters of a name in a figure


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """A study that Optuna can draw."""

    study: optuna.Study
    objectives: Sequence[str]
    """As they may stand in a figure."""
    params: Sequence[str]
    """The same of every parameter that a complete trial has."""
    left_out: int
    """Trials that have values and that Optuna does not take: their parameters lie in no range."""
    numbers: Sequence[int] = ()
    """The study's own number of each of Optuna's trials, which it counts from 0."""

    def target(self, objective: int) -> Any:
        """What Optuna's plots take as the value of a trial; None where there is one anyway."""
        if len(self.objectives) == 1:
            return None
        return lambda trial: trial.values[objective]


def rebuild(study: Study) -> Rebuilt:
    """The trials with a value, and those pruned with one on the way."""
    import optuna

    names = _distinct(sorted({name for trial in study.trials for name in trial.params}))
    # a study of the same name elsewhere in this process would be another one
    made = optuna.create_study(
        storage=optuna.storages.InMemoryStorage(),
        directions=["minimize" if d == "minimize" else "maximize" for d in study.directions],
    )
    left_out, numbers = 0, list[int]()
    whole = {trial.number for trial in study.complete}
    for trial in study.trials:
        complete = trial.number in whole
        if not complete and not (trial.state == "pruned" and len(study.objectives) == 1):
            continue
        try:
            made.add_trial(_frozen(trial, names, complete))
        except (ValueError, TypeError, KeyError, AttributeError):
            # what Optuna says of a parameter outside of its range, or of a range that is none
            left_out += complete
        else:
            numbers.append(trial.number)
    present = {name for trial in study.complete for name in trial.params}
    shown = [names[name] for name in names if name in present]
    return Rebuilt(
        study=made,
        objectives=[text_of(o) for o in study.objectives],
        params=shown,
        left_out=left_out,
        numbers=numbers,
    )


def ranked_trials(study: Study) -> list[Trial]:
    """Trials with a value: the best first, then the front, then the others by the first objective.

    Of equal trials the best is the first, which their last bits may put behind.
    """
    front = {t.number for t in study.front} if len(study.objectives) > 1 else set()
    sign = 1 if study.directions[0] == "minimize" else -1
    return sorted(
        study.complete,
        key=lambda t: (t is not study.best, t.number not in front, sign * t.values[0], t.number),
    )


def front_in_order(study: Study) -> list[Trial]:
    """The front by its last objective, from low to high."""
    return sorted(study.front, key=lambda t: (t.values[-1], t.number))


def spread_over_values(study: Study, most: int) -> Study:
    """The study with at most `most` of its complete trials, evenly from the lowest value of the
    first objective to the highest.
    """
    kept = spread(sorted(study.complete, key=lambda t: (t.values[0], t.number)), most)
    return replace(study, trials=tuple(sorted(kept, key=lambda t: t.number)))


def text_of(name: object) -> str:
    """A name as plotly shows it and nothing else: short, one line, no markup."""
    text = printable(" ".join(str(name).split()))
    return html.escape(text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…", quote=False)


def _frozen(trial: Trial, names: Mapping[str, str], complete: bool) -> optuna.trial.FrozenTrial:
    from optuna.distributions import CategoricalDistribution, json_to_distribution
    from optuna.trial import TrialState, create_trial

    params: dict[str, Any] = {}
    ranges = {}
    for name, value in trial.params.items():
        allowed = json_to_distribution(trial.distributions[name])
        if isinstance(allowed, CategoricalDistribution):
            allowed = CategoricalDistribution([_choice(choice) for choice in allowed.choices])
            value = _choice(value)
        params[names[name]], ranges[names[name]] = value, allowed
    return create_trial(
        state=TrialState.COMPLETE if complete else TrialState.PRUNED,
        values=list(trial.values) if complete else None,
        params=params,
        distributions=ranges,
        intermediate_values=dict(trial.intermediate),
    )


def _choice(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float) else text_of(value)


def _distinct(names: Sequence[str]) -> dict[str, str]:
    """Each name as it is shown; two that look alike are numbered."""
    found: dict[str, str] = {}
    for name in names:
        text = text_of(name)
        same = sum(other == text or other.startswith(f"{text} (") for other in found.values())
        found[name] = f"{text} ({same + 1})" if same else text
    return found
