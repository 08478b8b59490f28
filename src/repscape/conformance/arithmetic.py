"""Are a measure's numbers right, in every precision, and are they all that it changes?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from repscape.conformance.subject import EXACT, SINGLE, Formula, Subject


def precision(s: Subject) -> Iterator[str]:
    """float32 leads nowhere else, halves are upcast, tensors and arrays give the same."""
    single = [v.astype(np.float32) for v in (s.x, s.y)]
    double = [v.astype(np.float64) for v in single]
    wanted = s.score(*double)
    yield from s.differs("float32", s.score(*single), wanted, SINGLE)
    mixed = s.score(single[0], double[1])
    yield from s.differs("float32 against float64", mixed, wanted, SINGLE)
    tensors = [torch.from_numpy(v) for v in double]
    yield from s.differs("tensors", s.score(*tensors), wanted, 0.0)


def half_precision(s: Subject) -> Iterator[str]:
    """float16 and bfloat16 values give what the same values in float32 give."""
    for dtype in (torch.float16, torch.bfloat16):
        half = [torch.from_numpy(v).to(dtype) for v in (s.x, s.y)]
        upcast = s.score(*(tensor.float() for tensor in half))
        yield from s.differs(str(dtype), s.score(*half), upcast, 0.0)


def offset(s: Subject) -> Iterator[str]:
    """A large offset in a few features does not spoil float32."""
    shifted = []
    for values in (s.x, s.y):
        far = values.astype(np.float32)
        far[:, :4] += np.float32(300.0)
        shifted.append(far)
    wanted = s.direct(*(v.astype(np.float64) for v in shifted))
    got = s.direct(*shifted)
    if isinstance(wanted, float) and isinstance(got, float):
        yield from s.differs("+300 in four features, float32", got, wanted, SINGLE)
    elif isinstance(wanted, float) or isinstance(got, float):
        yield f"+300 in four features: float32 gave {got!r}, float64 gave {wanted!r}"


def formula(s: Subject, formula: Formula) -> Iterator[str]:
    """An independent formula gives the same for x and y, in both orders, and for other pairs."""
    for what, a, b in (
        ("x, y", s.x, s.y),
        ("y, x", s.y, s.x),
        ("x, z", s.x, s.z),
        ("x, unrelated y", s.x, s.rows(s.y, s.generator.permutation(s.n))),
    ):
        yield from s.differs(
            f"compare({what}) against the formula", s.score(a, b), float(formula(a, b)), EXACT
        )


def purity(s: Subject) -> Iterator[str]:
    """The same again gives the same; inputs and the global random state are left alone."""
    before = s.x.copy(), s.y.copy()
    states = _global_random_states()
    again = s.score(s.x, s.y)
    if again != s.value:
        yield f"the same inputs gave {s.value!r} and then {again!r}"
    if not all(np.array_equal(a, b) for a, b in zip(before, (s.x, s.y), strict=True)):
        yield "the inputs were changed"
    if states != _global_random_states():
        yield "the global random state was touched"


def _global_random_states() -> tuple[bytes, str]:
    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002  # read, to see it unchanged
    return torch.get_rng_state().numpy().tobytes(), repr(numpy_state)
