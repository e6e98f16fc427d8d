"""Optuna's figures of a study, as plain data for plotly.

They are Optuna's own (`optuna.visualization`); their colours and sizes are the page's.
"""

from __future__ import annotations

import html
import math
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.studies import Rebuilt, rebuild, spread_over_values
from lth_bench.store.trials import Study
from lth_bench.system.text import printable

if TYPE_CHECKING:
    from optuna.importance import PedAnovaImportanceEvaluator
    from optuna.trial import FrozenTrial

LEAST = 10
"""Complete trials below which parameters get no importance."""

MOST = 100
"""Trials in slices and contours, whose size grows with their square; evenly from best to worst."""

_BEST = 0.1
_BEST_LEAST = 5  # trials; with fewer PED-ANOVA tells chance from importance no more (Optuna's docs)
_PARAMS = 4  # drawn in slices
_PAIRED = 3  # of which contours are drawn
_DIGITS = 5
MEMBERS, OTHERS = "#cb181d", "#6baed6"
"""Of a front, and of what is not on it: the middle of Optuna's two scales."""


@dataclass(frozen=True)
class OptunaFigure:
    """One figure."""

    title: str
    about: str
    """What it shows, for screen readers."""
    data: Sequence[Mapping[str, Any]]
    """Plotly's traces."""
    layout: Mapping[str, Any]


def draw(study: Study, most: int = MOST) -> tuple[list[OptunaFigure], list[str]]:
    """The figures of a study, and notes on them.

    History of each objective; with `LEAST` complete trials or more, importances; the front of two
    objectives; slices and contours, of `most` trials, of the parameters that matter most.
    """
    with _quiet():
        whole = rebuild(study)
        thin = len(study.complete) > most
        first = _first(study) if len(study.objectives) > 1 else study
        # by the first objective alone, whose direction Optuna knows then: for a target it assumes
        # that lower is better, and shades the contours so
        some = whole if first is study and not thin else rebuild(spread_over_values(first, most))
        notes = []
        if whole.left_out:
            notes.append(f"{whole.left_out} trials have parameters outside their ranges")
        if thin:
            notes.append(
                f"slices and contours show {most} of {len(study.complete)} trials, evenly from the "
                "best to the worst"
            )
        found = [_made(*plan) for plan in _plans(study, whole, some, notes)]
    drawn = [figure for figure in found if figure is not None]
    if len(drawn) < len(found):
        notes.append(f"{len(found) - len(drawn)} figures cannot be drawn from these trials")
    return drawn, notes


FigurePlan = tuple[str, str, Callable[[], Any]]


def _plans(study: Study, whole: Rebuilt, some: Rebuilt, notes: list[str]) -> Iterator[FigurePlan]:
    """Title, description, and what makes the figure."""
    from optuna import visualization as plot

    if not any(trial.values for trial in whole.study.get_trials(deepcopy=False)):
        return
    several = len(whole.objectives) > 1
    for index, name in enumerate(whole.objectives):
        yield (
            f"History: {name}" if several else "History",
            "Value of every trial in the order of the trials"
            + ("." if several else ", and the best so far."),
            partial(
                plot.plot_optimization_history,
                whole.study,
                target=whole.target(index),
                target_name=name,
            ),
        )
    if several:
        yield (
            "Front", "The objectives against each other; what nothing beats in all is marked.",
            partial(_front, whole, {t.number for t in study.front}),
        )  # fmt: skip
    important = _important(whole, notes)
    if important is not None:
        for index, name in enumerate(whole.objectives):
            yield (
                f"Importance for {name}" if several else "Importance of the parameters",
                f"How much each parameter decides what is among the best {_best(whole)} trials.",
                partial(
                    plot.plot_param_importances,
                    whole.study,
                    _evaluator(whole),
                    target=_loss(whole, index),
                    target_name=name,
                ),
            )
    params = list(important or whole.params)[:_PARAMS]
    goal = whole.objectives[0]
    for param in params:
        yield (
            f"{param}", f"Value of the trials against {param}; darker is later.",
            partial(
                plot.plot_slice, some.study, params=[param], target_name=goal
            ),
        )  # fmt: skip
    for one, other in combinations(params[:_PAIRED], 2):
        yield (
            f"{one} and {other}", f"Value of the trials over {one} and {other}, as a contour map.",
            partial(
                plot.plot_contour, some.study, params=[one, other], target_name=goal
            ),
        )  # fmt: skip


