"""The corpus of replies: its form, its balance, and what its README claims."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from emotionlayer_rasa.taxonomy import STRATEGIES
from emotionlayer_rasa.training.replies import DATA

README = (DATA / "README.md").read_text(encoding="utf-8")
FAULTS = set(re.findall(r"^\| `(\w+)` \|", README, re.M))
KEYS = {"id", "pair", "language", "strategy", "caller", "slots", "reply", "faults"}


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


HANDS = {path.stem: read(path) for path in sorted(DATA.glob("hand*.jsonl"))}


@pytest.mark.parametrize("hand", HANDS)
def test_a_hand_is_well_formed_and_half_of_it_is_good(hand):
    lines = HANDS[hand]
    a_language = 60 if hand in ("hand21", "hand22") else 90
    assert len(lines) == len({line["id"] for line in lines}) == 6 * a_language
    assert set(Counter(line["language"] for line in lines).values()) == {a_language}
    for line in lines:
        assert set(line) == KEYS, line["id"]
        assert set(line["faults"]) <= FAULTS, line["id"]
        assert line["strategy"] in STRATEGIES, line["id"]
        assert isinstance(line["slots"], dict), line["id"]
        assert line["reply"].strip(), line["id"]
    assert sum(not line["faults"] for line in lines) == pytest.approx(len(lines) / 2, abs=5)
    assert set().union(*(line["faults"] for line in lines)) == FAULTS


def test_the_readme_counts_right():
    assert len(FAULTS) == 10
    assert f"{sum(map(len, HANDS.values())):,} invented replies" in README


def test_older_replies_say_whether_they_may_be_said():
    lines = read(DATA / "older.jsonl")
    assert f"{len(lines):,} English and Italian replies" in README
    assert all(line["faults"] is None or bool(line["faults"]) == line["unfit"] for line in lines)
    assert Counter(line["unfit"] for line in lines) == {False: 2979, True: 1439}


@pytest.mark.parametrize("name", ["replies_frozen_3.jsonl", "replies_frozen_4.jsonl"])
def test_the_frozen_replies_are_of_the_same_form_and_by_nobody_of_these(data, name):
    frozen = read(data / name)
    assert Counter(line["language"] for line in frozen) == dict.fromkeys(("en", "it", "de", "es", "fr", "pt"), 60)
    assert all(set(line["faults"]) <= FAULTS for line in frozen)
    said = {line["reply"] for lines in HANDS.values() for line in lines}
    assert not said & {line["reply"] for line in frozen}
