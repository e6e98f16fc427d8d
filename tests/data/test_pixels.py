from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from lth_bench.data import pixels
from lth_bench.data.pixels import Decoder, NotDecoded

PICTURE = Image.fromarray(
    np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
).resize((61, 47))


def encoded(mode: str, kind: str, **options: Any) -> bytes:
    """The picture as a file of this kind."""
    image = PICTURE.convert("RGB" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(PICTURE.convert("L")).astype(np.uint16) * 257)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("mode", "kind", "options"),
    [
        ("RGB", "JPEG", {}), ("RGB", "JPEG", {"progressive": True}), ("L", "JPEG", {}),
        ("CMYK", "JPEG", {}), ("RGB", "PNG", {}), ("RGBA", "PNG", {}), ("P", "PNG", {}),
        ("LA", "PNG", {}), ("1", "PNG", {}), ("I;16", "PNG", {}), ("RGB", "WEBP", {}),
        ("P", "GIF", {}), ("RGB", "BMP", {}), ("L", "PPM", {}), ("RGB", "TIFF", {}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("channels", [1, 3])
def test_the_pixels_are_pillows(
    mode: str, kind: str, options: dict[str, Any], channels: int
) -> None:
    content = encoded(mode, kind, **options)
    with Image.open(io.BytesIO(content)) as opened:
        theirs = np.asarray(opened.convert("RGB").convert("RGB" if channels == 3 else "L"))
    ours = Decoder(channels)(content)
    assert ours.dtype == torch.uint8
    assert ours.shape == (channels, 47, 61)
    assert (ours.permute(1, 2, 0).numpy() == theirs.reshape(47, 61, channels)).all()


def test_torchvision_decodes_jpegs_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its other decoders end the process at a damaged image."""
    asked = []

    def pillow(content: bytes, alone: object) -> torch.Tensor:
        asked.append(content)
        return torch.zeros(3, 2, 2, dtype=torch.uint8)

    monkeypatch.setattr(pixels, "_pillow", pillow)
    Decoder(3)(encoded("RGB", "JPEG"))
    assert not asked
    for kind in ("PNG", "WEBP", "GIF", "BMP"):
        Decoder(3)(encoded("RGB", kind))
    assert len(asked) == 4


def test_without_torchvisions_decoder_the_pixels_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = encoded("RGB", "JPEG", progressive=True)
    theirs = Decoder(3)(content)
    monkeypatch.setattr(pixels, "_torchvision", lambda: None)
    assert torch.equal(Decoder(3)(content), theirs)


@pytest.mark.parametrize(("size", "resize"), [(32, None), (32, 40), (64, None), (47, 60)])
def test_scaled_and_cut_as_torchvision_does(size: int, resize: int | None) -> None:
    content = encoded("RGB", "JPEG")
    whole = Decoder(3)(content)
    theirs = v2.Compose([v2.Resize(resize or size, antialias=True), v2.CenterCrop(size)])(whole)
    ours = Decoder(3, size, resize)(content)
    assert ours.shape == (3, size, size)
    assert torch.equal(ours, theirs)


def test_an_image_of_that_size_is_left_alone() -> None:
    content = encoded("RGB", "PNG")
    square = io.BytesIO()
    PICTURE.crop((0, 0, 40, 40)).save(square, "PNG")
    assert torch.equal(Decoder(3, 40)(square.getvalue()), Decoder(3)(content)[:, :40, :40])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
@pytest.mark.parametrize("part", [0.0, 0.5])
def test_half_an_image_is_none(kind: str, part: float) -> None:
    content = encoded("RGB", kind)
    with pytest.raises(NotDecoded, match=r"\w") as caught:
        Decoder(3)(content[: int(part * len(content))])
    assert "0x" not in str(caught.value)


def test_text_is_no_image() -> None:
    with pytest.raises(NotDecoded, match="no known format"):
        Decoder(3)(b"<html>not found</html>")
