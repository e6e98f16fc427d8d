"""The exact decision boundary of a network with two inputs and one hidden layer.

Each hidden unit changes its slope along a line. These lines cut the plane into cells, and in each
cell f₁ − f₂ is linear, so that the boundary there is what the cell has of one straight line. All
cells within a square are found from the pieces into which the lines cut each other; nothing is
sampled. 100 units make about 5,000 cells, and take some 30 ms.
"""

from __future__ import annotations

import numpy as np

from lth_bench.geometry.planar import PlanarNetwork
from lth_bench.geometry.polygons import Array

SAME = 12
"""Decimals to which two units' lines are compared: those on one line are one."""
TINY = 1e-10
"""Length, as a fraction of the square's side, below which a piece is none, and slope, as a fraction
of all that a cell may have, below which f₁ − f₂ is constant there: sums that cancel leave less."""


def decision_boundary(network: PlanarNetwork, reach: float) -> list[Array]:
    """Where f₁ = f₂ in the square [−reach, reach]², as lines through points [k, 2] each.

    Of a cell in which f₁ = f₂ everywhere only the edges are part of it, and not all of them.
    """
    lines, values, slope, level = _canonical(network)
    on = _cells(lines, reach)
    gradient = slope + (on * values) @ lines[:, :2]
    offset = level + (on * values) @ lines[:, 2]
    steepest = float(np.linalg.norm(slope) + np.abs(values).sum())
    crossed = np.linalg.norm(gradient, axis=1) > TINY * steepest
    gradient, offset, on = gradient[crossed], offset[crossed], on[crossed]
    ends = _clipped(gradient, offset, on, lines, reach)
    return _joined(ends, TINY * reach)


def _canonical(network: PlanarNetwork) -> tuple[Array, Array, Array, float]:
    """f₁ − f₂ as v·max(n·x + m, 0) + g·x + h over lines (n, m) [l, 3] that all differ, with
    |n| = 1: the lines, v [l], g [2] and h.
    """
    v, level = network.contrast
    norm = np.linalg.norm(network.hidden, axis=1)
    flat = norm == 0
    level += float(v[flat] @ np.maximum(network.hidden_bias[flat], 0))
    v, norm = (v * norm)[~flat], norm[~flat]
    lines = np.column_stack([network.hidden, network.hidden_bias])[~flat] / norm[:, None]
    # a unit that looks the other way: max(−l, 0) = max(l, 0) − l
    other = (lines[:, 0] < 0) | ((lines[:, 0] == 0) & (lines[:, 1] < 0))
    lines = np.where(other[:, None], -lines, lines)
    rest = -v[other] @ lines[other]
    kept, same = np.unique(lines.round(SAME), axis=0, return_index=True, return_inverse=True)[1:]
    values = np.zeros(len(kept))
    np.add.at(values, same.ravel(), v)
    return lines[kept], values, rest[:2], level + float(rest[2])


def _cells(lines: Array, reach: float) -> Array:
    """[cells, l] of 0 and 1: on which side of each line the cells are that meet the square."""
    if len(lines) == 0:
        return np.zeros((1, 0))
    normal, offset = lines[:, :2], lines[:, 2]
    foot, along = -normal * offset[:, None], np.stack([-normal[:, 1], normal[:, 0]], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        # where line i, at foot + t·along, meets each other line, and the sides of the square
        crossing = -(foot @ normal.T + offset) / (along @ normal.T)
        sides = (np.array([reach, -reach])[None, :, None] - foot[:, None]) / along[:, None]
    first, last = np.fmin.reduce(sides, axis=1), np.fmax.reduce(sides, axis=1)
    parallel = np.abs(along) < TINY
    inside = np.abs(foot) <= reach
    first = np.where(parallel, np.where(inside, -np.inf, np.inf), first).max(axis=1)
    last = np.where(parallel, np.where(inside, np.inf, -np.inf), last).min(axis=1)
    seen = [np.zeros((1, 2))]
    owner = [np.array([-1])]
    for i in np.flatnonzero(first < last):
        met = crossing[i]
        met = met[np.isfinite(met) & (met > first[i]) & (met < last[i])]
        stops = np.unique(np.concatenate([[first[i]], met, [last[i]]]))
        middle = (stops[1:] + stops[:-1]) / 2
        seen.append(foot[i] + middle[:, None] * along[i])
        owner.append(np.full(len(middle), i))
    points, own = np.concatenate(seen), np.concatenate(owner)
    on = points @ normal.T + offset > 0
    rows = np.flatnonzero(own >= 0)
    on[rows, own[rows]] = True  # both sides of the line that the point is on
    off = on[rows].copy()
    off[np.arange(len(rows)), own[rows]] = False
    packed = np.unique(np.packbits(np.concatenate([on, off]), axis=1), axis=0)
    found: Array = np.unpackbits(packed, axis=1, count=len(lines)).astype(np.float64)
    return found


def _clipped(gradient: Array, offset: Array, on: Array, lines: Array, reach: float) -> Array:
    """[pieces, 2, 2]: what each cell has of the line g·x + h = 0; empty ones are left out."""
    size = np.linalg.norm(gradient, axis=1, keepdims=True)
    unit = gradient / size
    foot, along = -unit * offset[:, None] / size, np.stack([-unit[:, 1], unit[:, 0]], axis=1)
    side = 2 * on - 1
    square = np.array([[1, 0, reach], [-1, 0, reach], [0, 1, reach], [0, -1, reach]])
    rate = np.hstack([side * (along @ lines[:, :2].T), along @ square[:, :2].T])
    here = np.hstack([
        side * (foot @ lines[:, :2].T + lines[:, 2]),
        foot @ square[:, :2].T + square[:, 2],
    ])  # fmt: skip
    rate[np.abs(rate) < TINY] = 0  # along the line itself, whichever way it is rounded
    with np.errstate(divide="ignore", invalid="ignore"):
        met = -here / rate
    first = np.where(rate > 0, met, -np.inf).max(axis=1, initial=-np.inf)
    last = np.where(rate < 0, met, np.inf).min(axis=1, initial=np.inf)
    outside = ((rate == 0) & (here < -TINY * reach)).any(axis=1)
    kept = (last - first > TINY * reach) & ~outside
    ends = np.stack([first[kept], last[kept]], axis=1)[..., None]
    found: Array = foot[kept][:, None] + ends * along[kept][:, None]
    return found


def _joined(pieces: Array, near: float) -> list[Array]:
    """Pieces [p, 2, 2] that share an end, as one line each; a closed one ends where it begins."""
    number: dict[tuple[int, int], list[int]] = {}
    keys = [[(round(x / near), round(y / near)) for x, y in piece] for piece in pieces]
    for index, ends in enumerate(keys):
        for end in ends:
            number.setdefault(end, []).append(index)
    left = dict.fromkeys(range(len(pieces)))
    # open lines first, from one of their ends
    order = sorted(left, key=lambda i: min(len(number[end]) for end in keys[i]))
    found = []
    for first in order:
        if first not in left:
            continue
        at = min((0, 1), key=lambda side: len(number[keys[first][side]]))
        line, here = [pieces[first, at]], first
        while True:
            del left[here]
            line.append(pieces[here, 1 - at])
            end = keys[here][1 - at]
            following = [i for i in number[end] if i in left]
            if not following:
                break
            here = following[0]
            at = keys[here].index(end)
        found.append(np.array(line))
    return found
