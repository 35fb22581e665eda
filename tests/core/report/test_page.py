"""The report page: complete, self-contained, safe with hostile text, honest about weakness and about what is missing."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import InstructionsConfig, LabelsConfig, RetrainConfig
from ifrl_core.labels.stage import make_labels
from ifrl_core.promotion.gate import decide
from ifrl_core.records import PASS_RATES, readable
from ifrl_core.report.data import awaited_stages
from ifrl_core.report.policy import stage_starts
from ifrl_core.report.stage import ReportConfig, render, write_report
from ifrl_core.report.text import ANSWER_MEASURES, fixed, points, signed, turns
from tests.core.promotion.test_gate import comparison, row
from tests.core.report.small_run import Whole, small_run

CONFIG = ReportConfig(name="demo", model="embedded:smollm2-135m")
VOID = {"meta", "link", "br", "img", "input", "hr", "wbr"}


class Page(HTMLParser):
    """Tags with their attributes, ids, links, and the visible text; knows whether tags are balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data

    def section(self, name: str) -> bool:
        return any(attrs.get("id") == name for _, attrs in self.tags)


def page_of(store: ArtifactStore, refs: dict[str, ArtifactRef]) -> tuple[str, Page]:
    ref = write_report(CONFIG, refs, store)
    html = store.read_bytes(ref, "report.html").decode()
    return html, Page(html)


def test_a_second_measure_stands_beside_the_gates_own_or_says_how_to_get_it(whole: Whole) -> None:
    _, page = page_of(*whole)
    text = " ".join(page.text.split())
    assert re.search(
        "by words as the reward's gate, %.* by an embedding that training never saw, % ?not measured: pip install", text
    )


def test_a_retrainings_report_shows_what_its_gate_decided(whole: Whole) -> None:
    store, refs = whole
    decision = decide(comparison(general=row(50, 0, 6)), RetrainConfig(), look=3)
    config = CONFIG.model_copy(update={"gate": decision.shown()})
    text = " ".join(Page(store.read_bytes(write_report(config, refs, store), "report.html").decode()).text.split())
    assert "The gate: refused, inconclusive" in text
    assert "inconclusive: needs 391" in text
    assert "Look 3 at this held-out set: an end of the first interval is wrong with probability 0.42%" in text


def test_it_names_nothing_outside_itself_and_runs_nothing(whole: Whole) -> None:
    html, page = page_of(*whole)
    assert {tag for tag, _ in page.tags}.isdisjoint(
        {"script", "link", "iframe", "object", "embed", "img", "base", "form"}
    )
    for tag, attrs in page.tags:
        assert not {name for name in attrs if name.startswith("on") or name in ("src", "srcset", "action")}, (
            tag,
            attrs,
        )
        assert (attrs.get("href") or "#").startswith("#"), (tag, attrs)
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy


def test_what_being_cut_off_costs_is_shown_by_type(whole: Whole) -> None:
    _, page = page_of(*whole)
    assert "Answers that the token budget cut off" in page.text
    assert "without a clear difference" in page.text


def test_hostile_answers_are_shown_as_text(whole: Whole) -> None:
    html, page = page_of(*whole)
    assert "<script>alert(1)" not in html
    assert "<script>alert(1)</script><img src=https://example.org/x onerror=alert(2)>&amp;" in page.text
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", html)


def test_tags_balance_and_every_section_link_has_its_target(whole: Whole) -> None:
    _, page = page_of(*whole)
    assert page.open == []
    targets = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert len(targets) >= 8
    assert all(page.section(str(target)[1:]) for target in targets)


def test_equal_artifacts_give_equal_bytes(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "store"))
    refs = small_run(store)
    first = page_of(store, refs)[0]
    ref = write_report(CONFIG, refs, store)
    for name in ("manifest.json", "report.html", "report.json"):
        store.fs.rm_file(f"{store.folder(ref.stage, ref.fingerprint)}/{name}")
    assert page_of(store, refs)[0] == first


