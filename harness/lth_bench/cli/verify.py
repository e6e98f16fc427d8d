"""`lth-bench verify`: experiments of any database run again, and its rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lth_bench.cli.options import (
    DeviceOption,
    JsonOption,
    NoPluginsOption,
    PluginsOption,
    WorkersOption,
)

SAMPLE = 5
"""Experiments that are run again where neither --sample nor --rules is given."""


def verify(
    database: Annotated[
        Path,
        typer.Argument(
            metavar="DATABASE",
            help="Results: a .duckdb file, a journal (.jsonl), or a file of rows (.parquet).",
        ),
    ],
    sample: Annotated[
        int | None,
        typer.Option(
            "--sample",
            metavar="K",
            help=f"How many experiments to run again, chosen at random; {SAMPLE} by default.",
            min=1,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            metavar="S",
            help="Of the choice, to repeat it; by default another each time.",
        ),
    ] = None,
    rules: Annotated[
        bool,
        typer.Option(
            "--rules",
            metavar="",
            help="Check the rules for results that others are to use; without --sample nothing is "
            "trained.",
        ),
    ] = False,
    *,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    plugin: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    json_: JsonOption = False,
) -> int:
    """Run experiments of any database again, and compare what comes out.

    In a temporary place: neither the database nor your own results are written to. On the same
    numerics (torch, engine, processor, cohort size) every bit must be the same; on others each
    score must lie where the row's seeds make it likely.

    No code that came with the database runs. Strategies must be installed, with the source that was
    recorded; a file of plugins runs only where `--plugin FILE` names it.

    Exit codes: 0; 2 interrupted; 6 where an experiment differs or fails here, or a rule is broken.
    """
    import json
    import random

    from lth_bench.errors import OK, REGRESSION, UserError
    from lth_bench.maintenance.verify.recorded import opened
    from lth_bench.maintenance.verify.rules import broken, rules_board
    from lth_bench.output.formats import print_board

    if rules and sample is None and seed is not None:
        raise UserError(
            f"--seed {seed} chooses what is run again, and --rules runs nothing; add --sample K, "
            f"or leave --seed out"
        )
    document: dict[str, object] = {}
    code = OK
    if rules:
        with opened(database) as con:
            found = broken(con)
        code = REGRESSION if found else OK
        document["broken_rules"] = [{"rule": one.rule, "message": one.message} for one in found]
        if not json_:
            print_board(rules_board(database, found), "table")
    if sample is not None or not rules:
        from lth_bench.maintenance.verify.again import RerunOn
        from lth_bench.maintenance.verify.sheet import verification_board
        from lth_bench.maintenance.verify.verify import verify as verify_
        from lth_bench.output.progress import make_progress
        from lth_bench.plugins import load_registry

        verification = verify_(
            database,
            count=SAMPLE if sample is None else sample,
            seed=random.SystemRandom().randrange(2**31) if seed is None else seed,
            registry=load_registry(plugin or (), not no_plugins),
            where=RerunOn(device=device, workers=workers),
            emit=make_progress(),
        )
        document |= verification.as_json()
        code = verification.exit_code or code
        if not json_:
            print_board(verification_board(verification), "table")
    if json_:
        print(json.dumps({**document, "exit_code": code}, allow_nan=False))
    return code
