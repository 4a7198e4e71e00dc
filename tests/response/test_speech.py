from xml.etree import ElementTree

import pytest
from cases import for_each
from hypothesis import given
from hypothesis import strategies as st

from emotionlayer_rasa.response import speech_payload, ssml
from emotionlayer_rasa.response.speech import PAUSE_MS
from emotionlayer_rasa.taxonomy import STRATEGIES

SSML = "{http://www.w3.org/2001/10/synthesis}"
FORBIDDEN = "\x00\x07\x1b\ud800\uffff"
HOSTILE = [
    '</prosody></speak><audio src="http://example.org/x.wav"/>',
    "Tom & Jerry <3 \"quotes\" 'too'",
    "]]> <!-- comment --> <![CDATA[x]]>",
    "null\x00 bell\x07 escape\x1b surrogate\ud800 nonchar\uffff",
    "&amp; &lt;break/&gt; &#0; &undefined;",
    "perché 🙂 日本。次！ Привет. مرحبا؟",
    "One. Two & three! Four <s>?</s> Five…  Six.",
    "",
]


def spoken(document: str) -> str:
    """The text of a document, once its structure is what SSML 1.1 allows."""
    root = ElementTree.fromstring(document)
    assert (root.tag, root.get("version")) == (f"{SSML}speak", "1.1")
    (prosody,) = root
    assert prosody.tag == f"{SSML}prosody"
    assert set(prosody.attrib) == {"rate", "pitch"}
    assert {child.tag for child in prosody} <= {f"{SSML}s", f"{SSML}break"}
    for child in prosody:
        assert len(child) == 0
        if child.tag == f"{SSML}s":
            assert not child.attrib
            assert not (child.tail or "").strip()
        else:
            assert set(child.attrib) == {"time"}
            assert child.text is None
    return "".join(root.itertext())


@for_each("strategy", STRATEGIES)
@for_each("text", HOSTILE)
def test_hostile_text_stays_text(strategy: str, text: str) -> None:
    payload = speech_payload(text, strategy, "it")
    assert spoken(payload["ssml"]) == "".join(char for char in text if char not in FORBIDDEN)
    root = ElementTree.fromstring(payload["ssml"])
    assert root.get("{http://www.w3.org/XML/1998/namespace}lang") == "it"


@given(st.text(), st.sampled_from(STRATEGIES))
def test_any_text_gives_a_valid_document(text: str, strategy: str) -> None:
    # A reader of XML takes every line break for \n.
    expected = text.replace("\ufffe", "").replace("\uffff", "").replace("\r\n", "\n").replace("\r", "\n")
    controls = {chr(code) for code in range(32)} - {"\t", "\n"}
    said = spoken(speech_payload(text, strategy)["ssml"])
    assert said == "".join(char for char in expected if char not in controls and not "\ud800" <= char <= "\udfff")


def test_a_language_cannot_break_out_of_its_attribute() -> None:
    document = ssml("Hello.", 1.0, "low", 'en"><audio src="x"/>')
    assert spoken(document) == "Hello."


def test_settings_follow_the_strategy() -> None:
    payloads = {strategy: speech_payload("Hello.", strategy) for strategy in STRATEGIES}
    assert all(set(payload) == {"strategy", "speed", "tone", "pitch", "ssml"} for payload in payloads.values())
    assert all(payload["strategy"] == strategy for strategy, payload in payloads.items())
    assert all(0.8 <= payload["speed"] <= 1.25 for payload in payloads.values())
    assert '<prosody rate="80%" pitch="low">' in payloads["active_deescalation"]["ssml"]
    assert '<prosody rate="125%" pitch="default">' in payloads["rapid_resolution"]["ssml"]
    assert '<prosody rate="100%" pitch="medium">' in payloads["direct_efficiency"]["ssml"]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("I am sorry. Which order is it?", ["I am sorry.", "Which order is it?"]),
        ("Wirklich?! Ja… Gut.", ["Wirklich?!", "Ja…", "Gut."]),
        ("Dr. Rossi comes at 6 p.m. today.", ["Dr. Rossi comes at 6 p.m. today."]),
        ("It costs 4.50 euros.", ["It costs 4.50 euros."]),
        ("I told you so. It is in room 8. Which one?", ["I told you so.", "It is in room 8.", "Which one?"]),
        ("La aspetta il Sig. Rossi.", ["La aspetta il Sig. Rossi."]),
    ],
)
def test_a_pause_parts_sentences_where_empathy_needs_it(text: str, sentences: list[str]) -> None:
    for strategy in STRATEGIES:
        root = ElementTree.fromstring(speech_payload(text, strategy)["ssml"])
        pauses = [element.get("time") for element in root.iter(f"{SSML}break")]
        marked = [element.text for element in root.iter(f"{SSML}s")]
        if strategy in PAUSE_MS:
            assert marked == sentences
            assert pauses == [f"{PAUSE_MS[strategy]}ms"] * (len(sentences) - 1)
        else:
            assert marked == pauses == []


def test_an_unknown_strategy_is_spoken_plainly() -> None:
    assert speech_payload("Hello.", "unknown")["speed"] == 1.0
