"""Names of tasks as a person would say them: `MLP on digits`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence

from lth_bench.analysis.evidence.subject import Task

WRITTEN = {
    "mlp": "MLP", "lenet5": "LeNet-5", "lenet_300_100": "LeNet-300-100", "conv2": "Conv-2",
    "conv4": "Conv-4", "conv6": "Conv-6", "conv_bn": "CNN", "resnet18": "ResNet-18",
    "resnet20": "ResNet-20", "resnet56": "ResNet-56", "vgg16_bn": "VGG-16", "vgg19_bn": "VGG-19",
    "wide_resnet": "Wide ResNet", "vit": "ViT", "mlp_mixer": "MLP-Mixer", "lstm": "LSTM",
    "conv1d": "1-D CNN", "mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "kmnist": "KMNIST",
    "cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "svhn": "SVHN",
}  # fmt: skip
"""As papers write what suites name; other names stay as they are."""


def spoken(tasks: Collection[Sequence[str]]) -> dict[Task, str]:
    """A name for each of a suite's tasks, as short as still tells them apart.

    `MLP on digits`; where two would share it, with the recipe (`MLP on digits, short`), or with the
    parameters of model and dataset (`mlp(hidden=[16]) on digits`), or with both.
    """
    named: dict[Task, str] = {}
    left = [Task(*task) for task in tasks]
    for form in FORMS:
        names = {task: form(task) for task in left}
        counts = Counter(names.values())
        named |= {task: name for task, name in names.items() if counts[name] == 1}
        left = [task for task in left if task not in named]
    return named | {task: "/".join(task) for task in left}


def _short(part: str) -> str:
    name = part.partition("(")[0]
    return WRITTEN.get(name, name)


FORMS: tuple[Callable[[Task], str], ...] = (
    lambda task: f"{_short(task[0])} on {_short(task[1])}",
    lambda task: f"{_short(task[0])} on {_short(task[1])}, {task[2]}",
    lambda task: f"{task[0]} on {task[1]}",
    lambda task: f"{task[0]} on {task[1]}, {task[2]}",
)
"""From the shortest on."""