def _front(rebuilt: Rebuilt, members: Collection[int]) -> Any:
    """Optuna's plot of the objectives, every member of the front drawn as one.

    Optuna's front knows no ties, and its colours are the trials' numbers: of an early trial so
    pale that it is hard to tell from the others.
    """
    from optuna import visualization as plot

    figure = plot.plot_pareto_front(rebuilt.study, target_names=list(rebuilt.objectives[:3]))
    points = sorted(
        (number, *point)
        for trace in figure.data
        for number, *point in zip(trace.marker.color, trace.x, trace.y, trace.text, strict=True)
    )
    looks = ({"color": OTHERS, "size": 6}, {"color": MEMBERS, "size": 9, "symbol": "diamond"})
    for trace, look, within in zip(figure.data, looks, (False, True), strict=True):
        mine = [p for number, *p in points if (rebuilt.numbers[number] in members) is within]
        trace.x, trace.y, trace.text = ([point[i] for point in mine] for i in range(3))
        trace.marker = look
    return figure


def _important(rebuilt: Rebuilt, notes: list[str]) -> list[str] | None:
    """Parameters by their importance for the first objective; None where they cannot be
    computed.
    """
    from optuna.importance import get_param_importances

    trials = [t for t in rebuilt.study.get_trials(deepcopy=False) if t.values]
    if len(trials) < LEAST or len(rebuilt.params) < 2:
        if len(rebuilt.params) >= 2:
            notes.append(f"fewer than {LEAST} trials with a value: no importances")
        return None
    try:
        found = get_param_importances(
            rebuilt.study, evaluator=_evaluator(rebuilt), target=_loss(rebuilt, 0)
        )
        best = f"the best {_best(rebuilt)} of {len(trials)}"
        notes.append(f"importance (PED-ANOVA): how much a parameter decides what is among {best}")
        return list(found)
    except Exception as error:  # trials may come from anywhere, with anything in them
        notes.append(f"importances cannot be computed: {printable(str(error))[:200]}")
        return None


def _best(rebuilt: Rebuilt) -> int:
    """How many trials count as good: a tenth, and no fewer than PED-ANOVA needs."""
    whole = sum(bool(t.values) for t in rebuilt.study.get_trials(deepcopy=False))
    return max(_BEST_LEAST, round(_BEST * whole))


def _evaluator(rebuilt: Rebuilt) -> PedAnovaImportanceEvaluator:
    from optuna.importance import PedAnovaImportanceEvaluator

    whole = sum(bool(t.values) for t in rebuilt.study.get_trials(deepcopy=False))
    return PedAnovaImportanceEvaluator(target_quantile=_best(rebuilt) / whole)


def _loss(rebuilt: Rebuilt, objective: int) -> Callable[[FrozenTrial], float] | None:
    """An objective, lower is better: PED-ANOVA takes any target so. None for the only one."""
    from optuna.study import StudyDirection

    if len(rebuilt.objectives) == 1:
        return None
    up = rebuilt.study.directions[objective] == StudyDirection.MAXIMIZE
    return lambda trial: -trial.values[objective] if up else trial.values[objective]


def _first(study: Study) -> Study:
    """The study of its first objective alone."""
    return replace(
        study,
        objectives=study.objectives[:1],
        directions=study.directions[:1],
        trials=tuple(replace(trial, values=trial.values[:1]) for trial in study.complete),
    )


def _made(title: str, about: str, make: Callable[[], Any]) -> OptunaFigure | None:
    """The figure; None where Optuna cannot make it, or nothing is on it."""
    try:
        figure = make().to_plotly_json()
    except Exception:  # trials may come from anywhere: the page is written without this figure
        return None
    layout = {
        key: value for key, value in figure["layout"].items() if key not in ("template", "title")
    }
    traces = [_plain(trace) for trace in figure["data"]]
    for trace in traces:  # when a trial came is no number to be read off
        if trace.get("type") != "contour" and "marker" in trace:
            trace["marker"]["showscale"] = False
    shown = [t for t in traces if len(t.get("x", ())) or len(t.get("y", ()))]
    # the names in these are escaped for plotly, and the page escapes them itself
    texts = (html.unescape(title), html.unescape(about))
    return OptunaFigure(*texts, shown, _plain(layout)) if shown else None


def _plain(value: Any) -> Any:
    """As JSON has it: rounded numbers, none that is not finite, no control characters."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if hasattr(value, "tolist"):  # numpy's
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return printable(value) if isinstance(value, str) else value


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's remarks: what cannot be drawn is said on the page."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(level)
