"""The scenes of calls: their form, their balance, and what their README claims."""

import csv
import json
from collections import Counter

import pytest

from emotionlayer_rasa.evaluation.scenarios import read_scenarios
from emotionlayer_rasa.taxonomy import STATES, STRATEGIES
from emotionlayer_rasa.training.states import DATA

README = (DATA / "README.md").read_text(encoding="utf-8")
SCENES = sorted(DATA.glob("scenes*.json"))


@pytest.mark.parametrize("path", SCENES, ids=lambda path: path.stem)
def test_a_hand_wrote_four_scenes_of_each_state_in_each_language(path):
    languages = [one["language"] for one in json.loads(path.read_text(encoding="utf-8"))]
    scenes = read_scenarios(path)
    assert len({scene.id for scene in scenes}) == len({scene.text for scene in scenes}) == 216
    count = Counter(zip(languages, (scene.state for scene in scenes), strict=True))
    assert len(count) == 6 * len(STATES)
    assert set(count.values()) == {4}


def test_typed_lines_are_lines_of_the_callers_corpus():
    with (DATA / "typed.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    folder = DATA.parents[1] / "words" / "data"
    lines = {
        hand: len((folder / f"hand{int(hand):02}.tsv").read_text(encoding="utf-8").splitlines()) - 1
        for hand in {row["hand"] for row in rows}
    }
    assert len({(row["hand"], row["line"]) for row in rows}) == len(rows) == 1800
    for row in rows:
        assert int(row["line"]) < lines[row["hand"]]
        assert row["state"] in STATES
        assert row["strategy"] in STRATEGIES


def test_the_readme_counts_right():
    assert f"{216 * len(SCENES):,} by seven hands" in README
    assert "1,800 lines" in README
