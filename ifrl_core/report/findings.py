"""What a reader must know before believing a run's headline, in plain sentences drawn from the figures.

An average hides its parts: every rule here looks at a part. The thresholds say when a sentence is written, nothing else
depends on them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from ifrl_core.report.cut_off import cut_off_section, cut_off_text
from ifrl_core.report.text import (
    IFEVAL,
    count,
    fixed,
    interval,
    listing,
    percent,
    percent_interval,
    shift,
    signed,
    things,
)

Figures = Mapping[str, Any]

MOSTLY_WRONG = 0.5  # share of right labels below which the labels mislead
WEAK = 0.8  # share of right labels below which they are noisy enough to say so
SHRUNK, GROWN = 0.6, 1.6  # answer length after over before
DROPPED = 0.05  # share of answers that drop the task
CUT_OFF = 0.5  # share of answers ended by the token budget
CHANCE_AUC = 0.6  # a reward model below this hardly ranks
FEW_UNITS = 20  # instructions below which no interval was tried (benchmarks/gate_intervals.md)
FEW_SIGNS = 6  # units below which not even equal signs throughout are clear of chance: 2 (1/2)^5 > 0.05
MOST_REJECTED = 0.2  # share of seeds for which a writer gave nothing, above which it warns
UNCLOSED = 0.1  # share of responses without an answer, above which it warns
LOST = 50  # points that a type falls by, on too few instructions for an interval, above which that is said all the same
NO_SPREAD = 0.5  # share of GRPO groups in which every rollout earns the same


OF_THEIR_OWN = ("ifeval", "general")  # benchmarks with sentences and rows of their own


@dataclass(frozen=True)
class Finding:
    """`level`: bad (the figure above it misleads without this), warning, or note."""

    level: Literal["bad", "warning", "note"]
    title: str
    text: str


def findings(figures: Mapping[str, Figures]) -> list[Finding]:
    """Findings of a run from its stages' figures, by name (labels, reward_model, ...); the worst first."""
    sentences = [
        *_gain(figures.get("comparison", {}), figures.get("prompts", {})),
        *_answers(figures.get("comparison", {}), figures.get("policy", {})),
        *_cut_off(figures),
        *label_findings(figures.get("labels", {})),
        *_reward_model(figures.get("reward_model", {}), figures.get("soft_audit", {}), figures.get("policy", {})),
        *_soft_gain(figures.get("soft_audit", {}).get("gain", {})),
        *_policy(figures.get("policy", {})),
        *_seeds(figures.get("seeds", {})),
        *_too_long(figures),
        *_histories(figures),
        *_unclosed(figures),
        *_constraints(figures.get("instructions", {}), figures.get("pass_rates", {})),
        *_instructor(figures.get("evolved_instructions", {}).get("writing")),
    ]
    return worst_first(sentences)


def worst_first(found: Sequence[Finding]) -> list[Finding]:
    """In the order of their levels, else as they stand."""
    order = ("bad", "warning", "note")
    return sorted(found, key=lambda finding: order.index(finding.level))


def too_few(row: Figures) -> bool:
    """Whether a difference rests on too few units for any interval."""
    return bool(row.get("units", row.get("clusters", row["n"])) < FEW_SIGNS)


def direction(row: Figures) -> int:
    """1 for a rise and -1 for a fall whose interval is clear of zero on enough units to say so; else 0."""
    if row["mean"] is None or too_few(row):
        return 0
    return int(row["low"] > 0) - int(row["high"] < 0)


def benchmark_findings(sections: Sequence[Figures]) -> list[Finding]:
    """Of the report's sections of outside benchmarks: headlines that fell, and judges that tell nothing. IFEval and general
    problems have findings of their own."""
    found = []
    for section in sections:
        if section["label"] in OF_THEIR_OWN:
            continue
        row = section["metrics"][0]
        for change in row["changes"][1:]:
            if change and direction(change) < 0 and not section["flags"]:
                title = f"{section['title']} fell"
                found.append(
                    Finding("bad", title, f"{row['name']}, after against before: {shift(change, row['unit'])}.")
                )
        for flag in section["flags"]:
            found.append(Finding("warning", f"{section['title']}: {flag['title'].lower()}", flag["text"]))
    return found


