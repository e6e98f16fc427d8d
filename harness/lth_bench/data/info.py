"""What a plan knows of a dataset before it is loaded, and the shapes of its examples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, Literal, Self, SupportsIndex, get_args

Inputs = Literal["images", "features", "tokens"]
"""`images`: uint8 [C, H, W]. `features`: floating point of any shape. `tokens`: integers [T]."""
Targets = Literal["class", "labels", "values", "tokens"]
"""`class`: int64, one an example. `labels`: 0 or 1 for each of several. `values`: real numbers, a
vector an example. `tokens`: int64, one at every place of the input."""

OBJECTIVES: dict[Targets, str] = {
    "class": "cross_entropy",
    "labels": "binary_cross_entropy",
    "values": "squared_error",
    "tokens": "next_token",
}
"""The objective of targets whose dataset names none."""
SHAPES: dict[Inputs, str] = {
    "images": "[C, H, W] of an image, three whole numbers above 0",
    "features": "the sizes of an example's features, whole numbers above 0",
    "tokens": "[T], the places of a sequence, one whole number above 0",
}


class InputShape(tuple[int, ...]):
    """The sizes of one example, as any tuple; and what stands there.

    A plain tuple of sizes is an image's.
    """

    kind: Inputs
    vocabulary: int
    """Tokens are below it; 0 of other inputs."""
    targets: Targets
    """What a network is to answer: of `tokens` at every place, otherwise once."""

    def __new__(
        cls,
        sizes: tuple[int, ...],
        kind: Inputs = "images",
        vocabulary: int = 0,
        targets: Targets = "class",
    ) -> Self:
        made = super().__new__(cls, sizes)
        made.kind, made.vocabulary, made.targets = kind, vocabulary, targets
        return made

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> InputShape:
        """The shape itself, or an image's of plain sizes."""
        return shape if isinstance(shape, InputShape) else cls(shape)


def recipe_of_shape(shape: tuple[int, ...]) -> dict[str, Any]:
    """An input shape as JSON, for `shape_of_recipe`."""
    known = InputShape.of(shape)
    kinds = {"inputs": known.kind, "vocabulary": known.vocabulary, "targets": known.targets}
    plain = (known.kind, known.targets) == ("images", "class")
    return {"input_shape": list(known), **({} if plain else kinds)}


def shape_of_recipe(recipe: Mapping[str, Any]) -> InputShape:
    """The input shape that `recipe_of_shape` wrote. KeyError, TypeError or ValueError otherwise."""
    sizes = tuple(map(int, recipe["input_shape"]))
    return InputShape(
        sizes,
        recipe.get("inputs", "images"),
        int(recipe.get("vocabulary", 0)),
        recipe.get("targets", "class"),
    )


