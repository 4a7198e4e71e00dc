from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotionlayer_rasa.response import speech_payload
from emotionlayer_rasa.taxonomy import STRATEGIES

SSML = "{http://www.w3.org/2001/10/synthesis}"
HOSTILE = [
    '</prosody></speak><audio src="http://example.org/x.wav"/>',
    "Tom & Jerry <3 \"quotes\" 'too'",
    "]]> <!-- comment --> <![CDATA[x]]>",
    "null\x00 bell\x07 escape\x1b surrogate\ud800 nonchar\uffff",
    "&amp; &#0; &undefined;",
    "perché 🙂 日本",
]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(strategy: str, text: str) -> None:
    payload = speech_payload(text, strategy, "it")
    root = ElementTree.fromstring(payload["ssml"])
    assert root.tag == f"{SSML}speak"
    assert root.get("{http://www.w3.org/XML/1998/namespace}lang") == "it"
    (prosody,) = root
    assert prosody.tag == f"{SSML}prosody"
    assert len(prosody) == 0
    assert prosody.text == "".join(char for char in text if char not in "\x00\x07\x1b\ud800\uffff")


@given(st.text())
def test_any_text_gives_well_formed_xml(text: str) -> None:
    ElementTree.fromstring(speech_payload(text, "rapid_resolution")["ssml"])


def test_settings_follow_the_strategy() -> None:
    payloads = {strategy: speech_payload("Hello.", strategy) for strategy in STRATEGIES}
    assert all(set(payload) == {"strategy", "speed", "tone", "pitch", "ssml"} for payload in payloads.values())
    assert all(0.8 <= payload["speed"] <= 1.25 for payload in payloads.values())
    assert '<prosody rate="80%" pitch="low">' in payloads["active_deescalation"]["ssml"]
    assert '<prosody rate="125%" pitch="default">' in payloads["rapid_resolution"]["ssml"]
    assert '<prosody rate="100%" pitch="medium">' in payloads["direct_efficiency"]["ssml"]
