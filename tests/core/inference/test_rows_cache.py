"""The cache of rows in flight: each row keeps its own states, whatever joins, leaves or makes room."""

import torch
from torch import Tensor
from transformers import DynamicCache

from ifrl_core.inference.rows_cache import RowsCache, closed_up


def states(rows: int, columns: int) -> Tensor:
    return torch.rand(rows, 2, columns, 3)


def prefilled(rows: int, columns: int) -> tuple[DynamicCache, list[Tensor]]:
    cache, made = DynamicCache(), states(rows, columns)
    cache.update(made, -made, 0)
    return cache, list(made)


def check(cache: RowsCache, rows: list[Tensor]) -> None:
    """Every row ends with its own states; what lies before them is finite."""
    (layer,) = cache.layers
    assert layer.keys is not None
    assert layer.values is not None
    assert torch.equal(layer.values, -layer.keys)
    assert layer.keys.isfinite().all()
    assert cache.get_seq_length() == layer.keys.shape[2] == max(row.shape[1] for row in rows)
    for kept, row in zip(layer.keys, rows, strict=True):
        assert torch.equal(kept[:, kept.shape[1] - row.shape[1] :], row)


def test_rows_keep_their_states_while_others_join_leave_and_make_room() -> None:
    torch.manual_seed(0)
    cache, rows = RowsCache(), list[Tensor]()
    for joining, columns, copies, tokens, leaving in (
        (2, 5, [0, 0, 1, 1], 30, {1, 3}),
        (1, 9, [0], 3, {2}),
        (3, 60, [2, 0, 1], 1, {0}),
        (1, 2, [0, 0], 20, {0, 3, 4}),
    ):
        others, made = prefilled(joining, columns)
        cache.join(others, torch.tensor(copies))
        rows += [made[copy] for copy in copies]
        check(cache, rows)
        for _ in range(tokens):
            new = states(len(rows), 1)
            keys, values = cache.update(new, -new, 0)
            rows = [torch.cat([row, token], dim=1) for row, token in zip(rows, new, strict=True)]
            assert torch.equal(values, -keys)
        check(cache, rows)
        order = closed_up([place for place in range(len(rows)) if place not in leaving])
        rows = [rows[place] for place in order]
        cache.keep(order, max(row.shape[1] for row in rows))
        check(cache, rows)


def test_a_token_is_written_where_there_is_room_for_it() -> None:
    cache = RowsCache()
    cache.join(prefilled(2, 8)[0], torch.tensor([0, 1]))
    places = set()
    for _ in range(16):
        new = states(2, 1)
        keys, _ = cache.update(new, -new, 0)
        places.add(keys.data_ptr())
    assert len(places) == 1


def test_the_last_rows_take_the_places_of_those_that_left() -> None:
    assert closed_up([0, 1, 2]) == [0, 1, 2]
    assert closed_up([2, 3]) == [3, 2]
    assert closed_up([1, 2, 5]) == [5, 1, 2]
    assert closed_up([]) == []
