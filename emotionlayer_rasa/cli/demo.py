"""``emotionlayer demo``: a call through the assistant of this folder, every server a real one."""

from __future__ import annotations

import os
import signal
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, NoReturn

import click

from emotionlayer_rasa.rasa_versions import require_rasa

if TYPE_CHECKING:
    import httpx
    from rich.console import Console

    from emotionlayer_rasa.cli.recordings import Call, Recording, TypedLine
    from emotionlayer_rasa.cli.servers import Servers
    from emotionlayer_rasa.utterance import EmotionReading

SHOWN_SLOTS = (
    "emotion",
    "affective_state",
    "response_strategy",
    "emotion_trend",
    "negative_streak",
    "emotion_priority",
    "order_number",
    "order_status",
    "emotion_consent",
    "escalated",
)


@click.command()
@click.option("--audio", type=click.Path(path_type=Path), multiple=True, metavar="FILES", help="Your recordings.")
@click.argument("more", nargs=-1, type=click.Path(path_type=Path), metavar="")
@click.option("--language", metavar="CODE", help="Another language than that of config.yml, such as de.")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="A trained assistant. [default: models/assistant.tar.gz, or models/assistant-CODE.tar.gz]",
)
@click.option("--out", type=click.Path(path_type=Path), default="demo-output", show_default=True)
@click.option("--keep", is_flag=True, help="Then leave the servers up, to talk to the assistant in a browser.")
def demo(
    audio: tuple[Path, ...],
    more: tuple[Path, ...],
    language: str | None,
    model: Path | None,
    out: Path,
    keep: bool,
) -> None:
    """Start the servers, hold a call through the voice channel, show each turn, stop the servers.

    Run it in the assistant's folder (the one that holds config.yml). Without --audio it plays clips of CREMA-D
    that come with the package. In another language it trains the assistant first, once, and types the lines of
    demo.yml, as there are no recordings.
    """
    from rich.console import Console

    from emotionlayer_rasa.cli.recordings import find_calls
    from emotionlayer_rasa.cli.servers import Servers
    from emotionlayer_rasa.cli.translation import language_of_folder
    from emotionlayer_rasa.conversation import LANGUAGE_VARIABLE
    from emotionlayer_rasa.language import language_code

    require_rasa()
    _on_stop(_interrupt)  # SIGINT too: a shell's background job starts with it ignored
    console = Console(highlight=False)
    language = language_code(language) if language else language_of_folder()
    calls = find_calls((*audio, *more), language)
    shown = False
    try:
        assistant = _assistant(language, model, out, console)
        with (
            Servers(out / "logs", {"RASA_TELEMETRY_ENABLED": "false", LANGUAGE_VARIABLE: language}) as servers,
            start_assistant(servers, assistant, out, console) as http,
        ):
            if any(call.spoken for call in calls):
                _wait_for_ears(servers, http, console)
            for number, call in enumerate(calls, 1):
                _hold_call(console, http, call, out / f"call-{number}.png")
            if not keep:
                console.print("To talk to the assistant yourself, in a browser: make demo ARGS=--keep")
                return
            console.print(
                f"Talk to the assistant: {http.base_url}/webhooks/voice/  (Ctrl-C stops the servers)",
                soft_wrap=True,
            )
            shown = True
            signal.pause()
    except KeyboardInterrupt:
        console.print("\nStopped; every server is down.")
        raise SystemExit(0 if shown else 130) from None


def _on_stop(handler: Callable[[int, object], NoReturn] | signal.Handlers) -> None:
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, handler)


def _interrupt(signum: int, frame: object) -> NoReturn:
    _on_stop(signal.SIG_IGN)  # a second Ctrl-C must not leave servers behind
    raise KeyboardInterrupt


@dataclass(frozen=True)
class Assistant:
    """What is started: a trained model and the credentials of its channels, in a language."""

    language: str
    model: Path
    credentials: Path


def _assistant(language: str, model: Path | None, out: Path, console: Console) -> Assistant:
    """The assistant of this folder; trained first where another language than the folder's is asked for."""
    from emotionlayer_rasa.cli.translation import language_of_folder, train, translated_credentials

    if language == language_of_folder():
        return Assistant(language, model or Path("models/assistant.tar.gz"), Path("credentials.yml"))
    if model is None:
        model = Path(f"models/assistant-{language}.tar.gz")
        with console.status("Training the assistant in this language (half a minute, the first time)"):
            train(language, model)
    return Assistant(language, model, translated_credentials(language, out))


