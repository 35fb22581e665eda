"""The figures of one step's rewards: by kind, by type, by level, and the cheap measures of hacking."""

import itertools
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from statistics import fmean

from ifrl_core.constraints.verifiers.scripts import count_words
from ifrl_core.errors import HackError
from ifrl_core.records import Constraint
from ifrl_core.rewards.score import Kept, Reward
from ifrl_core.rewards.task_drop import drops_task
from ifrl_core.rewards.tripwires import NAMES, tripped
from ifrl_core.text.reasoning import Reasoning, answer_of


def reward_metrics(
    rewards: Sequence[Reward], constraints: Sequence[Sequence[Constraint]], levels: Sequence[int]
) -> dict[str, float]:
    """Means over the scored parts: `reward/hard`, `reward/soft`, `reward/type/<type>`, and `reward/level/<level>` of
    totals; what is not present, or not scored, has no entry. `unscored_share` is that of rewards."""
    values_of: dict[str, list[float]] = defaultdict(list)
    for reward, of_response, level in zip(rewards, constraints, levels, strict=True):
        if reward.total is not None:
            values_of[f"reward/level/{level}"].append(reward.total)
        for part, constraint in zip(reward.parts, of_response, strict=True):
            if part is not None:
                values_of[f"reward/{constraint.kind}"].append(part)
                values_of[f"reward/type/{constraint.type}"].append(part)
    unscored = fmean(reward.total is None for reward in rewards)
    return {**{name: fmean(values) for name, values in sorted(values_of.items())}, "unscored_share": unscored}


def turn_metrics(kept: Sequence[Kept | None], turns: Sequence[int]) -> dict[str, float]:
    """`reward/turn/<k>`: of dialogs of more `turns`, the share of hard constraints standing before their k-th answer that it
    keeps."""
    verdicts: dict[int, list[bool]] = defaultdict(list)
    for of_dialog, count in zip(kept, turns, strict=True):
        for of_constraint in of_dialog or ():
            # It stands from its place on, so the last verdict is of the turn before the last.
            for turn, verdict in enumerate(of_constraint, count - len(of_constraint)):
                verdicts[turn].append(verdict)
    return {f"reward/turn/{turn}": fmean(of_turn) for turn, of_turn in sorted(verdicts.items())}


def zero_variance_share(groups_of: Sequence[Hashable], rewards: Sequence[Reward]) -> float:
    """The share of groups (consecutive rewards of one prompt) whose scored rewards are all the same: they teach nothing.

    trl's own figure looks at the spread of the whole step when rewards are scaled by it.
    """
    groups = itertools.groupby(zip(groups_of, rewards, strict=True), key=lambda pair: pair[0])
    spreads = [{round(r.total, 6) for _, r in group if r.total is not None} for _, group in groups]
    return fmean(len(spread) < 2 for spread in spreads)


def hack_metrics(
    seeds: Sequence[str],
    responses: Sequence[str],
    constraints: Sequence[Sequence[Constraint]],
    rewards: Sequence[Reward],
    reasoning: Reasoning,
) -> dict[str, float]:
    """`length/words`: mean words of an answer; `task_dropped`: share of answers that leave the seed's task aside; `gated`:
    share whose reward a gate has lowered; `hack/<wire>`, `hack/any`: share that trips a wire (tripwires.py)."""
    answers = [answer_of(response, reasoning) for response in responses]
    wires = [
        tripped(seed, answer, of_response, reward.parts, called=reward.called)
        for seed, answer, of_response, reward in zip(seeds, answers, constraints, rewards, strict=True)
    ]
    return {
        **{f"hack/{name}": fmean(of_answer[name] for of_answer in wires) for name in NAMES},
        "hack/any": fmean(any(of_answer.values()) for of_answer in wires),
        "gated": fmean(reward.gate < 1 for reward in rewards),
        "length/words": fmean(count_words(answer) for answer in answers),
        "task_dropped": fmean(
            not reward.called and drops_task(seed, answer)
            for seed, answer, reward in zip(seeds, answers, rewards, strict=True)
        ),
    }


def check_hacks(metrics: Mapping[str, float], max_share: float) -> None:
    """Stop a run whose policy has learnt to please the checker.

    Raises:
        HackError: when more than `max_share` of a step's answers trip a wire, with the share of each.
    """
    if metrics["hack/any"] > max_share:
        shares = ", ".join(f"{name} {metrics[f'hack/{name}']:.0%}" for name in NAMES)
        raise HackError(
            f"{metrics['hack/any']:.0%} of a step's answers trip a wire ({shares}); policy.reward.max_hack_share allows "
            f"{max_share:.0%}. Look at the sample answers; a stricter gate, a lower learning rate or a KL term may help"
        )
