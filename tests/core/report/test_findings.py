"""Findings: each weakness is said when it is there, at its weight, and not when it is not."""

from typing import Any

import pytest

from ifrl_core.report.findings import Finding, direction, findings


def row(before: float, after: float, low: float, high: float, n: int = 100) -> dict[str, Any]:
    return {"before": before, "after": after, "mean": after - before, "low": low, "high": high, "n": n}


def share(rate: float, total: int = 100) -> dict[str, Any]:
    return {"agree": round(rate * total), "total": total, "rate": rate, "low": rate - 0.05, "high": rate + 0.05}


def comparison(**parts: Any) -> dict[str, Any]:
    nothing = {"before": None, "after": None, "mean": None, "low": None, "high": None, "n": 0}
    good = {
        "hard": {"overall": row(24, 57, 22, 44), "by_type": {}, "by_level": {}},
        "soft": {"overall": nothing, "by_type": {}, "by_level": {}},
        "answer": {
            "length_words": row(40, 38, -4, 1),
            "task_dropped": row(1, 1, -1, 1),
            "truncated": row(10, 10, -1, 1),
        },
    }
    return {"comparison": {**good, **parts}, "prompts": {"held_out_ladders": 60}}


def audit(positives: float, negatives: float) -> dict[str, Any]:
    sides = {
        "positives": share(positives),
        "negatives": share(negatives),
        "agreement": share((positives + negatives) / 2),
    }
    return {"labels": {"audit": {"overall": sides}}}


def said(figures: dict[str, Any]) -> list[Finding]:
    return findings(figures)


def test_a_run_without_weakness_has_no_findings() -> None:
    assert said({**comparison(), **audit(0.9, 0.95)}) == []
    assert said({}) == []


def test_wrong_positives_outweigh_a_good_average() -> None:
    (finding,) = said(audit(0.25, 0.95))
    assert finding.level == "bad"
    assert "25%" in finding.text
    assert "95%" in finding.text
    assert "+20.0 points" in finding.text  # P(satisfied | positive) - P(satisfied | negative) = 0.25 - 0.05


@pytest.mark.parametrize(("negatives", "level"), [(0.4, "bad"), (0.7, "warning")])
def test_wrong_negatives_are_said_as_well(negatives: float, level: str) -> None:
    (finding,) = said(audit(0.9, negatives))
    assert (finding.level, finding.title.split()[0]) == (level, "Negatives")


@pytest.mark.parametrize(
    ("parts", "title"),
    [
        ({"hard": {"overall": row(24, 30, -2, 14), "by_type": {}}}, "not clear of zero"),
        ({"hard": {"overall": row(24, 14, -15, -5), "by_type": {}}}, "followed less than before"),
        ({"hard": {"overall": row(0, 100, 100, 100, n=1), "by_type": {}}}, "Only 1 hard constraint"),
        ({"answer": {"length_words": row(40, 12, -30, -26)}}, "much shorter"),
        ({"answer": {"task_dropped": row(2, 20, 10, 26)}}, "drop the task"),
        ({"ifeval": {"inst_strict": row(30, 20, -15, -5)}}, "IFEval fell"),
    ],
)
def test_what_spoils_the_headline_is_bad(parts: dict[str, Any], title: str) -> None:
    levels = {finding.level for finding in said(comparison(**parts)) if title in finding.title}
    assert levels == {"bad"}


def test_types_that_fell_are_named_only_on_enough_pairs() -> None:
    types = {"a:many": row(50, 20, -40, -20, n=30), "b:few": row(100, 50, -100, -10, n=3), "c:same": row(50, 50, -9, 9)}
    found = said(comparison(hard={"overall": row(24, 57, 22, 44), "by_type": types}))
    (worse,) = [finding for finding in found if "got worse" in finding.title]
    assert worse.text == "a:many."


def test_a_type_that_seems_lost_is_named_though_it_has_too_few_instructions_for_an_interval() -> None:
    types = {
        "tools:none": {**row(90, 0, -100, -60, 10), "units": 5},
        "tools:if_mentioned": {**row(50, 25, -100, 0, 4), "units": 2},
    }
    (finding,) = said(comparison(hard={"overall": row(24, 57, 22, 44), "by_type": types, "by_level": {}}))
    assert finding.level == "warning"
    assert "tools:none 90% to 0% of 10 pairs" in finding.text
    assert "if_mentioned" not in finding.text


