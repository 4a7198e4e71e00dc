from __future__ import annotations

import pytest
from cases import for_each
from hypothesis import given
from hypothesis import strategies as st

from emotionlayer_rasa.synthesis import SentenceCutter
from emotionlayer_rasa.synthesis.sentence_cutter import LONGEST, plain


def cut(*pieces: str) -> list[str]:
    cutter = SentenceCutter()
    return [sentence for piece in pieces for sentence in cutter.feed(piece)] + cutter.finish()


@for_each(
    "text, sentences",
    [
        ("Hello. How are you?", ["Hello.", "How are you?"]),
        ("Really?! Yes… No", ["Really?!", "Yes…", "No"]),
        (
            "It costs 5.50 euros. See www.example.com for more.",
            ["It costs 5.50 euros.", "See www.example.com for more."],
        ),
        ("Mr. Smith met Dr. J. Jones. They left.", ["Mr. Smith met Dr. J. Jones.", "They left."]),
        ("Order No. 1042 is late. Is it? No. I see.", ["Order No. 1042 is late.", "Is it?", "No.", "I see."]),
        ("Il Sig. Rossi ha ragione. Mi dispiace.", ["Il Sig. Rossi ha ragione.", "Mi dispiace."]),
        ("Well... maybe, e.g. tomorrow.", ["Well... maybe, e.g. tomorrow."]),
        ("1. Unplug it. 2. Wait.", ["1. Unplug it.", "2. Wait."]),
        ('He said "Stop." Then "Go!" came.', ['He said "Stop."', 'Then "Go!"', "came."]),
        ("first line\nsecond line", ["first line", "second line"]),
        ("您好。请稍等！谢谢", ["您好。", "请稍等！", "谢谢"]),
        ("他说：「好。」然后走了。", ["他说：「好。」", "然后走了。"]),
        ("안녕하세요. 주문을 확인하겠습니다.", ["안녕하세요.", "주문을 확인하겠습니다."]),
        ("नमस्ते। आप कैसे हैं?", ["नमस्ते।", "आप कैसे हैं?"]),
        ("", []),
        (" \n\t ", []),
        ("... !? — …", []),
    ],
)
def test_cuts_after_sentences(text: str, sentences: list[str]) -> None:
    assert cut(text) == sentences
    assert cut(*text) == sentences  # a letter at a time makes no difference


def test_a_sentence_comes_out_as_soon_as_the_next_one_begins() -> None:
    cutter = SentenceCutter()
    assert cutter.feed("I am sor") == []
    assert cutter.feed("ry.") == []
    assert cutter.feed(" ") == []
    assert cutter.feed("Your") == ["I am sorry."]
    assert cutter.feed(" parcel is late.") == []
    assert cutter.finish() == ["Your parcel is late."]
    assert cutter.finish() == []


def test_long_sentences_are_cut_at_the_last_comma_that_fits() -> None:
    start, end = "one two, " * 12 + "three", " four" * 10
    assert cut(f"{start}{end}.") == [("one two, " * 12).strip(), f"three{end}."]


def test_long_sentences_without_commas_are_cut_at_spaces_and_endless_words_somewhere() -> None:
    pieces = cut("word " * 100)
    assert all(len(piece) <= LONGEST for piece in pieces)
    assert " ".join(pieces).split() == ["word"] * 100
    assert [len(piece) for piece in cut("x" * 300)] == [LONGEST, LONGEST, 300 - 2 * LONGEST]


@given(st.text(max_size=300) | st.text('aB1 .,!?…"\n。」', max_size=300), st.integers(1, 7))
def test_any_text_is_cut_the_same_in_any_pieces_and_loses_no_letter(text: str, size: int) -> None:
    pieces = cut(*(text[start : start + size] for start in range(0, len(text), size)))
    assert pieces == cut(text)
    assert all(0 < len(piece) <= LONGEST for piece in pieces)
    assert _letters("".join(pieces)) == _letters(plain(text))


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[h@'loU]] there", "[h@'loU] there"),
        ("[\u200b[h@'loU]\u200b]", "[h@'loU]"),
        ("a\x01b +=\x1bc\x00", "a b += c"),
        ("one\ntwo\r\n\u2028three", "one two three"),
        ("\ud800broken\ue000", "broken"),
        ("می‌خواهم", "می‌خواهم"),
    ],
)
def test_plain_text_holds_no_commands(text: str, expected: str) -> None:
    assert plain(text) == expected
