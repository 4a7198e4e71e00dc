"""``emotionlayer doctor``: each thing that it looks at, in order and out of order, and the command as a whole."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from typing import Any, Callable, Iterator

import httpx
import pytest
import yaml
from click.testing import CliRunner, Result
from command_line import separate_runner

from emotionlayer_rasa.cli import main
from emotionlayer_rasa.cli.doctor import assistant, machine, services
from emotionlayer_rasa.cli.doctor.findings import Finding, examine
from emotionlayer_rasa.cli.doctor.project import CHANNEL, Project
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.synthesis import SynthesisSettings

Change = Callable[[dict[str, Any]], object]


class Bot:
    """A copy of the example's files, to be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def change(self, name: str, how: Change) -> Project:
        """Rewrite a file and look at the bot anew."""
        content = yaml.safe_load((self.folder / name).read_text(encoding="utf-8"))
        how(content)
        (self.folder / name).write_text(yaml.safe_dump(content), encoding="utf-8")
        return self.project

    @property
    def project(self) -> Project:
        return Project(self.folder)


@pytest.fixture
def bot(root: Path, tmp_path: Path) -> Bot:
    folder = tmp_path / "bot"
    folder.mkdir()
    for name in ("config.yml", "domain.yml", "credentials.yml", "endpoints.yml"):
        shutil.copy(root / name, folder)
    shutil.copytree(root / "data", folder / "data")
    return Bot(folder)


def levels(findings: Iterator[Finding]) -> list[str]:
    return [finding.level for finding in findings]


def only(findings: Iterator[Finding], level: str = "error") -> Finding:
    (found,) = (finding for finding in findings if finding.level == level)
    return found


def run(*arguments: object) -> Result:
    return separate_runner(env={"COLUMNS": "200"}).invoke(main, ["doctor", *map(str, arguments)])


def test_the_example_needs_no_mending(bot: Bot) -> None:
    result = run(bot.folder, "--json")
    report = json.loads(result.stdout)
    assert [finding for finding in report["findings"] if finding["level"] == "error"] == []
    assert (result.exit_code, report["ok"], result.stderr) == (0, True, "")
    assert {finding["subject"] for finding in report["findings"]} == {
        *("Python", "packages", "models", "codecs", "ffmpeg", "speech", "config.yml", "words", "trained model"),
        *("domain", "consent", "disclosure", "credentials.yml", "token", "voice", "transcription"),
        *("language model", "replies", "handoff", "action server"),
    }
    for finding in report["findings"]:
        assert bool(finding["advice"]) == (finding["level"] != "ok"), finding


def test_what_must_be_mended_makes_the_exit_code_1(bot: Bot) -> None:
    bot.change("domain.yml", lambda domain: domain["slots"].pop("emotion_consent"))
    result = run(bot.folder)
    assert result.exit_code == 1
    line = next(line for line in result.stdout.splitlines() if "nobody can switch the analysis off" in line)
    assert line.startswith("error   consent")
    assert result.stdout.splitlines()[-1].startswith("1 to mend, ")


def test_a_folder_without_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = run(tmp_path)
    assert named.exit_code == 1
    assert f"There is no config.yml in {tmp_path}" in named.stdout
    monkeypatch.chdir(tmp_path)
    assert run().exit_code == 0


def test_a_file_that_cannot_be_read_is_a_finding(bot: Bot) -> None:
    (bot.folder / "domain.yml").write_text("slots: {emotion: [")
    (found,) = examine("domain", assistant.slots, bot.project)
    assert (found.subject, found.level) == ("domain", "error")
    assert "domain.yml is no valid YAML" in found.message


def test_a_check_that_fails_tells_no_more_than_where() -> None:
    def check(_: None) -> Iterator[Finding]:
        yield Finding("thing", "ok", "first")
        raise KeyError("a secret")

    first, second = examine("thing", check, None)
    assert (first.message, second.level) == ("first", "error")
    assert "error=KeyError" in second.message
    assert "secret" not in second.message


def test_a_package_that_is_not_installed_is_named() -> None:
    def check(_: None) -> Iterator[Finding]:
        import no_such_package  # noqa: F401

        yield from ()

    (found,) = examine("thing", check, None)
    assert (found.level, "'no_such_package' is not installed" in found.message) == ("error", True)


# The machine