def test_a_growing_share_of_tripped_wires_is_bad_where_its_interval_is_clear_of_zero() -> None:
    hacked = row(8, 17, 2, 15, 240)
    answer = {**comparison()["comparison"]["answer"], "hacked": hacked}
    (finding,) = said(comparison(answer=answer))
    assert finding.level == "bad"
    assert "8.0% of answers before and 17.0% after" in finding.text
    assert said(comparison(answer={**answer, "hacked": {**hacked, "low": -1}})) == []


def test_a_tiny_held_out_set_is_said() -> None:
    figures = {**comparison(), "prompts": {"held_out_ladders": 4}}
    assert [finding.title for finding in said(figures)] == ["Only 4 held-out instructions"]


def test_a_reward_model_at_chance_is_said_for_hard_and_soft_apart() -> None:
    model = {"hard": {"auc": 0.8, "auc_within_types": 0.52}, "soft": {"auc_within_types": 0.4, "n": 30}, "unscored": 0}
    assert len(said({"reward_model": model})) == 2
    assert said({"reward_model": {"hard": {"auc": 0.8, "auc_within_types": 0.75}, "soft": {}, "unscored": 0}}) == []


def test_a_baseline_that_ranks_as_well_as_the_reward_model_is_said() -> None:
    def compared(length: float, zero_shot: float, within: float | None = None) -> list[Finding]:
        own = {"auc": 0.7, "auc_within_types": within}
        rows = {"length": length, "zero_shot": zero_shot}
        others = {name: {"auc": value, "auc_within_types": value} for name, value in rows.items()}
        return said({"reward_model": {"baselines": {"pairs": 40, "reward_model": own, **others}}})

    assert compared(0.6, 0.65) == []
    [finding] = compared(0.6, 0.75)
    assert "by rules on the same 40 pairs: 0.70; the untrained backbone, asked yes or no 0.75." in finding.text
    assert "the length of the answer 0.60" in compared(0.6, 0.5, within=0.55)[0].text
    assert said({"reward_model": {"baselines": None}}) == []


def test_an_estimate_from_labels_that_rules_contradict_is_said() -> None:
    def quality(holds: bool | None) -> dict[str, Any]:
        row = {"labels": 0.6, "gap": 0.2, "auc": 1.0, "low": 0.9, "high": 1.1, "rules": 0.6, "holds": holds}
        corrected = {"hard": {"within_rungs": row}, "gap": {"mean": 0.22}}
        model = {"soft": {"auc_within_types": 0.55, "n": 30}, "unscored": 0}
        return {"reward_model": model, "soft_audit": {"corrected": corrected}}

    found = said(quality(False))
    assert ["by rules it is 0.60" in finding.text for finding in found] == [False, True]
    assert "let a perfect model show 0.61" in found[0].text  # 0.55 against such labels may be worth more than it seems
    assert len(said(quality(True))) == len(said(quality(None))) == 1


def test_a_reward_model_that_instruments_cannot_tell_from_chance_is_said() -> None:
    def ranked(low: float | None) -> list[Finding]:
        within = {"mean": None if low is None else low + 0.1, "low": low, "high": 0.75, "units": 9, "pairs": 1_234}
        return said({"soft_audit": {"reward_model": {"within_types": within}}})

    [finding] = ranked(0.45)
    assert "On 1,234 validation pairs" in finding.text
    assert "0.55 (0.45 to 0.75; 0.5 is chance)" in finding.text
    assert ranked(0.55) == ranked(None) == []


def test_a_soft_gain_that_only_the_reward_model_sees_is_said() -> None:
    def gain(seen: dict[str, Any]) -> dict[str, Any]:
        own = row(40, 60, 15, 25)
        return {"soft_audit": {"gain": {"reward_model": {"overall": own}, "instruments": {"overall": seen}}}}

    [finding] = said(gain(row(40, 41, -2, 4)))
    assert "+20.0 points [+15.0, +25.0], instruments that no training sees +1.0 [−2.0, +4.0]" in finding.text
    assert said(gain(row(40, 45, 2, 8))) == []


