"""Cues in words: the pattern language, negation, irony, and sentences as callers say them."""

from pathlib import Path

import pytest
import yaml
from cases import for_each

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.language import normalise
from emotionlayer_rasa.utterance import CUES
from emotionlayer_rasa.words.cues import CueLists, CueReader, load_cue_reader

SENTENCES = yaml.safe_load((Path(__file__).parents[1] / "data" / "cue_sentences.yml").read_text(encoding="utf-8"))
PRESENT = 0.5


def reader(**changes: object) -> CueReader:
    data = {
        "apostrophe": " ",
        "sets": {"num": "(two|three)", "long": "<num> (hours|days)"},
        "cues": {"urgency": {"strong": ["urgent"], "weak": ["now"]}, "complaint": {"strong": ["<long> late"]}},
        "emotions": {"joy": {"medium": ["happ~"]}},
        "negations": ["not"],
        "fillers": ["so"],
        "hyperbole": ["great"],
        "resolved": ["fixed"],
    }
    return CueReader(CueLists(**{**data, **changes}))


def test_text_is_normalised_for_speech_and_typing_alike():
    assert normalise("È GIÀ l’ultima volta… c'è?", " ") == "e gia l ultima volta , c e ?"
    assert normalise("Don't!!", "") == "dont !"


def test_matches_add_up_and_weaker_ones_inside_stronger_do_not():
    cues = reader(cues={"urgency": {"strong": ["right now"], "weak": ["now", "quick"]}}).cues
    assert cues("right now")["urgency"] == pytest.approx(0.8)
    assert cues("right now quick")["urgency"] == pytest.approx(1 - 0.2 * 0.8)


@for_each(
    "pattern, text, found",
    [
        ("it broke", "It... broke", True),
        ("it broke", "it never broke", False),
        ("it … broke", "it never ever broke", True),
        ("it … broke", "it and that and this and you broke", False),
        ("brok~", "it is broken", True),
        ("brok~", "unbroken", False),
        ("l'ordine", "l’ordine", True),
        ("<num> days", "three days", True),
        ("(?<!my )car", "my car", False),
        ("(?<!my )car", "the car", True),
        ("^why", "tell me why", False),
    ],
)
def test_pattern_language(pattern, text, found):
    assert bool(reader(cues={"complaint": {"strong": [pattern]}}).cues(text)["complaint"]) is found


def test_negation_undoes_a_match_also_over_fillers():
    cues = reader().cues
    assert cues("it is urgent")["urgency"] > PRESENT
    assert cues("it is not so urgent")["urgency"] == 0
    assert cues("i am not ill, urgent")["urgency"] > PRESENT


def test_hyperbole_beside_a_complaint_is_irony_unless_the_trouble_is_over():
    data = {"sarcasm": {"weak": ["oh"]}, "praise": {"strong": ["great"]}, "complaint": {"strong": ["late"]}}
    cues = reader(cues=data).cues
    ironic = cues("great, late again")
    assert ironic["sarcasm"] > PRESENT
    assert ironic["praise"] < PRESENT
    assert cues("great service")["praise"] > PRESENT
    assert cues("it was late but now it is fixed, great")["sarcasm"] < PRESENT


def test_words_of_emotion():
    words = reader().emotions("happiness")
    assert words["joy"] == pytest.approx(0.5)
    assert words["anger"] == words["neutral"] == 0


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"cues": {"hurry": {}}}, "hurry"),
        ({"emotions": {"boredom": {}}}, "boredom"),
        ({"hyperbole": ["fine", "(broken"]}, r"\(broken"),
        ({"resolved": ["<nothing>"]}, "nothing"),
    ],
)
def test_wrong_data_is_named(changes, named):
    with pytest.raises(ConfigurationError, match=named):
        reader(**changes)


@pytest.mark.parametrize("language", sorted(SENTENCES))
def test_every_language_has_patterns_for_every_cue(language):
    assert list(load_cue_reader(language).cues("")) == list(CUES)


@pytest.mark.parametrize("language", sorted(SENTENCES))
@pytest.mark.parametrize(("part", "least"), [("dev", 0.95), ("test", 0.85)])
def test_cues_are_found_in_what_callers_say(language, part, least):
    cues = load_cue_reader(language).cues
    wanted = [(text, cue) for text, names in SENTENCES[language][part].items() for cue in names.split()]
    hits = [cues(text)[cue] >= PRESENT for text, cue in wanted]
    assert sum(hits) / len(hits) >= least


@pytest.mark.parametrize("language", sorted(SENTENCES))
def test_the_same_cues_without_case_and_punctuation(language):
    cues = load_cue_reader(language).cues
    texts = [text for part in SENTENCES[language].values() for text in part]
    changed = 0
    for text in texts:
        spoken = "".join(mark for mark in text.lower() if mark.isalnum() or mark in " '’-")
        for cue, strength in cues(text).items():
            if cue != "question":  # a question mark counts
                changed += (strength >= PRESENT) != (cues(spoken)[cue] >= PRESENT)
    assert changed <= 0.1 * len(texts)


@for_each(
    "language, text, cue",
    [
        ("it", "Non è urgente.", "urgency"),
        ("it", "Guardi, non ho nessuna fretta.", "urgency"),
        ("it", "Nessun problema, va bene così.", "complaint"),
        ("it", "Mi chiamo Marco Bianchi, codice cliente quattro cinque sei.", "hostility"),
        ("it", "Grazie mille, avete risolto il problema, siete stati fantastici!", "sarcasm"),
        ("it", "Che bello, finalmente è arrivato!", "sarcasm"),
        ("it", "Vorrei prenotare una visita dal dentista.", "danger"),
        ("en", "It's not urgent at all.", "urgency"),
        ("en", "No complaints, everything is fine.", "complaint"),
        ("en", "My name is John Smith and my number is five five two.", "hostility"),
        ("en", "Thank you, you fixed the problem, you were fantastic!", "sarcasm"),
        ("en", "I'd like to book a table for two.", "danger"),
    ],
)
def test_what_is_not_there(language, text, cue):
    assert load_cue_reader(language).cues(text)[cue] < PRESENT
