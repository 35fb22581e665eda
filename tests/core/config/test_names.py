"""Names are refused with the recipe exactly where MLflow and Prefect would refuse them after all the work."""

from collections.abc import Callable

import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.utils.models import _parse_model_uri
from mlflow.utils.validation import (
    _validate_logged_model_name,
    _validate_model_alias_name,
    _validate_model_alias_name_reserved,
    _validate_model_name,
)
from prefect.types.names import BANNED_CHARACTERS

from flows.cli.retrain import rollback
from ifrl_core.config.names import _NOT_IN_PREFECT, alias, model_name, place
from ifrl_core.config.recipes import build_config
from ifrl_core.errors import ConfigError

NAMES = [
    *(
        "ifrl-policy",
        "qwen2.5-ifrl",
        "team/ifrl",
        "a:b",
        "a%b",
        "it's",
        'a"b',
        "a b",
        "模型",
        "a#b",
        "a+b",
        "a\\b",
    ),
    *("", " ", ".", "..", "latest", "v2", "1", "_", "-", "a" * 255),
]
ALIASES = [
    *(
        "challenger",
        "v2",
        "V10",
        "v2a",
        "latest",
        "LATEST",
        "latest2",
        "a b",
        "a.b",
        "a/b",
        "a:b",
        "a@b",
        "",
        "1",
        "-",
        "_",
    ),
    *("modèle", "v", "a" * 255, "a" * 256),
]


def taken(*checks: Callable[[str], object], name: str) -> bool:
    try:
        for check in checks:
            check(name)
    except (MlflowException, ValueError):
        return False
    return True


@pytest.mark.parametrize("name", NAMES)
def test_names_of_models_are_those_that_mlflow_takes(name: str) -> None:
    ours = taken(model_name, name=name)
    assert ours == taken(_validate_model_name, _validate_logged_model_name, name=name) or name.strip() == ""
    if ours:
        parsed = _parse_model_uri(f"models:/{name}@challenger")
        assert (parsed.name, parsed.alias) == (name, "challenger")


@pytest.mark.parametrize("name", ["a?b", "a@b", " a", "a\n", "\x07", "a" * 256])
def test_names_that_a_uri_or_a_database_would_cut_are_refused(name: str) -> None:
    assert not taken(model_name, name=name)


@pytest.mark.parametrize("name", ALIASES)
def test_aliases_are_those_that_mlflow_takes(name: str) -> None:
    mlflow = taken(_validate_model_alias_name, _validate_model_alias_name_reserved, name=name)
    assert taken(alias, name=name) == mlflow
    assert not taken(alias, name="a\n")


def test_places_are_pools_or_deployments_by_prefects_rules() -> None:
    assert set(_NOT_IN_PREFECT) == set(BANNED_CHARACTERS)
    assert [taken(place, name=name) for name in ("", "gpu", "stage/gpu", "a/b/c", "/gpu", "gpu/", "a&b", " ")] == [
        *(True, True, True),
        *(False, False, False, False, False),
    ]


@pytest.mark.parametrize(
    ("registry", "message"),
    [
        (
            {"policy_name": "qwen2.5-ifrl"},
            r"registry.policy_name: MLflow takes no \. .* such as qwen2-5-ifrl \(got 'qwen2.5",
        ),
        ({"reward_model_name": "team/ifrl"}, "registry.reward_model_name: MLflow takes no / .* such as team-ifrl"),
        ({"alias": "v2"}, "registry.alias: MLflow keeps v1, v2, .* for itself; use another alias"),
        ({"alias": "champion"}, "does not make itself champion"),
    ],
)
def test_a_recipe_is_refused_by_the_field(registry: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_config({"registry": registry})


def test_the_command_that_takes_a_name_refuses_it_as_a_recipe_does() -> None:
    with pytest.raises(ConfigError, match="registered model 'team/ifrl': MLflow takes no /"):
        rollback("team/ifrl")
