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
            return _in_rgb(image)
    except SampleError:
        raise
    except image_module.UnidentifiedImageError:
        raise SampleError("it is not an image that can be read") from None
    except (OSError, SyntaxError, ValueError, image_module.DecompressionBombError) as problem:
        raise SampleError(f"the image is truncated or broken ({problem})") from None


def as_pil(content: Any) -> Any:
    """Return image content as a PIL image in RGB.

    Parameters
    ----------
    content : PIL image, or array or tensor
        Of shape (C, H, W) or (H, W, C) with C = 1 or 3, or (H, W): floats in [0, 1], or bytes
        (uint8).

    Raises
    ------
    SampleError
        If it is neither, both C, H, W and H, W, C fit its shape, or it has more than eight bits
        for each channel.
    """
    image_module = import_extra("PIL.Image", _EXTRA, "reading images")
    if isinstance(content, image_module.Image):
        return _in_rgb(content)
    array = np.asarray(content)
    if array.dtype.kind != "f" and array.dtype != np.uint8:
        raise SampleError(
            f"it is no image but {_said(content)} of {array.dtype}: give bytes (uint8), or floats "
            "in [0, 1]"
        )
    array = _channels_last(array, _said(content))
    if array.dtype.kind == "f":
        if not (array.min() >= 0 and array.max() <= 1):
            raise SampleError("its pixels are outside [0, 1]")
        array = np.round(array * _BYTE)
    pixels = array.astype(np.uint8)
    return image_module.fromarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)).copy())


def _in_rgb(image: Any) -> Any:
    """A PIL image in RGB; PIL would cut what needs more than eight bits off at 255."""
    if image.mode.startswith(("I", "F")):
        raise SampleError(
            f"its pixels have more than eight bits (mode {image.mode}): save it with eight, scaled "
            "as the model expects"
        )
    return image.convert("RGB")


def _channels_last(array: np.ndarray[Any, Any], said: str) -> np.ndarray[Any, Any]:
    """The pixels as (height, width, channels)."""
    if array.ndim == 2 and array.size:
        return array[:, :, None]
    first, last = (array.ndim == 3 and array.shape[axis] in _CHANNELS for axis in (0, -1))
    if not array.size or not (first or last):
        raise SampleError(
            f"it is no image but {said}: give PIL images, or arrays (channels, height, width), "
            "(height, width, channels) with 1 or 3 channels, or (height, width)"
        )
    if first and last:
        raise SampleError(
            f"it is {said}, which may be (channels, height, width) or (height, width, channels): "
            "give PIL images"
        )
    return array.transpose(1, 2, 0) if first else array


def _said(content: Any) -> str:
    shape = getattr(content, "shape", None)
    kind = "ndarray" if isinstance(content, np.ndarray) else type(content).__name__
    name = f"a{'n' if kind == 'ndarray' else ''} {kind.replace('ndarray', 'array')}"
    return name if shape is None else f"{name} of shape {tuple(shape)}"
