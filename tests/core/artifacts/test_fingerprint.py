"""What must change a fingerprint, what must not, and what is refused."""

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.artifacts import canonical_json, fingerprint
from ifrl_core.config import LabelsConfig, PipelineConfig, StageConfig
from ifrl_core.identity.fields import How

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)


class Located(StageConfig):
    path: How[str]
    digest: str


@given(JSON)
def test_the_order_of_keys_does_not_matter(value: Any) -> None:
    def turned(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: turned(item[key]) for key in reversed(list(item))}
        return [turned(child) for child in item] if isinstance(item, list) else item

    assert canonical_json(value) == canonical_json(turned(value))


@pytest.mark.parametrize(
    "other",
    [
        ("labels", 1, LabelsConfig(), {"rollouts": "b"}),
        ("labels", 2, LabelsConfig(), {"rollouts": "a"}),
        ("label", 1, LabelsConfig(), {"rollouts": "a"}),
        ("labels", 1, LabelsConfig(drop_empty=False), {"rollouts": "a"}),
        ("labels", 1, LabelsConfig(), {"prompts": "a"}),
    ],
)
def test_every_ingredient_counts(other: tuple[str, int, Any, dict[str, str]]) -> None:
    assert fingerprint("labels", 1, LabelsConfig(), {"rollouts": "a"}) != fingerprint(*other)


def test_where_something_lies_does_not_count() -> None:
    assert canonical_json(Located(path="/a", digest="d")) == canonical_json(Located(path="/b", digest="d"))


def test_another_process_computes_the_same() -> None:
    code = (
        "from ifrl_core.config import PipelineConfig; from ifrl_core.artifacts import fingerprint;"
        "print(fingerprint('s', 1, PipelineConfig(), {}))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert printed == fingerprint("s", 1, PipelineConfig(), {})


@pytest.mark.parametrize("value", [{1, 2}, object(), print, float("nan"), float("inf"), b"bytes", {1: "a"}])
def test_what_has_no_stable_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"value\.k"):
        canonical_json({"k": value})
