"""What a reply says has happened, or will, must stand in a slot or come from the caller."""

import pytest

from emotionlayer_rasa.response import check_reply


@pytest.mark.parametrize(
    ("language", "reply", "slots"),
    [
        ("en", "Your card has now been blocked.", {"card_status": "blocked"}),
        ("en", "The report was sent, and it is already filed.", {"report": "sent and filed"}),
        ("en", "My colleague has moved the visit.", {"visit": "moved"}),
        ("en", "The line will recover.", {"line": "recovering"}),
        ("it", "La carta è stata bloccata.", {"card_status": "bloccata"}),
        ("it", "Il tecnico ha spostato la visita.", {"visit": "spostata"}),
        ("it", "Il volo atterrerà puntuale.", {"flight": "atterra puntuale"}),
    ],
)
def test_a_claim_needs_a_slot(language: str, reply: str, slots: dict[str, str]) -> None:
    strategy = "direct_efficiency"
    assert "unbacked_fact" not in check_reply(reply, strategy, language, facts=slots)
    assert set(check_reply(reply, strategy, language)) & {"unbacked_fact", "promise"}


@pytest.mark.parametrize("status", ["not blocked", "not yet blocked"])
def test_a_denied_status_backs_no_claim(status: str) -> None:
    facts = {"card_status": status}
    assert check_reply("Your card has been blocked.", "direct_efficiency", "en", facts=facts) == ("unbacked_fact",)


def test_what_the_caller_reports_may_be_said_again_but_not_what_they_ask_for() -> None:
    def found(reply: str, language: str, caller: str) -> tuple[str, ...]:
        return check_reply(reply, "direct_efficiency", language, caller=caller)

    assert found("So the card has been stolen.", "en", "My card has been stolen!") == ()
    assert found("The payment has been stopped.", "en", "Stop the payment!") == ("unbacked_fact",)
    assert found("Il bonifico è stato fermato.", "it", "Fermatelo!") == ("unbacked_fact",)


@pytest.mark.parametrize(
    ("language", "reply"),
    [
        ("en", "Has the card been blocked before?"),
        ("en", "I can ask whether it has been moved."),
        ("en", "I will stay on the line."),
        ("en", "You have been very patient."),
        ("it", "La carta è stata bloccata prima d'ora?"),
        ("it", "Vedremo insieme come fare."),
        ("it", "Quarantaquattro ore sono tante, capisco."),
    ],
)
def test_questions_hedges_and_presence_are_no_claims(language: str, reply: str) -> None:
    caller = "Aspetto da quarantaquattro ore" if language == "it" else ""
    assert check_reply(reply, "direct_efficiency", language, caller=caller) == ()


@pytest.mark.parametrize(
    ("language", "reply", "phone"),
    [
        ("en", "The number is zero eight hundred, five five five, zero one nine.", "0800 555 019"),
        ("it", "Il numero è zero due, cinque cinque cinque, uno due tre quattro.", "02 555 1234"),
    ],
)
def test_a_number_that_is_spelled_must_be_the_slot_s(language: str, reply: str, phone: str) -> None:
    assert check_reply(reply, "direct_efficiency", language, facts={"phone": phone}) == ()
    assert "unbacked_fact" in check_reply(reply, "direct_efficiency", language, facts={"phone": "0800 555 018"})


def test_emergency_numbers_need_no_slot() -> None:
    assert check_reply("Please call 112 now.", "rapid_resolution", "en") == ()
    assert check_reply("Chiami subito il 112.", "rapid_resolution", "it") == ()


def test_what_is_quoted_is_not_said() -> None:
    assert check_reply("Tap 'My trips' and choose the train.", "direct_efficiency", "en") == ()
    assert check_reply("Tap my trips and choose the train.", "direct_efficiency", "en") == ("perspective",)


@pytest.mark.parametrize(
    ("reply", "language", "code"),
    [
        ("Your booking code is K seven P two X.", "en", "K7P2X"),
        ("La pratica è la quattro otto due barra B.", "it", "482/B"),
    ],
)
def test_a_spelled_code_must_stand_in_a_slot(reply: str, language: str, code: str) -> None:
    assert check_reply(reply, "direct_efficiency", language, facts={"code": code}) == ()
    assert "unbacked_fact" in check_reply(reply, "direct_efficiency", language)


@pytest.mark.parametrize(
    ("reply", "language", "caller"),
    [
        ("I can't promise that it will be ready today.", "en", "Will it be ready today?"),
        ("Non posso prometterle che sarà pronto oggi.", "it", "Sarà pronto oggi?"),
    ],
)
def test_what_is_not_promised_commits_to_nothing(reply: str, language: str, caller: str) -> None:
    assert check_reply(reply, "assertive_neutrality", language, caller=caller) == ()


@pytest.mark.parametrize(
    ("reply", "language", "slots"),
    [
        ("There are still eleven gigabytes left.", "en", {"gigabytes_left": "11"}),
        ("You have four lessons left.", "en", {"lessons_left": "4"}),
        ("Le restano otto lezioni.", "it", {"lessons_left": "8"}),
        ("Ci sono cinque copie nello scaffale.", "it", {"copies": "5"}),
    ],
)
def test_a_small_number_needs_a_slot_too(reply: str, language: str, slots: dict[str, str]) -> None:
    assert check_reply(reply, "direct_efficiency", language, facts=slots) == ()
    others = {name: "7" for name in slots}
    assert check_reply(reply, "direct_efficiency", language, facts=others) == ("unbacked_fact",)


@pytest.mark.parametrize(
    ("reply", "language"),
    [
        ("Let's take four slow breaths.", "en"),
        ("Please tell me the last four digits of the card.", "en"),
        ("Which of the three is closest to it?", "en"),
        ("Shall we do just one sentence, an easy one?", "en"),
        ("Facciamo quattro respiri lenti.", "it"),
        ("Mi dica le ultime quattro cifre della carta.", "it"),
        ("Un esame non dice chi sei.", "it"),
        ("Vuole fare una sola frase, facile?", "it"),
    ],
)
def test_harmless_counts_need_no_slot(reply: str, language: str) -> None:
    assert check_reply(reply, "empathic_validation", language) == ()


def test_an_amount_may_be_said_in_full() -> None:
    facts = {"balance": "1,204.55 euros"}
    reply = "One thousand two hundred and four euros fifty-{}."
    assert check_reply(reply.format("five"), "direct_efficiency", "en", facts=facts) == ()
    assert check_reply(reply.format("six"), "direct_efficiency", "en", facts=facts) == ("unbacked_fact",)


@pytest.mark.parametrize(
    ("reply", "language"),
    [("The password is sunflower.", "en"), ("La password è girasole.", "it")],
)
def test_a_secret_needs_a_slot(reply: str, language: str) -> None:
    assert check_reply(reply, "direct_efficiency", language) == ("unbacked_fact",)


@pytest.mark.parametrize(
    ("reply", "language"),
    [
        ("The password is case sensitive.", "en"),
        ("The password is on the letter.", "en"),
        ("La password è sbagliata.", "it"),
        ("Il PIN è stampato sulla lettera.", "it"),
        ("It feels as though it will never come.", "en"),
    ],
)
def test_what_is_said_about_a_secret_or_a_feeling_is_no_claim(reply: str, language: str) -> None:
    assert check_reply(reply, "empathic_validation", language) == ()
