"""One place decides what a model computes in, and whoever loads one says what that was."""

import logging
from pathlib import Path

import pytest
import torch

import ifrl_core
from ifrl_core.models.dtype import usable_dtype

DECIDING = ("is_bf16_supported", "get_capabilities", "_is_mkldnn_bf16_supported")


def test_without_bfloat16_a_processor_computes_in_float32_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_f": True})
    with caplog.at_level(logging.INFO):
        assert usable_dtype("bfloat16", "cpu") == "float32"
    assert "this processor does not compute in bfloat16: float32 instead" in caplog.text
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert usable_dtype("bfloat16", "cpu") == "bfloat16"
    assert usable_dtype("float32", "cpu") == "float32"


@pytest.mark.parametrize(("supported", "dtype"), [(True, "bfloat16"), (False, "float32")])
def test_a_gpu_that_only_emulates_bfloat16_computes_in_float32(
    monkeypatch: pytest.MonkeyPatch, supported: bool, dtype: str
) -> None:
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or supported
    )
    assert usable_dtype("bfloat16", "cuda") == dtype


def test_nobody_else_decides() -> None:
    root = Path(ifrl_core.__file__).parent
    texts = {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*.py")}
    asking = {name for name, text in texts.items() if any(question in text for question in DECIDING)}
    assert asking == {"models/dtype.py"}
