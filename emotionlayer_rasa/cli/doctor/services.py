"""What goes in and out: the voice channel, its ears, and the servers that ``endpoints.yml`` names."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, Mapping, TypeVar
from urllib.parse import urlsplit, urlunsplit

import httpx

from emotionlayer_rasa.cli.doctor.assistant import EXTRACTOR, GUIDE
from emotionlayer_rasa.cli.doctor.findings import Finding
from emotionlayer_rasa.cli.doctor.project import CHANNEL, Project
from emotionlayer_rasa.endpoints import expanded, read_section
from emotionlayer_rasa.settings import Settings, read_settings

if TYPE_CHECKING:
    from emotionlayer_rasa.channels.voice import VoiceSettings

S = TypeVar("S", bound=Settings)

SHORTEST_TOKEN = 16
"""Characters, below which a token can be guessed."""

GUIDE_TOKEN = "choose-a-long-secret"
_TIMEOUT_S = 5.0


def voice_settings(project: Project) -> VoiceSettings | None:
    """The channel's settings; None where ``credentials.yml`` has no voice channel.

    Raises:
        ConfigurationError: an unknown key, a bad value, or an environment variable that is not set.
    """
    from emotionlayer_rasa.channels.voice import VoiceSettings

    if CHANNEL not in project.credentials:
        return None
    where = f"credentials.yml, {CHANNEL}"
    return read_settings(VoiceSettings, expanded(project.credentials[CHANNEL], where), where)


def channel(project: Project) -> Iterator[Finding]:
    """Whether the voice channel is there, and closed to strangers."""
    from emotionlayer_rasa.channels.wires import create_routes

    settings = voice_settings(project)
    if settings is None:
        yield Finding(
            "credentials.yml",
            "warning",
            "There is no voice channel: the assistant is typed to.",
            f"{GUIDE}, step 1.",
        )
        return
    routes = create_routes(settings)
    wires = ", ".join(["stream", *(route.path.strip("/") for route in routes)])
    yield Finding("credentials.yml", "ok", f"{CHANNEL}, live calls: {wires}")
    secret = "Set 'token' to a long secret: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
    if settings.token is None:
        yield Finding(
            "token", "warning", "Everyone who reaches the Rasa server can use the voice channel.", secret
        )
    elif settings.token == GUIDE_TOKEN or len(settings.token) < SHORTEST_TOKEN:
        yield Finding("token", "error", "The voice channel's token can be guessed.", secret)
    else:
        yield Finding("token", "ok", "The voice channel's routes are guarded by a token")


def ears(project: Project) -> Iterator[Finding]:
    """Whether what the channel hears with is on this machine."""
    from emotionlayer_rasa.cli.model_catalogue import find_models, vosk_model
    from emotionlayer_rasa.emotion.onnx_recognizer import NAMED_MODELS, read_description
    from emotionlayer_rasa.model_store import ModelStore

    settings = voice_settings(project)
    if settings is None:
        return
    voice = settings.emotion
    if voice.engine == "onnx":
        named = voice.model or "open"
        description = read_description(NAMED_MODELS.get(named, _within(project, named)))
        yield Finding("voice", "ok", f"{named}: {description.name} {description.version}")
        if named in NAMED_MODELS and "-NC-" in (licence := find_models([named])[0].licence):
            yield Finding(
                "voice",
                "warning",
                f"The model '{named}' is under {licence}: it may not be used commercially.",
                "Leave 'emotion: {model}' out where the assistant serves a business.",
            )
        if voice.site and not _within(project, voice.site).is_file():
            yield Finding("voice", "error", f"emotion.site: there is no file {voice.site}.", "emotionlayer adapt")
    else:
        yield Finding("voice", "ok", f"{voice.engine}: {voice.model}, which was not looked at")

    speech, store = settings.transcription, ModelStore()
    own = getattr(speech, speech.engine).model
    if own is not None:
        there = _within(project, str(own)).is_dir()
        yield Finding(
            "transcription",
            "ok" if there else "error",
            f"{speech.engine}: {own}" if there else f"There is no folder {own}.",
            "" if there else f"Correct 'transcription.{speech.engine}.model'.",
        )
        return
    (fallback,) = find_models(["whisper-tiny.en"])
    model = fallback if speech.engine == "whisper" else vosk_model(speech.language)
    if model.locate(store) is not None:
        yield Finding("transcription", "ok", f"{model.name}, language {speech.language}")
    elif model.vosk is None:
        yield Finding("transcription", "error", f"{model.name} is not on this machine.", model.obtain)
    else:
        stands_in = speech.fallback and speech.language.startswith("en") and fallback.locate(store)
        without = (
            f"without a connection {fallback.name} stands in"
            if stands_in
            else "without a connection nothing hears"
        )
        yield Finding(
            "transcription",
            "warning",
            f"{model.name} is not on this machine: it is downloaded at the first start; {without}.",
            model.obtain,
        )


def words(project: Project) -> Iterator[Finding]:
    """Whether typed words can be read in the language that is configured."""
    from emotionlayer_rasa.errors import ConfigurationError
    from emotionlayer_rasa.nlu.emotion_extractor import EmotionExtractorSettings
    from emotionlayer_rasa.words import create_text_reader

    for part in project.components("pipeline"):
        if part.get("name") != EXTRACTOR:
            continue
        keys = {key: value for key, value in part.items() if key != "name"}
        settings = read_settings(EmotionExtractorSettings, keys, f"config.yml, {EXTRACTOR}")
        if not settings.text:
            yield Finding("words", "ok", "Typed words are not read (text: false)")
            continue
        try:
            create_text_reader(settings.language)
        except ConfigurationError as error:
            yield Finding("words", "error", str(error), "Choose one of them as 'language', or set 'text: false'.")
        else:
            yield Finding("words", "ok", f"Typed words are read, language {settings.language}")


def spoken(project: Project) -> Iterator[Finding]:
    """Whether replies are spoken."""
    from emotionlayer_rasa.cli.doctor.machine import speech
    from emotionlayer_rasa.synthesis import SynthesisSettings

    settings = voice_settings(project)
    synthesis = settings.synthesis if settings else SynthesisSettings()
    yield from speech(synthesis, settings.transcription.language if settings else "en")


def language_model(project: Project) -> Iterator[Finding]:
    """Whether the language model's endpoint answers, with this key, for this model. No prompt is sent."""
    from emotionlayer_rasa.response.llm import LLMSettings

    settings = _section(LLMSettings, "llm", project)
    if settings is None:
        yield Finding("language model", "ok", "None is configured: templates answer")
        return
    key = os.environ.get(settings.api_key_env or "", "")
    where, later = settings.base_url, "Until it answers, templates do."
    try:
        answer = httpx.get(
            f"{where.rstrip('/')}/models",
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=_TIMEOUT_S,
            follow_redirects=False,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        here = (
            "emotionlayer llm" if _is_loopback(urlsplit(where).hostname) else "Check the address and the network."
        )
        yield Finding(
            "language model", "warning", f"{where} does not answer ({type(error).__name__}). {later}", here
        )
        return
    if answer.status_code in (401, 403):
        had = f"the key in {settings.api_key_env} is not accepted" if key else "it wants a key"
        yield Finding(
            "language model",
            "error",
            f"{where} answered {answer.status_code}: {had}.",
            f"Put it into the environment variable {settings.api_key_env or 'that llm.api_key_env names'}.",
        )
    elif answer.is_success and (models := _listed(answer)) and settings.model not in models:
        some = ", ".join(models[:5])
        yield Finding(
            "language model",
            "warning",
            f"{where} does not list '{settings.model}', but: {some}.",
            "Correct llm.model.",
        )
    else:
        yield Finding("language model", "ok", f"{where} answers, model {settings.model}, mode {settings.mode}")


def _listed(answer: httpx.Response) -> list[str]:
    """Names of the models that an endpoint lists; empty where it answers something else."""
    try:
        return [str(model["id"]) for model in answer.json()["data"]]
    except (ValueError, KeyError, TypeError):
        return []


def replies(project: Project) -> Iterator[Finding]:
    """Whether the sections for replies and handovers can be read, and a handover reaches somebody."""
    from emotionlayer_rasa.handoff.delivery import HandoffSettings
    from emotionlayer_rasa.response import ReplySettings

    profile = (_section(ReplySettings, "replies", project) or ReplySettings()).profile
    yield Finding("replies", "ok", f"profile {profile}")
    settings = _section(HandoffSettings, "handoff", project)
    if settings is None:
        yield Finding(
            "handoff", "warning", "Nobody is told of a handover, and callers hear so.", f"{GUIDE}, step 5."
        )
    elif not os.environ.get(settings.secret_env):
        yield Finding(
            "handoff",
            "error",
            f"The environment variable {settings.secret_env} is not set: the action server will not start.",
            "Set it to the secret that signs the summaries, here and where the action server runs.",
        )
    else:
        yield Finding("handoff", "ok", f"Summaries are posted to {urlsplit(settings.url).netloc}")


def _section(cls: type[S], name: str, project: Project) -> S | None:
    """A section of ``endpoints.yml``; None where it is missing, or the file."""
    return read_section(cls, name, project.endpoints_path) if name in project.endpoints else None


def action_server(project: Project) -> Iterator[Finding]:
    """Whether the action server answers, has the domain's actions, and is closed to strangers."""
    if not project.actions:
        yield Finding("action server", "ok", "The domain has no actions that need one")
        return
    section = project.endpoints.get("action_endpoint")
    url = expanded(section.get("url"), "endpoints.yml, action_endpoint") if isinstance(section, Mapping) else None
    if not url:
        yield Finding(
            "action server",
            "error",
            "The domain names actions, and endpoints.yml no 'action_endpoint:'.",
            "action_endpoint: {url: http://localhost:5055/webhook}",
        )
        return
    parts = urlsplit(str(url))
    with httpx.Client(timeout=_TIMEOUT_S, trust_env=False) as http:
        try:
            health = http.get(_beside(url, "health"))
            listed = http.get(_beside(url, "actions")).json() if health.is_success else None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            yield Finding(
                "action server",
                "warning",
                f"{parts.netloc} does not answer ({type(error).__name__}); the bot needs it when it runs.",
                "SANIC_HOST=127.0.0.1 rasa run actions",
            )
            return
        if listed is None:
            yield Finding(
                "action server",
                "error",
                f"{parts.netloc} answers {health.status_code} to /health: it is another server.",
                "Correct 'action_endpoint:', or free the port.",
            )
            return
        yield from _actions_there(project, parts.netloc, listed)
        yield from _open_to(http, url)


def _actions_there(project: Project, where: str, listed: Any) -> Iterator[Finding]:
    there = {str(action.get("name")) for action in listed if isinstance(action, dict)}
    missing = sorted(project.actions - there)
    if missing:
        yield Finding(
            "action server",
            "error",
            f"{where} has no {', '.join(missing)}.",
            "Import them in the package actions/ and start it again.",
        )
    else:
        yield Finding("action server", "ok", f"{where} has the {len(project.actions)} actions of the domain")


def _open_to(http: httpx.Client, url: str) -> Iterator[Finding]:
    """Nobody is asked for a token there: who reaches it can run actions."""
    host = urlsplit(url).hostname
    advice = "Start it with SANIC_HOST=127.0.0.1, or let a firewall pass the Rasa server only."
    if _is_loopback(host):
        found = [address for address in own_addresses() if _answers(http, url, address)]
        if found:
            yield Finding(
                "action server",
                "warning",
                f"It has no token and answers the network as well, at {', '.join(found)}.",
                advice,
            )
        else:
            yield Finding("action server", "ok", "It answers this machine only")
    elif any(ipaddress.ip_address(address).is_global for address in _addresses(host or "")):
        yield Finding(
            "action server", "error", f"It has no token, and {host} is an address of the open network.", advice
        )
    else:
        yield Finding("action server", "ok", f"{host} is an address of a private network")


def own_addresses() -> list[str]:
    """This machine's addresses but the loopback ones, as far as its name and its routes tell; nothing is sent."""
    found = set(_addresses(socket.gethostname()))
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))
            found.add(probe.getsockname()[0])
    return sorted(address for address in found if not ipaddress.ip_address(address).is_loopback)


def _addresses(host: str) -> list[str]:
    try:
        return [str(info[4][0]).partition("%")[0] for info in socket.getaddrinfo(host, None)]
    except OSError:
        return []


def _answers(http: httpx.Client, url: str, address: str) -> bool:
    parts = urlsplit(_beside(url, "health"))
    host = f"[{address}]" if ":" in address else address
    try:
        there = urlunsplit(parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host))
        return http.get(there, timeout=1.0).is_success
    except httpx.HTTPError:
        return False


def _beside(url: str, name: str) -> str:
    """The address of another route of the action server: ``url`` is that of its webhook."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rpartition('/')[0]}/{name}", query=""))


def _is_loopback(host: str | None) -> bool:
    addresses = _addresses(host or "")
    return bool(addresses) and all(ipaddress.ip_address(address).is_loopback for address in addresses)


def _within(project: Project, path: str) -> Path:
    """A path of the settings, which is seen from where the servers are started."""
    return project.folder / Path(path).expanduser()