def _gain(comparison: Figures, prompts: Figures) -> Iterator[Finding]:
    hard = comparison.get("hard", {}).get("overall", {})
    ladders = prompts.get("held_out_ladders")
    if hard.get("n"):
        yield from _headline(hard)
        if ladders is not None and ladders < FEW_UNITS:
            text = f"With fewer than {FEW_UNITS} an interval is wide, and rough. Raise seeds.held_out."
            yield Finding("warning", f"Only {ladders} held-out instructions", text)
    by_type = comparison.get("hard", {}).get("by_type", {})
    if worse := [name for name, row in by_type.items() if direction(row) < 0]:
        yield Finding("warning", "Types that got worse, clear of zero", listing(worse) + ".")
    if lost := [name for name, row in by_type.items() if too_few(row) and row["n"] and row["mean"] <= -LOST]:
        text = f"{listing([_fall(name, by_type[name]) for name in lost])}. Too few instructions to be sure; read the answers."
        yield Finding("warning", "Types that it could do, and seems to have lost", text)
    if never := [name for name, row in by_type.items() if not row["after"] and not too_few(row)]:
        text = f"{listing(never)}. Groups without a single success give GRPO no gradient."
        yield Finding("note", f"Never satisfied, even after training: {things(len(never), 'hard type')}", text)
    yield from _ifeval(comparison.get("ifeval", {}))
    yield from _general(comparison.get("general", {}).get("overall", {}))


def _fall(name: str, row: Figures) -> str:
    return f"{name} {fixed(row['before'], 0)}% to {fixed(row['after'], 0)}% of {things(row['n'], 'pair')}"


def _headline(hard: Figures) -> Iterator[Finding]:
    if too_few(hard):
        text = "No interval on so few can be trusted. Raise seeds.held_out, or ask more levels."
        yield Finding("bad", f"Only {things(hard['n'], 'hard constraint')} measured on held-out instructions", text)
    elif direction(hard) == 0:
        text = (
            f"The 95% interval {interval(hard['low'], hard['high'])} points holds 0: this run does not show a change."
        )
        yield Finding("bad", "The gain on hard constraints is not clear of zero", text)
    elif direction(hard) < 0:
        yield Finding("bad", "Hard constraints are followed less than before", f"{signed(hard['mean'])} points.")


def _ifeval(ifeval: Figures) -> Iterator[Finding]:
    for metric in ("inst_strict", "prompt_strict"):
        row = ifeval.get(metric)
        if row and direction(row) < 0:
            yield Finding(
                "bad",
                f"IFEval fell ({IFEVAL[metric]})",
                f"{fixed(row['before'])} to {fixed(row['after'])}: {signed(row['mean'])} points "
                f"{interval(row['low'], row['high'])}. What was learnt on the catalog does not carry over to its prompts.",
            )


def _general(row: Figures) -> Iterator[Finding]:
    if row and direction(row) < 0:
        text = (
            f"{fixed(row['before'])}% to {fixed(row['after'])}% of problems answered right: {signed(row['mean'])} points "
            f"{interval(row['low'], row['high'])}. Raise policy.general.ratio or policy.beta, or lower the learning rate."
        )
        yield Finding("bad", "General ability fell", text)


def _answers(comparison: Figures, policy: Figures) -> Iterator[Finding]:
    answer = comparison.get("answer", {})
    length, dropped = (answer.get(name, {}) for name in ("length_words", "task_dropped"))
    if length.get("n") and length["before"]:
        ratio = length["after"] / length["before"]
        lengths = f"{fixed(length['before'])} to {fixed(length['after'])} words on average."
        if ratio < SHRUNK:
            text = f"{lengths} Short answers pass many rules cheaply: read the answers below before the gain."
            yield Finding("bad", "Answers got much shorter", text)
        elif ratio > GROWN:
            yield Finding("warning", "Answers got much longer", lengths)
    if dropped.get("n") and dropped["after"] > 100 * DROPPED:
        grew = dropped["low"] > 0
        text = (
            f"{fixed(dropped['before'])}% of answers before and {fixed(dropped['after'])}% after drop the task itself "
            f"({signed(dropped['mean'])} points {interval(dropped['low'], dropped['high'])})."
            + (" Part of the gain is bought by not answering." if grew else "")
        )
        yield Finding("bad" if grew else "warning", "Some answers drop the task", text)
    yield from _off_task(answer.get("off_task", {}))
    yield from _hacked(answer.get("hacked", {}))
    if comparison.get("soft", {}).get("overall", {}).get("n"):
        text = (
            "Training did not ask it: soft constraints earned how much likelier they make an answer to the base model."
            if policy.get("soft_scorer") == "likelihood"
            else "The policy was trained to please this very reward model, so a rise here is no proof of a better answer."
        )
        yield Finding("note", "Soft constraints are judged by the reward model", text)


