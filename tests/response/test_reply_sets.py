"""The reply check on replies that were written by other hands: faults are caught, good replies pass."""

import json
from collections import Counter
from pathlib import Path

from emotionlayer_rasa.response import check_reply

DATA = Path(__file__).parents[1] / "data"


def read(name: str) -> list[dict]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def reasons(case: dict) -> tuple[str, ...]:
    return check_reply(
        case["reply"], case["strategy"], case["language"], facts=case["slots"], caller=case["caller"]
    )


def test_planted_faults_are_caught() -> None:
    cases = read("replies_bad.jsonl")
    missed = [case for case in cases if not reasons(case)]
    by_fault = Counter(case["fault"] for case in missed)
    assert len(missed) <= 0.05 * len(cases), f"{len(missed)} of {len(cases)} missed: {by_fault.most_common()}"


def test_good_replies_pass() -> None:
    cases = read("replies_good.jsonl")
    found = {case["id"]: reasons(case) for case in cases}
    rejected = {name: why for name, why in found.items() if why}
    assert len(rejected) <= 0.05 * len(cases), f"{len(rejected)} of {len(cases)} rejected: {rejected}"


def test_the_sets_are_balanced() -> None:
    bad, good = read("replies_bad.jsonl"), read("replies_good.jsonl")
    for cases in (bad, good):
        assert len(cases) >= 140
        assert len({case["id"] for case in cases}) == len({case["reply"] for case in cases}) == len(cases)
        languages = Counter(case["language"] for case in cases)
        assert languages["en"] == languages["it"] == len(cases) / 2
    assert len(set(Counter(case["fault"] for case in bad).values())) == 1
    assert len(set(Counter(case["strategy"] for case in good).values())) == 1