def test_wrong_positives_are_said_at_the_top_and_in_the_audit(whole: Whole) -> None:
    store, refs = whole
    audit = store.manifest(refs["labels"]).figures["audit"]["overall"]
    assert audit["positives"]["rate"] < 0.5 < audit["negatives"]["rate"], "the sample no longer shows the weakness"
    html, page = page_of(store, refs)
    title = "Positives among the pseudo-labels are mostly wrong"
    assert page.text.count(title) == 2
    assert html.index(title) < html.index('id="result"')
    assert f"{audit['positives']['agree']}/{audit['positives']['total']}" in page.text
    assert f"{audit['negatives']['agree']}/{audit['negatives']['total']}" in page.text


def test_the_headline_is_the_gain_on_hard_constraints_with_its_interval(whole: Whole) -> None:
    store, refs = whole
    gain = store.manifest(refs["comparison"]).figures["hard"]["overall"]
    _, page = page_of(store, refs)
    said = f"{gain['mean']:+.1f}".replace("-", "−")
    assert said in page.text[: page.text.index("Before and after")]
    assert f"{gain['before']:.1f}%" in page.text
    assert f"{gain['after']:.1f}%" in page.text


@pytest.mark.parametrize("last", ["seeds", "labels", "reward_model", "before"])
def test_a_run_that_stopped_early_says_what_is_missing(whole: Whole, last: str) -> None:
    store, refs = whole
    names = list(refs)[: list(refs).index(last) + 1]
    html, page = page_of(store, {name: refs[name] for name in names})
    assert page.open == []
    missing = [stage.title for stage in awaited_stages() if stage.output not in names]
    assert "Comparison" in missing
    for title in missing:
        assert title in page.text
    assert "no comparison of the policy" in page.text
    assert "Not run: comparison" in html


def test_every_stage_has_its_time_memory_configuration_and_fingerprint(whole: Whole) -> None:
    store, refs = whole
    html, page = page_of(store, refs)
    titles = {stage.output: stage.title for stage in awaited_stages()}
    for name, ref in refs.items():
        assert titles[name] in page.text
        assert ref.fingerprint in html
        assert ref.digest in html
    assert "learning_rate" in page.text
    assert "peak memory" in page.text


def test_rejected_records_are_listed_with_line_and_reason(store: ArtifactStore, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"seed": "Explain the tides."}\n{"seed": 7}\n<b>broken\n')
    _, page = page_of(store, small_run(store, seeds_file=str(path)))
    assert "field 'seed' is int" in page.text
    assert "<b>broken" in page.text
    assert "Rejected: 2 seed records" in page.text


def test_the_json_beside_the_page_holds_the_same_figures(whole: Whole) -> None:
    store, refs = whole
    data = store.read_json(write_report(CONFIG, refs, store), "report.json")
    assert data["comparison"] == store.manifest(refs["comparison"]).figures
    assert data["labels"]["audit"] == store.manifest(refs["labels"]).figures["audit"]
    assert [stage["key"] for stage in data["stages"]] == [stage.output for stage in awaited_stages()]
    assert len(data["reward_model"]["curve"]) == 30


def test_the_reward_model_stands_beside_its_baselines(whole: Whole) -> None:
    store, refs = whole
    figures = store.manifest(refs["reward_model"]).figures["baselines"]
    html, page = page_of(store, refs)
    section = page.text[page.text.index("Against baselines") : page.text.index("whole instructions chosen by a hash")]
    for name in ("reward_model", "reward_model_raw", "zero_shot", "length", "majority"):
        assert f"{figures[name]['auc']:.3f}" in section
        assert f"{figures[name]['f1']:.2f}" in section
    assert html.count("Calibration by rules: ") == 4
    assert "ROC by rules" in html
    corrected = store.manifest(refs["soft_audit"]).figures["corrected"]
    section = page.text[page.text.index("In truth, estimated from labels") : page.text.index("Against instruments")]
    for part in (corrected["hard"]["within_rungs"], *corrected["soft"]["by_type"].values()):
        assert fixed(part["labels"], 3) in section
    assert fixed(corrected["hard"]["within_rungs"]["rules"], 2) in section


