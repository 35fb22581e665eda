"""`ifrl plan`: shipped recipes can work, impossible ones are refused with the fix, figures checked by hand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ifrl_core.config.recipes import build_config, load_recipe, shipped_recipes
from ifrl_core.errors import ConfigError, ModelError
from ifrl_core.evaluation.suite.to_plan import planned_benchmarks
from ifrl_core.models.shapes import KNOWN, model_shape
from ifrl_core.plan.plan import make_plan
from ifrl_core.plan.text import plan_lines, uncounted_lines

GIB = 2**30


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_can_work(name: str) -> None:
    plan = make_plan(load_recipe(name))
    b = plan.batches
    assert b.prompts * b.generations == b.rollouts == b.micro_batch * b.accumulation * b.processes
    assert plan.memory.peak <= 0.9 * plan.memory.device
    assert plan.time.hours > 0 or plan.time.tokens < 100_000
    assert plan_lines(plan)


def test_the_papers_setting_is_shipped() -> None:
    policy = load_recipe("qwen2.5-7b-3x8gpu").policy
    assert policy.launch.processes == 24
    assert (policy.generations, policy.temperature, policy.learning_rate, policy.beta) == (5, 1.0, 1e-6, 0.01)
    assert (policy.max_prompt_tokens, policy.max_tokens) == (2048, 8192)


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("embedded:smollm2-135m", 134_515_008),
        ("Qwen/Qwen2.5-1.5B-Instruct", 1_543_714_304),
        ("Qwen/Qwen2.5-7B-Instruct", 7_615_616_512),
        ("Qwen/Qwen2.5-32B-Instruct", 32_763_876_352),
    ],
)
def test_parameters_are_those_of_the_published_weights(model: str, parameters: int) -> None:
    assert model_shape(model).parameters == parameters


def test_memory_and_time_by_hand() -> None:
    """7.6156e9 parameters over 24 processes, Qwen2.5-7B with fsdp2."""
    plan = make_plan(load_recipe("qwen2.5-7b-3x8gpu"))
    m, p = plan.memory, 7_615_616_512
    assert m.weights == m.gradients == m.reference == pytest.approx(4 * p / 24 / GIB, abs=0.01)
    assert m.optimizer == pytest.approx(8 * p / 24 / GIB, abs=0.01)
    assert m.vllm == 40
    assert m.kv_cache == pytest.approx(40 - 2 * p / GIB, abs=0.01)
    # 28 layers of 233,057,792 and the embedding of 152,064 x 3,584, two bytes each
    backbone = 28 * 233_057_792 + 152_064 * 3584
    assert m.reward_model == pytest.approx(2 * backbone / GIB, abs=0.01)
    likelihood = make_plan(load_recipe("qwen2.5-7b-3x8gpu", ["policy.reward.soft=likelihood"])).memory.reward_model
    assert likelihood == pytest.approx(2 * p / GIB, abs=0.01)
    # Shared by 8: 16 bytes a parameter; whole: two layers and the embedding; of 2 x 2,560 tokens a layer keeps what
    # test_activations.py counts: 26 bytes a unit, 8 a query's, 8 of the MLP's width
    shared, whole = 16 * backbone / 8, 4 * (2 * 233_057_792 + 152_064 * 3584)
    layer = 26 * 3584 + 8 * 3584 + 8 * 18_944
    assert m.reward_model_training == pytest.approx((shared + whole + 2 * 2560 * 28 * layer) / GIB + 2, abs=0.01)
    # 2 x 10,240 tokens: the float32 stream into 28 layers, and a layer in full. The head: a tile of logits, of 2 x 8,192
    # tokens the gradient of what it reads, and its own
    kept = 2 * 10_240 * (4 * 3584 * 28 + layer)
    head = 2 * 4096 * 32_768 + 4 * 2 * 8192 * 3584 + 4 * 152_064 * 3584
    assert m.activations == pytest.approx((kept + head) / GIB, abs=0.01)
    assert plan.time.tokens == 3115 * 480 * 600
    assert plan.time.hours == pytest.approx(3115 * 480 * 600 / (700 * 24) / 3600, abs=0.01)


def test_dialogs_as_rollouts_are_planned_with_all_of_their_answers() -> None:
    """Seeds of one, two and three answers: tokens by the mean, memory by the longest, as of a policy with longer answers."""
    config = load_recipe("chat-cpu", ["policy.turns=all"])
    one, dialogs = make_plan(config), make_plan(config, turns=[1, 2, 3])
    assert (one.time.answers, dialogs.time.answers) == (1, 2)
    assert dialogs.time.rollouts == one.time.rollouts
    assert dialogs.time.tokens == 2 * one.time.tokens
    assert dialogs.time.hours > one.time.hours
    longer = make_plan(load_recipe("chat-cpu", [f"policy.max_tokens={3 * config.policy.max_tokens}"]))
    assert dialogs.memory == longer.memory != one.memory
    assert any("rollouts of 2 answers each" in line for line in plan_lines(dialogs))
    assert not any("answers each" in line for line in plan_lines(one))


def test_an_instructor_is_planned_as_a_training_on_its_own_replies() -> None:
    """Two rounds of 5 steps of 4 x 8 replies of at most 512 tokens, each taken to be half of it."""
    changes = ["instructions.writer=instructor", "instructions.instructor.steps=5", "rounds=2"]
    plan = make_plan(load_recipe("demo-cpu", changes))
    instructor = plan.stages[0]
    assert (instructor.stage, instructor.engine, instructor.devices) == ("instructor", "", 1)
    assert (instructor.answers, instructor.tokens) == (320, 320 * 256)
    assert instructor.memory is not None
    assert instructor.memory > plan.memory.peak, "of the policy, whose answers are shorter"


def test_a_warm_start_is_planned_as_a_training_on_its_answers() -> None:
    """9 answers three times, of 96 tokens at most, each taken to be half of that."""
    plan = make_plan(load_recipe("demo-cpu", ["policy.warm_start={rows: 9, epochs: 3}", "policy.max_tokens=96"]))
    warm_start = plan.stages[0]
    assert (warm_start.stage, warm_start.devices, warm_start.answers) == ("warm-start", 1, 27)
    assert warm_start.tokens == 27 * 48
    assert warm_start.memory is not None
    assert warm_start.memory < plan.memory.peak, "of a step on many answers"


def test_the_other_stages_by_hand() -> None:
    """Qwen2.5-32B in bf16 on two devices: 2 x 32.764e9 / 2 bytes of weights, 2 x 64 x 8 x 128 x 2 / 2 bytes a token."""
    plan = make_plan(load_recipe("32b-plan"))
    rollouts, trained, evaluation = plan.stages
    assert [stage.stage for stage in plan.stages] == ["rollouts", "reward-model", "evaluation"]
    assert (rollouts.devices, rollouts.longest, rollouts.memory) == (2, 32_768, 73.6)
    room = 0.92 * 80 * GIB - 32_763_876_352 - 2 * GIB
    assert rollouts.at_once == room // (32_768 * 131_072)
    assert (rollouts.answers, rollouts.tokens) == (3000 * 6, 3000 * 6 * 600)
    assert rollouts.hours == pytest.approx(3000 * 6 * 600 / (2 * 150) / 3600, abs=0.01)
    assert trained.memory == plan.memory.reward_model_training
    assert (trained.devices, trained.answers) == (32, 3 * 3000 * 6 * 0.8), "three epochs of what validation leaves"
    assert trained.hours == pytest.approx(trained.tokens / (150 * 32) / 3600, abs=0.01)
    assert plan.memory.reward_model == 0, "the policy asks a service"
    assert evaluation.answers == 2 * (200 * 5 + 500)


def test_own_histories_are_reckoned_with() -> None:
    given, own = (make_plan(load_recipe("32b-plan", [f"rollouts.own_history={asked}"])) for asked in ("false", "true"))
    (added,) = (stage for stage in own.stages if stage not in given.stages)
    assert (added.stage, added.answers) == ("histories", (3000 + 2 * 200) * 6)
    assert added.longest == given.stages[0].longest


def test_stages_in_the_process_take_weights_and_the_cache_of_a_batch() -> None:
    plan = make_plan(load_recipe("smollm2-one-gpu"))
    rollouts = plan.stages[0]
    cache = 256 * (1024 + 512) * 2 * 30 * 3 * 64 * 2
    assert rollouts.memory == pytest.approx((2 * 134_515_008 + cache) / GIB + 2, abs=0.01)
    lines = "\n".join(plan_lines(plan))
    assert "rollouts (transformers): 10.7 GiB, room for " in lines
    assert "a prompt is computed once a group" in lines
    assert "a prompt is computed once an answer: with zero3" in "\n".join(
        plan_lines(make_plan(load_recipe("32b-plan")))
    )


def test_what_is_elsewhere_or_not_at_hand_is_said_to_be_unknown() -> None:
    served = ["rollouts.engine=server", "rollouts.served_model=m", "instructions.writer=llm"]
    plan = make_plan(load_recipe("demo-cpu", [*served, "instructions.model_writer.model=nobody/nothing"]))
    writer, rollouts, *_ = plan.stages
    assert (writer.stage, writer.memory, rollouts.memory, rollouts.hours) == ("instructions", None, None, None)
    assert "rollouts (server): memory not known here" in "\n".join(plan_lines(plan))


def test_what_the_curve_takes_is_reckoned_with() -> None:
    plain = make_plan(
        build_config({"policy": {"max_tokens": 512, "max_steps": 50}, "seeds": {"held_out": 30, "train": 500}})
    )
    assert plain.time.measured == 0
    changed = {
        "policy": {"max_tokens": 512, "max_steps": 50, "evaluate_every": 20},
        "seeds": {"held_out": 30, "train": 500},
    }
    plan = make_plan(build_config(changed))
    assert plan.time.measured == 4 * 30, "at steps 0, 20, 40 and 50"
    assert plan.time.tokens - plain.time.tokens == plan.time.measured * plan.time.answer_tokens
    assert any("120 answers for the curve" in line for line in plan_lines(plan))
    best = make_plan(build_config(changed, ["policy.keep=best"]))
    assert best.time.measured == 4 * 100, "a fifth of 500 is set aside"


def test_benchmarks_are_counted_by_their_rows_or_by_their_limit(tmp_path: Path) -> None:
    row = {"prompt": "x", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({**row, "key": key}) + "\n" for key in range(3)))
    asked = f"{{ifeval: {rows}, collie: {{path: s3, limit: 7, samples: 4, max_tokens: 32}}, bbeh: nowhere}}"
    config = load_recipe("demo-cpu", [f"evaluation.benchmarks={asked}", "policy.evaluate_every=20"])
    benchmarks = list(planned_benchmarks(config))
    assert [(item.label, item.answers, item.measured) for item in benchmarks] == [
        ("ifeval", 3, 3),
        ("collie", 28, 7),
        ("bbeh", None, None),
    ]
    plan, without = make_plan(config, benchmarks), make_plan(config)
    *others, ifeval, collie = plan.stages
    assert others == list(without.stages)
    assert (collie.stage, collie.answers, collie.tokens) == ("answers.collie", 2 * 28, 2 * 28 * 16)
    assert (ifeval.stage, ifeval.answers) == ("answers.ifeval", 2 * 3)
    assert plan.time.measured - without.time.measured == 3 * (3 + 7)  # at steps 0, 20 and 40
    lines = "\n".join([*plan_lines(plan), *uncounted_lines(["answers.bbeh"])])
    assert "answers.ifeval (transformers)" in lines
    assert "answers.bbeh: rows not at hand, so that its answers are not counted" in lines


def test_adapters_count_rank_times_both_sides() -> None:
    config = build_config({"policy": {"max_tokens": 512, "lora": {"rank": 8, "target_modules": ["q_proj", "v_proj"]}}})
    plan = make_plan(config)
    assert plan.trained == 30 * 8 * ((576 + 576) + (576 + 192))
    small = {"max_tokens": 64, "micro_batch": 1, "baselines": False}  # else activations outweigh what adapters save
    sections = [{**small, "lora": rank} for rank in (None, 4)]
    full, adapted = (
        make_plan(build_config({"policy": {"max_tokens": 512}, "reward_model": section})).memory for section in sections
    )
    assert adapted.reward_model_training < full.reward_model_training - 11 * 0.13e9 / GIB, "no gradients"
    assert plan.memory.reference == 0, "the reference is the model with its adapters off"


def test_trained_layers_count_with_the_last_norm() -> None:
    plan = make_plan(build_config({"policy": {"max_tokens": 512, "trained_layers": 2}}))
    layer = 576 * (576 * 2 + 192 * 2) + 3 * 576 * 1536 + 2 * 576
    assert plan.trained == 2 * layer + 576


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["policy.launch.strategy=ddp"], "GiB a device, which has 80.0 .*: policy.launch.strategy fsdp2 or zero3"),
        (
            ["policy.micro_batch=20", "policy.gradient_checkpointing=false"],
            "gradient_checkpointing true; a smaller policy.m",
        ),
        (
            [
                *("policy.generation=transformers", "policy.grpo={}", "policy.launch.vllm_gpu_memory_utilization=0.3"),
                *("policy.launch.assumed.device_memory_gib=40", "reward_model.layers=2"),
            ],
            "generation vllm_colocate or",
        ),
        (["policy.launch.vllm_gpu_memory_utilization=0.15"], "leave no room for one answer of 10240 tokens"),
        (["policy.grpo={vllm_tensor_parallel_size: 5}"], "vllm_tensor_parallel_size 5 does not divide 24 processes"),
        (["policy.max_tokens=32768"], "more than the model's 32768 positions; use a max_tokens of at most 30720"),
        (
            ["reward_model.launch.strategy=ddp"],
            "the reward-model stage takes about .*: reward_model.launch.strategy fsdp2 or zero3",
        ),
        (
            ["reward_model.launch.processes_per_machine=1"],
            "the reward-model stage .* more reward_model.launch.processes_per_machine; .* fewer reward_model.layers",
        ),
        (
            ["rollouts.vllm.tensor_parallel_size=3"],
            "rollouts.vllm.tensor_parallel_size 3 does not divide .* 28 .* of \\[1, 2, 4, 7",
        ),
        (
            ["rollouts.vllm.max_model_len=40000"],
            "rollouts.vllm.max_model_len 40000 is more than the model's 32768 positions",
        ),
        (
            ["evaluation.vllm.max_model_len=2048"],
            "evaluation.vllm.max_model_len 2048 leaves no room for a prompt beside an answer of 2048 tokens",
        ),
        (
            ["rollouts.vllm.gpu_memory_utilization=0.2"],
            "rollouts.vllm takes 16.0 GiB .* no room for one answer of 32768",
        ),
        (
            ["rollouts.engine=transformers", "rollouts.dtype=float32"],
            "rollouts takes about .* batch_size of at most 113, or",
        ),
        (["policy.prompts_per_step=100"], "multiple of 24, such as 120"),
        (["policy.micro_batch=3"], r"micro_batch 3 does not divide .* = 20; use one of \[1, 2, 4, 5, 10, 20\]"),
    ],
)
def test_impossible_arithmetic_is_refused_with_the_fix(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_plan(load_recipe("qwen2.5-7b-3x8gpu", overrides))


def test_a_folders_own_config_is_read_and_unknown_sizes_are_said(tmp_path: Path) -> None:
    qwen = KNOWN["Qwen/Qwen2.5-7B-Instruct"]
    config = {
        "model_type": "qwen2",
        "num_hidden_layers": 28,
        "hidden_size": 3584,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "intermediate_size": 18_944,
        "vocab_size": 152_064,
        "max_position_embeddings": 32_768,
        "tie_word_embeddings": False,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert model_shape(str(tmp_path)) == qwen
    with pytest.raises(ModelError, match="give its local folder"):
        model_shape("nobody/nothing-of-the-kind")
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(ModelError, match="has no 'hidden_size'"):
        model_shape(str(tmp_path))


def test_the_command_prints_a_plan_and_needs_no_torch() -> None:
    code = (
        "import sys; sys.argv = ['ifrl', 'plan', 'qwen2.5-7b-3x8gpu', '--json'];"
        "from flows.cli.main import app\n"
        "try: app()\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'prefect', 'trl', 'transformers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["batches"]["rollouts"] == 480
