"""The reply check on replies that were written by other hands: faults are caught, good replies pass."""

import json
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from emotionlayer_rasa.response import check_reply

pytestmark = pytest.mark.reply_sets

DATA = Path(__file__).parents[1] / "data"
SOURCES = ("first", "second", "subtle", "specification", "blind_a", "blind_b", "testers_c", "testers_d")


@cache
def read(kind: str) -> tuple[dict, ...]:
    """Cases of a kind, ``bad`` or ``good``; those of the first file have no source."""
    lines = [
        line
        for name in (f"replies_{kind}.jsonl", f"replies_more_{kind}.jsonl")
        for line in (DATA / name).read_text(encoding="utf-8").splitlines()
    ]
    return tuple({"source": "first", **json.loads(line)} for line in lines)


def reasons(case: dict) -> tuple[str, ...]:
    return check_reply(
        case["reply"], case["strategy"], case["language"], facts=case["slots"], caller=case["caller"]
    )


@pytest.mark.parametrize("source", SOURCES)
def test_planted_faults_are_caught(source: str) -> None:
    cases = [case for case in read("bad") if case["source"] == source]
    missed = [case for case in cases if not reasons(case)]
    assert len(missed) <= 0.05 * len(cases), [(case["id"], case["fault"]) for case in missed]


@pytest.mark.parametrize("source", [*SOURCES, "hard to pass"])
def test_good_replies_pass(source: str) -> None:
    cases = [case for case in read("good") if case["source"] == source]
    rejected = {case["id"]: why for case in cases if (why := reasons(case))}
    assert len(rejected) <= 0.05 * len(cases), rejected


def test_the_sets_are_balanced() -> None:
    bad, good = read("bad"), read("good")
    for cases in (bad, good):
        assert len({case["id"] for case in cases}) == len(cases)
        assert len({(case["reply"], case["strategy"], case["caller"]) for case in cases}) == len(cases)
        for source in SOURCES:
            languages = Counter(case["language"] for case in cases if case["source"] == source)
            assert languages["en"] == languages["it"] >= 60
    assert {case["source"] for case in bad} == set(SOURCES)
    assert {case["source"] for case in good} == {*SOURCES, "hard to pass"}
    assert len(Counter(case["fault"] for case in bad)) >= 18
    assert len(Counter(case["strategy"] for case in good)) == 6