def test_the_soft_gain_by_instruments_stands_beside_the_reward_models_opinion(whole: Whole) -> None:
    store, refs = whole
    gain = store.manifest(refs["soft_audit"]).figures["gain"]
    _, page = page_of(store, refs)
    section = page.text[
        page.text.index("by instruments that no training sees") : page.text.index("The answers themselves")
    ]
    for name in ("instruments", "reward_model"):
        assert signed(gain[name]["overall"]["mean"]) in section
    assert gain["instruments"]["overall"]["n"] == gain["reward_model"]["overall"]["n"]


def test_samples_are_a_fixed_choice_and_both_ends(whole: Whole) -> None:
    store, refs = whole
    rows = store.read_json(write_report(CONFIG, refs, store), "report.json")["answers"]
    by_why = {why: [row for row in rows if row["why"] == why] for why in ("fixed", "improved", "regressed")}
    assert len(by_why["fixed"]) == 4
    assert len({(row["prompt_id"], row["sample"]) for row in rows}) == len(rows)
    assert all(row["change"] > 0 for row in by_why["improved"])
    assert all(row["change"] < 0 for row in by_why["regressed"])
    assert by_why["improved"] or by_why["regressed"]


def test_whatever_is_measured_of_answers_is_shown(whole: Whole) -> None:
    store, refs = whole
    assert set(store.manifest(refs["comparison"]).figures["answer"]) == set(ANSWER_MEASURES)
    text = " ".join(page_of(store, refs)[1].text.split())
    assert [name for name in ANSWER_MEASURES.values() if name not in text] == []


def test_of_a_conversation_the_last_user_turn_is_shown_and_the_rest_folded() -> None:
    tools = '[{"type": "function", "function": {"name": "find_law"}}]'
    said = ({"role": "user", "content": "One?"}, {"role": "assistant", "content": "Yes.\n\nTwo."})
    asked = {"role": "user", "content": "Bees.\n\nCall find_law."}
    for before in (
        said,
        ({"role": "system", "content": "Be brief."},),
        ({"role": "system", "content": "", "tools": tools},),
    ):
        shown = readable((*before, asked))
        assert turns(shown) == (shown.removesuffix(f"\n\n[user] {asked['content']}"), asked["content"])
    plain = "Text alone.\n\n[user] is a word in it."
    assert turns(plain) == ("", plain)


def test_ifeval_is_shown_when_measured_and_said_to_be_missing_when_not(whole: Whole, store: ArtifactStore) -> None:
    assert "Not measured: the recipe names no IFEval file" in page_of(*whole)[1].text
    refs = small_run(store, ifeval=10)
    row = store.manifest(refs["comparison"]).figures["ifeval"]["inst_strict"]
    _, page = page_of(store, refs)
    section = page.text[page.text.index("IFEval", page.text.index("The answers themselves")) :]
    assert "names no IFEval file" not in page.text
    assert f"{row['before']:.1f}" in section[:400]
    assert "fixed subset of 10 prompts" in section
    assert "Not measured: the recipe names no benchmarks" in page_of(*whole)[1].text
    figures = store.manifest(refs["judgements-after.ifeval"]).figures
    overview = page.text[page.text.index("Outside benchmarks") :]
    assert f"{100 * figures['metrics']['prompt_strict']['mean']:.1f}%" in overview[:1000]
    assert page.section("benchmark-ifeval")
    assert figures["scorer"] in page.text
    assert page.open == []


def test_general_ability_is_shown_when_measured_and_a_fall_is_said(whole: Whole, store: ArtifactStore) -> None:
    assert "Not measured: the recipe asks no problems" in page_of(*whole)[1].text
    refs = small_run(store, general=40)
    row = store.manifest(refs["comparison"]).figures["general"]["overall"]
    assert (row["n"], row["units"], row["before"], row["after"]) == (40, 40, 50.0, 5.0)
    assert row["low"] < row["mean"] < row["high"] < 0
    _, page = page_of(store, refs)
    section = page.text[page.text.index("General ability", page.text.index("The answers themselves")) :]
    assert "science" in section[:600]
    assert "General ability fell" in page.text
    assert "General problems answered right" in page.text