def _cut_off(figures: Mapping[str, Figures]) -> Iterator[Finding]:
    cut = figures.get("comparison", {}).get("answer", {}).get("truncated", {})
    section = cut_off_section(figures)
    costs = cut_off_text(section) if section else ""
    shares = f"{fixed(cut['before'], 0)}% before and {fixed(cut['after'], 0)}% after." if cut.get("n") else ""
    if shares and cut["after"] > 100 * CUT_OFF:
        text = (
            f"{shares} Constraints on how an answer ends cannot hold then; raise evaluation.max_tokens to measure whole "
            f"answers. {costs}"
        )
        yield Finding("warning", "Most answers are cut off by the token budget", text.strip())
    elif section and any("after" in row["suffers"] for row in section["types"]):
        yield Finding("note", "Some types suffer where answers are cut off", f"{shares} {costs}".strip())


def _off_task(row: Figures) -> Iterator[Finding]:
    if row.get("n") and row["low"] > 0:
        text = (
            f"{fixed(row['before'])}% of answers before and {fixed(row['after'])}% after lie nearer to other tasks "
            f"({signed(row['mean'])} points {interval(row['low'], row['high'])}), by an embedding that training never saw. "
            "What the reward's own gate says of dropped tasks is what the policy was trained to please."
        )
        yield Finding("bad", "More answers leave their task, by a second measure", text)


def _hacked(row: Figures) -> Iterator[Finding]:
    if row.get("n") and direction(row) > 0:
        text = (
            f"{fixed(row['before'])}% of answers before and {fixed(row['after'])}% after trip a wire "
            f"({signed(row['mean'])} points {interval(row['low'], row['high'])}): they satisfy every rule and leave the task "
            "aside, repeat a constraint, are stuffed with one word, or say of themselves that they comply."
        )
        yield Finding("bad", "More answers please the checker instead of the reader", text)


def label_findings(labels: Figures) -> Iterator[Finding]:
    """What the audit says against the pseudo-labels, positives and negatives apart."""
    overall = labels.get("audit", {}).get("overall", {})
    for side, other in (("positives", "negatives"), ("negatives", "positives")):
        row = overall.get(side, {})
        if row.get("rate") is None or row["rate"] >= WEAK:
            continue
        level: Literal["bad", "warning"] = "bad" if row["rate"] < MOSTLY_WRONG else "warning"
        how = "mostly wrong" if level == "bad" else "noisy"
        shares = (
            f"Only {percent(row['rate'])} ({percent_interval(row['low'], row['high'])}) of the {count(row['total'])} "
            f"{side} that a rule can check are right; of the {other} {percent(overall[other]['rate'])}. The average, "
            f"{percent(overall['agreement']['rate'])}, hides this."
        )
        positives = overall["positives"]["rate"]
        explained = side == "negatives" and positives is not None and positives < WEAK  # already, of the positives
        text = shares if explained else f"{shares} {_contrast(overall)}"
        yield Finding(level, f"{side.capitalize()} among the pseudo-labels are {how}", text)


