"""Whether the lengths of a recipe fit into the positions of its model: prompt and answer of a request share them."""

from collections.abc import Iterator

from ifrl_core.config import PipelineConfig

LEAST_PROMPT_TOKENS = 128  # a template's words, a short seed and some constraints
_LEAST_MAX_PROMPT = 16  # of policy.max_prompt_tokens


def length_faults(recipe: PipelineConfig, positions: int | None) -> list[str]:
    """What does not fit, each with the number that would; `positions` of the model, None: it has no limit."""
    if positions is None:
        return []
    if positions <= LEAST_PROMPT_TOKENS:
        return [f"the model has {positions} positions, too few for prompts ({LEAST_PROMPT_TOKENS} tokens) and answers"]
    return [*_answers(recipe, positions), *_policy(recipe, positions), *_reward_model(recipe, positions)]


def answer_fault(name: str, max_tokens: int, positions: int | None) -> str | None:
    """Why answers of `max_tokens` (the recipe's field `name`) leave no room for a prompt."""
    if positions is None or max_tokens + LEAST_PROMPT_TOKENS <= positions:
        return None
    return (
        f"{name} {max_tokens} leaves no room for a prompt in the model's {positions} positions; use at most "
        f"{positions - LEAST_PROMPT_TOKENS}"
    )


def _answers(recipe: PipelineConfig, positions: int) -> Iterator[str]:
    for name, max_tokens in _budgets(recipe):
        if fault := answer_fault(name, max_tokens, positions):
            yield fault


def _budgets(recipe: PipelineConfig) -> Iterator[tuple[str, int]]:
    """Longest answers of all that the policy is asked in a run."""
    instructions, evaluation = recipe.instructions, recipe.evaluation
    yield "rollouts.max_tokens", recipe.rollouts.max_tokens
    yield "evaluation.max_tokens", evaluation.max_tokens
    if evaluation.ifeval_path is not None:
        yield "evaluation.ifeval_max_tokens", evaluation.ifeval_max_tokens
    if evaluation.general_prompts:
        yield "evaluation.general_max_tokens", evaluation.general_max_tokens
    if instructions.writer in ("self", "instructor"):
        yield "instructions.model_writer.max_tokens", instructions.model_writer.max_tokens
    if instructions.sampling == "corridor" or recipe.ladder.order == "easy_to_hard":
        yield "instructions.corridor.max_tokens", instructions.corridor.max_tokens


def _policy(recipe: PipelineConfig, positions: int) -> Iterator[str]:
    prompt, answer = recipe.policy.max_prompt_tokens, recipe.policy.max_tokens
    if prompt + answer <= positions:
        return
    if positions > prompt:
        fix = f"a max_tokens of at most {positions - prompt}"
    elif positions - answer >= _LEAST_MAX_PROMPT:
        fix = f"a max_prompt_tokens of at most {positions - answer}"
    else:
        fix = f"max_prompt_tokens and max_tokens that are at most {positions} together"
    yield (
        f"policy.max_prompt_tokens + policy.max_tokens = {prompt + answer} is more than the model's {positions} positions; "
        f"use {fix}"
    )


def _reward_model(recipe: PipelineConfig, positions: int) -> Iterator[str]:
    if recipe.reward_model.max_tokens > positions:
        yield (
            f"reward_model.max_tokens {recipe.reward_model.max_tokens} is more than the model's {positions} positions; "
            f"use at most {positions}"
        )