def test_stages_are_drawn_where_a_strategy_has_them() -> None:
    columns = {"step": [1, 2, 3], "stage": [0, 0, 1]}
    assert stage_starts(columns, [(1,), (2, 3)]) == [(1, "L1"), (3, "L2–3")]
    assert stage_starts({"step": [1, 2], "stage": [0, 0]}, [(1, 2, 3)]) == [(1, "L1–3")]


def test_training_is_drawn_with_its_curriculum_and_what_never_earned_anything(whole: Whole) -> None:
    store, refs = whole
    policy = store.read_json(write_report(CONFIG, refs, store), "report.json")["policy"]
    assert policy["stages"] == [[1, "L1"], [7, "L2–3"]]
    assert policy["never"] == ["letters:palindrome"]
    assert [chart["title"] for chart in policy["charts"]][:2] == ["Reward", "Answer length"]
    assert "Distance from the base model" not in [chart["title"] for chart in policy["charts"]]  # no KL was measured
    _, page = page_of(store, refs)
    section = page.text[page.text.index("GRPO. The reward") :]
    assert "L2–3" in section
    assert "12 steps of 30 s (15 s generation" in section


def test_the_curve_is_drawn_and_says_what_was_chosen_by_it(whole: Whole) -> None:
    store, refs = whole
    html, page = page_of(store, refs)
    text = " ".join(page.text.split())
    assert html.count('<polygon class="band a"') == 1
    assert "Measured 3 times on 3 validation instructions (4 constraints)" in text
    assert re.search(
        r"The policy is that of step 6 \(50.0%, 95% .*%\): the best of 2 steps, the earliest of equal ones", text
    )
    assert "they are held out no longer" in text
    assert "No step was better than the base model" in text
    data = store.read_json(write_report(CONFIG, refs, store), "report.json")
    del data["policy"]["figures"]["kept"]
    text = " ".join(Page(render(data)).text.split())
    assert "The policy is that of the last step: nothing was chosen by this curve" in text
    data["policy"]["curve"] = []
    assert "nothing was chosen" not in render(data)


def test_a_warm_start_has_its_row_between_the_base_model_and_the_policy(whole: Whole) -> None:
    store, refs = whole
    figures = {"rows": 12, "by_source": {"built": 9, "own": 3}, "by_type": {}, "loss_first": 0.8, "loss_last": 0.3}
    trained = store.writer("warm-start", 1, "e" * 64, {}, {}).commit(figures)
    warm = store.manifest(refs["comparison"]).figures | {"hard": {"overall": row(10, 31, 6)}}
    measured = store.writer("comparison", 5, "f" * 64, {}, {}).commit(warm)
    _, page = page_of(store, {**refs, "warm_start": trained, "comparison_warm_start": measured})
    text = " ".join(page.text.split())
    assert "12 answers that are right by rules: 9 tool calls that rules built, 3 of the model's own" in text
    assert "after the warm start" in text
    assert "+31.0 [+25.0, +37.0]" in text


def test_whole_dialogs_are_shown_where_earlier_answers_are_the_models_own(whole: Whole) -> None:
    store, refs = whole
    data = store.read_json(write_report(CONFIG, refs, store), "report.json")
    assert "Over the turns of a dialog" not in render(data)
    data["comparison"]["over_turns"] = {"last": row(50, 60, 9), "turns": row(40, 55, 9), "dialog": row(10, 31, 6)}
    text = " ".join(Page(render(data)).text.split())
    assert "dialogs that keep all in every turn" in text
    assert "+31.0 [+25.0, +37.0]" in text