def _contrast(overall: Figures) -> str:
    """What the labels are worth to a classifier: P(satisfied | positive) - P(satisfied | negative)."""
    positives, negatives = overall["positives"]["rate"], overall["negatives"]["rate"]
    if positives is None or negatives is None:
        return ""
    lift = 100 * (positives + negatives - 1)
    worth = "is the signal that these labels carry" if lift > 0 else "means that these labels carry no signal"
    return (
        f"Answers labelled positive satisfy their constraint {percent(positives)} of the time, those labelled negative "
        f"{percent(1 - negatives)}: that difference, {signed(lift)} points, {worth}."
    )


def _reward_model(quality: Figures, audit: Figures, policy: Figures) -> Iterator[Finding]:
    hard, soft = quality.get("hard", {}), quality.get("soft", {})
    within = hard.get("auc_within_types")
    if within is not None and within < CHANCE_AUC:
        text = (
            f"Within a type its AUC against rules is {fixed(within, 2)} on average (0.5 is chance; pooled over types "
            f"{fixed(hard['auc'], 2)}, which mostly says which types are easy). Soft rewards rest on this model."
        )
        yield Finding("warning", "The reward model hardly tells good answers from bad ones", text)
    within = soft.get("auc_within_types")
    if within is not None and within < CHANCE_AUC:
        text = (
            f"On {count(soft['n'])} validation pairs of soft constraints its AUC within types is {fixed(within, 2)} "
            "(0.5 is chance). What it says of soft constraints is close to noise"
            + ("." if policy.get("soft_scorer") == "likelihood" else ", and so is the reward made of it.")
            + _perfect(audit)
        )
        yield Finding("warning", "The reward model does not reproduce its labels on soft constraints", text)
    yield from _by_instruments(audit.get("reward_model", {}).get("within_types", {}))
    yield from _corrected(audit.get("corrected", {}).get("hard", {}))
    yield from _baselines(quality.get("baselines") or {})
    if quality.get("unscored"):
        text = "They are left out of every figure, never counted as 0."
        yield Finding("warning", f"Could not be scored: {things(quality['unscored'], 'validation pair')}", text)


def _perfect(audit: Figures) -> str:
    """What a perfect model would show against labels that are worth what those of hard types are."""
    worth = audit.get("corrected", {}).get("gap", {}).get("mean")
    if not worth or worth <= 0:
        return ""
    return f" (Labels as right as those of hard types let a perfect model show {fixed((1 + worth) / 2, 2)}.)"


def _by_instruments(within: Figures) -> Iterator[Finding]:
    """A ranking of answers to soft constraints that instruments cannot tell from chance."""
    if within.get("low") is not None and within["low"] <= 0.5:
        text = (
            f"On {count(within['pairs'])} validation pairs of soft types that an instrument measures its AUC within types "
            f"is {fixed(within['mean'], 2)} ({fixed(within['low'], 2)} to {fixed(within['high'], 2)}; 0.5 is chance)."
        )
        yield Finding("warning", "By instruments the reward model does not clearly rank soft constraints", text)


def _corrected(hard: Figures) -> Iterator[Finding]:
    row = hard.get("within_rungs", {})
    if row.get("holds") is False:
        text = (
            f"On hard constraints the AUC in truth is estimated as {fixed(row['auc'], 2)} ({fixed(row['low'], 2)} to "
            f"{fixed(row['high'], 2)}) from the labels; by rules it is {fixed(row['rules'], 2)}. The model knows its labels "
            "in ways that have nothing to do with the constraint, so the estimates of soft constraints mislead alike."
        )
        yield Finding("warning", "AUC estimated from labels is not what rules say", text)


def _soft_gain(gain: Figures) -> Iterator[Finding]:
    """A rise that the reward model sees and the instruments do not, on the same answers."""
    own, seen = (gain.get(name, {}).get("overall", {}) for name in ("reward_model", "instruments"))
    if own.get("n") and direction(own) > 0 >= direction(seen):
        text = (
            f"On the same {things(own['n'], 'soft constraint')} it sees {signed(own['mean'])} points "
            f"{interval(own['low'], own['high'])}, instruments that no training sees {signed(seen['mean'])} "
            f"{interval(seen['low'], seen['high'])}. The policy may have learnt to please the model."
        )
        yield Finding("warning", "Soft constraints are better followed in the reward model's opinion alone", text)


