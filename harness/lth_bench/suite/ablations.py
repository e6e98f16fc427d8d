"""Ablations: what a method finds when one thing that it sees, or may spend, is changed.

Each is an experiment of its own, labelled LABEL-ABLATION, whose search is its own cost:

- `random_labels`, `half_data`, `shuffled_pixels`: what `select_mask` and its search trainings see
  (`training/input/ablated.py`); the ticket is rewound and trained on the task itself.
- `other_order`: the whole experiment, dense run, search and ticket, with the data in another order,
  from the same initial values: beside the method's own mask it says what the order decides.
- `inverted_score`: the weights with the lowest scores stay (Frankle et al., 2021, section 5).
- `scratch_e`, `scratch_b`: the method's final mask trained from new initial values, as long as the
  task's recipe or for as many FLOPs as the dense run (Liu et al., 2019, "Rethinking the value of
  network pruning"). `scratch_e` is the control `reinit` with the search counted.
- `equal_cost`: a method that only trains once, or the dense run and its ticket, for as many steps
  as another one takes in all.
"""

from __future__ import annotations

from typing import Literal

Ablation = Literal[
    "random_labels",
    "half_data",
    "shuffled_pixels",
    "other_order",
    "inverted_score",
    "scratch_e",
    "scratch_b",
    "equal_cost",
]
OF_DATA = ("random_labels", "half_data", "shuffled_pixels")
FROM_SCRATCH = ("scratch_e", "scratch_b")


def label_of(label: str, ablation: str) -> str:
    """The label of an ablation in the results: `imp-random_labels`."""
    return f"{label}-{ablation}"
