"""The shipped pipelines, alone and on the Docs of others."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import spacy
from cases import for_each

from emotionlayer_rasa.errors import ConfigurationError, ModelUnavailableError
from emotionlayer_rasa.taxonomy import EMOTIONS, UNKNOWN
from emotionlayer_rasa.utterance import CUES
from emotionlayer_rasa.words import create_text_reader
from emotionlayer_rasa.words.component import COMPONENT, TextEmotion
from emotionlayer_rasa.words.encoder import MAX_PIECES, WordPieces
from emotionlayer_rasa.words.ngrams import BUCKETS, NgramModel, hashed_features, scaled
from emotionlayer_rasa.words.reader import WEIGHTS_DIR, text_languages


@pytest.mark.parametrize("language", ["en", "it", "it-IT"])
def test_a_reading_is_complete(language):
    reading = create_text_reader(language).read("Pronto, ciao, no?")
    emotion = reading.emotion
    assert list(reading.cues) == list(CUES)
    assert all(0 <= strength <= 1 for strength in reading.cues.values())
    assert list(emotion.scores) == list(EMOTIONS)
    assert sum(emotion.scores.values()) == pytest.approx(1)
    assert emotion.confidence == pytest.approx(max(emotion.scores.values()))
    assert all(0 <= value <= 1 for value in (emotion.valence, emotion.arousal, emotion.dominance))
    assert emotion.source == "text"
    assert emotion.model.startswith(f"text/emotionlayer-text-{language[:2]}")


@for_each(
    "language, text, label",
    [
        ("en", "Thank you so much, this made me so happy!", "joy"),
        ("en", "I am so angry, you people are thieves!", "anger"),
        ("en", "I'm scared, someone is in my house!", "fear"),
        ("en", "My father died last week and I can't stop crying.", "sadness"),
        ("en", "Wow, I did not expect that at all!", "surprise"),
        ("en", "What time do you open on Monday?", "neutral"),
        ("it", "Grazie mille, sono felicissima!", "joy"),
        ("it", "Sono furioso, vergognatevi!", "anger"),
        ("it", "Aiuto, ho paura, c'è qualcuno in casa!", "fear"),
        ("it", "Sono molto triste, non faccio che piangere.", "sadness"),
        ("it", "Che schifo, il cibo era pieno di muffa.", "disgust"),
        ("it", "Vorrei sapere a che ora aprite lunedì.", "neutral"),
    ],
)
def test_plain_sentences(language, text, label):
    assert create_text_reader(language).read(text).emotion.label == label


@pytest.mark.parametrize("language", ["en", "it"])
def test_valence_orders_good_and_bad(language):
    read = create_text_reader(language).read
    good, bad = {
        "en": ("What a wonderful, happy day!", "This is a terrible disaster, everything is broken."),
        "it": ("Che giornata meravigliosa e felice!", "È un disastro terribile, è tutto rotto."),
    }[language]
    assert read(good).emotion.valence > 0.5 > read(bad).emotion.valence


@for_each("text", ["", "  ", "?!…", "🙂"])
@for_each("language", ["en", "it"])
def test_no_words_are_unknown(language, text):
    reading = create_text_reader(language).read(text)
    assert (reading.emotion.label, reading.emotion.valence) == (UNKNOWN, None)
    assert not any(reading.cues.values())


def test_a_long_text_is_read():
    assert create_text_reader("en").read("this is fine " * 500).emotion.scores


def test_only_the_first_thousand_characters_are_read():
    reader = create_text_reader("en")
    start = "it does not work at all. " * 40
    assert len(start) == 1000
    assert reader.read(start + "thank you, perfect! " * 5_000) == reader.read(start)
    assert reader.read_doc(spacy.blank("en")(start + "thank you, perfect!")) == reader.read(start)
    assert reader.read("!" * 50_000).emotion.label == UNKNOWN


def test_docs_of_other_pipelines_are_reused():
    reader = create_text_reader("en")
    doc = spacy.load("emotionlayer_rasa/languages/en/spacy")("my card was stolen please hurry")
    assert reader.read_doc(doc) == reader.read("my card was stolen please hurry")
    assert doc._.text_reading == reader.read_doc(doc)


def test_the_pipeline_is_spacys():
    for language in text_languages():
        pipeline = spacy.load(WEIGHTS_DIR / language)
        assert (pipeline.lang, pipeline.pipe_names) == (language, [COMPONENT])
        assert pipeline("ciao hello")._.text_reading.emotion.scores


def test_readers_are_loaded_once_and_serve_threads():
    reader = create_text_reader("en")
    assert create_text_reader("EN_us") is reader
    texts = ["I love it", "I hate it", "what time is it"] * 8
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(reader.read, texts)) == [reader.read(text) for text in texts]


def test_an_unknown_language_names_those_there_are():
    with pytest.raises(ConfigurationError, match="en, it"):
        create_text_reader("fi")


def test_a_component_without_weights_says_what_to_do():
    pipeline = spacy.blank("en")
    pipeline.add_pipe(COMPONENT)
    with pytest.raises(ModelUnavailableError, match="create_text_reader"):
        pipeline("hello")


def test_a_pipeline_survives_the_disk(tmp_path):
    rng = np.random.default_rng(1)
    pipeline = spacy.blank("it")
    component = pipeline.add_pipe(COMPONENT)
    assert isinstance(component, TextEmotion)
    component.model = NgramModel(np.ones(BUCKETS, np.float32), rng.normal(size=(BUCKETS, 10)), np.zeros(10))
    component.description = {
        "name": "random",
        "model": "ngrams",
        "thresholds": [0.0] * 7,
        "temperature": 1.0,
        "lexicon": 1.0,
        "threshold": 0.3,
    }
    pipeline.to_disk(tmp_path)
    before, after = pipeline("buongiorno a tutti"), spacy.load(tmp_path)("buongiorno a tutti")
    assert after._.text_reading.emotion.label == before._.text_reading.emotion.label
    assert after._.text_reading.emotion.scores == pytest.approx(before._.text_reading.emotion.scores, abs=0.01)


def test_word_pieces_take_the_longest_and_know_what_they_do_not_know():
    names = ["[CLS]", "[SEP]", "[UNK]", "play", "##ing", "##in", "##g", "p", "!"]
    pieces = WordPieces(names)
    read = [names[index] for index in pieces("Pláying! ☃")]
    assert read == ["[CLS]", "play", "##ing", "!", "[UNK]", "[SEP]"]
    assert len(pieces("play " * 100)) == MAX_PIECES


def test_hashed_features_are_stable_and_scaled():
    buckets, values = hashed_features("no no mai")
    assert len(set(buckets)) == len(buckets)
    assert buckets.max() < BUCKETS
    again = scaled(buckets, values, np.ones(BUCKETS, np.float32))
    for kind in (0, 1):
        assert np.linalg.norm(again[buckets % 2 == kind]) == pytest.approx(1, abs=1e-5)
