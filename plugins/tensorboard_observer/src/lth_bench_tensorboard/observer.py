"""Writes every training's curve where TensorBoard finds it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from lth_bench import CurvePoint, TicketView, Trained, hookimpl

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "LTH_BENCH_TENSORBOARD"
"""Environment variable: the folder to write to, or `off`."""


class TensorBoard:
    """Curves of every training, and each ticket's density, as TensorBoard scalars.

    Written to the folder that LTH_BENCH_TENSORBOARD names, else to `tensorboard` in the folder of
    files beside the results; `off` writes nothing. One TensorBoard run a training:
    `<suite>/<model>-<dataset>-<recipe>/<label>/seed<n>/round<n>-<density>[-control][-search|-dense]`.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._writer: SummaryWriter | None = None
        self._last = -1

    @hookimpl
    def on_eval(self, ticket: TicketView, point: CurvePoint) -> None:
        """A point of the curve, as soon as it is known."""
        writer = self._open(ticket)
        if writer is not None:
            self._point(writer, point)

    @hookimpl
    def on_round(self, ticket: TicketView, trained: Trained) -> None:
        """What of the curve was not heard (a training found already done), and the ticket."""
        writer = self._open(ticket)
        if writer is None:
            return
        for point in trained.curve:
            if point.step > self._last:
                self._point(writer, point)
        writer.add_scalar("ticket/density", trained.mask.density, ticket.round)
        writer.add_scalar("ticket/early_stop_step", trained.early_stop_step, ticket.round)
        last = trained.curve[-1]
        writer.add_scalar(f"ticket/val_{last.metric}", last.val_score, ticket.round)
        for name, kept in trained.mask.kept_per_layer().items():
            writer.add_scalar(
                f"layers/{name}", kept / trained.mask.kept[name].numel(), ticket.round
            )
        # nothing follows that belongs to this training, and a worker process may end any time
        self._close()

    def _point(self, writer: SummaryWriter, point: CurvePoint) -> None:
        writer.add_scalar("train/loss", point.train_loss, point.step)
        writer.add_scalar("val/loss", point.val_loss, point.step)
        writer.add_scalar(f"val/{point.metric}", point.val_score, point.step)
        self._last = point.step

    def _open(self, ticket: TicketView) -> SummaryWriter | None:
        """The writer of the training at hand; a new one where another training has begun."""
        folder = folder_of(ticket)
        if folder is None:
            return None
        if folder != self._folder or self._writer is None:
            # here and not above: without TensorBoard the run says so and goes on
            from torch.utils.tensorboard import SummaryWriter

            self._close()
            self._folder, self._last = folder, -1
            # what an interrupted run wrote of this training is hidden
            self._writer = SummaryWriter(str(folder), purge_step=0)
        return self._writer

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = self._folder = None


def folder_of(ticket: TicketView) -> Path | None:
    """Where a training's events go; None where they are switched off."""
    root = os.environ.get(FOLDER, "")
    if root.lower() == "off":
        return None
    name = f"round{ticket.round:02d}-{ticket.target:g}"
    if ticket.control != "none":
        name += f"-{ticket.control}"
    if ticket.training != "train":
        name += f"-{ticket.training}"
    parts = (ticket.suite, "-".join(ticket.task), ticket.label, f"seed{ticket.seed}", name)
    folder = Path(root) if root else ticket.artifacts / "tensorboard"
    # labels may hold anything: a slash, or a colon that some file systems refuse
    return folder.joinpath(*(re.sub(r"[^\w.=+-]+", "_", part) for part in parts))
