"""What a reply says has happened, or will, must stand in a slot or come from the caller."""

import pytest
from cases import for_each

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


@for_each(
    "reply, language",
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


@for_each(
    "language, reply, slots",
    [
        ("en", "Your complaint is logged as RC-5521.", {"ticket": "RC-5521"}),
        ("en", "P1-44 is with the engineers.", {"ticket": "P1-44"}),
        ("en", "It has been taken off, and 24 euros are going back to your card.", {"refund_amount": "24 euros"}),
        ("en", "Your taxi is booked. It arrives in 6 minutes.", {"eta": "6 minutes"}),
        ("en", "An agent will be with you in about twenty minutes.", {"eta": "20 minutes"}),
        ("en", "Your camera is safe at lost property, open from 8 am to 8 pm.", {"opening_hours": "8 am to 8 pm"}),
        ("en", "I'm sending it to lena@example.com now.", {"email": "lena@example.com"}),
        ("it", "Ho davanti la pratica AS-640 e la sollecito subito.", {"ticket": "AS-640"}),
        ("it", "Il suo reclamo è registrato come LG-12.", {"ticket": "LG-12"}),
        ("it", "Le riaccreditiamo diciannove euro e novanta.", {"refund_amount": "19,90 €"}),
        ("it", "Il tecnico la chiama giovedì alle undici e un quarto.", {"appointment": "giovedì alle 11:15"}),
        ("it", "Il corriere arriva fra mezz'ora.", {"eta": "30 minuti"}),
        ("it", "Lo sportello è aperto dalle nove alle sei.", {"opening_hours": "9-18"}),
    ],
)
def test_a_slot_whose_value_is_named_vouches_for_what_it_is_about(
    language: str, reply: str, slots: dict[str, str]
) -> None:
    assert check_reply(reply, "direct_efficiency", language, facts=slots) == ()
    assert check_reply(reply, "direct_efficiency", language)


@for_each(
    "language, reply, slots",
    [
        ("en", "RF-12 is logged, and your refund has been paid.", {"ticket": "RF-12"}),
        ("en", "RF-12 is open. It will be fixed for certain.", {"ticket": "RF-12"}),
        ("en", "The refund for order 881 is on its way back to you.", {"order_number": "881"}),
        ("en", "The refund of 42 euros is on its way back to you.", {"refund_amount": "24 euros"}),
        ("en", "Your taxi is booked and arrives in nine minutes.", {"eta": "6 minutes"}),
        ("en", "Your taxi arrives in six minutes, free of charge.", {"eta": "6 minutes"}),
        ("en", "Your taxi is booked.", {"ticket": "RF-12"}),
        ("it", "La RF-12 è registrata e il rimborso è stato pagato.", {"ticket": "RF-12"}),
        ("it", "Le riaccreditiamo l'importo dell'ordine 881.", {"order_number": "881"}),
        ("it", "Il rimborso di 42 euro torna sul suo conto.", {"refund_amount": "24 euro"}),
        ("it", "Il tecnico la chiama giovedì alle undici e mezza.", {"appointment": "giovedì alle 11:15"}),
    ],
)
def test_a_slot_vouches_for_no_other_value_and_no_other_matter(
    language: str, reply: str, slots: dict[str, str]
) -> None:
    found = set(check_reply(reply, "direct_efficiency", language, facts=slots))
    assert found & {"unbacked_fact", "promise"}


@pytest.mark.parametrize(
    ("language", "reply"),
    [
        ("en", "I'll put them side by side."),
        ("en", "I'll deal with it from start to finish."),
        ("en", "I'm sending you a reset link now."),
        ("it", "Me ne occupo io, con calma."),
        ("it", "Avvio adesso la ricerca del pacco."),
        ("it", "Glielo mando anche per messaggio?"),
    ],
)
def test_an_act_of_one_s_own_promises_nothing(language: str, reply: str) -> None:
    assert check_reply(reply, "active_deescalation", language) == ()


@pytest.mark.parametrize(
    ("language", "reply"),
    [
        ("en", "I'll have it delivered to your door."),
        ("en", "I'll put fifty euros on your account."),
        ("en", "We'll install a new boiler."),
        ("it", "Installeremo una caldaia nuova."),
        ("it", "Le mando un buono sconto."),
    ],
)
def test_a_certain_result_is_promised(language: str, reply: str) -> None:
    assert set(check_reply(reply, "active_deescalation", language)) & {"promise", "unbacked_fact"}


def test_what_happened_again_happened_twice() -> None:
    reply = "Being left standing two times is infuriating, I'm sorry."
    assert check_reply(reply, "active_deescalation", "en", caller="The bus drove past again!") == ()
    reply = "Restare a piedi due volte fa rabbia, mi scusi."
    assert check_reply(reply, "active_deescalation", "it", caller="È passato di nuovo senza fermarsi!") == ()


@for_each(
    "language, reply, slots",
    [
        ("it", "Il carro attrezzi arriva fra 40 minuti.", {"eta": "40 minuti"}),
        ("it", "Il carro attrezzi è da lei tra venti minuti.", {"tow_truck_eta": "20 minuti"}),
        ("it", "Resti accanto alla portiera.", {}),
        ("it", "Lo racconto a Kevin, sarà orgoglioso.", {"tutor": "Kevin"}),
        ("it", "Ho davanti la polizza PZ-3381.", {"policy_number": "PZ-3381"}),
        ("it", "La correzione è già partita con la richiesta AN-615.", {"ticket": "AN-615"}),
        ("en", "The doctor will see you in 15 minutes.", {"eta": "15 minutes"}),
        ("en", "The fare of €86 is being given back.", {"refund_amount": "€86"}),
        ("en", "I want to take down what the staff said.", {}),
    ],
)
def test_a_noun_or_a_backed_step_is_no_claim(language: str, reply: str, slots: dict[str, str]) -> None:
    assert check_reply(reply, "direct_efficiency", language, facts=slots) == ()


@pytest.mark.parametrize(
    ("language", "reply"),
    [
        ("it", "Il tecnico la richiamerà."),
        ("it", "La spedizione è già partita."),
        ("en", "The doctor will see you at once."),
        ("en", "The staff said it was lost."),
    ],
)
def test_a_claim_with_no_slot_is_none_the_better(language: str, reply: str) -> None:
    assert set(check_reply(reply, "direct_efficiency", language)) & {"unbacked_fact", "promise"}


def test_a_year_is_no_day() -> None:
    facts = {"delivery_date": "2025-06-18"}
    wrong = "It comes on the twenty-fifth of June."
    assert "unbacked_fact" in check_reply(wrong, "direct_efficiency", "en", facts=facts)
    assert check_reply("It comes on the 18th of June.", "direct_efficiency", "en", facts=facts) == ()
