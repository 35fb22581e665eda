"""What no run can make good is refused with the recipe: by name, with what was found, what is expected and what to do."""

from typing import Any

import pytest

from ifrl_core.config.recipes import build_config, load_recipe
from ifrl_core.config.secrets import looks_secret
from ifrl_core.errors import ConfigError
from ifrl_core.instructions.types import check_types, drawn_kinds

SERVICE = {"policy": {"launch": {"reward_model": "service"}}}
TWO_WORKERS = {"workers": 2}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            {"instructions": {"writer": "self", "sampling": "corridor"}},
            "instructions.writer is self: use writer catalog, or sampling uniform",
        ),
        (
            {"instructions": {"writer": "evolving"}, "rollouts": {"own_history": True}},
            "writer evolving trains on other .*: use writer catalog, or own_history false",
        ),
        (
            {
                "instructions": {"writer": "instructor", "instructor": {"steps": 5}},
                "policy": {"max_steps": 8, "save_steps": 2, "grpo": {"num_iterations": 2}},
            },
            r"instructions.instructor.steps 5: policy.grpo.num_iterations 2 does not divide it",
        ),
        (
            {"instructions": {"max_constraints": 3}},
            r"levels that no ladder has, .* 1 to 3 .*: use \[\[1\], \[2\], \[3\]\], or",
        ),
        ({"policy": {"curriculum": {"levels": [[0, 1]]}}}, r"levels \[\[0, 1\]\] asks for levels .* use \[\[1\]\]"),
        ({"evaluation": {"levels": [1, 6]}}, r"evaluation.levels \[1, 6\] .* use \[1\], or more"),
        ({"evaluation": {"levels": [-1, 1]}}, r"evaluation.levels \[-1, 1\]"),
        ({"evaluation": {"levels": []}}, r"evaluation.levels \[\] asks for no constraint: use some of \[1, 2"),
        ({"evaluation": {"levels": [0]}}, "asks for no constraint"),
        ({"rounds": 2, **SERVICE}, "rounds 2 trains a reward model in each round, .* use local, or rounds 1"),
        (
            {"policy": {"reward": {"aggregation": "reliability", "soft": "likelihood"}}},
            "soft likelihood does not ask it: use another aggregation, or soft reward_model",
        ),
        ({"rollouts": {"engine": "vllm"}, "execution": TWO_WORKERS}, "one vLLM in one process .* use workers 1"),
        (
            {"policy": {"grpo": {"vllm_enable_sleep_mode": True}}},
            "vllm_enable_sleep_mode has no effect with .* transformers",
        ),
        (
            {"policy": {"turns": "all", "generation": "vllm_colocate"}},
            "turns all is answered by generation transformers on the CPU, not by vllm_colocate: use turns last",
        ),
        (
            {"policy": {"turns": "all", "grpo": {"top_p": 0.9}}},
            "turns all does not go with grpo.top_p, .*: use turns last",
        ),
        ({"policy": {"grpo": {"epsilon": float("nan")}}}, r"policy.grpo: epsilon: numbers, texts"),
        (
            {"policy": {"grpo": {"num_iterations": 0}}},
            "num_iterations: a whole number of at least 1 is expected, not 0",
        ),
        ({"policy": {"grpo": {"num_iterations": "two"}}}, "num_iterations: trl expects int, not 'two'"),
        ({"policy": {"grpo": {"epsilon": "abc"}}}, "epsilon: trl expects float, not 'abc'"),
        ({"policy": {"grpo": {"mask_truncated_completions": 1}}}, "trl expects bool, not 1"),
        (
            {"evaluation": {"engine": "vllm", "vllm": {"max_model_len": 2048}}},
            "evaluation.vllm.max_model_len 2048 leaves no",
        ),
        ({"policy": {"learning_rate": float("inf")}}, "policy.learning_rate: .*finite"),
        (
            {"reward_model": {"launch": {"strategy": "fsdp2"}, "early_stopping": 2}},
            "early_stopping is done by one process, and launch.strategy is fsdp2: use single, or leave early_stopping out",
        ),
        ({"reward_model": {"launch": {"processes_per_machine": 4}}}, "strategy single is one process, not 4: use ddp"),
        (
            {"reward_model": {"launch": {"strategy": "ddp", "processes_per_machine": 8}}},
            "batch_size 16 cannot be shared out among 8 processes in micro-batches of 4; .* multiple of 32, such as 32, or",
        ),
        ({"registry": {"policy_name": "m", "reward_model_name": "m"}}, "are both m, .* use two names"),
        ({"execution": {"pool": "a/b/c"}}, r"execution.pool: a pool \(gpu\) or a deployment"),
        (
            {"execution": {"deployments": {"policy": "x%"}}},
            "execution.deployments.policy: Prefect takes a name without",
        ),
        ({"name": "a" * 101}, "name: String should have at most 100 characters"),
        ({"seeds": {"files": "a.jsonl, b.jsonl"}}, r"seeds.files: a list is expected: \[a.jsonl, b.jsonl\]"),
        ({"policy": {"max_steps": True}}, r"policy.max_steps: a number is expected \(got True\)"),
        ({"registry": {"alias": True}}, r"registry.alias: .*string \(got True\); put it in quotes"),
        (
            {"policy": {"curriculum": {"levels": [1, 2]}}},
            r"levels: a list of lists is expected, such as \[\[1\], \[2, 3\]\]",
        ),
        ({"policy": {"max_steps": None}}, r"policy.max_steps: .*\(got None\); leave the key out for its default"),
        ({"instructions": {"weights": "tone:"}}, r"instructions.weights: .*; write a mapping: \{name: value\}"),
        (
            {"instructions": {"types": [{"tone": None}]}},
            r"types.0: .*string \(got \{'tone': None\}\); put it in quotes",
        ),
        ({"rollouts": 5}, r"rollouts: .*; write its keys below it"),
        ({"max_steps": 5}, r"max_steps: unknown key; did you mean policy.max_steps\?"),
        ({"reward_model": {"ingored": 1}}, r"reward_model.ingored: unknown key. Allowed: "),
    ],
)
def test_it_is_refused_by_name_with_the_remedy(document: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_config(document)


def test_all_faults_are_named_at_once_and_no_line_repeats_the_whole_recipe() -> None:
    with pytest.raises(ConfigError) as refused:
        build_config({"rounds": 2, **SERVICE, "evaluation": {"levels": [9]}, "labels": {"positives": "best_of_n"}})
    first, *lines = str(refused.value).splitlines()
    assert first == "config is not valid:"
    assert [line.split()[0] for line in lines] == ["evaluation.levels", "rounds", "labels.positives"]
    assert max(map(len, lines)) < 300


def test_kinds_are_those_that_the_types_and_their_share_give() -> None:
    def kinds(*overrides: str) -> set[str]:
        return drawn_kinds(load_recipe("demo-cpu", overrides))

    hard, soft = "instructions.types=['keywords:', 'startend:']", "instructions.types=['tone:', 'style:']"
    assert kinds() == kinds("instructions.hard_share=0", "instructions.writer=self") == {"hard", "soft"}
    assert kinds("instructions.hard_share=0") == kinds("instructions.hard_share=1", soft) == {"soft"}
    assert kinds("instructions.hard_share=1") == kinds("instructions.hard_share=0", hard) == {"hard"}


def test_fewer_levels_in_evaluation_than_by_default_are_those_that_there_are() -> None:
    document = {
        "instructions": {"min_constraints": 2, "max_constraints": 2},
        "policy": {"curriculum": {"levels": [[1], [2]]}},
    }
    assert build_config(document).evaluation.levels == (1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    "secret",
    [
        "hf_aBcDeFgHiJkLmNoPqRsT",
        "sk-proj-0123456789abcdef",
        "ghp_0123456789abcdef0123",
        "AKIAIOSFODNN7EXAMPLE",
        "https://user:pass@host/seeds.jsonl",
        "Bearer abcdefgh12345678",
    ],
)
def test_what_looks_like_a_secret_is_refused_wherever_it_stands_and_never_repeated(secret: str) -> None:
    for document in (
        {"policy": {"grpo": {"hub_revision": secret}}},
        {"policy": {"grpo": {"generation_kwargs": {"x": [secret]}}}},
        {"seeds": {"files": [secret]}},
        {"model": secret, "policy": {"max_step": 1}},
    ):
        with pytest.raises(ConfigError, match=r"holds a secret, .* by the environment") as refused:
            build_config(document)
        assert secret not in str(refused.value)


@pytest.mark.parametrize("name", ["hub_token", "api_key", "password", "wandb_api_key"])
def test_names_of_secrets_are_refused_with_any_value(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"policy.grpo.{name} holds a secret") as refused:
        build_config({"policy": {"grpo": {name: "plain"}}})
    assert "plain" not in str(refused.value)


@pytest.mark.parametrize(
    "value", ["s3://bucket/seeds.jsonl", "https://host:8000/x", "org/model", "tone:", "risk-averse-people-like-it"]
)
def test_plain_values_are_no_secrets(value: str) -> None:
    assert not looks_secret(value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["instructions.types=['tone:', nonsense:x]"], "instructions.types: no constraint type .* 'nonsense:x'"),
        (["policy.reward.aggregation=weighted", "policy.reward.weights={nope: 1}"], "policy.reward.weights: .* 'nope'"),
        (["instructions.types=[punctuation:no_comma,detectable_format:title]"], "gives 2 types .* needs 3 "),
        (["instructions.hard_share=0", "reward_model.noise=posterior"], "noise posterior rests on hard .* 0 give none"),
        (["instructions.hard_share=0", "ladder.order=easy_to_hard"], "ladder.order easy_to_hard rests on hard"),
        (
            ["instructions.hard_share=1", "policy.reward.aggregation=reliability"],
            "reliability rests on soft constraints",
        ),
        (
            ["instructions.hard_share=1", "policy.reward.aggregation=mean", "policy.reward.soft=likelihood"],
            "likelihood rests on soft constraints",
        ),
    ],
)
def test_types_are_looked_at_before_anything_starts(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_types(load_recipe("demo-cpu", overrides))
    check_types(load_recipe("demo-cpu"))
    check_types(load_recipe("demo-cpu", ["instructions.hard_share=0"]))