def start_assistant(servers: Servers, assistant: Assistant, out: Path, console: Console) -> httpx.Client:
    """Start the language model (English only), the action server and Rasa; return a client of Rasa's server."""
    import httpx
    import yaml

    from emotionlayer_rasa.cli.servers import free_port
    from emotionlayer_rasa.errors import ConfigurationError
    from emotionlayer_rasa.language import DEFAULT_LANGUAGE
    from emotionlayer_rasa.response.llm.server import local_llm_available

    if not assistant.model.is_file():
        raise ConfigurationError(f"No trained assistant at {assistant.model}. Train it with: make model")
    began = time.monotonic()
    rasa_port, action_port, llm_port = free_port(), free_port(), free_port()
    endpoints = yaml.safe_load(Path("endpoints.yml").read_text(encoding="utf-8"))
    endpoints["action_endpoint"]["url"] = f"http://127.0.0.1:{action_port}/webhook"
    speaks = assistant.language == DEFAULT_LANGUAGE  # SmolLM2 invents words in any other
    with_llm = speaks and local_llm_available()
    if with_llm:
        endpoints["llm"]["base_url"] = f"http://127.0.0.1:{llm_port}/v1"
        servers.start("llm", [sys.executable, "-m", "emotionlayer_rasa.cli", "llm", "--port", str(llm_port)])
    else:
        endpoints.pop("llm", None)
        lack = "is installed" if speaks else f"speaks the language '{assistant.language}'"
        console.print(f"No local language model {lack}: templates answer.")
    out.mkdir(parents=True, exist_ok=True)
    endpoints_file = out / "endpoints.yml"
    endpoints_file.write_text(yaml.safe_dump(endpoints), encoding="utf-8")

    servers.environment["EMOTIONLAYER_ENDPOINTS"] = str(endpoints_file.resolve())
    servers.start(
        "actions", [sys.executable, "-m", "rasa_sdk", "--actions", "actions", "--port", str(action_port)]
    )
    run = [
        sys.executable,
        "-m",
        "rasa",
        "run",
        "--enable-api",
        "--interface",
        "127.0.0.1",
        "--port",
        str(rasa_port),
    ]
    files = ["--model", str(assistant.model), "--endpoints", str(endpoints_file)]
    files += ["--credentials", str(assistant.credentials)]
    servers.start("rasa", [*run, *files])
    address = f"http://127.0.0.1:{rasa_port}"
    headers = _authorisation()
    with console.status("Starting the servers"):
        if with_llm:
            servers.wait("llm", f"http://127.0.0.1:{llm_port}/health", lambda answer: answer.status_code == 200)
        servers.wait("actions", f"http://127.0.0.1:{action_port}/health", lambda answer: answer.status_code == 200)
        servers.wait("rasa", f"{address}/status", lambda answer: bool(answer.json().get("model_file")))
    console.print(f"All servers are ready after {time.monotonic() - began:.0f} s (logs: {out / 'logs'}).")
    return httpx.Client(base_url=address, headers=headers, timeout=120, trust_env=False)


def _authorisation() -> dict[str, str]:
    """The header that the voice channel of ``credentials.yml`` asks for, if it asks for one."""
    import yaml

    credentials = yaml.safe_load(Path("credentials.yml").read_text(encoding="utf-8"))
    token = (credentials.get("emotionlayer_rasa.VoiceInput") or {}).get("token")
    return {"Authorization": f"Bearer {os.path.expandvars(token)}"} if token else {}


def _wait_for_ears(servers: Servers, http: httpx.Client, console: Console) -> None:
    """Wait until the voice channel hears; what is typed needs no ears, and no download of a speech model."""
    with console.status("Loading what hears (the very first start may download a speech model)"):
        servers.wait("rasa", f"{http.base_url}/webhooks/voice/", _hears, seconds=600, headers=dict(http.headers))


def _hears(answer: httpx.Response) -> bool:
    """Whether the voice channel has its models; one that failed to load will not come."""
    from emotionlayer_rasa.errors import ServerError

    body = answer.json()
    if body["status"] == "failed":
        reason = body.get("error", {}).get("message", "see the log of the Rasa server")
        raise ServerError(f"The voice channel has no ears: {reason}")
    return bool(body["status"] == "ok")