def distribution(folder: Path, name: str, *lines: str) -> None:
    place = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    place.mkdir()
    (place / "METADATA").write_text(
        "\n".join(["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *lines, ""])
    )


def test_conflicts_of_versions_down_to_what_is_required_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(
        tmp_path,
        "doctors-patient",
        "Requires-Python: >=3.99",
        "Requires-Dist: doctors-friend[loud]>=1",
        "Requires-Dist: doctors-nobody<3,>=2",
        "Requires-Dist: doctors-windows; sys_platform == 'win32'",
        "Provides-Extra: full",
        "Requires-Dist: doctors-absent; extra == 'full'",
        "Provides-Extra: small",
        "Requires-Dist: doctors-friend; extra == 'small'",
    )
    distribution(
        tmp_path,
        "doctors-friend",
        "Requires-Dist: numpy<1.0",
        "Requires-Dist: doctors-horn==2; extra == 'loud'",
        "Requires-Dist: doctors-whisper; extra == 'quiet'",
    )
    distribution(tmp_path, "doctors-horn")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(machine, "DISTRIBUTION", "doctors-patient")
    assert only(machine.python(None)).message.endswith(">=3.99 is needed.")
    findings = list(machine.packages(None))
    assert "extras: small; not installed: full" in [finding.message for finding in findings]
    problems = {finding.advice: finding.message for finding in findings if finding.level == "error"}
    numpy = metadata.version("numpy")
    assert problems == {
        "pip install 'doctors-nobody<3,>=2'": "doctors-nobody is missing, and doctors-patient needs "
        "doctors-nobody<3,>=2.",
        "pip install 'doctors-horn==2'": "doctors-horn 1.0 is installed, and doctors-friend needs "
        "doctors-horn==2.",
        "pip install 'numpy<1.0'": f"numpy {numpy} is installed, and doctors-friend needs numpy<1.0.",
    }


def test_a_model_that_is_not_as_it_was_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTIONLAYER_CACHE", str(tmp_path))
    archive = tmp_path / "eo.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("vosk/am/final.mdl", "acoustics")
    installed = CliRunner().invoke(main, ["models", "download", "vosk-eo", "--from", str(archive)])
    folder = Path(installed.stdout.strip())
    assert "vosk-eo: speech to text, Apache-2.0, 0.0 MB, cache, sums ok" in [
        finding.message for finding in machine.models(None)
    ]
    (folder / "am" / "final.mdl").write_text("noise")
    found = only(machine.models(None))
    assert str(folder / "am" / "final.mdl") in found.message
    assert "emotionlayer models download vosk-eo" in found.advice


def test_programs_that_are_there_and_that_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert levels(machine.codecs(None)) == ["ok"]
    assert levels(machine.ffmpeg(None)) == ["ok"]
    (spoken,) = machine.speech(SynthesisSettings(), "it")
    assert spoken.level == "ok"
    assert spoken.message.endswith("voice it")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert only(machine.ffmpeg(None), "warning").advice == "apt install ffmpeg"
    silent = SynthesisSettings(timeout_s=9.0)  # others than those that were made with the program there
    assert only(machine.speech(silent, "en"), "warning").advice == "apt install espeak-ng"
    (wanted,) = examine("speech", lambda _: machine.speech(SynthesisSettings(engine="espeak"), "en"), None)
    assert (wanted.level, "apt install espeak-ng" in wanted.message) == ("error", True)
    assert levels(machine.speech(SynthesisSettings(engine="none"), "en")) == ["ok"]


# The assistant


def test_the_component_belongs_at_the_end_of_the_pipeline(bot: Bot) -> None:
    assert levels(assistant.pipeline(bot.project)) == ["ok", "ok"]
    moved = bot.change("config.yml", lambda config: config["pipeline"].insert(0, config["pipeline"].pop()))
    assert "is not the last" in only(assistant.pipeline(moved), "warning").message
    removed = bot.change("config.yml", lambda config: config["pipeline"].pop(0))
    assert "has no emotionlayer_rasa.EmotionExtractor" in only(assistant.pipeline(removed)).message


def test_the_policy_names_actions_and_responses_of_the_domain(bot: Bot) -> None:
    project = bot.change("domain.yml", lambda domain: domain["responses"].pop("utter_offer_human"))
    assert "utter_offer_human" in only(assistant.pipeline(project)).message


def archive(bot: Bot, uses: str, rasa: str = metadata.version("rasa")) -> Path:
    about = {"rasa_open_source_version": rasa, "predict_schema": {"nodes": {"run_x": {"uses": uses}}}}
    path = bot.folder / "models" / "newest.tar.gz"
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w:gz") as bundle:
        content = json.dumps(about).encode()
        member = tarfile.TarInfo("metadata.json")
        member.size = len(content)
        bundle.addfile(member, io.BytesIO(content))
    return path


OURS = "emotionlayer_rasa.nlu.emotion_extractor.EmotionExtractor"


def test_the_newest_model(bot: Bot) -> None:
    assert only(assistant.trained_model(bot.project), "warning").advice == "rasa train"
    path = archive(bot, OURS)
    assert levels(assistant.trained_model(bot.project)) == ["ok"]
    later = path.stat().st_mtime + 10
    os.utime(bot.folder / "data" / "nlu.yml", (later, later))
    older = only(assistant.trained_model(bot.project), "warning")
    assert "newest.tar.gz is older than data/nlu.yml." in older.message
    archive(bot, OURS, rasa="3.5.0")
    assert "was trained by Rasa 3.5.0" in only(assistant.trained_model(bot.project), "warning").message
    archive(bot, "rasa.nlu.classifiers.diet_classifier.DIETClassifier")
    assert "was trained without" in only(assistant.trained_model(bot.project)).message
    path.write_bytes(b"no archive")
    assert "no model of Rasa's" in only(assistant.trained_model(bot.project)).message


@pytest.mark.server
def test_a_model_that_rasa_has_trained(bot: Bot, model: Path) -> None:
    (bot.folder / "models").mkdir()
    shutil.copyfile(model, bot.folder / "models" / "assistant.tar.gz")
    (found,) = assistant.trained_model(bot.project)
    assert (found.level, f"by Rasa {metadata.version('rasa')}" in found.message) == ("ok", True)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda domain: domain["entities"].pop(1), "The entity 'emotion' is missing."),
        (lambda domain: domain["slots"].pop("emotion"), "The slot 'emotion' is missing."),
        (lambda domain: domain["slots"]["emotion"]["values"].remove("unknown"), "lacks the values unknown."),
        (
            lambda domain: domain["slots"]["emotion"].update(mappings=[]),
            "is not filled from the entity 'emotion'.",
        ),
        (lambda domain: domain["slots"]["negative_streak"].update(type="text"), "is of type text."),
        (lambda domain: domain["slots"]["valence"].update(mappings=[]), "'valence' is not filled by actions."),
        (
            lambda domain: domain["actions"].remove("action_validate_slot_mappings"),
            "Nothing fills the slots affective_state, response_strategy,",
        ),
        (lambda domain: domain["slots"].pop("escalated"), "sets the slot 'escalated', which is missing"),
    ],
)
def test_slots_that_are_missing_wrong_or_never_filled(bot: Bot, change: Change, told: str) -> None:
    assert levels(assistant.slots(bot.project)) == ["ok"]
    assert told in only(assistant.slots(bot.change("domain.yml", change))).message