def test_what_a_model_wrote_and_what_pass_rates_were_measured_is_shown(whole: Whole) -> None:
    store, refs = whole
    writing = {"asked": 20, "written": 12, "rejected": 8, "replaced_by_catalog": 5, "topped_up": 3, "replies": 41}
    writing |= {"constraints": {"hard": 17, "soft_free": 23}, "dropped": {"near-duplicate": 4}}
    figures = {"types": {}, "train": 12, "held_out": 5, "writing": writing}
    written = store.writer("instructions", 2, "a" * 64, {}, {}).commit(figures)
    measured = store.writer("pass-rates", 1, "b" * 64, {}, {})
    rates = [{"type": "punctuation:no_comma", "asked": 9, "passed": 2, "rate": 0.27}]
    measured.write_table("rates.parquet", pa.Table.from_pylist(rates, schema=PASS_RATES))
    figures = {"to_corridor": True, "rounds": [[0.1, 0.05], [0.3, 0.15]], "corridor": [0.2, 0.8], "reached": False}
    seen = [{"type": "startend:quotation", "asked": 7, "passed": 1, "rate": 0.22}]
    figures_of = {"seen": seen, "in_band": 1, "too_hard": 0, "too_easy": 0, "worth_even": 0.72, "worth_drawn": 0.81}
    shares = {"asked": 20, "replaced": 15, "parsed": 0.25, "directive": 0.6, "distinct": 0.5, "top": 0.11, "kept": 0.4}
    rounds = [{**figures_of, "writing": shares | {"top": top}} for top in (0.11, 0.62)]
    first, second = (
        store.writer("instructor-instructions", 1, letter * 64, {}, {}).commit(of_round)
        for letter, of_round in zip("cd", rounds, strict=True)
    )
    evolved = {"evolved_instructions": first, "evolved_instructions_1": first, "evolved_instructions_2": second}
    shown = {**refs, "instructions": written, "pass_rates": measured.commit(figures), **evolved}
    _, page = page_of(store, shown)
    assert "1 teach, 0 too hard, 0 too easy" in page.text
    assert "The instructor wrote nothing usable for 15 of 20 seeds" in page.text
    assert page.text.count("worse than before: not trained on") == 1
    assert "The writer gave nothing usable for 8 of 20 seeds" in page.text
    assert "Not every level's pass rate lies in 20% to 80%" in page.text
    assert "After 2 rounds the levels pass at 30%, 15%." in page.text
    assert "punctuation:no_comma 2/9" in page.text.replace("comma2/9", "comma 2/9")


def test_the_label_audit_shows_filters_confusion_and_estimates(whole: Whole) -> None:
    store, refs = whole
    _, page = page_of(*whole)
    text = " ".join(page.text.split())
    figures = store.manifest(refs["labels"]).figures
    for name in figures["filters"]["alone"]:
        assert name in text
    fail = figures["audit"]["confusion"]["positives_that_fail"]
    assert f"Of {fail['total']} positives {fail['agree']} fail their rule" in text
    assert "Estimates, not measurements" in text
    assert all(kind in text for kind in figures["audit"]["soft"])


def test_labels_of_soft_constraints_alone_are_audited_by_instruments(store: ArtifactStore) -> None:
    refs = small_run(store, written=InstructionsConfig(hard_share=0, max_words=50))
    _, page = page_of(store, refs)
    section = page.text[page.text.index("so no rule can audit them") : page.text.index("A classifier of P(satisfied")]
    assert "nothing is estimated from those" in section
    audit = store.manifest(refs["labels"]).figures["audit"]["soft"]
    by_instruments = store.manifest(refs["soft_audit"]).figures["labels"]["by_kind"]
    assert audit
    for kind, sides in audit.items():
        assert kind in section
        assert str(sides["positives"]["labels"]) in section
    assert by_instruments
    for worth in by_instruments.values():
        assert worth["mean"] is None or points(worth["mean"]) in section


def test_types_left_out_are_named(store: ArtifactStore) -> None:
    refs = small_run(store)
    config = LabelsConfig(drop_types_without_contrast=0.9)
    inputs = {"prompts": refs["prompts"], "rollouts": refs["rollouts"]}
    labels = make_labels(config, inputs, store)
    _, page = page_of(store, {**refs, "labels": labels})
    left_out = store.manifest(labels).figures["types_without_contrast"]
    assert left_out
    assert all(name in page.text for name in left_out)
    assert "Left out of training" in page.text
