"""Prepared rows equal rows prepared by hand in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repscape.compute import rows as rows_module
from repscape.compute.rows import Rows
from repscape.errors import UndefinedScoreError


def by_hand(x: np.ndarray, kind: str) -> np.ndarray:
    x = x.astype(np.float64)
    if kind == "centred":
        return x - x.mean(axis=0)
    if kind == "correlation":
        x = x - x.mean(axis=1, keepdims=True)
    directions = x / np.linalg.norm(x, axis=1, keepdims=True)
    return directions if kind == "unit" else directions - directions.mean(axis=0)


@pytest.mark.parametrize("kind", ["centred", "unit", "centred_unit", "correlation"])
@pytest.mark.parametrize(("dtype", "allowed"), [(np.float64, 1e-13), (np.float32, 2e-6)])
@pytest.mark.parametrize("kept", [False, True])
def test_blocks_and_products(kind, dtype, allowed, kept):
    x = (np.random.default_rng(0).normal(size=(50, 6)) + np.array([300, 0, -300, 0, 0, 0])).astype(
        dtype
    )
    rows, wanted = Rows(torch.from_numpy(x), kind), by_hand(x, kind)
    if kept:
        rows.keep()
    i, j = slice(3, 20), slice(10, 50)
    assert rows.block(i).dtype == torch.from_numpy(x).dtype
    assert rows.block(i).numpy() == pytest.approx(wanted[i], abs=allowed * 10)
    assert rows.products(i, j).numpy() == pytest.approx(wanted[i] @ wanted[j].T, abs=allowed * 50)
    assert rows.squared_norms.numpy() == pytest.approx((wanted**2).sum(1), rel=1e-12)
    rows.release()
    assert rows.block(i).numpy() == pytest.approx(wanted[i], abs=allowed * 10)


@pytest.mark.parametrize("kind", ["centred", "unit", "centred_unit", "correlation"])
def test_rows_in_another_order_are_prepared_alike(kind):
    x = 300 + torch.randn(20, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    order, everything = torch.arange(19, -1, -1), slice(0, 20)
    rows = Rows(x, kind)
    permuted = rows.permute(order)
    assert torch.equal(permuted.block64(everything), rows.block64(everything)[order])
    assert torch.equal(permuted.squared_norms, rows.squared_norms[order])


def test_values_are_not_copied_before_they_are_asked_for():
    x = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))
    assert Rows(x, "centred").x is x


@pytest.mark.parametrize(
    ("kind", "message"), [("unit", "row 2 is zero"), ("correlation", "row 2 has the same value")]
)
def test_rows_without_a_direction_are_refused(kind, message):
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    x[2:4] = 0.0 if kind == "unit" else 0.1
    with pytest.raises(UndefinedScoreError, match=rf"{message} everywhere \(2 such rows\)"):
        Rows(x, kind)


def test_keys_tell_values_and_kinds_apart():
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    assert Rows(x, "unit").key == Rows(x, "unit").key
    assert Rows(x, "unit").key != Rows(x, "centred").key
    assert Rows(x[1:], "unit").key != Rows(x, "unit").key
    assert Rows(x.clone(), "unit").key != Rows(x, "unit").key


def test_kept_products_are_those_formed_anew(monkeypatch):
    monkeypatch.setattr(rows_module, "PANEL_ROWS", 16)
    x = torch.randn(50, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rows, anew = Rows(x, "centred"), Rows(x, "centred")
    rows.keep_products()
    assert (rows.has_products, anew.has_products) == (True, False)
    assert sum(panel.numel() for panel in rows._panels) * 8 + 50 * 6 * 8 <= rows.products_bytes
    for i in (slice(0, 16), slice(3, 9), slice(16, 32), slice(48, 50), slice(10, 20), slice(0, 50)):
        for j in (slice(0, 50), slice(16, 50), slice(48, 50), slice(7, 12)):
            assert torch.allclose(rows.products(i, j), anew.products(i, j), rtol=0, atol=1e-13)
    some, others = slice(17, 31, 2), slice(18, 50, 3)
    every_other = (rows.products(some, others), anew.products(some, others))
    torch.testing.assert_close(*every_other, rtol=0, atol=1e-13)
    order = torch.randperm(50)
    here = slice(0, 16)
    wanted = anew.permute(order).products(here, here)
    assert torch.allclose(rows.permute(order).products(here, here), wanted, rtol=0, atol=1e-13)