def test_the_worst_comes_first() -> None:
    order = [
        finding.level
        for finding in said({**comparison(answer={"length_words": row(40, 90, 45, 55)}), **audit(0.2, 0.9)})
    ]
    assert order == sorted(order, key=["bad", "warning", "note"].index)
    assert len(order) == 2


def test_no_direction_without_enough_units_or_a_clear_interval() -> None:
    assert direction(row(0, 100, 100, 100, n=1)) == 0
    assert direction(row(20, 30, -1, 21)) == 0
    assert direction(row(20, 30, 1, 21)) == 1
    assert direction({**row(20, 30, 1, 21, n=100), "units": 3}) == 0


@pytest.mark.parametrize(("unclosed", "levels"), [(0, []), (1, ["note"] * 2), (12, ["warning"] * 2)])
def test_responses_that_end_inside_their_reasoning_are_said(unclosed: int, levels: list[str]) -> None:
    figures = {"rollouts": {"rollouts": 100, "unclosed": unclosed}, "after": {"answers": 100, "unclosed": unclosed}}
    found = said(figures)
    assert [finding.level for finding in found] == levels
    if found:
        assert found[0].title == f"{unclosed}% of the rollouts end inside their reasoning"
        assert "evaluation.max_tokens" in found[1].text


def test_the_shapes_of_seeds_are_said_with_what_of_them_is_not_used() -> None:
    figures = {"shapes": {"ShareGPT": 5, "plain": 1}, "conversations": 4, "with_history": 3, "answers_left_out": 2}
    (finding,) = said({"seeds": figures})
    assert (
        "5 as ShareGPT, 1 as plain. 4 are more than a user's text: 0 with a system message, 3 with a history"
        in finding.text
    )
    assert finding.text.endswith("not used: 2.")


def test_whose_answers_stand_before_the_last_turn_is_said_where_a_model_made_them() -> None:
    given, own = {"given": 3}, {"own": 5, "given: an answer was empty": 1}
    assert said({"histories": {"histories": given, "standing": {"mean": None, "n": 0}}}) == []
    standing, nothing = {"mean": 0.25, "n": 8}, {"mean": None, "n": 0}
    base, policy = said(
        {
            "histories": {"histories": own, "standing": standing},
            "histories_after": {"histories": own, "standing": nothing},
        }
    )
    assert base == Finding(
        "note",
        "Earlier answers of 5 conversations are the base model's own",
        "Of hard constraints that stood before them they kept 25% (n = 8). 1 conversation given: an answer was empty.",
    )
    assert (policy.title.split(" are ")[1], policy.text) == (
        "the policy's own",
        "1 conversation given: an answer was empty.",
    )


def test_who_rewarded_soft_constraints_is_said_beside_what_the_reward_model_thinks_of_them() -> None:
    soft = comparison(soft={"overall": row(50, 52, 0, 4), "by_type": {}, "by_level": {}})
    (rewarded,) = said(soft)
    assert "trained to please this very reward model" in rewarded.text
    (judged,) = said({**soft, "policy": {"soft_scorer": "likelihood"}})
    assert judged.text.startswith("Training did not ask it")
    noise = {"reward_model": {"hard": {}, "soft": {"auc_within_types": 0.5, "n": 30}, "unscored": 0}}
    assert said(noise)[0].text.endswith("close to noise, and so is the reward made of it.")
    assert said({**noise, "policy": {"soft_scorer": "likelihood"}})[0].text.endswith("close to noise.")


def test_the_weight_of_soft_constraints_is_said_where_the_reward_model_decides_it() -> None:
    assert said({"policy": {"soft_weights": {}}}) == []
    (finding,) = said({"policy": {"soft_weights": {"tone:warm": 0.0, "tone:cold": 0.5}, "prompts_without_weight": 3}})
    assert finding.level == "note"
    assert "0.25 on average over 2 soft types, 0 for 1 of them" in finding.text
    assert finding.text.endswith("no constraint of theirs counts: 3.")