def _baselines(compared: Figures) -> Iterator[Finding]:
    """Baselines that rank at least as well as the model, by AUC within types (pooled if no type has both classes)."""
    figure = "auc_within_types" if compared.get("reward_model", {}).get("auc_within_types") is not None else "auc"
    names = {"length": "the length of the answer", "zero_shot": "the untrained backbone, asked yes or no"}
    rows = {title: compared[name][figure] for name, title in names.items() if name in compared}
    own = compared.get("reward_model", {}).get(figure)
    if own is not None and (better := {title: value for title, value in rows.items() if value >= own}):
        text = (
            f"AUC {'within types ' if figure != 'auc' else ''}by rules on the same {things(compared['pairs'], 'pair')}: "
            f"{fixed(own, 2)}; {listing([f'{title} {fixed(value, 2)}' for title, value in better.items()])}."
        )
        yield Finding("warning", "A baseline ranks as well as the reward model", text)


def _kept(policy: Figures) -> Iterator[Finding]:
    """Where the best step that was measured is no better than the base model."""
    kept, base = policy.get("kept"), policy.get("curve", {}).get("validation", {}).get("first")
    if kept and base is not None and kept["mean"] <= base:
        text = (
            f"On validation instructions the policy of step {kept['step']}, the best of {kept['of']}, satisfies "
            f"{percent(kept['mean'])} of hard constraints by the rules, and the base model {percent(base)}."
        )
        yield Finding("warning", "No step was better than the base model", text)


def _soft_weights(policy: Figures) -> Iterator[Finding]:
    """What soft constraints weighed in the reward, where the reward model's figures decide that."""
    if not (weights := policy.get("soft_weights")):
        return
    text = (
        f"A hard constraint counts 1 in the reward, a soft one 2 AUC - 1 of the reward model on its type's labels: "
        f"{fixed(fmean(weights.values()), 2)} on average over {things(len(weights), 'soft type')}, 0 for "
        f"{sum(not weight for weight in weights.values())} of them. Prompts left out because no constraint of theirs counts: "
        f"{count(policy.get('prompts_without_weight', 0))}."
    )
    yield Finding("note", "Soft constraints count as far as the reward model can be believed", text)


def _policy(policy: Figures) -> Iterator[Finding]:
    share = policy.get("zero_variance_share")
    if share is not None and share > NO_SPREAD:
        text = "All rollouts of a group earned the same reward, so the step learnt nothing from it."
        yield Finding("warning", f"{percent(share)} of the groups gave no gradient", text)
    yield from _soft_weights(policy)
    yield from _kept(policy)
    if policy.get("unscored"):
        text = "They were left out, never counted as 0."
        yield Finding("warning", f"Could not be scored in training: {things(policy['unscored'], 'reward')}", text)


def _seeds(seeds: Figures) -> Iterator[Finding]:
    if seeds.get("rejected"):
        kinds = "; ".join(f"{kind}: {count(many)}" for kind, many in list(seeds.get("rejected_kinds", {}).items())[:3])
        text = f"Of {count(seeds['read'] + seeds['rejected'])} records read; line and reason are listed below. {kinds}"
        yield Finding("note", f"Rejected: {things(seeds['rejected'], 'seed record')}", text.strip())
    if shapes := seeds.get("shapes"):
        read = ", ".join(f"{count(many)} as {shape}" for shape, many in shapes.items())
        parts = ("a system message", "with_system"), ("a history", "with_history"), ("tools", "with_tools")
        having = ", ".join(f"{count(seeds.get(key, 0))} with {name}" for name, key in parts)
        text = (
            f"Seeds were read {read}. {count(seeds.get('conversations', 0))} are more than a user's text: {having}. "
            f"Constraints are added to the last user turn; answers after it are not used: "
            f"{count(seeds.get('answers_left_out', 0))}."
        )
        yield Finding("note", "Which shapes the seeds came in", text)
    if seeds.get("with_marks"):
        text = "Models are shown them with a space inside, so that they are text and make no turns of their own."
        yield Finding(
            "note", f"Marks of chat templates, such as <|im_end|>, in {things(seeds['with_marks'], 'seed')}", text
        )


