"""The client of a language model, with a real HTTP server that speaks, or fails to speak, OpenAI's protocol."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable

import pytest
from llm_endpoint import Answer, Endpoint, completion, streamed

from emotionlayer_rasa.errors import ConfigurationError, LLMError
from emotionlayer_rasa.response.llm import LLMClient, LLMSettings, read_llm_settings
from emotionlayer_rasa.response.llm import breaker as breaker_module
from emotionlayer_rasa.response.llm.breaker import CircuitBreaker

SECRET = "my cat is called Zerbino"
QUESTION = [{"role": "user", "content": SECRET}]
SCHEMA = {"type": "object", "properties": {"reply": {"type": "string"}}, "required": ["reply"]}
LIMITED = Answer(b'{"error": {"message": "slow down"}}', 429)
BROKEN = Answer(b'{"error": {"message": "oops"}}', 500)


def client(endpoint: Endpoint, **settings: Any) -> LLMClient:
    return LLMClient(LLMSettings(base_url=endpoint.base_url, model="tiny", **settings))


def ask(asked: LLMClient, **options: Any) -> str:
    return asyncio.run(asked.complete(QUESTION, **options))


def failure(asked: LLMClient, **options: Any) -> str:
    with pytest.raises(LLMError) as caught:
        ask(asked, **options)
    assert SECRET not in str(caught.value)
    return caught.value.code


async def texts(asked: LLMClient) -> list[str]:
    return [text async for text in asked.stream(QUESTION)]


# Asking.


def test_the_request_is_reproducible_and_has_the_key(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_LLM_KEY", "k-123")
    assert ask(client(endpoint, api_key_env="SHOP_LLM_KEY")) == "Hello."
    (request,) = endpoint.requests
    assert request["path"] == "/v1/chat/completions"
    assert request["headers"]["Authorization"] == "Bearer k-123"
    assert request["body"] == {"model": "tiny", "messages": QUESTION, "temperature": 0, "max_tokens": 80}


def test_tokens_and_cost_are_counted_and_logged(endpoint: Endpoint, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    asked = client(endpoint, price_per_million_input=2.0, price_per_million_output=50.0)
    endpoint.script = [completion("Hello."), completion("Cut", "length"), completion("Hello.")]
    ask(asked)
    assert failure(asked) == "llm.truncated"
    ask(asked)
    usage = asked.usage
    assert (usage.requests, usage.retries) == (3, 0)
    assert (usage.prompt_tokens, usage.completion_tokens) == (300, 30)
    assert usage.cost == pytest.approx((300 * 2 + 30 * 50) / 1e6)
    assert "prompt_tokens=100 completion_tokens=10 requests=3 tokens=330 cost=0.002100" in caplog.text
    assert SECRET not in caplog.text


def test_an_answer_without_usage_is_an_answer(endpoint: Endpoint) -> None:
    endpoint.script = [
        Answer(b'{"choices": [{"index": 0, "message": {"content": "Hi."}, "finish_reason": "stop"}]}')
    ]
    asked = client(endpoint)
    assert ask(asked) == "Hi."
    assert (asked.usage.requests, asked.usage.prompt_tokens) == (1, 0)


# Faults.


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(b'{"choices": [{"mess'), "llm.malformed"),
        (Answer(b'["not", "a", "completion"]'), "llm.malformed"),
        (Answer(b"<html>It works!</html>"), "llm.malformed"),
        (Answer(b'{"id": "1", "object": "chat.completion", "choices": []}'), "llm.malformed"),
        (completion("  "), "llm.empty"),
        (completion(None), "llm.empty"),
        (completion("I am sorry about", "length"), "llm.truncated"),
        (Answer(b"{}", 401), "llm.status_401"),
        (Answer(b"{}", 404), "llm.status_404"),
        (Answer(b"{}", 400), "llm.status_400"),
    ],
)
def test_what_repeating_cannot_mend_is_not_repeated(endpoint: Endpoint, answer: Answer, code: str) -> None:
    endpoint.script = [answer]
    assert failure(client(endpoint)) == code
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("passing", [LIMITED, BROKEN, completion("Hello.", cut_at=20)])
def test_a_passing_fault_is_repeated_once(endpoint: Endpoint, passing: Answer) -> None:
    endpoint.script = [passing, completion("Hello.")]
    asked = client(endpoint)
    assert ask(asked) == "Hello."
    assert (asked.usage.requests, asked.usage.retries) == (2, 1)


@pytest.mark.parametrize(
    ("lasting", "code"),
    [
        (LIMITED, "llm.status_429"),
        (BROKEN, "llm.status_500"),
        (completion("Hello.", cut_at=20), "llm.unreachable"),
    ],
)
def test_a_lasting_fault_is_repeated_only_once(endpoint: Endpoint, lasting: Answer, code: str) -> None:
    endpoint.script = [lasting]
    assert failure(client(endpoint)) == code
    assert len(endpoint.requests) == 2


def test_a_dead_port_is_tried_twice() -> None:
    with socket.socket() as sock:  # bound, never listening: the port is dead and nobody else takes it
        sock.bind(("127.0.0.1", 0))
        asked = LLMClient(LLMSettings(base_url=f"http://127.0.0.1:{sock.getsockname()[1]}/v1", model="m"))
        assert failure(asked) == "llm.unreachable"
    assert asked.usage.requests == 2


def test_retry_after_is_honoured_where_it_fits(endpoint: Endpoint) -> None:
    endpoint.script = [Answer(b"{}", 429, {"Retry-After": "1"}), completion("Hello.")]
    started = time.monotonic()
    assert ask(client(endpoint)) == "Hello."
    assert time.monotonic() - started >= 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_wait_beyond_the_deadline_is_given_up_at_once(endpoint: Endpoint, form: str) -> None:
    in_a_minute = datetime.now(timezone.utc) + timedelta(minutes=1)
    wish = "60" if form == "seconds" else format_datetime(in_a_minute, usegmt=True)
    endpoint.script = [Answer(b"{}", 429, {"Retry-After": wish})]
    assert failure(client(endpoint)) == "llm.status_429"
    assert len(endpoint.requests) == 1


def test_an_unreadable_wish_is_no_wish(endpoint: Endpoint) -> None:
    endpoint.script = [Answer(b"{}", 503, {"Retry-After": "soon"}), completion("Hello.")]
    assert ask(client(endpoint)) == "Hello."


def test_the_deadline_holds(endpoint: Endpoint) -> None:
    endpoint.script = [completion("Hello.", delay_s=30)]
    asked = client(endpoint)
    started = time.monotonic()
    assert failure(asked, timeout_s=0.3) == "llm.late"
    assert time.monotonic() - started < 5  # with room; the endpoint would take 30 s
    assert len(endpoint.requests) == 1


# Concurrency and the circuit breaker.


def test_no_more_requests_at_a_time_than_allowed(endpoint: Endpoint) -> None:
    endpoint.script = [completion("Hello.", delay_s=0.05)]
    asked = client(endpoint, max_concurrent=2)

    async def many() -> list[str]:
        return await asyncio.gather(*(asked.complete(QUESTION) for _ in range(12)))

    assert asyncio.run(many()) == ["Hello."] * 12
    assert endpoint.most_at_once == 2


def test_who_finds_no_slot_in_time_is_told_so(endpoint: Endpoint) -> None:
    endpoint.script = [completion("Hello.", delay_s=30)]
    asked = client(endpoint, max_concurrent=1, timeout_s=5)

    async def two() -> list[Any]:
        first = asyncio.create_task(asked.complete(QUESTION, timeout_s=0.8))
        await asyncio.sleep(0.1)
        second = asked.complete(QUESTION, timeout_s=0.2)
        return await asyncio.gather(first, second, return_exceptions=True)

    codes = [error.code for error in asyncio.run(two())]
    assert codes == ["llm.late", "llm.busy"]
    assert len(endpoint.requests) == 1


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets seconds pass for the circuit breaker."""
    passed = 0.0

    def pass_time(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + passed)
    monkeypatch.setattr(breaker_module, "time", clock)
    return pass_time


