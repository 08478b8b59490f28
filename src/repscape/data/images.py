"""Images: read whole or refused, and turned into the form that a model's transform takes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from repscape.errors import SampleError
from repscape.extras import import_extra

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
_EXTRA = "vision"
_CHANNELS = (1, 3)
_BYTE = 255.0


def read_image(content: Path | bytes) -> Any:
    """Read all of an image from a file or from its bytes, as a PIL image in RGB.

    Raises `SampleError` if it is no image, or truncated.
    """
    image_module = import_extra("PIL.Image", _EXTRA, "reading images")
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    try:
        with image_module.open(file) as image:
            image.load()
            return image.convert("RGB")
    except image_module.UnidentifiedImageError:
        raise SampleError("it is not an image that can be read") from None
    except (OSError, SyntaxError, ValueError, image_module.DecompressionBombError) as problem:
        raise SampleError(f"the image is truncated or broken ({problem})") from None


def as_pil(content: Any) -> Any:
    """Return image content as a PIL image in RGB.

    Parameters
    ----------
    content : PIL image, or array or tensor of shape (C, H, W) with C = 1 or 3
        Floats in [0, 1], or bytes 0 … 255.

    Raises
    ------
    SampleError
        If it is neither.
    """
    image_module = import_extra("PIL.Image", _EXTRA, "reading images")
    if isinstance(content, image_module.Image):
        return content.convert("RGB")
    array = np.asarray(content)
    if array.ndim != 3 or array.shape[0] not in _CHANNELS or array.dtype.kind not in "fu":
        raise SampleError(
            f"it is no image but {_said(content)}: give PIL images, or arrays (channels, height, "
            "width) with 1 or 3 channels"
        )
    if array.dtype.kind == "f":
        if not (array.min() >= 0 and array.max() <= 1):
            raise SampleError("its pixels are outside [0, 1]")
        array = np.round(array * _BYTE)
    pixels = array.astype(np.uint8).transpose(1, 2, 0)
    return image_module.fromarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)).copy())


def _said(content: Any) -> str:
    shape = getattr(content, "shape", None)
    name = f"a {type(content).__name__}"
    return name if shape is None else f"{name} of shape {tuple(shape)}"
