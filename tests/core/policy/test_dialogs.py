"""Dialogs as rollouts: the text that the policy is asked and trained on, the tokens that the loss is of, and the reward."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl.trainer.grpo_trainer import GRPOTrainer

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import CurriculumConfig, InstructionsConfig, LadderConfig, PolicyConfig, SeedsConfig
from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.errors import ConfigError, InputError
from ifrl_core.evaluation.dialogs import over_turns
from ifrl_core.inference.prompts import prompt_ids
from ifrl_core.instructions.stage import make_instructions, make_prompts
from ifrl_core.policy import launch
from ifrl_core.policy.dialogs import Dialog, check_no_reasoning, completed, first_asked, parts_of
from ifrl_core.policy.generation import CopyRollouts
from ifrl_core.policy.grpo_arguments import grpo_config
from ifrl_core.policy.stage import train_policy
from ifrl_core.policy.trainer import GroupTrainer
from ifrl_core.records import Constraint, Conversation, Message, constraint_row, packed, with_history
from ifrl_core.rewards.score import RewardPlan
from ifrl_core.rollouts.standing import kept_before
from ifrl_core.seeds.stage import make_seeds, seeds_source
from ifrl_core.text.reasoning import THINK, Reasoning
from ifrl_core.training.shape import Shape
from tests.core.forked import killed_at
from tests.core.models.tiny import configs, tiny_tokenizer
from tests.core.policy.test_generation import trainer_of
from tests.core.policy.test_reward_function import LOWER, NO_COMMA, Row, instruction, scored
from tests.core.policy.test_training import assert_same_policy, own_store, weights

TURN, END, OTHER_END = 256, 257, 258  # of tiny_tokenizer
CALL = json.dumps([{"type": "function", "function": {"name": "tide", "arguments": {"port": "Ems"}}}])
DIALOG: list[Message] = [
    {"role": "system", "content": "Use no comma."},
    {"role": "user", "content": "Name a bird."},
    {"role": "assistant", "content": "The wren, or the owl."},
    {"role": "user", "content": "And the tide?"},
    {"role": "assistant", "content": "", "tool_calls": CALL},
    {"role": "tool", "name": "tide", "content": "noon"},
    {"role": "assistant", "content": "At noon."},
    {"role": "user", "content": "Another bird, please."},
]
ANSWERS = ["A kite.", "At ten", "A gull."]


def with_end(tokenizer: Any, text: str, *end: int) -> list[int]:
    return [*tokenizer(text, add_special_tokens=False)["input_ids"], *end]


@pytest.mark.parametrize("kind", ["bytes", pytest.param("embedded", marks=pytest.mark.model)])
def test_a_dialog_is_what_the_template_makes_of_the_conversation_with_its_answers(
    kind: str, request: pytest.FixtureRequest
) -> None:
    if kind == "bytes":
        tokenizer, end, other = tiny_tokenizer(), END, OTHER_END
    else:
        tokenizer = AutoTokenizer.from_pretrained(request.getfixturevalue("small_model_folder"))
        end, other = tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|endoftext|>")
    first, second, third = (with_end(tokenizer, answer) for answer in ANSWERS)
    completion = completed(DIALOG, ANSWERS)
    messages = [*first_asked(DIALOG, completion), *completion]
    assert [message["role"] for message in messages] == [*(message["role"] for message in DIALOG), "assistant"]

    dialog = Dialog(parts_of(tokenizer, DIALOG), [[*first, end], second, [*third, other]])  # the second was cut off
    ids, own = dialog.completion({end, other})
    assert dialog.parts[0] + ids == [*prompt_ids(tokenizer, messages[:-1]), *third, other]
    wrote = [token for token, is_own in zip(ids, own, strict=True) if is_own]
    assert wrote == [*first, end, *second, *third, other]

    dialog.answers = [[*first, other]]  # an end that is not the template's
    assert dialog.asked({end, other}) == prompt_ids(tokenizer, messages[:6])
    assert sum(dialog.completion({end, other})[1]) == len(first)


def test_a_prompt_of_one_turn_is_one_part() -> None:
    tokenizer, prompt = tiny_tokenizer(), [{"role": "user", "content": "Name a bird."}]
    assert parts_of(tokenizer, prompt) == [prompt_ids(tokenizer, prompt)]
    assert completed(prompt, ["A kite."]) == [{"role": "assistant", "content": "A kite."}]


@pytest.mark.parametrize(
    "said",
    [
        "(m['content'] if loop.last else m['content'][:4])",  # earlier turns in short
        "(m['content'] if loop.index0 else (messages | length | string) + m['content'])",
    ],
)
def test_a_template_that_renders_earlier_turns_in_another_way_is_refused(said: str) -> None:
    template = tiny_tokenizer().chat_template.replace("m['content']", said)
    with pytest.raises(InputError, match=r"renders what was said in another way .* use turns last"):
        parts_of(tiny_tokenizer(template), DIALOG[1:4])


def test_a_model_that_reasons_is_refused() -> None:
    tokenizer = tiny_tokenizer()
    check_no_reasoning(tokenizer, THINK)  # a template without it
    for template, reasoning in ((tokenizer.chat_template, Reasoning(always=True)), ("</think>", THINK)):
        with pytest.raises(InputError, match="the model reasons"):
            check_no_reasoning(tiny_tokenizer(template), reasoning)


def test_training_on_gpus_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "check_here", lambda _: Shape(True, 1, 1, "single"))
    launch.check_launch(PolicyConfig())
    with pytest.raises(ConfigError, match=r"policy.turns all is answered on the CPU, .* use policy.launch.device cpu"):
        launch.check_launch(PolicyConfig(turns="all"))


@pytest.mark.model
def test_rollouts_are_dialogs_that_depend_on_step_and_place_alone(small_model_folder: Path) -> None:
    """Of two processes the second draws what one draws for its rollouts; a prompt of one turn is answered as ever."""
    trainer, plain = trainer_of(small_model_folder), [{"role": "user", "content": "Say yes."}]
    prompts = [plain, DIALOG, DIALOG, DIALOG[:4]]

    def rollouts(prompts: list[Any], process: int = 0, **named: Any) -> dict[str, Any]:
        trainer.accelerator.process_index = process
        return CopyRollouts(max_tokens=8, temperature=1.0, seed=3, dtype=torch.float32, **named)(prompts, trainer)

    made = rollouts(prompts, turns="all")
    assert made == rollouts(prompts, turns="all")
    halves = [rollouts(half, process, turns="all") for process, half in enumerate((prompts[:2], prompts[2:]))]
    assert all(made[name] == halves[0][name] + halves[1][name] for name in made if name != "logprobs")
    answers = rollouts([plain, DIALOG[:2], DIALOG[:2], DIALOG[:2]])
    for row, (completion, answer) in enumerate(zip(made["completion_ids"], answers["completion_ids"], strict=True)):
        assert made["prompt_ids"][row] == answers["prompt_ids"][row]
        assert completion[: len(answer)] == answer, "first answers are those of a prompt that ends there"
    assert [len(dialog) for dialog in made["dialog"]] == [1, 7, 7, 3]
    assert made["dialog"][1] != made["dialog"][2], "a group shares what it has drawn"
    for row in (1, 2):
        said = made["dialog"][row]
        whole = prompt_ids(trainer.processing_class, [*DIALOG[:2], *said[:-1]])
        ids = made["prompt_ids"][row] + made["completion_ids"][row]
        assert ids[: len(whole)] == whole, "answers of a real vocabulary go back to their tokens here"
        assert made["cut_before"][row] == (sum(made["env_mask"][row]) >= 8)


class Gradient(TrainerCallback):
    of_step: torch.Tensor

    def on_pre_optimizer_step(self, *_: Any, model: torch.nn.Module, **__: Any) -> None:
        self.of_step = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


PROMPT_IDS = [[1, 2, 3], [7, 8]]
COMPLETIONS = [[10, 11, 12, 13, 14], [20, 21], [30, 31, 32, 33], [40, 41, 42]]
OWN = [[1, 1, 0, 0, 1], [1, 1], [1, 0, 0, 1], [0, 1, 1]]
REWARDS = [1.0, 0.25, 0.5, 0.0]


@pytest.mark.model
@pytest.mark.parametrize(("kind", "train_on"), [(GroupTrainer, None), (GroupTrainer, 3), (GRPOTrainer, None)])
def test_the_gradient_is_of_what_the_policy_wrote(kind: Any, train_on: int | None, tmp_path: Path) -> None:
    shape = {"prompts_per_step": 2, "generations": 2, "micro_batch": 2, "max_steps": 1, "save_steps": 1}
    config = PolicyConfig.model_validate(
        {**shape, "beta": 0, "bf16": False, "scale_rewards": "none", "max_tokens": 9, "train_on": train_on}
    )
    torch.manual_seed(0)
    policy = AutoModelForCausalLM.from_config(configs(259)["llama"], dtype=torch.float32)
    for weight in policy.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, 0.0, 0.3)
    args = grpo_config(config, tmp_path, seed=0, on_cpu=True)
    args.save_strategy, args.max_grad_norm = "no", 0.0
    expected = by_hand(policy, train_on)
    gradient = Gradient()
    trainer = kind(
        model=policy,
        reward_funcs=lambda completions, **_: REWARDS,
        args=args,
        train_dataset=Dataset.from_list([{"prompt": "a"}, {"prompt": "b"}]),
        processing_class=tiny_tokenizer(pad_token="<|end|>"),
        callbacks=[gradient],
        rollout_func=lambda *_: {
            "prompt_ids": [PROMPT_IDS[row // 2] for row in range(4)],
            "completion_ids": COMPLETIONS,
            "logprobs": None,
            "env_mask": OWN,
        },
    )
    trainer.train_on = train_on
    trainer.train()
    assert (gradient.of_step - expected).norm() <= 1e-4 * expected.norm()


def by_hand(policy: Any, train_on: int | None) -> torch.Tensor:
    """Of minus the mean over own tokens of advantage times log-probability."""
    advantages = [REWARDS[row] - (REWARDS[row // 2 * 2] + REWARDS[row // 2 * 2 + 1]) / 2 for row in range(4)]
    rows = sorted(range(4), key=lambda row: -abs(advantages[row]))[:train_on]
    total = torch.tensor(0.0)
    for row in rows:
        prompt, completion = PROMPT_IDS[row // 2], COMPLETIONS[row]
        logits = policy(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
        log_probs = logits.log_softmax(-1)[range(len(completion)), completion]
        total = total - advantages[row] * (log_probs * torch.tensor(OWN[row])).sum()
    (total / sum(sum(OWN[row]) for row in rows)).backward()
    gradient = torch.cat([p.grad.flatten() for p in policy.parameters()])
    policy.zero_grad()
    return gradient


SHORTER = CATALOG["conversation:shorter"].constraint({"percent": 90})


def asked(*constraints: Constraint) -> Row:
    """A prompt of three turns with no comma in its system message, and what else stands at its end."""
    end = {"role": "user", "content": " ".join(["Another bird, please.", *(item.text for item in constraints)])}
    row = instruction(0, NO_COMMA, *constraints)
    seed = DIALOG[-1]["content"]
    return {
        **row,
        "seed": seed,
        "conversation": packed(Conversation(tuple(DIALOG[1:]))),
        "prompts": [*DIALOG[:-1], end],
        "cut_before": False,
    }


def test_the_reward_of_a_dialog_is_the_measure_of_its_turns() -> None:
    row = asked(LOWER)
    last = "a gull is one of the birds of the sea."
    dialogs = [["A kite.", "Ten.", last], ["A kite, too.", "Ten.", last], ["A, b", "C, d", "A, GULL."]]
    pairs = [(row, completed(row["prompts"], answers)) for answers in dialogs]
    rewards, metrics, *_ = scored(pairs)
    assert rewards == [1.0, (2 / 3 + 1) / 2, 0.0]
    assert (metrics["reward/turn/1"], metrics["reward/turn/2"]) == (1 / 3, 2 / 3)
    for (_, completion), reward in zip(pairs, scored([(asked(), said) for _, said in pairs])[0], strict=True):
        messages = [*first_asked(row["prompts"], completion), *completion[:-1]]
        conversation = with_history(Conversation(tuple(DIALOG[1:])), messages)
        kept = kept_before(conversation, {"messages": messages, "constraints": [constraint_row(NO_COMMA)]})
        verdict = {"type": NO_COMMA.type, "verdict": "," not in completion[-1]["content"]}
        measured = over_turns([{"verdicts": [verdict], "kept": kept}])["over_turns"]
        assert reward == pytest.approx(measured["turns"])


def test_constraints_about_what_was_said_look_at_the_policys_own_answers() -> None:
    """Shorter than its own answer, not than the given one; and where that is too short to be about, it is not met."""
    row, last = asked(SHORTER), "A gull of some kind I think."
    long = f"At ten, {'or a bit later ' * 5}"
    dialogs = [["A kite.", long, last], ["A kite.", "At ten.", last]]
    rewards, *_ = scored([(row, completed(row["prompts"], answers)) for answers in dialogs])
    assert rewards == [(2 / 3 + 1) / 2, (1 + 0) / 2]


def test_a_dialog_with_an_answer_cut_off_counts_as_cut_off() -> None:
    row = asked()
    pairs = [({**row, "cut_before": cut}, completed(row["prompts"], ANSWERS)) for cut in (False, True)]
    assert scored(pairs, plan=RewardPlan(cut_off_factor=0.5))[0] == [1.0, 0.5]


def dialog(number: int) -> str:
    return json.dumps(
        {
            "messages": [
                {"role": "user", "content": f"When is high water at port {number}?"},
                {"role": "assistant", "content": f"GIVEN at noon in port {number}."},
                {"role": "user", "content": f"And what is port {number} like?"},
            ]
        }
    )


CONFIG = PolicyConfig(max_steps=3, prompts_per_step=2, generations=4, max_tokens=12, micro_batch=4, learning_rate=1e-4,
                      beta=0, turns="all", curriculum=CurriculumConfig(levels=((1,),)), save_steps=1)  # fmt: skip
HARD = ("keywords:letter_frequency", "words:starting_letter", "words:avoid_starting_letter", "sentences:start_letter")


@pytest.mark.model
@pytest.mark.usefixtures("forked")
def test_a_policy_is_trained_on_dialogs_and_goes_on_when_killed(
    tiny_model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path
) -> None:
    path = tmp_path / "dialogs.jsonl"
    path.write_text("".join(f"{dialog(number)}\n" for number in range(8)))

    def inputs(store: ArtifactStore) -> dict[str, ArtifactRef]:
        source = seeds_source(SeedsConfig(files=(str(path),), builtin=False, held_out_share=0.5, train=3, held_out=2))
        seeds = make_seeds(source, {}, store)
        instructions = make_instructions(InstructionsConfig(types=HARD, max_words=40), {"seeds": seeds}, store)
        prompts = make_prompts(LadderConfig(place="system"), {"instructions": instructions}, store)
        return {"model": tiny_model, "prompts": prompts}

    undisturbed, killed = (own_store(tmp_path / name, tiny_model, model_store) for name in ("whole", "killed"))
    whole = train_policy(CONFIG, inputs(undisturbed), undisturbed)
    scratch = killed.scratch("policy", train_policy.fingerprint(CONFIG, inputs(killed), seed=0))
    with killed_at(scratch / "checkpoints" / "checkpoint-1/trainer_state.json"):
        train_policy(CONFIG, inputs(killed), killed)
    resumed = train_policy(CONFIG, inputs(killed), killed)
    assert_same_policy(undisturbed, whole, killed, resumed)
    assert not {*weights(undisturbed, whole).values()} & {*weights(model_store, tiny_model).values()}, (
        "nothing was learnt"
    )

    assert undisturbed.manifest(whole).figures["prompts_of_dialogs"] == 3
    metrics = undisturbed.read_table(whole, "metrics.parquet")
    assert None not in metrics["reward/turn/1"].to_pylist()
    assert max(metrics["length/tokens"].to_pylist()) <= 24, "tokens of the template are counted"
    for row in undisturbed.read_table(whole, "samples.parquet").to_pylist():
        assert "GIVEN" not in row["prompt"] + row["response"], "the given answer is in the dialog"
        assert row["prompt"].endswith("?"), row["prompt"]
        assert row["response"].startswith("[assistant] ")
        assert "\n\n[user] And what is port" in row["response"]
