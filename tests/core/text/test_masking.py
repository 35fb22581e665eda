"""Passwords and keys in URLs: masked wherever a text is raised, logged or stored, and only they."""

import logging

import pytest

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.config.recipes import build_config
from ifrl_core.errors import ConfigError, IfrlError
from ifrl_core.settings import with_secrets
from ifrl_core.text.masking import MaskedRecord, masked, public

SECRET = "S3CRET-pw"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"http://ann:{SECRET}@mlflow:5000/x", "http://ann:***@mlflow:5000/x"),
        (f"see http://ann:{SECRET}@a,https://bob:{SECRET}@b.", "see http://ann:***@a,https://bob:***@b."),
        (f"https://{SECRET}@host/v1", "https://***@host/v1"),
        (f"postgresql+psycopg2://ann:{SECRET}@db:5432/m", "postgresql+psycopg2://ann:***@db:5432/m"),
        (f"s3://AKIA:{SECRET}@bucket/prefix", "s3://AKIA:***@bucket/prefix"),
        (f"http://ann:p@ss{SECRET}@host/", "http://ann:***@host/"),
        (f"http://:{SECRET}@host/", "http://:***@host/"),
        (f"http://h:8000/v1?api_key={SECRET}&n=1", "http://h:8000/v1?api_key=***&n=1"),
        (
            f"https://b.s3.amazonaws.com/k?X-Amz-Signature={SECRET}&x=1",
            "https://b.s3.amazonaws.com/k?X-Amz-Signature=***&x=1",
        ),
        ("http://mlflow:5000/#/experiments/1/runs/2", "http://mlflow:5000/#/experiments/1/runs/2"),
        ("models:/ifrl-policy@champion", "models:/ifrl-policy@champion"),
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        ("postgresql://ann@db/x", "postgresql://ann@db/x"),
        ("sqlite:////home/ann@work/mlflow.db", "sqlite:////home/ann@work/mlflow.db"),
        ("write to ann@example.org: http://x", "write to ann@example.org: http://x"),
    ],
)
def test_only_passwords_and_keys_are_masked(text: str, expected: str) -> None:
    assert masked(text) == expected
    assert masked(expected) == expected


def test_errors_and_log_lines_are_masked_with_their_tracebacks() -> None:
    url = f"http://ann:{SECRET}@host/x"
    assert SECRET not in str(IfrlError(f"{url} does not answer"))
    try:
        raise ValueError(f"no answer of {url}")
    except ValueError as error:
        record = MaskedRecord(
            "x", logging.ERROR, "f", 1, "%s failed", (url,), (type(error), error, error.__traceback__)
        )
    told = logging.Formatter().format(record)
    assert "http://ann:***@host/x failed" in told
    assert "ValueError: no answer of http://ann:***@host/x" in told
    assert SECRET not in told


def test_what_is_stored_masked_is_used_with_the_password_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://ann:{SECRET}@host:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
    assert with_secrets(masked(url)) == url
    assert with_secrets("http://other:5000") == "http://other:5000"
    assert public(url) == "http://host:5000"


def test_a_recipe_and_a_store_root_with_a_password_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"seeds\.files holds a secret") as refused:
        build_config({"seeds": {"files": [f"https://ann:{SECRET}@host/mine.jsonl"]}})
    assert SECRET not in str(refused.value)
    with pytest.raises(ConfigError, match="holds a password"):
        ArtifactStore(f"s3://AKIA:{SECRET}@bucket/x")
