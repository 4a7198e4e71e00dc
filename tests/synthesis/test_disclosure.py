"""What a caller hears before the first answer: short, and complete."""

from __future__ import annotations

import pytest

from emotionlayer_rasa.response import draft_reply, languages
from emotionlayer_rasa.response.templates import replies
from emotionlayer_rasa.synthesis import SpeechStyle
from emotionlayer_rasa.synthesis.espeak import EspeakSynthesizer

AUTOMATED = {"de": "automatisch", "en": "automated", "es": "automático", "fr": "automatique", "it": "automatico"}
AUTOMATED["pt"] = "automático"
TONE = {
    "de": "Tonfall",
    "en": "tone of voice",
    "es": "tono de voz",
    "fr": "ton de votre voix",
    "it": "tono di voce",
}
TONE["pt"] = "tom da voz"
ANALYSED = {
    "de": "analysiert",
    "en": "analyses",
    "es": "analiza",
    "fr": "analyse",
    "it": "analizza",
    "pt": "analisa",
}
STRATEGY = "direct_efficiency"
"""The one of a session's beginning."""


@pytest.mark.anyio
@pytest.mark.parametrize("language", languages())
async def test_the_spoken_disclosure_is_at_most_five_seconds(language: str, anyio_backend: str) -> None:
    text = draft_reply("disclosure", STRATEGY, {}, language, spoken=True).text
    samples, rate = await EspeakSynthesizer().speak(text, SpeechStyle(language=language))
    assert 2.0 < len(samples) / rate <= 5.0
    long = draft_reply("disclosure", STRATEGY, {}, language).text
    assert len(long) > 1.8 * len(text)


@pytest.mark.parametrize("language", languages())
def test_it_says_what_the_law_wants_told(language: str) -> None:
    (text,) = replies(language).situations["disclosure"].cases[0].spoken
    for part in (AUTOMATED[language], TONE[language], ANALYSED[language]):
        assert part in text


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
