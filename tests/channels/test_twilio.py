from __future__ import annotations

import pytest
from rasa.shared.exceptions import InvalidConfigException

from emotionlayer_rasa.channels import VoiceInput
from emotionlayer_rasa.channels.twilio import Twilio, TwilioSettings, _with_buttons
from emotionlayer_rasa.errors import RequestError, UnauthorizedError


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Twilio:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "12345")
    return Twilio(TwilioSettings(public_url="https://mycompany.com"))


def test_the_signature_is_twilios_own_example(account: Twilio) -> None:
    """The example of https://www.twilio.com/docs/usage/webhooks/webhooks-security"""
    form = {
        "Digits": "1234",
        "To": "+18005551212",
        "From": "+14158675309",
        "Caller": "+14158675309",
        "CallSid": "CA1234567890ABCDE",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert account.signature(url, list(form.items())) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def test_a_ticket_is_for_one_call_and_a_minute(account: Twilio) -> None:
    account.check_ticket(account.ticket("CA1", "tel-a"), "CA1", "tel-a")
    late = account.ticket("CA1", "tel-a", now=1000.0)
    for ticket, call, sender in (
        (account.ticket("CA1", "tel-a"), "CA2", "tel-a"),
        (account.ticket("CA1", "tel-a"), "CA1", "tel-b"),
        (late, "CA1", "tel-a"),
        (late.replace("1060", "9999999999"), "CA1", "tel-a"),
        ("", "CA1", "tel-a"),
    ):
        with pytest.raises(UnauthorizedError):
            account.check_ticket(ticket, call, sender)


def test_a_number_gives_a_stable_sender_that_does_not_tell_it(account: Twilio) -> None:
    sender = account.sender("+393331234567", "CA1")
    assert sender == account.sender("+393331234567", "CA2") != account.sender("+393331234568", "CA1")
    assert "3331234567" not in sender
    assert account.sender("Anonymous", "CA1") != account.sender("anonymous", "CA2")


def test_a_form_that_is_no_call_is_refused(account: Twilio) -> None:
    url = "https://mycompany.com/webhooks/voice/twilio"
    with pytest.raises(RequestError):
        account.answer_call("/webhooks/voice/twilio", "", b"From=x", account.signature(url, [("From", "x")]))


def test_titles_of_buttons_are_spoken() -> None:
    buttons = [{"title": "Yes", "payload": "/affirm"}, {"payload": "/deny"}]
    assert _with_buttons({"text": "Shall I?", "buttons": buttons}) == "Shall I? Yes."
    assert _with_buttons({"custom": {}}) == ""


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"public_url": "bot.example.com"}, "public_url"),
        ({"public_url": "https://bot.example.com/"}, "public_url"),
        ({}, "public_url"),
        ({"public_url": "https://bot.example.com", "dtmf_intent": "a b"}, "dtmf_intent"),
        ({"public_url": "https://bot.example.com", "auth_token_env": "NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE"),
    ],
)
def test_wrong_settings_stop_the_start(values: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidConfigException, match=named):
        VoiceInput.from_credentials({"twilio": values, "token": "x"})
