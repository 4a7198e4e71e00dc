"""The page in a real browser: a recording as its microphone, real servers behind it.

Chromium comes from the system, else from ``playwright install chromium``. Pictures are left in ``results/``.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator

import numpy as np
import pytest
import soundfile
import yaml
from playwright.sync_api import (
    Browser,
    Page,
    Playwright,
    ViewportSize,
    WebSocket,
    WebSocketRoute,
    expect,
    sync_playwright,
)

from emotionlayer_rasa.cli.servers import Servers, free_port
from emotionlayer_rasa.taxonomy import EMOTIONS, STATES, STRATEGIES, UNKNOWN
from emotionlayer_rasa.utterance import METADATA_KEY

if TYPE_CHECKING:
    from conftest import Assistant

SLOW_MS = 60_000
WIDE: ViewportSize = {"width": 1280, "height": 860}
NARROW: ViewportSize = {"width": 390, "height": 844}

# Notes what the page plays: every piece's length, loudest sample, and whether it was heard to its end.
LISTEN = """
window.heard = [];
const { start, stop } = AudioScheduledSourceNode.prototype;
AudioBufferSourceNode.prototype.start = function (when) {
  const samples = this.buffer.getChannelData(0);
  const peak = samples.reduce((loudest, sample) => Math.max(loudest, Math.abs(sample)), 0);
  const piece = { when, seconds: this.buffer.duration, peak };
  window.heard.push(piece);
  this.addEventListener("ended", () => (piece.ended = true));
  this.piece = piece;
  return start.call(this, when);
};
AudioBufferSourceNode.prototype.stop = function () {
  this.piece.stopped = true;
  return stop.call(this);
};
"""

# Contrast of every text that is shown, against the nearest ground behind it.
CONTRAST = """() => {
  const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = colour;
    pixel.fillRect(0, 0, 1, 1);
    return [...pixel.getImageData(0, 0, 1, 1).data];
  };
  const light = (colour) => {
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = colour.map((c) => linear(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return rgba("white");
  };
  const seen = {};
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const box = element.getBoundingClientRect();
    if (!own || box.width < 2 || !element.checkVisibility() || element.closest("svg")) continue;
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(ground(element))];
    seen[element.textContent.trim().slice(0, 40)] = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }
  return seen;
}"""


@dataclass
class Wire:
    """What goes over a page's websocket."""

    sent: list[dict[str, Any]] = field(default_factory=list)
    received: list[dict[str, Any]] = field(default_factory=list)
    sent_bytes: int = 0

    def watch(self, socket: WebSocket) -> None:
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._received)

    def _sent(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            self.sent_bytes += len(data)
        else:
            self.sent.append(json.loads(data))

    def _received(self, data: str | bytes) -> None:
        if isinstance(data, str):
            self.received.append(json.loads(data))

    def news(self, key: str) -> list[Any]:
        return [message[key] for message in self.received if key in message]

    @property
    def sender(self) -> str:
        return str(self.news("ready")[0]["sender"])


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


def launch(playwright: Playwright, *arguments: str) -> Browser:
    return playwright.chromium.launch(
        executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
        args=[
            "--no-sandbox",
            "--autoplay-policy=no-user-gesture-required",
            "--use-fake-device-for-media-stream",
            *arguments,
        ],
    )


@pytest.fixture(scope="module")
def silent_browser(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser whose microphone may be used and hears nothing."""
    path = tmp_path_factory.mktemp("microphone") / "silence.wav"
    soundfile.write(path, np.zeros(48_000, np.int16), 48_000)
    browser = launch(
        playwright, "--use-fake-ui-for-media-stream", f"--use-file-for-fake-audio-capture={path}%noloop"
    )
    yield browser
    browser.close()


def open_page(
    browser: Browser, assistant: Assistant, wire: Wire | None = None, address: str | None = None, **context: Any
) -> Page:
    """The page, ready to be talked to; what a console message or an exception tells fails the test."""
    page = browser.new_context(**{"viewport": WIDE, "locale": "en-GB", **context}).new_page()
    page.set_default_timeout(SLOW_MS)
    page.add_init_script(LISTEN)
    if wire:
        page.on("websocket", wire.watch)
    page.goto(address or f"{assistant.http.base_url}/webhooks/voice/")
    return page


def wait_until_idle(page: Page) -> None:
    expect(page.locator("#connection")).to_have_attribute("data-status", "idle", timeout=SLOW_MS)


def heard_by(page: Page) -> list[dict[str, Any]]:
    """The pieces of speech that the page has played, or is going to."""
    pieces: list[dict[str, Any]] = page.evaluate("() => window.heard")
    return pieces


def wait_for(page: Page, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SLOW_MS / 1000
    while not condition():
        assert time.monotonic() < deadline
        page.wait_for_timeout(100)


def write(page: Page, text: str, replies: int) -> None:
    """Type a message and wait until so many replies are shown in all."""
    page.locator("#message").fill(text)
    page.keyboard.press("Enter")
    expect(page.locator("#messages .assistant")).to_have_count(replies, timeout=SLOW_MS)


def test_a_spoken_call(
    assistant: Assistant, playwright: Playwright, data: Path, root: Path, tmp_path: Path
) -> None:
    speech, rate = soundfile.read(data / "en_order.flac", dtype="int16")
    quiet = np.zeros(rate, np.int16)
    # The disclosure takes longer than the three seconds of silence: the caller interrupts it.
    soundfile.write(tmp_path / "caller.wav", np.concatenate([*[quiet] * 3, speech, *[quiet] * 3]), rate)
    browser = launch(
        playwright,
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={tmp_path / 'caller.wav'}%noloop",
    )
    wire = Wire()
    page = open_page(browser, assistant, wire)
    wait_until_idle(page)
    expect(page.locator("#disclosure")).to_contain_text("emotion")
    pictures = root / "results"
    pictures.mkdir(exist_ok=True)
    page.screenshot(path=pictures / "page-empty.png")

    page.locator("#talk").click()
    messages = page.locator("#messages .message")
    expect(messages.first).to_contain_text("tone of voice", timeout=SLOW_MS)
    expect(page.locator("#talk")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#partial")).to_contain_text("order", timeout=SLOW_MS, ignore_case=True)
    page.screenshot(path=pictures / "page-partial.png")
    expect(messages.nth(1)).to_contain_text("order", timeout=SLOW_MS, ignore_case=True)
    expect(messages.nth(2)).to_contain_text("order", timeout=SLOW_MS, ignore_case=True)
    expect(page.locator("#partial")).to_be_hidden()

    # The disclosure came before the microphone, and was silenced by the caller's voice.
    assert wire.sent[1] == {"message": "/session_start"}
    assert wire.news("stop") == [{"id": 1}]
    told = {"played": {"id": 2, "done": True}}
    wait_for(page, lambda: told in wire.sent and all(piece.get("ended") for piece in heard_by(page)))
    expect(page.locator("#talk")).to_have_attribute("data-state", "listening")
    heard = heard_by(page)
    interrupted = [piece for piece in heard if piece.get("stopped")]
    replied = heard[heard.index(interrupted[-1]) + 1 :]
    assert interrupted
    # The reply was played to its end, without a gap, and the server was told so.
    announced = sum(speech["seconds"] for speech in wire.news("speech") if speech["id"] == 2 and "part" in speech)
    assert announced > 1
    assert sum(piece["seconds"] for piece in replied) == pytest.approx(announced, abs=0.01)
    assert not any(piece.get("stopped") for piece in replied)
    assert max(piece["peak"] for piece in replied) > 0.05
    for earlier, later in pairwise(replied):
        assert later["when"] >= earlier["when"] + earlier["seconds"] - 1e-6
    played = [message["played"] for message in wire.sent if "played" in message]
    assert [report["seconds"] for report in played if report["id"] == 2 and "seconds" in report]

    # What is shown of the feeling is what was told, and what Rasa keeps.
    final = next(message for message in wire.received if message.get("interim") is False)
    assert any(message.get("interim") for message in wire.received)
    best = max(final["emotion"]["scores"], key=lambda name: final["emotion"]["scores"][name])
    row = page.locator(f"#scores [data-emotion={best}]")
    expect(row.locator(".number")).to_have_text(f"{round(100 * final['emotion']['scores'][best])} %")
    expect(messages.nth(1).locator(".tag")).to_contain_text(
        "unclear" if final["emotion"]["label"] == UNKNOWN else final["emotion"]["label"]
    )
    memory = wire.news("state")[-1]
    expect(page.locator("#plane")).to_have_attribute(
        "aria-label", f"valence {memory['valence']:.2f}, arousal {memory['arousal']:.2f}"
    )
    expect(page.locator("#trend")).to_have_text(
        re.compile(memory["trend"] if memory["trend"] == "steady" else "↗|↘")
    )
    expect(page.locator("#prosody dd").first).to_have_text(re.compile(r"^\d+ Hz$"))
    kept = assistant.turns(wire.sender)[-1]["metadata"]
    assert kept[METADATA_KEY]["emotion"]["scores"] == final["emotion"]["scores"]
    assert "emotionlayer_interrupted" in kept
    page.screenshot(path=pictures / "page-light.png")

    # Off: no sound goes out any more.
    page.locator("#talk").click()
    expect(page.locator("#talk")).to_have_attribute("aria-pressed", "false")
    page.wait_for_timeout(300)
    sent = wire.sent_bytes
    page.wait_for_timeout(500)
    assert wire.sent_bytes == sent
    assert not [message for message in wire.received if "error" in message]
    browser.close()


def test_a_typed_call_with_consent_and_escalation(
    assistant: Assistant, silent_browser: Browser, root: Path
) -> None:
    wire = Wire()
    page = open_page(silent_browser, assistant, wire)
    wait_until_idle(page)
    write(page, "I want to complain, the product arrived broken!", 2)
    messages = page.locator("#messages .message")
    expect(messages.nth(0)).to_contain_text("tone of voice")
    expect(messages.nth(1)).to_contain_text("complain")
    expect(messages.nth(1).locator(".tag")).to_contain_text("words:")
    state = page.locator("#state")
    expect(state).not_to_have_class(re.compile("empty"))

    for theme in ("light", "dark"):
        page.evaluate("theme => (document.documentElement.dataset.theme = theme)", theme)
        faint = {text: ratio for text, ratio in page.evaluate(CONTRAST).items() if ratio < 4.5}
        assert faint == {}, theme
    page.screenshot(path=root / "results" / "page-dark.png")
    page.set_viewport_size(NARROW)
    page.screenshot(path=root / "results" / "page-narrow-dark.png")
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    page.screenshot(path=root / "results" / "page-narrow.png")
    for width in (390, 320):
        page.set_viewport_size({"width": width, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth") == width
    page.set_viewport_size(WIDE)

    consent = page.locator("#consent")
    expect(consent).to_have_text("Stop analysing my voice")
    consent.click()
    expect(page.locator("#banner")).to_contain_text("not analysed", timeout=SLOW_MS)
    expect(state).to_have_text("not analysed")
    assert assistant.slots(wire.sender)["emotion_consent"] is False
    write(page, "where is my order 1042", 4)
    expect(messages.last).to_contain_text("1042")
    expect(messages.nth(-2).locator(".tag")).to_have_count(0)
    expect(state).to_have_text("not analysed")
    expect(consent).to_have_text("Analyse my voice again")
    consent.click()
    expect(page.locator("#banner")).to_be_hidden(timeout=SLOW_MS)
    assert assistant.slots(wire.sender)["emotion_consent"] is True

    write(page, "I want to talk to a real person, please.", 6)
    expect(page.locator("#banner")).to_contain_text("person", timeout=SLOW_MS)
    expect(page.locator("#banner")).to_contain_text("not analysed")
    expect(consent).to_be_hidden()
    assert assistant.slots(wire.sender)["escalated"] is True
    page.screenshot(path=root / "results" / "page-escalated.png")
    page.context.close()


def test_buttons_send_their_payload(assistant: Assistant, silent_browser: Browser) -> None:
    wire = Wire()
    page = open_page(silent_browser, assistant, wire)
    wait_until_idle(page)
    offer = '/complaint{"emotion": "anger"}'
    write(page, offer, 2)
    choices = page.locator(".choices button")
    expect(choices).to_have_text(["Yes, please", "No, thanks"])
    choices.last.click()
    expect(page.locator("#messages .assistant")).to_have_count(3, timeout=SLOW_MS)
    expect(page.locator("#messages .caller").last).to_contain_text("No, thanks")
    assert {"message": "/deny"} in wire.sent
    assert choices.first.is_disabled()
    page.context.close()


def test_without_a_microphone_one_can_still_type(assistant: Assistant, playwright: Playwright) -> None:
    browser = launch(playwright)  # nobody says yes when it asks for the microphone
    page = open_page(browser, assistant)
    wait_until_idle(page)
    page.locator("#talk").click()
    expect(page.locator("#notice")).to_contain_text("microphone is blocked", timeout=SLOW_MS)
    expect(page.locator("#message")).to_be_focused()
    expect(page.locator("#talk")).to_have_attribute("aria-pressed", "false")
    write(page, "hello", 2)
    expect(page.locator("#notice")).to_be_hidden()
    browser.close()


def test_a_lost_connection_goes_on_with_the_same_conversation(
    assistant: Assistant, silent_browser: Browser
) -> None:
    ready: list[dict[str, Any]] = []
    sockets: list[WebSocketRoute] = []

    def connect(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        server = socket.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            if isinstance(message, str) and "ready" in json.loads(message):
                ready.append(json.loads(message)["ready"])
            socket.send(message)

        server.on_message(pass_on)

    page = silent_browser.new_context(viewport=WIDE, locale="en-GB").new_page()
    page.route_web_socket("**/webhooks/voice/stream", connect)
    page.goto(f"{assistant.http.base_url}/webhooks/voice/")
    wait_until_idle(page)
    write(page, "hello", 2)
    sockets[-1].close(code=3000, reason="lost")
    expect(page.locator("#connection")).to_have_attribute("data-status", "lost")
    expect(page.locator("#connection")).to_contain_text("trying again")
    expect(page.locator("#connection")).to_have_attribute("data-status", "open", timeout=SLOW_MS)
    write(page, "where is my order 1042", 3)
    expect(page.locator("#messages .assistant").last).to_contain_text("1042")
    assert [call["new"] for call in ready] == [True, False]
    assert len({call["sender"] for call in ready}) == 1
    assert [turn["text"] for turn in assistant.turns(ready[0]["sender"])] == [
        "hello",
        "where is my order 1042",
    ]
    page.context.close()


def test_the_keyboard_reaches_everything_in_order(assistant: Assistant, silent_browser: Browser) -> None:
    page = open_page(silent_browser, assistant)
    wait_until_idle(page)
    reached = []
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
        style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert style == "solid", reached[-1]
    assert reached == ["skip", "sound", "theme", "feeling", "conversation", "talk", "message", "icon"]
    page.context.close()


def test_both_languages_have_a_text_for_everything(assistant: Assistant, silent_browser: Browser) -> None:
    names: dict[str, Any] = {}
    for locale in ("en-GB", "it-IT"):
        page = open_page(silent_browser, assistant, locale=locale)
        texts = page.evaluate("async () => (await import('./page/texts.js')).texts")
        assert page.evaluate("document.documentElement.lang") == locale[:2]
        assert set(texts["emotions"]) == {*EMOTIONS, UNKNOWN}
        assert set(texts["states"]) == {*STATES, UNKNOWN}
        assert set(texts["strategies"]) == set(STRATEGIES)
        names[locale] = {
            key: sorted(value) if isinstance(value, dict) else type(value) for key, value in texts.items()
        }
        marked = page.evaluate(
            "() => [...document.querySelectorAll('[data-text], [data-label], [data-placeholder]')]"
            ".flatMap(({ dataset }) => [dataset.text, dataset.label, dataset.placeholder].filter(Boolean))"
        )
        assert set(marked) <= set(texts)
        page.context.close()
    assert names["en-GB"] == names["it-IT"]


@pytest.fixture(scope="module")
def guarded(
    assistant: Assistant, model: Path, root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A second Rasa server that asks for a token and takes one call at a time; gives its address."""
    folder = tmp_path_factory.mktemp("guarded")
    credentials = yaml.safe_load((root / "credentials.yml").read_text(encoding="utf-8"))
    credentials["emotionlayer_rasa.VoiceInput"].update(token="s3cret", max_calls=1)
    (folder / "credentials.yml").write_text(yaml.safe_dump(credentials), encoding="utf-8")
    port = free_port()
    with Servers(folder / "logs", {"RASA_TELEMETRY_ENABLED": "false", "TF_CPP_MIN_LOG_LEVEL": "3"}) as servers:
        servers.start(
            "rasa",
            [
                *(sys.executable, "-m", "rasa", "run", "--interface", "127.0.0.1", "--port", str(port)),
                *("--model", str(model), "--endpoints", str(assistant.logs.parent / "endpoints.yml")),
                *("--credentials", str(folder / "credentials.yml")),
            ],
        )
        address = f"http://127.0.0.1:{port}/webhooks/voice/"
        headers = {"Authorization": "Bearer s3cret"}
        servers.wait("rasa", address, lambda answer: answer.json()["status"] == "ok", headers=headers)
        yield address


def test_a_token_is_asked_for_and_kept_out_of_addresses(
    assistant: Assistant, silent_browser: Browser, guarded: str, root: Path
) -> None:
    page = open_page(silent_browser, assistant, address=guarded)
    expect(page.locator("#access")).to_be_visible(timeout=SLOW_MS)
    expect(page.locator("#talk")).to_be_disabled()
    page.screenshot(path=root / "results" / "page-token.png")
    page.locator("#token").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_contain_text("not accepted")
    page.locator("#token").fill("s3cret")
    page.keyboard.press("Enter")
    wait_until_idle(page)
    expect(page.locator("#access")).to_be_hidden()
    write(page, "hello", 2)

    # There is room for one call: the second is told so.
    second = open_page(silent_browser, assistant, address=f"{guarded}#token=s3cret")
    wait_until_idle(second)
    assert second.url == guarded
    second.locator("#message").fill("hello")
    second.keyboard.press("Enter")
    expect(second.locator("#notice")).to_contain_text("calls are open already", timeout=SLOW_MS)
    expect(second.locator("#message")).to_have_value("hello")
    page.context.close()
    expect(second.locator("#connection")).to_have_attribute("data-status", "closed")
    second.wait_for_timeout(1000)
    write(second, "hello", 2)
    second.context.close()
