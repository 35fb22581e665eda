"""The shipped probe: pairs in conflict and coupled ones, each with arguments that its rule takes."""

from collections import Counter

from ifrl_core.constraints.catalog import CATALOG
from ifrl_core.constraints.conflicts import conflict
from ifrl_core.constraints.interacting import interacting_pairs
from ifrl_core.constraints.verdict import verdicts


def test_the_pairs_are_what_they_are_said_to_be() -> None:
    pairs = interacting_pairs()
    assert Counter(pair.relation for pair in pairs) == {"conflict": 20, "coupled": 20}
    assert len({pair.name for pair in pairs}) == len(pairs)
    for pair in pairs:
        both = [pair.first, pair.second]
        assert all(CATALOG[item.type].kind == item.kind for item in both)
        assert conflict(*both) == (pair.relation == "conflict"), pair.name
        for answer in ("", "Once upon a time there was a river. That is all.", '{"a": "Dear reader,"}'):
            held = verdicts(both, answer)
            assert pair.relation == "coupled" or held != [True, True], (pair.name, answer)