def test_an_endpoint_that_keeps_failing_is_left_alone_until_a_probe_succeeds(
    endpoint: Endpoint, pass_time: Callable[[float], None]
) -> None:
    endpoint.script = [Answer(b"{}", 404)] * 3 + [Answer(b"{}", 404), completion("Hello.")]
    asked = client(endpoint, breaker_failures=3, breaker_pause_s=60)
    assert [failure(asked) for _ in range(3)] == ["llm.status_404"] * 3
    assert failure(asked) == "llm.paused"
    assert len(endpoint.requests) == 3
    pass_time(61)
    assert failure(asked) == "llm.status_404"  # the probe
    assert failure(asked) == "llm.paused"
    pass_time(61)
    assert ask(asked) == "Hello."
    assert ask(asked) == "Hello."


def test_only_failures_in_a_row_open_the_breaker(endpoint: Endpoint) -> None:
    bad, good = Answer(b"{}", 404), completion("Hello.")
    endpoint.script = [bad, good, bad, completion("Cut", "length"), bad, good]
    asked = client(endpoint, breaker_failures=2, breaker_pause_s=60)
    outcomes = []
    for _ in range(6):
        try:
            outcomes.append(ask(asked))
        except LLMError as error:
            outcomes.append(error.code)
    assert outcomes == ["llm.status_404", "Hello.", "llm.status_404", "llm.truncated", "llm.status_404", "Hello."]


