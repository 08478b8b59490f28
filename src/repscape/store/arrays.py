"""Named arrays as safetensors files: no pickle, memory-mapped, readable by other programs.

The format (https://github.com/huggingface/safetensors): eight bytes with the length of a JSON
header, the header, and the arrays' bytes one after the other. It is written piece by piece, so
that the checksum needs neither a second pass nor a second copy in memory, and the arrays are
mapped where they lie; the `safetensors` package copies both ways.

Text is stored as UTF-8: for an array `name`, the bytes `name#utf8` and the ends of the items
`name#offsets`. Types that NumPy lacks (bfloat16, 8-bit floats) come back as torch tensors.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from repscape.errors import InvalidParameterError
from repscape.store.manifest import ArraySpec
from repscape.store.mapped import Place, map_end_to_end

if TYPE_CHECKING:
    import torch

    from repscape.representation import Values

TEXT = "str"
_TEXT_BYTES, _TEXT_OFFSETS = "#utf8", "#offsets"
_LENGTH_BYTES = 8
_PAGE = 4096
_CODES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}
_TORCH_ONLY = {"bfloat16": "uint16", "float8_e4m3fn": "uint8", "float8_e5m2": "uint8"}


@dataclass(frozen=True)
class Buffer:
    """An array as it is stored.

    `dtype` is the type that the user sees; `data` holds text as a NumPy array of str, and the
    types that NumPy lacks as unsigned integers with the same bits.
    """

    dtype: str
    data: npt.NDArray[Any]

    @property
    def spec(self) -> ArraySpec:
        """The type and shape, for a manifest."""
        return ArraySpec(self.dtype, self.data.shape)

    def __getitem__(self, rows: slice) -> Buffer:
        return Buffer(self.dtype, self.data[rows])


def as_buffer(name: str, array: Values | npt.ArrayLike) -> Buffer:
    """Prepare one array or tensor (on any device) for storage.

    Raises
    ------
    InvalidParameterError
        If the name is reserved or the type cannot be stored without executing code (object).
    """
    if "#" in name or not name or name == "__metadata__":
        raise InvalidParameterError(f"an array cannot be stored as {name!r}: choose another name")
    if type(array).__module__.partition(".")[0] == "torch":
        return _tensor_buffer(name, array)  # type: ignore[arg-type]
    data = np.asarray(array)
    if data.dtype.kind == "U":
        if data.ndim != 1:
            raise InvalidParameterError(
                f"array {name!r} is text of shape {data.shape}: text is stored in one dimension"
            )
        return Buffer(TEXT, data)
    dtype = data.dtype.name
    if dtype not in _CODES:
        raise InvalidParameterError(
            f"array {name!r} has dtype {dtype}, which cannot be stored: "
            f"use text or one of {', '.join(_CODES)}"
        )
    return Buffer(dtype, data.astype(data.dtype.newbyteorder("<"), copy=False))


def join(buffers: Iterable[Buffer], rows: int) -> Buffer:
    """Put buffers of one type one behind the other, into memory for `rows` rows of their own.

    The buffers are taken one by one, so that they need not all be in memory.
    """
    whole, dtype, start = np.empty(0), "", 0
    for part in buffers:
        if not dtype:
            whole, dtype = np.empty((rows, *part.data.shape[1:]), part.data.dtype), part.dtype
        if part.data.dtype.itemsize > whole.dtype.itemsize:  # a longer text than before
            whole = whole.astype(part.data.dtype)
        whole[start : start + len(part.data)] = part.data
        start += len(part.data)
    return Buffer(dtype, whole)


def as_safetensors(
    buffers: Mapping[str, Buffer], paged: str | None = None
) -> list[bytes | memoryview]:
    """Return the pieces of a safetensors file, in order; equal arrays give equal bytes.

    The array called `paged` begins at a page of the file, so that it can be mapped behind the
    same array of another file.
    """
    physical = _physical(buffers)
    # Wide items first keeps every array aligned to its item size.
    names = sorted(physical, key=lambda name: (-physical[name][1].itemsize, name))
    header, end = {}, 0
    for name in names:
        code, data = physical[name]
        start, end = end, end + data.nbytes
        header[name] = {"dtype": code, "shape": list(data.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=True).encode()
    unit, ahead = _LENGTH_BYTES, len(text)
    if paged is not None:
        unit, ahead = _PAGE, _LENGTH_BYTES + len(text) + header[paged]["data_offsets"][0]
    text += b" " * (-ahead % unit)
    front = len(text).to_bytes(_LENGTH_BYTES, "little") + text
    return [front, *(_bytes_of(physical[name][1]) for name in names)]


def locate(path: Path, name: str) -> Place:
    """Where the bytes of an array of numbers lie in a safetensors file."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        start, end = json.loads(file.read(length))[name]["data_offsets"]
    return Place(path, _LENGTH_BYTES + length + start, end - start)


