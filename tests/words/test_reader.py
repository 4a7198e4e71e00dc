"""The reader of words that comes with the package, alone and on the Docs of others."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import spacy
from cases import for_each

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.taxonomy import EMOTIONS, UNKNOWN
from emotionlayer_rasa.utterance import CUES
from emotionlayer_rasa.words import LANGUAGES, create_text_reader
from emotionlayer_rasa.words.encoder import MAX_PIECES, OUTPUTS, pieces, plain
from emotionlayer_rasa.words.reader import COMPONENT

GREETINGS = {
    "en": "Good morning, I need some help, please.",
    "it": "Buongiorno, avrei bisogno di aiuto, per favore.",
    "de": "Guten Morgen, ich bräuchte bitte Hilfe.",
    "es": "Buenos días, necesito ayuda, por favor.",
    "fr": "Bonjour, j'aurais besoin d'aide, s'il vous plaît.",
    "pt": "Bom dia, preciso de ajuda, por favor.",
}


def read(text):
    return create_text_reader().read(text)


@for_each("language", LANGUAGES)
def test_a_reading_is_complete(language):
    reading = create_text_reader(language).read(GREETINGS[language])
    emotion = reading.emotion
    assert list(reading.cues) == list(CUES)
    assert all(0 <= strength <= 1 for strength in (*reading.cues.values(), reading.own))
    assert list(emotion.scores) == list(EMOTIONS)
    assert sum(emotion.scores.values()) == pytest.approx(1)
    assert emotion.confidence == pytest.approx(max(emotion.scores.values()))
    assert all(0 <= value <= 1 for value in (emotion.valence, emotion.arousal, emotion.dominance))
    assert (emotion.source, emotion.model) == ("text", f"text/{create_text_reader().description['name']}")


@for_each(
    "text, label",
    [
        ("Thank you so much, this made me so happy!", "joy"),
        ("I am so angry, you people are thieves!", "anger"),
        ("I'm scared, someone is in my house!", "fear"),
        ("My father died last week and I can't stop crying.", "sadness"),
        ("Wow, I did not expect that at all!", "surprise"),
        ("What time do you open on Monday?", "neutral"),
        ("Grazie mille, sono felicissima!", "joy"),
        ("Sono furioso, vergognatevi!", "anger"),
        ("Aiuto, ho paura, c'è qualcuno in casa!", "fear"),
        ("Sono molto triste, non faccio che piangere.", "sadness"),
        ("Che schifo, il cibo era pieno di muffa.", "disgust"),
        ("Vorrei sapere a che ora aprite lunedì.", "neutral"),
        ("Ich bin stinksauer, das ist eine Frechheit!", "anger"),
        ("Tengo mucho miedo, hay alguien en mi casa.", "fear"),
        ("Je suis tellement heureuse, merci infiniment !", "joy"),
        ("Estou muito triste, não consigo parar de chorar.", "sadness"),
    ],
)
def test_plain_sentences(text, label):
    assert read(text).emotion.label == label


@for_each(
    "text, cue",
    [
        ("I have to be at the airport in half an hour and the taxi is not here!", "urgency"),
        ("c'è odore di gas in tutto l'appartamento", "danger"),
        ("Ihr seid doch alle Betrüger, schämt euch!", "hostility"),
        ("No sé si cambiar el vuelo o dejarlo como está, no acabo de decidirme.", "doubt"),
        ("je suis trop bête pour ces choses-là je n'y arriverai jamais", "self_doubt"),
        ("É a terceira vez que ligo e a encomenda continua sem chegar.", "complaint"),
        ("Forget it, it makes no difference any more.", "resignation"),
        ("Grazie di cuore, siete stati gentilissimi.", "praise"),
        ("Bis wann haben Sie am Samstag geöffnet?", "question"),
    ],
)
def test_a_cue_is_found_in_each_language(text, cue):
    assert read(text).cues[cue] >= 0.5


@for_each(
    "good, bad",
    [
        ("What a wonderful, happy day!", "This is a terrible disaster, everything is broken."),
        ("Che giornata meravigliosa e felice!", "È un disastro terribile, è tutto rotto."),
        ("Das ist ja herrlich, ich freue mich!", "Das ist furchtbar, alles ist kaputt."),
        ("¡Qué maravilla, estoy feliz!", "Es un desastre, todo está roto."),
        ("Quelle merveille, je suis ravie !", "C'est une catastrophe, tout est cassé."),
        ("Que maravilha, estou feliz!", "É um desastre, está tudo estragado."),
    ],
)
def test_valence_orders_good_and_bad(good, bad):
    assert read(good).emotion.valence > 0.5 > read(bad).emotion.valence


@for_each("text", ["", "  ", "?!…", "— …", "…"])
def test_no_words_are_unknown(text):
    reading = read(text)
    assert (reading.emotion.label, reading.emotion.valence, reading.own) == (UNKNOWN, None, None)
    assert not any(reading.cues.values())


@for_each(
    "text",
    [
        "Dzień dobry, mam problem z rachunkiem i nikt nie odbiera telefonu.",
        "Goedemorgen, mijn pakket is nog steeds niet aangekomen.",
        "Merhaba, siparişim nerede, üç gündür bekliyorum.",
        "Здравствуйте, где мой заказ?",
        "注文した荷物がまだ届きません。",
        "asdkjh qwpoeiru zmxncbv lkjsdf qwe",
        "{'status': 500, 'trace': '0x7ffee4'} GET /api/v1/users?id=3",
    ],
)
def test_other_languages_and_noise_are_unknown(text):
    reading = read(text)
    assert reading.emotion.label == UNKNOWN
    assert not any(reading.cues.values())


@for_each(
    "plain, marked", [("it has not arrived", "it has not arrived 😡"), ("das kam heute an", "das kam heute an 😍")]
)
def test_pictures_count(plain, marked):
    calm, moved = read(plain).emotion.scores, read(marked).emotion.scores
    assert sum(abs(moved[emotion] - share) for emotion, share in calm.items()) > 0.2


@for_each("face", ["😡", "😭", ":-(", ":("])
def test_a_face_alone_is_read(face):
    assert read(face).emotion.scores["joy"] < 0.3


def test_neither_case_nor_the_apostrophe_matters():
    assert read("THIS IS NOT WHAT I’VE ORDERED") == read("this is not what i've ordered")


def test_a_long_text_is_read_at_both_ends_and_cut():
    assert read("this is fine " * 500).emotion.scores
    filler = "and then i went on to the next window and they sent me back again "
    assert (
        read(filler * 8 + "thank you so much, you are wonderful").cues["praise"] > read(filler * 9).cues["praise"]
    )
    start = "it does not work at all. " * 40
    assert len(start) == 1000
    assert read(start + "thank you, perfect! " * 5_000) == read(start)
    assert read("!" * 50_000).emotion.label == UNKNOWN


def test_docs_of_other_pipelines_are_reused():
    reader = create_text_reader("en")
    doc = spacy.load("emotionlayer_rasa/languages/en/spacy")("my card was stolen please hurry")
    assert reader.read_doc(doc) == reader.read("my card was stolen please hurry")
    assert doc._.text_reading == reader.read_doc(doc)


def test_it_is_a_component_of_anybodys_pipeline(tmp_path):
    pipeline = spacy.blank("de")
    pipeline.add_pipe(COMPONENT)
    pipeline.to_disk(tmp_path)
    for nlp in (pipeline, spacy.load(tmp_path)):
        assert nlp("vielen Dank, das war sehr nett")._.text_reading == read("vielen Dank, das war sehr nett")


def test_it_is_loaded_once_and_serves_threads():
    reader = create_text_reader("en")
    assert create_text_reader("IT_it") is create_text_reader() is reader
    texts = ["I love it", "I hate it", "what time is it"] * 8
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(reader.read, texts)) == [reader.read(text) for text in texts]


def test_an_unknown_language_names_those_there_are():
    with pytest.raises(ConfigurationError, match="de, en, es, fr, it, pt"):
        create_text_reader("fi")


def test_the_encoder_gives_a_number_for_each_output():
    outputs = create_text_reader().encoder("hello")
    assert outputs.shape == (len(OUTPUTS),)
    assert np.isfinite(outputs).all()


def test_pictures_are_named_and_variants_of_them_are_one():
    assert plain("OK 👍🏽!") == "ok  thumbs up sign !"
    assert plain("❤️") == plain("❤")


@for_each("text", ["\ud83d", "Ｉ ａｍ ａｎｇｒｙ", "\u202eI am angry\u202c", "\x00\x01", "ﷺ" * 500, "¯\\_(ツ)_/¯"])
def test_odd_characters_do_no_harm(text):
    read(text)


def test_pieces_stand_between_two_marks_and_are_cut_in_the_middle():
    tokenizer = create_text_reader().encoder.tokenizer
    short, long = (pieces(tokenizer, text) for text in ("hello there", "one " + "hello there " * 200 + "two"))
    assert [short[0], short[-1]] == [tokenizer.token_to_id("<s>"), tokenizer.token_to_id("</s>")]
    assert len(long) == MAX_PIECES
    assert (long[1], long[-2]) == tuple(tokenizer.encode(text).ids[0] for text in ("one", "two"))
