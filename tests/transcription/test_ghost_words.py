from __future__ import annotations

import pytest

from emotionlayer_rasa.transcription import without_ghost_words
from emotionlayer_rasa.transcription.ghost_words import ghost_words
from emotionlayer_rasa.utterance import Transcript, Word


def said(*words: tuple[str, float, float], language: str = "en") -> Transcript:
    heard = tuple(Word(text, start, end, 1.0) for text, start, end in words)
    return Transcript(" ".join(word.text for word in heard), heard, language, "test")


def test_a_ghost_word_without_speech_under_it_is_dropped() -> None:
    transcript = said(("the", 0.0, 0.3), ("order", 1.0, 1.5), ("Huh.", 2.0, 2.3))
    heard = without_ghost_words(transcript, [(0.9, 1.6)])
    assert heard.text == "order"
    assert [word.text for word in heard.words] == ["order"]
    assert heard.model == "test"


def test_words_that_were_spoken_stay() -> None:
    transcript = said(("the", 0.0, 0.3), ("order", 0.3, 0.8))
    assert without_ghost_words(transcript, [(0.0, 0.8)]) is transcript
    assert without_ghost_words(transcript, [(0.15, 0.8)]) is transcript  # half of it is enough


def test_other_words_stay_without_speech() -> None:
    transcript = said(("yes", 0.0, 0.3))
    assert without_ghost_words(transcript, []) is transcript


@pytest.mark.parametrize(("language", "word"), [("en", "the"), ("en-in", "huh"), ("it_IT", "il"), ("ko", "어")])
def test_ghost_words_alone_need_more_speech_than_a_cough(language: str, word: str) -> None:
    transcript = said((word, 0.0, 0.3), language=language)
    assert without_ghost_words(transcript, [(0.0, 0.3)]).words == ()
    longer = said((word, 0.0, 0.3), (word, 0.3, 0.6), language=language)
    assert without_ghost_words(longer, [(0.0, 0.6)]) is longer


def test_no_list_no_ghosts() -> None:
    assert ghost_words("tlh") == ghost_words("") == frozenset()
    transcript = said(("the", 0.0, 0.3), language="tlh")
    assert without_ghost_words(transcript, []) is transcript


def test_no_answer_is_a_ghost() -> None:
    for language, answers in {"en": "yes no ok hello", "it": "sì no ok pronto", "ko": "네 아니요 예"}.items():
        assert ghost_words(language)
        assert not ghost_words(language) & set(answers.split())
