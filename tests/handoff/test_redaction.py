"""What is masked before a summary leaves the machine, written and spoken, in every language."""

from __future__ import annotations

import string

import pytest
from cases import for_each
from hypothesis import given, settings
from hypothesis import strategies as st

from emotionlayer_rasa.handoff.redaction import redact


@for_each(
    "text, masked",
    [
        ("write to Mary.Smith+shop@mail.example.co.uk please", "write to [email] please"),
        ("john dot smith at example dot com thanks", "[email] thanks"),
        ("mario punto rossi chiocciola esempio punto it grazie", "[email] grazie"),
        ("see https://a.example/reset?token=1 and www.b.example", "see [link] and [link]"),
        ("example.com/reset/abc", "[link]"),
        ("my card is 4111 1111 1111 1111, ok", "my card is [card number], ok"),
        ("4111-1111-1111-1112", "[number]"),
        ("41\u200b11 1111 1111 1111", "[card number]"),
        ("４１１１１１１１１１１１１１１１", "[card number]"),
        ("four " + "one " * 15, "[card number] "),
        ("call +44 (0)20 7946 0958 today", "call [number] today"),
        ("il mio numero è 333.1234567", "il mio numero è [number]"),
        ("tre tre tre uno due tre quattro cinque sei sette", "[number]"),
        ("double four seven nine three two", "[number]"),
        ("trentatré quarantacinque sessantasette ottantanove dodici undici", "[number]"),
        ("IT60 X054 2811 1010 0000 0123 456 please", "[IBAN] please"),
        ("gb82west12345698765432", "[IBAN]"),
        ("RSSMRA80A01H501U", "[tax code]"),
        ("my pin is 4821", "my pin is [number]"),
        ("il codice di sicurezza è 123", "il codice di sicurezza è [number]"),
        ("I was born on 12/05/1980", "I was born on [date]"),
        ("null eins sieben sechs drei vier fünf sechs sieben acht", "[number]"),
        ("mi teléfono es seis cero cero uno dos tres cuatro cinco seis", "mi teléfono es [number]"),
        ("zéro six douze trente-quatre cinquante-six soixante-dix-huit", "[number]"),
        ("nove um dois três quatro cinco seis sete oito", "[number]"),
        ("maria punkt schmidt ät beispiel punkt de", "[email]"),
        ("maria punto garcia arroba ejemplo punto es", "[email]"),
        ("marie point dupont arobase exemple point fr", "[email]"),
        ("maria ponto silva arroba exemplo ponto pt", "[email]"),
        ("meine PIN ist 4821", "meine PIN ist [number]"),
        ("geboren am 12.05.1980", "geboren am [date]"),
        ("ich heiße Maria Schmidt und meine Bestellung fehlt", "ich heiße [name] und meine Bestellung fehlt"),
        ("me llamo María García y quiero hablar", "me llamo [name] y quiero hablar"),
        ("je m'appelle Marie Dupont et ma commande", "je m'appelle [name] et ma commande"),
        ("chamo-me Maria Silva e quero ajuda", "chamo-me [name] e quero ajuda"),
        ("ich bin sehr wütend", "ich bin sehr wütend"),
        ("estoy muy enfadada", "estoy muy enfadada"),
        ("je suis très en colère", "je suis très en colère"),
        ("estou muito zangada", "estou muito zangada"),
        ("sono nato il 12.05.1980", "sono nato il [date]"),
        ("My name is John Smith and I want a refund", "My name is [name] and I want a refund"),
        ("my name is, uh, anna maria de luca", "my name is, uh, [name]"),
        ("my name is john where is my order", "my name is [name] where is my order"),
        ("my name is J. R. Hartley. Thieves!", "my name is [name]. Thieves!"),
        ("this is mary jones calling about an order", "this is [name] calling about an order"),
        ("Mrs O'Neill said no", "Mrs [name] said no"),
        ("mi chiamo giulia bianchi e il mio ordine non arriva", "mi chiamo [name] e il mio ordine non arriva"),
        ("sono Mario Rossi", "sono [name]"),
        ("la signora bianchi ha detto di no", "la signora [name] ha detto di no"),
    ],
)
def test_personal_data_is_masked(text: str, masked: str) -> None:
    assert redact(text) == masked


@for_each(
    "text",
    [
        "where is order 1042",
        "one zero four two",
        "uno zero quattro due",
        "I paid 1,299.00 euros on 12/05/2026 at 10:30",
        "it was promised for 2026-05-12",
        "I AM VERY ANGRY",
        "i am very angry, this is a disgrace",
        "sono molto arrabbiato",
        "my name is not important",
        "I'm calling because it is late",
        "meet me at noon",
        "it took two or three days, maybe four",
        "è arrivato in ritardo, due o tre giorni",
    ],
)
def test_the_rest_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "text", ["order 104277 is late", "order 10 42 77", "one zero four two seven seven", "it is A104277B!"]
)
def test_numbers_that_the_bot_needs_stay(text: str) -> None:
    assert redact(text, ["104277", "A104277B"]) == text
    assert redact(text) != text


def test_a_kept_value_hides_neither_cards_nor_what_it_is_a_part_of() -> None:
    assert redact("4111111111111111", ["4111111111111111"]) == "[card number]"
    assert redact("call 3331042777", ["1042"]) == "call [number]"


def test_long_texts_are_cut() -> None:
    assert len(redact("word " * 10_000)) == 2000


@for_each("piece", ["a.", "1 ", "one ", "IT60", "my name is ", "- ", "a at ", "a dot ", "(", "+"])
def test_no_text_takes_forever(piece: str) -> None:
    assert redact(piece * 1000)


def checked(digits: str) -> str:
    """The digits with Luhn's check digit behind them."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value if value < 10 else value - 9
    return digits + str(-total % 10)


@settings(deadline=None)
@given(
    digits=st.text(string.digits, min_size=12, max_size=18),
    gap=st.sampled_from(["", " ", "-"]),
    before=st.sampled_from(["", "my card is ", "la carta: "]),
)
def test_every_card_number_is_found(digits: str, gap: str, before: str) -> None:
    number = checked(digits)
    grouped = gap.join(number[start : start + 4] for start in range(0, len(number), 4))
    assert redact(f"{before}{grouped} thanks") == f"{before}[card number] thanks"


@settings(deadline=None)
@given(
    country=st.sampled_from(["IT", "DE", "FR", "GB"]),
    account=st.text(string.digits + string.ascii_uppercase, min_size=14, max_size=26),
    spaced=st.booleans(),
)
def test_every_iban_is_found(country: str, account: str, spaced: bool) -> None:
    rest = int("".join(str(int(char, 36)) for char in f"{account}{country}00")) % 97
    iban = f"{country}{98 - rest:02}{account}"
    written = " ".join(iban[start : start + 4] for start in range(0, len(iban), 4)) if spaced else iban
    assert redact(f"to {written}, please") == "to [IBAN], please"


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_survived(text: str) -> None:
    assert isinstance(redact(text, [text]), str)