def _too_long(figures: Mapping[str, Figures]) -> Iterator[Finding]:
    prompts = figures.get("prompts", {})
    if prompts.get("too_long"):
        example = prompts["too_long_examples"][0]
        kept = prompts["train_ladders"] + prompts["held_out_ladders"]
        title = f"Left out as too long for the model: {things(prompts['too_long'], 'instruction')}"
        text = f"{count(kept)} are left. The first, “{example['seed']}”: {example['reason']}."
        yield Finding("warning" if prompts["too_long"] > MOST_REJECTED * kept else "note", title, text)
    if unanswered := figures.get("before", {}).get("no_room"):
        text = "Their prompts fill the model's positions; they count as answered with nothing, before and after."
        yield Finding("warning", f"Evaluation could not answer {things(unanswered, 'question')}", text)


def _histories(figures: Mapping[str, Figures]) -> Iterator[Finding]:
    """Whose answers stood before the last turn of conversations, and whether they kept to what stood before them."""
    named = (("the base model's", "histories"), ("the policy's", "histories_after"))
    for whose, name in named:
        made = figures.get(name, {}).get("histories", {})
        if "own" in made:
            standing = figures[name]["standing"]
            others = [f"{things(many, 'conversation')} {why}" for why, many in made.items() if why != "own"]
            kept = f"Of hard constraints that stood before them they kept {percent(standing['mean'])} (n = {standing['n']})."
            text = f"{kept if standing['n'] else ''} {'; '.join(others) + '.' if others else ''}".strip()
            yield Finding("note", f"Earlier answers of {things(made['own'], 'conversation')} are {whose} own", text)


def _unclosed(figures: Mapping[str, Figures]) -> Iterator[Finding]:
    """Responses that never came to an answer, where labels are made of them and where models are measured."""
    answered = {"rollouts": ("rollouts", "rollouts.max_tokens"), "after": ("answers", "evaluation.max_tokens")}
    for name, (of, setting) in answered.items():
        unclosed, total = figures.get(name, {}).get("unclosed"), figures.get(name, {}).get(of)
        if unclosed and total:
            what = "rollouts" if name == "rollouts" else "held-out responses of the policy"
            text = f"They are no answers, which satisfy nothing; {setting} may be too few."
            title = f"{percent(unclosed / total)} of the {what} end inside their reasoning"
            yield Finding("warning" if unclosed > UNCLOSED * total else "note", title, text)


def _instructor(writing: Figures | None) -> Iterator[Finding]:
    if writing and writing["replaced"]:
        many = writing["replaced"] > MOST_REJECTED * writing["asked"]
        title = f"The instructor wrote nothing usable for {count(writing['replaced'])} of {things(writing['asked'], 'seed')}"
        text = f"{percent(writing['parsed'])} of its replies could be read; these seeds got constraints drawn by pass rates."
        yield Finding("warning" if many else "note", title, text)


def _constraints(instructions: Figures, pass_rates: Figures) -> Iterator[Finding]:
    writing = instructions.get("writing")
    if writing and writing["rejected"]:
        many = writing["rejected"] > MOST_REJECTED * writing["asked"]
        title = f"The writer gave nothing usable for {count(writing['rejected'])} of {things(writing['asked'], 'seed')}"
        text = (
            f"{count(writing['replaced_by_catalog'])} of them got constraints from the catalog; the rest are left out."
        )
        yield Finding("warning" if many else "note", title, text)
    if instructions.get("not_askable"):
        left = instructions["not_askable"]
        many = left > MOST_REJECTED * (left + instructions["train"] + instructions["held_out"])
        text = "None of instructions.types can be asked of them: their conversations have nothing that these are about."
        yield Finding("warning" if many else "note", f"Left out: {things(left, 'seed')}", text)
    if pass_rates.get("to_corridor") and not pass_rates["reached"]:
        low, high = pass_rates["corridor"]
        rates = listing([percent(rate) for rate in pass_rates["rounds"][-1]])
        text = f"After {things(len(pass_rates['rounds']), 'round')} the levels pass at {rates}."
        yield Finding("warning", f"Not every level's pass rate lies in {percent(low)} to {percent(high)}", text)
