"""Which cases of the soak CI runs, and what the table says."""

from tests.soak import case_seed, measured_seconds, share_of, table_of

CASES = [f"tests/test_a.py::test_kill[{n}]" for n in range(7)]


def test_every_case_that_fits_is_the_first_of_some_commit_and_a_share_fits() -> None:
    seconds = dict.fromkeys(CASES, 40) | {CASES[3]: 500}
    shares = [share_of(f"{n:040x}", CASES, seconds, 100) for n in range(6)]
    assert [share[0] for share in shares] == [*CASES[:3], *CASES[4:]]
    assert shares[0] == CASES[:2]
    assert shares[2] == [CASES[2], CASES[4]], "a case longer than a share is left to the whole soak"
    assert shares[5] == [CASES[6], CASES[0]]
    assert share_of("6", CASES, seconds, 100) == shares[0]


def test_cases_without_a_measurement_take_part() -> None:
    assert share_of("1", CASES, {}, 130) == CASES[1:3]


def test_the_table_is_read_as_it_is_written() -> None:
    rows = {CASES[1]: (61.6, "passed"), CASES[0]: (30.2, "failed")}
    table = table_of(rows, campaign=3)
    assert "IFRL_SOAK_SEED=3: 2 cases, 2 minutes" in table
    assert "1 failed" in table
    assert measured_seconds(table) == {CASES[0]: 30, CASES[1]: 62}
    assert f"| {case_seed(CASES[0], 3)} | 30 | failed |" in table


def test_seeds_differ_by_case_and_campaign_and_stay() -> None:
    assert len({case_seed(case, campaign) for case in CASES for campaign in (0, 1)}) == 2 * len(CASES)
    assert case_seed("a", 0) == 3480064611