def test_an_entity_that_influences_the_conversation(bot: Bot) -> None:
    project = bot.change("domain.yml", lambda domain: domain.update(entities=["order_number", "emotion"]))
    assert "influences the conversation" in only(assistant.slots(project), "warning").message


def test_a_domain_in_a_folder_and_newer_mappings(bot: Bot) -> None:
    domain = yaml.safe_load((bot.folder / "domain.yml").read_text(encoding="utf-8"))
    for name, slot in domain["slots"].items():
        if name != "emotion":
            slot["mappings"] = [{"type": "controlled"}]
    (bot.folder / "domain.yml").unlink()
    (bot.folder / "domain" / "deep").mkdir(parents=True)
    for place, keys in (
        ("slots.yml", ["slots"]),
        ("deep/rest.yml", ["intents", "entities", "responses", "actions"]),
    ):
        (bot.folder / "domain" / place).write_text(yaml.safe_dump({key: domain[key] for key in keys}))
    (bot.folder / "domain" / "more.yml").write_text(yaml.safe_dump({"actions": ["action_of_another_file"]}))
    assert levels(assistant.slots(bot.project)) == ["ok"]
    assert {"action_of_another_file", "action_session_start"} < bot.project.actions


def test_consent_and_disclosure(bot: Bot) -> None:
    assert levels(assistant.consent(bot.project)) == ["ok", "ok"]
    asked = bot.change("domain.yml", lambda domain: domain["slots"]["emotion_consent"].update(initial_value=False))
    assert "after a yes only" in next(assistant.consent(asked)).message
    silent = bot.change("domain.yml", lambda domain: domain["actions"].remove("action_session_start"))
    assert "a duty in the European Union" in only(assistant.consent(silent), "warning").message
    deaf = bot.change("domain.yml", lambda domain: domain["intents"].remove("stop_emotion_analysis"))
    assert "stop_emotion_analysis" in only(assistant.consent(deaf)).message
    shutil.rmtree(bot.folder / "data")
    unused = [finding.message for finding in assistant.consent(bot.project)]
    assert unused[0].startswith("No rule or story runs action_set_emotion_consent")