@dataclass(frozen=True)
class DatasetInfo:
    """What a plan needs of a dataset. ValueError for what no dataset can be."""

    input_shape: tuple[int, ...]
    """Of one example: [C, H, W] of an image, any sizes of features, [T] of tokens."""
    classes: int
    """How many outputs a network has, at every place where targets are tokens: classes, labels,
    components of a vector, or the vocabulary of the targets."""
    train_size: int
    """Examples of the training split, before validation examples are held out."""
    test_size: int
    _: KW_ONLY
    inputs: Inputs = "images"
    targets: Targets = "class"
    vocabulary: int = 0
    """Input tokens are below it; 0 of other inputs."""
    objective: str = ""
    """The objective plugin of a task that names none; "" for the usual one of `targets`."""
    bytes_per_token: float = 1.0
    """Mean bytes of text in a target token."""
    stored_shape: tuple[int, ...] = ()
    """[C, H, W] of images as they are kept, where networks see only the middle of them; by default
    `input_shape`."""

    def __post_init__(self) -> None:
        require_kinds(self.inputs, self.targets)
        shape: object = self.input_shape  # whatever the plugin set
        dimensions = {"images": 3, "tokens": 1}.get(self.inputs)
        if (
            not isinstance(shape, tuple | list)
            or not shape
            or dimensions not in (None, len(shape))
            or not all(map(counts, shape))
        ):
            raise ValueError(f"input_shape must be {SHAPES[self.inputs]}, but got {shape!r:.80}")
        for name in ("classes", "train_size", "test_size"):
            value = getattr(self, name)
            if not counts(value):
                raise ValueError(f"{name} must be a whole number above 0, but got {value!r:.80}")
            # a list, or numpy's numbers, would not be the same in a record and in an identity
            object.__setattr__(self, name, int(value))
        self._check_tokens()
        sizes = tuple(map(int, shape))
        object.__setattr__(self, "stored_shape", tuple(map(int, self.stored_shape or shape)))
        made = InputShape(sizes, self.inputs, self.vocabulary, self.targets)
        object.__setattr__(self, "input_shape", made)
        if not self.objective:
            object.__setattr__(self, "objective", OBJECTIVES[self.targets])

    def _check_tokens(self) -> None:
        if self.inputs == "tokens":
            if not counts(self.vocabulary):
                raise ValueError(
                    f"vocabulary must be how many tokens there are, a whole number above 0, but "
                    f"got {self.vocabulary!r:.80}"
                )
            object.__setattr__(self, "vocabulary", int(self.vocabulary))
        elif self.vocabulary:
            raise ValueError(
                f"vocabulary belongs to inputs 'tokens', but inputs is {self.inputs!r}; "
                f"leave it out"
            )
        if not 0 < self.bytes_per_token < math.inf:
            raise ValueError(f"bytes_per_token must be above 0, but got {self.bytes_per_token!r}")

    @property
    def output_shape(self) -> tuple[int, ...]:
        """What a network answers for one example: [classes], or [T, classes] of tokens."""
        return output_shape(self.input_shape, self.classes, self.targets)

    @property
    def words(self) -> str:
        """What goes in and what is to come out: `features [13], one of 3 classes`."""
        of = f" of {self.vocabulary}" if self.inputs == "tokens" else ""
        n = self.classes
        many = "" if n == 1 else "s"
        answers = {
            "class": f"one of {n} class{'es' if many else ''}",
            "labels": f"{n} label{many}, each 0 or 1",
            "values": f"{n} real value{many}",
            "tokens": f"a token of {n} at every place",
        }
        return f"{self.inputs} {list(self.input_shape)}{of}, {answers[self.targets]}"

    def require(self, found: DatasetInfo) -> None:
        """ValueError where the data is otherwise than its info says."""
        things = "images" if self.inputs == found.inputs == "images" else "examples"
        words = {
            "input_shape": f"{things} of shape", "stored_shape": f"{things} kept as",
            "train_size": f"training {things}",
            "test_size": f"test {things}",
        }  # fmt: skip
        # the objective is said by info alone
        said: list[str] = []
        have: list[str] = []
        for field in fields(self):
            one, other = getattr(self, field.name), getattr(found, field.name)
            if one == other or field.name == "objective":
                continue
            word = words.get(field.name, field.name)
            for value, into in ((one, said), (other, have)):
                shown = list(value) if isinstance(value, tuple) else value
                into.append(f"{word} {shown}")
        if said:
            raise ValueError(
                f"its info(root) and its data differ: info says {', '.join(said)}; the data has "
                f"{', '.join(have)}; let info tell what load gives"
            )


def require_kinds(inputs: object, targets: object) -> None:
    """ValueError for kinds that there are not, or that do not go together."""
    for name, given, known in (
        ("inputs", inputs, get_args(Inputs)), ("targets", targets, get_args(Targets)),
    ):  # fmt: skip
        if given not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, but got {given!r:.80}")
    if targets == "tokens" and inputs != "tokens":
        raise ValueError(
            f"targets 'tokens' must stand at every place of inputs 'tokens', but inputs is "
            f"{inputs!r}"
        )


def output_shape(
    input_shape: tuple[int, ...], classes: int, targets: Targets = "class"
) -> tuple[int, ...]:
    """What a network answers for one example: [classes], or [T, classes] where targets are
    tokens.
    """
    return (input_shape[0], classes) if targets == "tokens" else (classes,)


def counts(value: object) -> bool:
    """Whether it is a whole number above 0, of Python's or numpy's."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        return False
    # torch takes a list of one number for that number, and numpy's arrays of text raise
    if getattr(value, "shape", ()) != ():
        return False
    try:
        return value.__index__() > 0
    except TypeError:
        return False
