"""The built-in strategies keep the contracts that everybody's do, through the same class."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import ClassVar

from lth_bench.testing import StrategyConformance


class TestIMP(StrategyConformance):
    strategy = "imp"
    params: ClassVar = {"prune_rate": 0.5}


class TestOneShot(StrategyConformance):
    strategy = "one_shot"


class TestLateRewind(StrategyConformance):
    strategy = "late_rewind"
    params: ClassVar = {"prune_rate": 0.5, "rewind_step": 2}


class TestEarlyIMP(StrategyConformance):
    strategy = "early_imp"
    params: ClassVar = {"prune_rate": 0.5, "mask_fraction": 0.5}


class TestSupermask(StrategyConformance):
    strategy = "supermask"
    params: ClassVar = {"survivors": "constant"}


class TestFrozenSupermask(StrategyConformance):
    strategy = "supermask"
    params: ClassVar = {"pruned": "initial"}


class TestDenseRewind(StrategyConformance):
    strategy = "dense_rewind"
    params: ClassVar = {"rewind_step": 2}


class TestEdgePopup(StrategyConformance):
    strategy = "edge_popup"


class TestSignedSupermask(StrategyConformance):
    strategy = "signed_supermask"


class TestAWS(StrategyConformance):
    strategy = "aws"
    params: ClassVar = {
        "rounds": 2,
        "dense_fraction": 0.5,
        "round_fraction": 0.5,
        "prune_output": True,
    }


class TestEarlyBird(StrategyConformance):
    strategy = "early_bird"
    # a mask every step, and the fourth at the latest
    params: ClassVar = {"interval": 0.25, "window": 2, "threshold": 0.5, "latest": 0.7}


class TestEarlyBirdInEightBits(StrategyConformance):
    strategy = "early_bird"
    params: ClassVar = {**TestEarlyBird.params, "search_bits": 8}


class TestSRigL(StrategyConformance):
    strategy = "srigl"
    params: ClassVar = {"update_every": 2, "drop_fraction": 0.5}


class TestSNIP(StrategyConformance):
    strategy = "snip"


class TestIterSNIP(StrategyConformance):
    strategy = "iter_snip"
    params: ClassVar = {"rounds": 3}


class TestFORCE(StrategyConformance):
    strategy = "force"
    params: ClassVar = {"rounds": 3}


class TestGraSP(StrategyConformance):
    strategy = "grasp"
    params: ClassVar = {"per_class": 2}


class TestMagnitudeInit(StrategyConformance):
    strategy = "magnitude_init"


class TestRigL(StrategyConformance):
    strategy = "rigl"
    params: ClassVar = {"update_every": 1, "stop_fraction": 1.0}


class TestLRRewind(StrategyConformance):
    strategy = "lr_rewind"
    params: ClassVar = {"prune_rate": 0.5, "rewind_step": 2}


class TestLRRewindOneShot(StrategyConformance):
    strategy = "lr_rewind"
    params: ClassVar = {"pruning": "one_shot", "rewind_step": 2}


class TestFineTune(StrategyConformance):
    strategy = "fine_tune"
    params: ClassVar = {"prune_rate": 0.5, "tune_fraction": 0.5}


class TestSculpt(StrategyConformance):
    strategy = "sculpt"


class TestBIMP(StrategyConformance):
    strategy = "bimp"
    params: ClassVar = {"phases": 2, "budget": 1.0}


class TestGradual(StrategyConformance):
    strategy = "gradual"


class TestACDC(StrategyConformance):
    strategy = "acdc"


class TestGraNet(StrategyConformance):
    strategy = "granet"


class TestSET(StrategyConformance):
    strategy = "set"
    params: ClassVar = {"update_every": 1}


class TestSNFS(StrategyConformance):
    strategy = "snfs"
    params: ClassVar = {"update_every": 1, "extend": 2}


class TestFilterL1(StrategyConformance):
    strategy = "filter_l1"


class TestIterativeFilterL1(StrategyConformance):
    strategy = "filter_l1"
    params: ClassVar = {"iterative": True, "prune_rate": 0.5, "scope": "global"}


class TestSlimming(StrategyConformance):
    strategy = "slimming"
    params: ClassVar = {"l1": 0.01}


class TestIterativeSlimming(StrategyConformance):
    strategy = "slimming"
    params: ClassVar = {"iterative": True, "prune_rate": 0.5}


class TestNM(StrategyConformance):
    strategy = "n_m"
    network = "linear"


class TestConstantFanIn(StrategyConformance):
    strategy = "n_m"
    # fan-ins of 9, 54 and 6
    params: ClassVar = {"pattern": "fan_in", "n": 1, "m": 3}


class TestSRSTE(StrategyConformance):
    strategy = "n_m"
    network = "linear"
    params: ClassVar = {"method": "sr_ste", "n": 1}


class TestRandom(StrategyConformance):
    strategy = "random"


class TestDense(StrategyConformance):
    strategy = "dense"


def test_every_built_in_is_here():
    named = {cls.strategy for cls in StrategyConformance.__subclasses__()}
    installed = entry_points(group="lth_bench.strategies")
    assert named >= {p.name for p in installed if p.dist.name == "lth-bench"}
