"""The file of factors that the browser gets, beside what node's tests read from it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nonlocal_viz.core.factored import Factored
from nonlocal_viz.core.pairwise import Pairwise
from nonlocal_viz.limits import Limits
from nonlocal_viz.web.factors import HALVES_HOLD, _joined, factor_file, halving_error, wire_of

_draw = torch.Generator().manual_seed(3)


def affinity(times: float = 1.0, cells: int = 60, width: int = 8, **pairwise: object) -> Factored:
    query, key = (torch.randn(1, 1, cells, width, generator=_draw) for _ in range(2))
    form = Pairwise(**pairwise)  # type: ignore[arg-type]
    return Factored(form, query * times, key, (1, 1, cells), (1, 1, cells))


def section(file: object, name: str) -> np.ndarray:
    found = next(s for s in file.sections if s["name"] == name)
    kind = np.dtype(found["type"]).newbyteorder("<")
    count = int(np.prod(found["shape"]))
    return np.frombuffer(file.content, kind, count, found["offset"]).reshape(found["shape"])


def test_factors_beyond_float16_stay_finite_and_large() -> None:
    query = torch.tensor([[1e6], [-1e6], [2.5]])[None, None]
    far = Factored(Pairwise(), query, query, (1, 1, 3), (1, 1, 3))
    sent = section(factor_file(far, "float16"), "query").ravel()
    np.testing.assert_array_equal(sent, np.array([65504, -65504, 2.5], np.float16))


def test_factors_that_fit_are_sent_as_they_were_computed() -> None:
    made = affinity()
    size = 4 * 2 * 60 * 8
    assert wire_of(made) == "float32"
    assert wire_of(made, Limits(single_factor_bytes=size)) == "float32"
    assert wire_of(made, Limits(single_factor_bytes=size - 1)) == "float16"
    assert wire_of(made, Limits(single_factor_bytes=0, factor_bytes=size // 2)) == "float16"
    assert wire_of(made, Limits(single_factor_bytes=0, factor_bytes=size // 2 - 1)) is None
    assert wire_of(made, Limits(factor_bytes=0)) is None
    np.testing.assert_array_equal(section(factor_file(made), "query"), made.query[0].numpy())


def test_halves_are_sent_only_where_two_digits_hold() -> None:
    limits = Limits(single_factor_bytes=0)
    small = affinity()
    # The same map, but for what the softmax does not see: far from 0 halves are coarse.
    large = replace(small, key=small.key + 40)
    assert halving_error(small) <= HALVES_HOLD < halving_error(large)
    assert (wire_of(small, limits), wire_of(large, limits)) == ("float16", "float32")
    # The measure is right: no row of the whole map is much worse than the few that were looked at.
    halved = replace(small, query=small.query.half().float(), key=small.key.half().float())
    wanted, got = small.dense()[0], halved.dense()[0]
    worst = ((wanted - got).abs().amax(1) / wanted.abs().amax(1)).max()
    assert worst / 4 < halving_error(small) <= worst * 1.001
    broken = replace(small, query=small.query * float("nan"))
    assert wire_of(broken, limits) == "float32"


@pytest.mark.parametrize("wire", ["float32", "float16"])
@pytest.mark.parametrize("normalise", ["softmax", "sum"])
def test_normalisers_are_those_of_the_numbers_that_are_sent(wire: str, normalise: str) -> None:
    made = affinity(4.0, normalise=normalise)
    file = factor_file(made, wire)  # type: ignore[arg-type]
    query, key = (section(file, name)[0].astype(np.float64) for name in ("query", "key"))
    scores = query @ key.T
    wanted = np.log(np.exp(scores).sum(1)) if normalise == "softmax" else scores.sum(1)
    np.testing.assert_allclose(section(file, "normaliser")[0], wanted, rtol=3e-7)


def test_normalisers_are_left_out_where_finding_them_takes_long() -> None:
    made = affinity()
    names = [s["name"] for s in factor_file(made, limits=Limits(normaliser_scores=3599)).sections]
    assert names == ["query", "key"]
    assert "normaliser" in [
        s["name"] for s in factor_file(made, limits=Limits(normaliser_scores=3600)).sections
    ]
    # Any photo has them, the panorama with the most cells, too; eight frames together do not.
    photo, frames = (1024 // 8) * (320 // 8), 8 * 28 * 50
    assert photo**2 <= Limits().normaliser_scores < frames**2


def test_sections_of_the_same_numbers_share_their_bytes() -> None:
    made = affinity()
    both = replace(made, key=made.query)
    query, key, normaliser = factor_file(both).sections
    assert query["offset"] == key["offset"] == 0
    assert normaliser["offset"] == 4 * 60 * 8
    # Of another type they are others, though they are equal.
    parts = [("query", np.zeros((1, 3), "<f2")), ("key", np.zeros((1, 3), "<f4"))]
    assert [s["offset"] for s in _joined(parts).sections] == [0, 8]