# What goes in and out


def with_channel(bot: Bot, **settings: Any) -> Project:
    return bot.change("credentials.yml", lambda credentials: credentials.update({CHANNEL: settings}))


def test_the_token_of_the_channel(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Everyone who reaches" in only(services.channel(with_channel(bot)), "warning").message
    for poor in ("short", "choose-a-long-secret"):
        found = only(services.channel(with_channel(bot, token=poor)))
        assert "can be guessed" in found.message
        assert poor not in found.message + found.advice
    named = with_channel(bot, token="${EMOTIONLAYER_TEST_TOKEN}")
    (unset,) = examine("channel", services.channel, named)
    assert (unset.level, "EMOTIONLAYER_TEST_TOKEN" in unset.message) == ("error", True)
    monkeypatch.setenv("EMOTIONLAYER_TEST_TOKEN", "x" * 40)
    assert levels(services.channel(named)) == ["ok", "ok"]


def test_a_channel_that_is_missing_or_wrong(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TWILIO_AUTH_TOKEN", raising=False)
    (wrong,) = examine("channel", services.channel, with_channel(bot, tokn="x"))
    assert "'tokn' is no known key" in wrong.message
    (twilio,) = examine(
        "channel", services.channel, with_channel(bot, twilio={"public_url": "https://bot.example"})
    )
    assert "TWILIO_AUTH_TOKEN" in twilio.message
    none = bot.change("credentials.yml", lambda credentials: credentials.pop(CHANNEL))
    assert only(services.channel(none), "warning").message.startswith("There is no voice channel")
    assert list(services.ears(none)) == []


def test_what_the_channel_hears_with(bot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTIONLAYER_CACHE", str(tmp_path / "cache"))
    missing = only(services.ears(with_channel(bot)), "warning")
    assert missing.advice == "Fetch it with: emotionlayer models download vosk-en"
    assert levels(services.ears(with_channel(bot, transcription={"language": "ko"}))) == ["ok", "ok"]
    assert levels(services.ears(with_channel(bot, transcription={"engine": "whisper"}))) == ["ok", "ok"]
    (bot.folder / "vosk").mkdir()
    own = {"vosk": {"model": "vosk"}}
    assert levels(services.ears(with_channel(bot, transcription=own))) == ["ok", "ok"]
    gone = with_channel(bot, transcription={"vosk": {"model": "gone"}})
    assert "no folder gone" in only(services.ears(gone)).message
    korean = {"language": "ko"}
    research = with_channel(bot, transcription=korean, emotion={"model": "research"})
    assert "may not be used commercially" in only(services.ears(research), "warning").message
    site = with_channel(bot, transcription=korean, emotion={"site": "site.json"})
    assert "no file site.json" in only(services.ears(site)).message
    strange = with_channel(bot, transcription={"language": "xx"})
    assert "No Vosk model is known" in examine("ears", services.ears, strange)[-1].message


def test_the_language_of_typed_words(bot: Bot) -> None:
    assert levels(services.words(bot.project)) == ["ok"]
    strange = bot.change("config.yml", lambda config: config["pipeline"][-1].update(language="xx"))
    assert "'xx'" in only(services.words(strange)).message
    off = bot.change("config.yml", lambda config: config["pipeline"][-1].update(text=False))
    assert levels(services.words(off)) == ["ok"]


class Server:
    """Answers each path with a status and JSON; ``seen`` holds the paths with their Authorization."""

    def __init__(self, host: str, answers: dict[str, tuple[int, Any]]) -> None:
        self.seen: list[tuple[str, str | None]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.seen.append((self.path, self.headers.get("Authorization")))
                status, body = answers.get(self.path, (404, {}))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(answers: dict[str, tuple[int, Any]], host: str = "127.0.0.1") -> Server:
        servers.append(Server(host, answers))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def test_the_endpoint_of_the_language_model(
    bot: Bot, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve({"/v1/models": (200, {"data": [{"id": "good"}]}), "/closed/models": (401, {})})

    def ask(path: str, model: str = "good", **more: str) -> Finding:
        section = {"base_url": f"http://127.0.0.1:{server.port}{path}", "model": model, **more}
        (found,) = services.language_model(
            bot.change("endpoints.yml", lambda content: content.update(llm=section))
        )
        return found

    monkeypatch.setenv("DOCTORS_KEY", "hunter2")
    assert ask("/v1", api_key_env="DOCTORS_KEY").level == "ok"
    assert server.seen == [("/v1/models", "Bearer hunter2")]
    assert "does not list 'better', but: good." in ask("/v1", model="better").message
    refused = ask("/closed", api_key_env="DOCTORS_KEY")
    assert (refused.level, "the key in DOCTORS_KEY is not accepted" in refused.message) == ("error", True)
    assert "hunter2" not in refused.message
    assert ask("/closed").message.endswith("it wants a key.")
    server.close()
    assert (ask("/v1").level, ask("/v1").advice) == ("warning", "emotionlayer llm")
    none = bot.change("endpoints.yml", lambda content: content.pop("llm"))
    assert levels(services.language_model(none)) == ["ok"]
    (wrong,) = examine(
        "llm",
        services.language_model,
        bot.change("endpoints.yml", lambda content: content.update(llm={"modl": "x"})),
    )
    assert "'modl' is no known key" in wrong.message


def test_the_handover_needs_its_secret(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(services.replies(bot.project), "warning").subject == "handoff"
    section = {"url": "https://desk.example/handoff", "secret_env": "DOCTORS_SECRET"}
    project = bot.change("endpoints.yml", lambda content: content.update(handoff=section))
    assert "DOCTORS_SECRET is not set" in only(services.replies(project)).message
    monkeypatch.setenv("DOCTORS_SECRET", "secret")
    assert levels(services.replies(project)) == ["ok", "ok"]


def test_a_bot_without_endpoints(bot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = shutil.move(bot.folder / "endpoints.yml", tmp_path / "named.yml")
    assert levels(services.language_model(bot.project)) == ["ok"]
    assert levels(services.replies(bot.project)) == ["ok", "warning"]
    monkeypatch.setenv("EMOTIONLAYER_ENDPOINTS", str(elsewhere))
    assert "127.0.0.1:8090" in next(services.language_model(bot.project)).message


def with_actions(bot: Bot, port: int) -> Project:
    section = {"url": f"http://127.0.0.1:{port}/webhook"}
    return bot.change("endpoints.yml", lambda content: content.update(action_endpoint=section))


def test_the_action_server(bot: Bot, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    # An address of this machine that a server on 127.0.0.1 does not hear, and one on all addresses does.
    monkeypatch.setattr(services, "own_addresses", lambda: ["127.0.0.2"])
    names = sorted(bot.project.actions)
    listed = (200, [{"name": name} for name in names])
    closed = serve({"/health": (200, {}), "/actions": listed})
    here, alone = services.action_server(with_actions(bot, closed.port))
    assert (here.level, alone.level) == ("ok", "ok")
    assert "this machine only" in alone.message
    wide = serve({"/health": (200, {}), "/actions": listed}, "0.0.0.0")
    heard = only(services.action_server(with_actions(bot, wide.port)), "warning")
    assert "at 127.0.0.2" in heard.message
    assert "SANIC_HOST=127.0.0.1" in heard.advice
    poorer = serve({"/health": (200, {}), "/actions": (200, [{"name": name} for name in names[1:]])})
    assert f"has no {names[0]}." in only(services.action_server(with_actions(bot, poorer.port))).message
    other = serve({})
    assert "it is another server" in only(services.action_server(with_actions(bot, other.port))).message
    closed.close()
    gone = only(services.action_server(with_actions(bot, closed.port)), "warning")
    assert "rasa run actions" in gone.advice
    none = bot.change("endpoints.yml", lambda content: content.pop("action_endpoint"))
    assert "no 'action_endpoint:'" in only(services.action_server(none)).message


def test_an_action_server_elsewhere() -> None:
    with httpx.Client() as http:
        (found,) = services._open_to(http, "http://8.8.8.8:5055/webhook")
        assert (found.level, "the open network" in found.message) == ("error", True)
        (found,) = services._open_to(http, "http://10.0.0.7:5055/webhook")
        assert (found.level, "a private network" in found.message) == ("ok", True)


def test_this_machines_own_addresses_are_no_loopback() -> None:
    assert not any(address.startswith("127.") or address == "::1" for address in services.own_addresses())


def test_variables_are_put_into_lists_and_mappings(monkeypatch: pytest.MonkeyPatch) -> None:
    from emotionlayer_rasa.endpoints import expanded

    monkeypatch.setenv("DOCTORS_NAME", "x")
    assert expanded({"a": ["${DOCTORS_NAME}y", 1], "b": {"c": "${DOCTORS_NAME}"}}, "f") == {
        "a": ["xy", 1],
        "b": {"c": "x"},
    }
    with pytest.raises(ConfigurationError, match=r"f\.b\.c: set the environment variable DOCTORS_ABSENT"):
        expanded({"b": {"c": "${DOCTORS_ABSENT}"}}, "f")