def test_one_probe_at_a_time(pass_time: Callable[[float], None]) -> None:
    breaker = CircuitBreaker(1, 60)
    breaker.record(False)
    assert not breaker.admits()
    pass_time(61)
    assert breaker.admits()
    assert not breaker.admits()  # the probe is under way
    breaker.record(True)
    assert breaker.admits()
    assert breaker.admits()


# Structured answers.


@pytest.mark.parametrize("refusal", [400, 422])
def test_auto_tries_the_schema_and_remembers_a_refusal(endpoint: Endpoint, refusal: int) -> None:
    def no_schema(request: Any) -> Answer:
        return Answer(b"{}", refusal) if "response_format" in request else completion("Hello.")

    endpoint.answer = no_schema
    asked = client(endpoint)
    assert ask(asked, schema=SCHEMA) == "Hello."
    assert ask(asked, schema=SCHEMA) == "Hello."
    assert ["response_format" in request["body"] for request in endpoint.requests] == [True, False, False]


def test_a_refusal_of_something_else_is_not_held_against_the_schema(endpoint: Endpoint) -> None:
    endpoint.script = [Answer(b"{}", 400), Answer(b"{}", 400), completion("Hello.")]
    asked = client(endpoint)
    assert failure(asked, schema=SCHEMA) == "llm.status_400"
    assert ask(asked, schema=SCHEMA) == "Hello."
    assert ["response_format" in request["body"] for request in endpoint.requests] == [True, False, True]


def test_the_other_settings_of_structure(endpoint: Endpoint) -> None:
    for structured in ("schema", "grammar", "none"):
        ask(client(endpoint, structured=structured), schema=SCHEMA)
    schema, grammar, none = (request["body"] for request in endpoint.requests)
    assert schema["response_format"]["json_schema"] == {"name": "answer", "strict": True, "schema": SCHEMA}
    assert grammar["json_schema"] == SCHEMA
    assert not {"response_format", "json_schema"} & set(none)
    endpoint.script = [Answer(b"{}", 400)]
    assert failure(client(endpoint, structured="schema"), schema=SCHEMA) == "llm.status_400"
    assert len(endpoint.requests) == 4


# Streaming.


def test_a_stream_gives_the_answer_as_it_grows_and_counts_tokens(endpoint: Endpoint) -> None:
    endpoint.script = [streamed(["Hel", "lo", "."])]
    asked = client(endpoint)
    assert asyncio.run(texts(asked)) == ["Hel", "Hello", "Hello."]
    assert endpoint.requests[0]["body"]["stream"] is True
    assert (asked.usage.prompt_tokens, asked.usage.completion_tokens) == (7, 3)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (streamed(["I am so", "rry"], None), "llm.truncated"),
        (streamed(["I am so", "rry"], "length"), "llm.truncated"),
        (streamed(["I am so", "rry"], cut_at=200), "llm.unreachable"),
        (streamed([]), "llm.empty"),
        (Answer(b"data: {nonsense\n\n", headers={"Content-Type": "text/event-stream"}), "llm.malformed"),
        (streamed(["x"], delay_s=30), "llm.late"),
    ],
)
def test_a_stream_that_goes_wrong_says_why(endpoint: Endpoint, answer: Answer, code: str) -> None:
    endpoint.script = [answer]
    asked = client(endpoint, timeout_s=0.5 if answer.delay_s else 5.0)
    with pytest.raises(LLMError) as caught:
        asyncio.run(texts(asked))
    assert caught.value.code == code