def map_rows(places: Sequence[Place], spec: ArraySpec) -> Buffer | None:
    """Map the rows of an array that lie in several files, or None where that cannot be."""
    flat = map_end_to_end(places)
    if flat is None:
        return None
    dtype = np.dtype(_TORCH_ONLY.get(spec.dtype, spec.dtype)).newbyteorder("<")
    return Buffer(spec.dtype, flat.view(dtype).reshape(spec.shape))


def map_safetensors(path: Path, specs: Mapping[str, ArraySpec]) -> dict[str, Buffer]:
    """Map the arrays named in `specs` into memory; text is read.

    The mapping is private: writing into an array changes this process's copy of the page,
    never the file.
    """
    content = np.asarray(np.memmap(path, mode="c", dtype=np.uint8))
    length = int.from_bytes(content[:_LENGTH_BYTES].tobytes(), "little")
    body = _LENGTH_BYTES + length
    header = json.loads(content[_LENGTH_BYTES:body].tobytes())

    def physical(name: str, dtype: str) -> npt.NDArray[Any]:
        entry = header[name]
        start, end = entry["data_offsets"]
        flat = content[body + start : body + end].view(np.dtype(dtype).newbyteorder("<"))
        return flat.reshape(entry["shape"])

    found = {}
    for name, spec in specs.items():
        if spec.dtype == TEXT:
            utf8 = physical(name + _TEXT_BYTES, "uint8")
            data = _unpack_text(utf8, physical(name + _TEXT_OFFSETS, "int64"))
        else:
            data = physical(name, _TORCH_ONLY.get(spec.dtype, spec.dtype))
        found[name] = Buffer(spec.dtype, data)
    return found


def from_buffer(buffer: Buffer) -> Values:
    """The array as the user sees it: NumPy where NumPy has the type, else a torch tensor."""
    if buffer.dtype not in _TORCH_ONLY:
        return buffer.data
    import torch

    signed = buffer.data.view(f"int{8 * buffer.data.itemsize}")
    tensor: torch.Tensor = torch.from_numpy(signed).view(getattr(torch, buffer.dtype))
    return tensor


def _tensor_buffer(name: str, tensor: torch.Tensor) -> Buffer:
    import torch

    dtype = str(tensor.dtype).removeprefix("torch.")
    if dtype not in _CODES:
        raise InvalidParameterError(
            f"tensor {name!r} has dtype {tensor.dtype}, which cannot be stored: "
            f"use one of {', '.join(_CODES)}"
        )
    tensor = tensor.detach().cpu().contiguous()
    if dtype not in _TORCH_ONLY:
        return as_buffer(name, tensor.numpy())
    signed = torch.int16 if tensor.itemsize == 2 else torch.int8
    return Buffer(dtype, tensor.view(signed).numpy().view(_TORCH_ONLY[dtype]))


def _physical(buffers: Mapping[str, Buffer]) -> dict[str, tuple[str, npt.NDArray[Any]]]:
    arrays: dict[str, tuple[str, npt.NDArray[Any]]] = {}
    for name, buffer in buffers.items():
        if buffer.dtype == TEXT:
            utf8, offsets = _pack_text(buffer.data)
            arrays[name + _TEXT_BYTES] = ("U8", utf8)
            arrays[name + _TEXT_OFFSETS] = ("I64", offsets)
        else:
            arrays[name] = (_CODES[buffer.dtype], buffer.data)
    return arrays


def _bytes_of(data: npt.NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(data).reshape(-1).view(np.uint8).data


def _pack_text(text: npt.NDArray[np.str_]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    # Ids made from file names may hold lone surrogates; they must come back as they were.
    items = [item.encode("utf-8", "surrogatepass") for item in text.tolist()]
    ends = np.cumsum(np.fromiter(map(len, items), np.int64, len(items)), dtype=np.int64)
    return np.frombuffer(b"".join(items), np.uint8), ends


def _unpack_text(
    utf8: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> npt.NDArray[np.str_]:
    content, items, start = utf8.tobytes(), [], 0
    for end in offsets.tolist():
        items.append(content[start:end].decode("utf-8", "surrogatepass"))
        start = end
    return np.asarray(items, dtype=np.str_)
