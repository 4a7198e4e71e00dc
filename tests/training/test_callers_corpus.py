"""The corpus of what callers say: its form, its balance, and what its README claims."""

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

import emotionlayer_rasa.training.words as words
from emotionlayer_rasa.taxonomy import EMOTIONS

FOLDER = Path(words.__file__).parent / "data"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
LANGUAGES = ("en", "it", "de", "es", "fr", "pt")
CUES = {"complaint", "hostility", "urgency", "danger", "doubt", "self_doubt", "resignation", "sarcasm", "praise"}
CUES |= {"question"}


def read(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


HANDS = {path.stem: read(path.name) for path in sorted(FOLDER.glob("hand*.tsv"))}
LINES = [line for lines in HANDS.values() for line in lines]


def cues(line: dict[str, str]) -> set[str]:
    return set() if line["cues"] == "-" else set(line["cues"].split(","))


def test_every_value_is_one_that_the_readme_defines():
    for hand, lines in HANDS.items():
        for line in lines:
            assert None not in line.values(), (hand, line)
            assert line["language"] in LANGUAGES, (hand, line)
            assert set(line["emotion"].split("+")) <= set(EMOTIONS), (hand, line)
            assert re.fullmatch("[1-5]{3}", line["vad"]), (hand, line)
            assert cues(line) <= CUES, (hand, line)
            assert line["holder"] in ("own", "other", "none"), (hand, line)
            assert line["time"] in ("now", "past", "if"), (hand, line)
            assert f"`{line['kind']}`" in README, (hand, line)
            assert 1 <= len(line["text"].split()) <= 55, (hand, line)


def test_there_are_as_many_as_the_readme_says_and_none_twice():
    count = Counter(line["language"] for line in LINES)
    assert len(HANDS) == 43
    assert all(4670 <= count[language] < 4690 for language in set(LANGUAGES) - {"de"})
    assert count["de"] == 5274
    assert f"{len(LINES):,} invented utterances" in README
    assert len({(line["language"], line["text"].lower()) for line in LINES}) == len(LINES)


def paired(lines: list[dict[str, str]]) -> float:
    """Share of lines that have a counterpart."""
    pairs = Counter((line["language"], line["pair"]) for line in lines if line["pair"] != "-")
    return sum(size for size in pairs.values() if size > 1) / len(lines)


@pytest.mark.parametrize(
    "hand", ["hand24", "hand25", "hand26", "hand27", "hand29", "hand33", "hand35", "hand37", "hand43"]
)
def test_plain_hands_have_no_pairs(hand):
    assert paired(HANDS[hand]) == 0


@pytest.mark.parametrize("hand", ["hand31", "hand32", "hand34", "hand38", "hand39", "hand40", "hand42"])
def test_other_hands_have_hardly_anything_else(hand):
    assert paired(HANDS[hand]) >= 0.7


@pytest.mark.parametrize("hand", [f"hand{number:02}" for number in range(1, 28)])
def test_hits_and_near_misses_are_balanced(hand):
    plain = hand >= "hand24"
    assert plain or paired(HANDS[hand]) >= 0.45
    for language in LANGUAGES:
        own = [line for line in HANDS[hand] if line["language"] == language]
        hits = Counter(cue for line in own for cue in cues(line))
        assert min(hits[cue] for cue in CUES) >= (3 if plain else 7), (language, hits)
        felt = Counter(name for line in own for name in line["emotion"].split("+"))
        assert min(felt[name] for name in EMOTIONS) >= 5, (language, felt)


def kappa(first: list[object], second: list[object]) -> tuple[float, float]:
    same = sum(a == b for a, b in zip(first, second, strict=True)) / len(first)
    by_chance = sum(first.count(value) * second.count(value) for value in set(first)) / len(first) ** 2
    return same, (same - by_chance) / (1 - by_chance)


def test_the_agreement_is_what_the_readme_says():
    of_text = {(hand, line["language"], line["text"]): line for hand, lines in HANDS.items() for line in lines}
    again = read("second_labels.tsv")
    pairs = [(of_text[line["hand"], line["language"], line["text"]], line) for line in again]
    assert len(pairs) == 1584
    looks = {"emotion (the first)": lambda line: line["emotion"].split("+")[0]}
    looks |= {cue: lambda line, cue=cue: cue in cues(line) for cue in CUES}
    looks |= {name: lambda line, name=name: line[name] for name in ("holder", "time")}
    for name, look in looks.items():
        same, beyond_chance = kappa([look(a) for a, _ in pairs], [look(b) for _, b in pairs])
        row = f"| {name} | {same:.3f} | {beyond_chance:.3f} |".replace("0.", ".")
        assert row in README, row