def _hold_call(console: Console, http: httpx.Client, call: Call, picture: Path) -> None:
    from emotionlayer_rasa.cli.call_picture import draw_call

    sender = f"demo-{uuid.uuid4().hex[:8]}"
    console.print(f"\n[bold]A call[/] · {call.source}", soft_wrap=True)
    turns: list[tuple[str, EmotionReading]] = []
    opening = http.post("/webhooks/voice/webhook", json={"sender": sender, "message": "/session_start"})
    for message in opening.raise_for_status().json()["messages"]:
        console.print(f"[bold]assistant[/]  {message.get('text', '')}", soft_wrap=True)
    for number, turn in enumerate(call.turns, 1):
        turns.append(_hold_turn(console, http, sender, number, turn))
    if any(emotion.source != "none" for _, emotion in turns):
        numbered = [(f"{number}\n{label}", emotion) for number, (label, emotion) in enumerate(turns, 1)]
        draw_call(f"Emotion over the call · {call.source}", numbered, picture)
        console.print(f"\nPicture of the call: {picture}\n", soft_wrap=True)


def _hold_turn(
    console: Console, http: httpx.Client, sender: str, number: int, turn: Recording | TypedLine
) -> tuple[str, EmotionReading]:
    from emotionlayer_rasa.utterance import EmotionReading

    began = time.perf_counter()
    answer = http.post("/webhooks/voice/webhook", **turn.request(sender))
    round_trip_ms = 1000 * (time.perf_counter() - began)
    body = answer.json()
    console.print(f"\n[bold]{number}[/]  {turn.title}  [dim]{turn.note}[/]")
    if answer.is_error:
        console.print(f"   [red]error[/]    {body['error']['code']}: {body['error']['message']}", soft_wrap=True)
        return turn.note, EmotionReading()
    emotion = EmotionReading(**body["emotion"])
    tracker = http.get(f"/conversations/{sender}/tracker").json()
    for name, value in _described(body, emotion, tracker, round_trip_ms):
        console.print(f"   [bold]{name:<9}[/]{value}", soft_wrap=True)
    if emotion.source == "none" and body["words"]:
        emotion = EmotionReading(**body["words"]["emotion"])
    return turn.note.removeprefix("acted: "), emotion


def _described(
    body: dict[str, Any], emotion: EmotionReading, tracker: dict[str, Any], round_trip_ms: float
) -> list[tuple[str, str]]:
    from rich.markup import escape

    from emotionlayer_rasa.taxonomy import DIMENSIONS

    voice = "not analysed"
    best = ", ".join(f"{name} {score:.2f}" for name, score in emotion.best(3))
    pad = "  ".join(
        f"{axis[0].upper()} {value:.2f}" for axis in DIMENSIONS if (value := getattr(emotion, axis)) is not None
    )
    if emotion.source != "none":
        voice = f"{emotion.label} (confidence {emotion.confidence:.2f}: {best})  {pad}"
    affect = body["affect"]
    together = f"{affect['state']} ({affect['confidence']:.2f}) -> {affect['strategy']}"
    because = ", ".join(affect["reasons"])
    slots = {name: tracker["slots"].get(name) for name in SHOWN_SLOTS}
    timings = body["timings_ms"]
    stages = "  ".join(f"{name} {value:.0f}" for name, value in timings.items())
    lines = [
        ("heard", f"“{escape(body['transcript']['text'])}”"),
        ("voice", voice),
        ("words", _described_words(body["words"])),
        ("state", together + (f"  [dim]{because}[/]" if because else "")),
        ("slots", "  ".join(f"{name}={value}" for name, value in slots.items() if value is not None)),
        ("actions", ", ".join(_actions_of_last_turn(tracker))),
    ]
    for message in body["messages"]:
        custom = message.get("custom") or {}
        speech = "  ".join(f"{key} {custom[key]}" for key in ("source", "speed", "tone", "pitch") if key in custom)
        lines.append(("reply", escape(message.get("text", "")) + (f"  [dim]{speech}[/]" if speech else "")))
    lines.append(("ms", f"{stages}  [dim]round trip {round_trip_ms:.0f}[/]"))
    return lines


def _described_words(words: dict[str, Any] | None) -> str:
    from emotionlayer_rasa.utterance import TOLD_CUE

    if words is None:
        return "not read"
    cues = ", ".join(f"{cue} {value:.2f}" for cue, value in words["cues"].items() if value >= TOLD_CUE)
    return f"{words['emotion']['label']} (confidence {words['emotion']['confidence']:.2f})" + (
        f"  {cues}" if cues else ""
    )


def _actions_of_last_turn(tracker: dict[str, Any]) -> list[str]:
    actions: list[str] = []
    for event in tracker["events"]:
        if event["event"] == "user":
            actions = []
        elif event["event"] == "action" and event["name"] not in ("action_listen", "action_extract_slots"):
            actions.append(f"{event['name']} ({event.get('policy') or 'Rasa'})")
    return actions
