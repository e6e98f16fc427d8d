from __future__ import annotations

from lth_bench.analysis.task_names import spoken


def test_names_are_as_short_as_they_tell_tasks_apart() -> None:
    tasks = [
        ("conv_bn(gamma_init=0.5)", "digits", "conv"), ("mlp(hidden=[16])", "cifar10", "a"),
        ("mlp(hidden=[16])", "mnist", "short"), ("mlp(hidden=[16])", "mnist", "long"),
        ("vit(depth=2)", "own", "a"), ("vit(depth=4)", "own", "a"),
        ("lstm(n=1)", "text", "a"), ("lstm(n=1)", "text", "b"), ("lstm(n=2)", "text", "a"),
    ]  # fmt: skip
    assert list(spoken(tasks).values()) == [
        "CNN on digits", "MLP on CIFAR-10", "MLP on MNIST, short", "MLP on MNIST, long",
        "LSTM on text, b", "vit(depth=2) on own", "vit(depth=4) on own",
        "lstm(n=1) on text", "lstm(n=2) on text",
    ]  # fmt: skip


def test_each_task_has_a_name_of_its_own() -> None:
    tasks = [(m, d, r) for m in ("a", "a(x=1)") for d in ("b", "b(y=2)") for r in ("c", "d")]
    names = spoken(tasks)
    assert set(names) == set(tasks) and len(set(names.values())) == len(tasks)