def test_a_stream_that_cannot_begin_is_repeated(endpoint: Endpoint) -> None:
    endpoint.script = [BROKEN, streamed(["Hello."])]
    assert asyncio.run(texts(client(endpoint))) == ["Hello."]


@pytest.mark.parametrize(
    "refusal", [Answer(b'{"error": {"message": "no"}}', status) for status in (400, 422, 501)]
)
def test_an_endpoint_that_cannot_stream_answers_in_one_piece(endpoint: Endpoint, refusal: Answer) -> None:
    endpoint.answer = lambda request: refusal if request.get("stream") else completion("Hello.")
    asked = client(endpoint)

    async def talk() -> list[list[str]]:
        return [await texts(asked) for _ in range(2)]

    assert asyncio.run(talk()) == [["Hello."], ["Hello."]]
    streams = [bool(request["body"].get("stream")) for request in endpoint.requests]
    assert sum(streams[-2:]) == 0, "it is asked to stream only at first"


def test_an_endpoint_that_refuses_everything_may_stream_later(endpoint: Endpoint) -> None:
    endpoint.script = [Answer(b"{}", 400), Answer(b"{}", 400), streamed(["Hel", "lo."])]
    asked = client(endpoint)

    async def talk() -> list[str]:
        with pytest.raises(LLMError, match="400"):
            await texts(asked)
        return await texts(asked)

    assert asyncio.run(talk()) == ["Hel", "Hello."]


def test_a_stream_that_is_closed_early_frees_its_slot(endpoint: Endpoint) -> None:
    endpoint.script = [streamed(["One", "two"]), completion("Hello.")]
    asked = client(endpoint, max_concurrent=1, timeout_s=5)

    async def first_piece() -> tuple[str, str]:
        stream = asked.stream(QUESTION)
        text = await stream.__anext__()
        await stream.aclose()
        return text, await asked.complete(QUESTION)

    assert asyncio.run(first_piece()) == ("One", "Hello.")


# Settings.


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_settings_come_from_the_endpoints_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "e.yml", "llm:\n  base_url: http://${LLM_HOST}:1/v1\n  model: m\n  timeout_s: 3\n")
    monkeypatch.setenv("LLM_HOST", "10.0.0.1")
    monkeypatch.setenv("EMOTIONLAYER_ENDPOINTS", str(file))
    settings = read_llm_settings()
    assert settings == LLMSettings(base_url="http://10.0.0.1:1/v1", model="m", timeout_s=3)


def test_no_section_and_no_file_mean_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_llm_settings(write(tmp_path / "e.yml", "action_endpoint:\n  url: http://localhost\n")) is None
    assert read_llm_settings(write(tmp_path / "empty.yml", "")) is None
    monkeypatch.delenv("EMOTIONLAYER_ENDPOINTS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert read_llm_settings() is None


def test_the_longest_reply_depends_on_the_mode() -> None:
    def settings(**values: Any) -> LLMSettings:
        return LLMSettings(base_url="http://x/v1", model="m", **values)

    assert [settings(mode=mode).max_tokens for mode in ("rephrase", "compose")] == [80, 200]
    assert settings(mode="compose", max_tokens=32).max_tokens == 32


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ("base_url: http://x/v1\n  model: m\n  timeout: 3", "timeout"),
        ("base_url: ftp://x\n  model: m", "base_url"),
        ("base_url: http://x/v1", "model"),
        ("base_url: http://x/v1\n  model: m\n  timeout_s: 0", "timeout_s"),
        ("base_url: http://x/v1\n  model: m\n  mode: freestyle", "mode"),
        ("base_url: http://x/v1\n  model: m\n  structured: yaml", "structured"),
        ("base_url: http://x/v1\n  model: m\n  max_tokens: 2", "max_tokens"),
        ("base_url: http://${NOT_SET_ANYWHERE}/v1\n  model: m", "NOT_SET_ANYWHERE"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, section: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        read_llm_settings(write(tmp_path / "e.yml", f"llm:\n  {section}\n"))


def test_a_missing_or_broken_file_that_was_named_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.yml"):
        read_llm_settings(tmp_path / "nowhere.yml")
    with pytest.raises(ConfigurationError, match="YAML"):
        read_llm_settings(write(tmp_path / "e.yml", "llm: [unclosed"))
    with pytest.raises(ConfigurationError, match="llm"):
        read_llm_settings(write(tmp_path / "l.yml", "llm: [1, 2]"))
