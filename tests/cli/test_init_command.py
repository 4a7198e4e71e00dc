"""``emotionlayer init``: what it adds to projects of several layouts, and that it takes nothing away."""

from __future__ import annotations

import difflib
import os
import shutil
from pathlib import Path
from typing import Any, Callable, Mapping

import pytest
import rasa.cli
import yaml
from click.testing import Result
from command_line import separate_runner

from emotionlayer_rasa.channels.voice import VoiceSettings
from emotionlayer_rasa.cli import main
from emotionlayer_rasa.endpoints import read_section
from emotionlayer_rasa.handoff.delivery import HandoffSettings
from emotionlayer_rasa.language import languages
from emotionlayer_rasa.response import replies
from emotionlayer_rasa.response.llm import read_llm_settings
from emotionlayer_rasa.settings import read_settings

ROOT = Path(__file__).parents[2]
LAYOUTS = ("moods", "forms", "folders", "docker", "stories")
EVERYTHING = ("--escalation", "--transfer", "https://desk.example/handoff", "--llm")

Project = Callable[[str], Path]
Files = Mapping[str, bytes]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Copies a project by its name; ``moods`` is the bot of ``rasa init``."""

    def copy(name: str) -> Path:
        initial = Path(rasa.cli.__file__).parent / "initial_project"
        source = initial if name == "moods" else ROOT / "tests" / "data" / "projects" / name
        return Path(shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__")))

    return copy


def init(folder: Path, *arguments: str, input: str | None = None) -> Result:
    return separate_runner().invoke(main, ["init", str(folder), *arguments], input=input)


def added(folder: Path, *arguments: str) -> Result:
    result = init(folder, "--yes", *arguments)
    assert result.exit_code == 0, result.stderr
    return result


def files(folder: Path) -> Files:
    """All but what is kept for taking back."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".emotionlayer" not in path.parts
    }


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def names(items: Any) -> list[str]:
    return [item if isinstance(item, str) else next(iter(item)) for item in items]


def domain(folder: Path) -> dict[str, Any]:
    """Lists and mappings of all files of the domain, put together."""
    whole: dict[str, Any] = {}
    one = folder / "domain.yml"
    for path in [one] if one.exists() else sorted((folder / "domain").glob("*.yml")):
        for key, value in read(path).items():
            there = whole.get(key, type(value)())
            whole[key] = there | value if isinstance(value, dict) else there + value
    return whole


# What every layout has in common


@pytest.mark.parametrize("layout", LAYOUTS)
def test_only_lines_are_added(layout: str, project: Project) -> None:
    """But for an empty value that is filled; comments, order, quotes, brackets and line ends stay."""
    folder = project(layout)
    before = files(folder)
    options = () if layout == "docker" else EVERYTHING
    added(folder, *options)
    after = files(folder)
    assert before.keys() <= after.keys()
    for name, content in before.items():
        lost = [
            line
            for line in difflib.ndiff(content.decode().splitlines(True), after[name].decode().splitlines(True))
            if line.startswith("- ")
        ]
        brackets = [line for line in lost if line.rstrip().endswith("]") or "# in brackets" in line]
        assert lost == brackets, name
        assert content.count(b"#") <= after[name].count(b"#")
    if layout == "stories":
        assert after["domain.yml"].count(b"\n") == after["domain.yml"].count(b"\r\n")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_twice_is_once(layout: str, project: Project) -> None:
    folder = project(layout)
    added(folder)
    once = files(folder)
    again = added(folder)
    assert "Nothing to add" in again.stderr
    assert again.stdout == ""
    assert files(folder) == once


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_is_taken_back(layout: str, project: Project) -> None:
    folder = project(layout)
    before = files(folder)
    folders = {path for path in folder.rglob("*") if path.is_dir()}
    added(folder)
    kept = folder / ".emotionlayer"
    assert kept.stat().st_mode & 0o077 == 0, "credentials are in it"
    undone = init(folder, "--undo", "--yes")
    assert undone.exit_code == 0, undone.stderr
    assert files(folder) == before
    assert {path for path in folder.rglob("*") if path.is_dir()} == folders
    assert init(folder, "--undo", "--yes").stderr.startswith("Error: Nothing to take back")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_added_can_be_read(layout: str, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what will read it: the settings of our channel, handover and language model."""
    folder = project(layout)
    added(folder, *(() if layout == "docker" else EVERYTHING))
    monkeypatch.setenv("EMOTIONLAYER_ENDPOINTS", str(folder / "endpoints.yml"))
    voice = read(folder / "credentials.yml")["emotionlayer_rasa.VoiceInput"]
    assert len(read_settings(VoiceSettings, voice, "credentials.yml").token or "") >= 32
    if layout != "docker":
        handoff = read_section(HandoffSettings, "handoff")
        assert handoff
        assert handoff.url == "https://desk.example/handoff"
        llm = read_llm_settings()
        assert llm
        assert (llm.base_url, llm.model) == ("http://127.0.0.1:8090/v1", "SmolLM2-135M-Instruct")
        assert read(folder / "endpoints.yml")["action_endpoint"]["url"] == "http://localhost:5055/webhook"
    pipeline, whole = read(folder / "config.yml")["pipeline"], domain(folder)
    assert pipeline[-1] == {"name": "emotionlayer_rasa.EmotionExtractor", "language": "en"}
    assert "emotion" in names(whole["entities"])
    assert {"emotion", "emotion_consent"} <= whole["slots"].keys()
    for slot in whole["slots"].keys() & {"emotion", "emotion_consent", "escalated", "affective_state"}:
        assert whole["slots"][slot]["influence_conversation"] is False
    steps = [rule["steps"] for rule in read(folder / "data" / "emotionlayer.yml")["rules"]]
    rules = {said["intent"]: done["action"] for said, done in steps}
    assert rules.keys() >= {"stop_emotion_analysis", "start_emotion_analysis"}
    assert rules.keys() <= {*names(whole["intents"])}
    assert "nlu" not in read(folder / "data" / "emotionlayer.yml"), "the bot's intents are understood as before"
    assert {*rules.values()} <= {*whole.get("actions", ()), *whole["responses"]}


# The bot of `rasa init`


def test_an_empty_pipeline_becomes_rasas_default_and_empty_policies_stay(project: Project) -> None:
    from rasa.engine.recipes.default_recipe import DefaultV1Recipe

    folder = project("moods")
    default = DefaultV1Recipe.complete_config({}, {"pipeline", "policies"})
    added(folder)
    config = read(folder / "config.yml")
    assert config["pipeline"][:-1] == default["pipeline"]
    assert config["policies"] is None
    added(folder, "--escalation")
    config = read(folder / "config.yml")
    assert config["policies"][:-1] == default["policies"]
    assert config["policies"][-1]["name"] == "emotionlayer_rasa.EscalationPolicy"
    assert len(config["pipeline"]) == len(default["pipeline"]) + 1


def test_it_shows_a_diff_and_asks(project: Project) -> None:
    folder = project("moods")
    before = files(folder)
    for answer in ("n\n", "\n", ""):
        refused = init(folder, input=answer)
        assert refused.exit_code == 1
        assert "--- domain.yml\n+++ domain.yml\n@@" in refused.stdout
        assert "\n+  - name: emotionlayer_rasa.EmotionExtractor\n" in refused.stdout
        assert "Write 6 file(s)?" in refused.stdout
    assert files(folder) == before
    assert not (folder / ".emotionlayer").exists()
    assert init(folder, input="y\n").exit_code == 0
    assert files(folder) != before
    assert init(folder, "--undo", input="n\n").exit_code == 1
    assert files(folder) != before


def test_steps_are_taken_back_one_by_one(project: Project) -> None:
    folder = project("moods")
    states = [files(folder)]
    for options in (("--text-only",), (), ("--escalation",)):
        added(folder, *options)
        states.append(files(folder))
    assert b'opening = ("disclosure_typed",)' in states[1]["actions/emotionlayer.py"]
    assert b'opening = ("disclosure",)' in states[2]["actions/emotionlayer.py"]
    for state in reversed(states[:-1]):
        assert init(folder, "--undo", "--yes").exit_code == 0
        assert files(folder) == state


def test_what_was_written_since_stays_when_it_is_taken_back(project: Project) -> None:
    """``rasa train`` itself rewrites the comments of a ``config.yml``."""
    folder = project("moods")
    before = (folder / "config.yml").read_text()
    added(folder)
    path = folder / "config.yml"

    def go_on(text: str) -> str:
        return text.replace("placeholder_default", "mine").replace("policies:\n", "policies:\n# more\n")

    path.write_text(go_on(path.read_text()))
    assert init(folder, "--undo", "--yes").exit_code == 0
    assert path.read_text() == go_on(before)


def test_changed_lines_of_ours_are_not_taken_back(project: Project) -> None:
    folder = project("moods")
    added(folder)
    path = folder / "domain.yml"
    path.write_text(path.read_text().replace("  - stop_emotion_analysis\n", "  - stop_emotion_analysis # mine\n"))
    changed = files(folder)
    refused = init(folder, "--undo", "--yes")
    assert refused.exit_code == 1
    assert "Changed since they were written: domain.yml" in refused.stderr
    assert files(folder) == changed


def test_a_file_that_cannot_be_written_leaves_a_way_back(project: Project) -> None:
    folder = project("moods")
    before = files(folder)
    (folder / "data" / "emotionlayer.yml").symlink_to(folder / "no" / "such" / "folder")
    stopped = init(folder, "--yes")
    assert stopped.exit_code == 1
    assert "cannot be written" in stopped.stderr
    assert files(folder) != before
    assert init(folder, "--undo", "--yes").exit_code == 0
    assert files(folder) == before


# Options


def test_text_only_has_no_channel_and_tells_of_words(project: Project) -> None:
    folder = project("moods")
    before = files(folder)
    added(folder, "--text-only")
    assert files(folder)["credentials.yml"] == before["credentials.yml"]
    assert b'opening = ("disclosure_typed",)' in files(folder)["actions/emotionlayer.py"]


@pytest.mark.parametrize("code", [language for language in languages() if language != "en"])
def test_a_language(code: str, project: Project) -> None:
    folder = project("moods")
    path = folder / "config.yml"
    path.write_text(path.read_text().replace("language: en", f"language: {code}"))
    result = added(folder)
    component = read(path)["pipeline"][-1]
    assert component.get("text", True) is True
    assert read(folder / "credentials.yml")["emotionlayer_rasa.VoiceInput"]["transcription"] == {"language": code}
    assert domain(folder)["slots"]["language"]["initial_value"] == code
    assert f"EMOTIONLAYER_LANGUAGE={code} rasa run actions" in result.stderr


def test_a_language_without_texts_is_told_of_and_one_without_a_model_is_refused(project: Project) -> None:
    folder = project("moods")
    result = added(folder, "--language", "nl")
    assert "There are no texts in 'nl' yet" in result.stderr
    assert "language" not in domain(folder)["slots"]
    refused = init(project("forms"), "--language", "xx", "--yes")
    assert refused.exit_code == 1
    assert "'xx'" in refused.stderr


def test_transfer_asks_for_the_secret_and_escalation_without_it_tells_what_is_missing(project: Project) -> None:
    assert "Set EMOTIONLAYER_HANDOFF_SECRET" in added(project("moods"), *EVERYTHING).stderr
    folder = project("forms")
    assert "Without --transfer URL nobody is told" in added(folder, "--escalation").stderr
    assert "action_escalate_to_human" in domain(folder)["actions"]
    assert "ask_human" not in domain(folder)["intents"]


# Layouts


def test_a_domain_folder_and_a_package_get_files_of_their_own(project: Project) -> None:
    folder = project("folders")
    before = files(folder)
    added(folder)
    changed = {name for name, content in files(folder).items() if before.get(name) != content}
    assert changed == {
        *("config.yml", "credentials.yml"),
        *("domain/emotionlayer.yml", "data/emotionlayer.yml", "actions/emotionlayer.py"),
    }


def test_what_the_bot_has_of_its_own_stays_and_is_told_of(project: Project) -> None:
    """Its start of a session, its validation of slots, and its intent ``ask_human``."""
    folder = project("folders")
    result = added(folder, "--transfer", "https://desk.example")
    module = (folder / "actions" / "emotionlayer.py").read_text()
    assert "ActionSessionStart" not in module
    assert "ValidateEmotionSlots" not in module
    whole = domain(folder)
    assert whole["actions"].count("action_session_start") == 1
    assert "affective_state" not in whole["slots"], "nobody would fill it"
    assert names(whole["intents"]).count("ask_human") == 1
    assert "ask_human" not in (folder / "data" / "emotionlayer.yml").read_text()
    assert "own action_session_start stays" in result.stderr
    assert "own action_validate_slot_mappings stays" in result.stderr


def test_actions_elsewhere_get_only_what_needs_none_of_ours(project: Project) -> None:
    folder = project("docker")
    before = files(folder)
    result = added(folder)
    whole = domain(folder)
    assert whole["actions"] == ["action_open_incident"]
    assert [mapping["type"] for mapping in whole["slots"]["emotion_consent"]["mappings"]] == ["from_intent"] * 2
    assert files(folder)["endpoints.yml"] == before["endpoints.yml"]
    assert not (folder / "actions").exists()
    assert "--actions remote" in result.stderr
    assert "art. 50(3)" in result.stderr
    refused = init(folder, "--escalation", "--yes")
    assert refused.exit_code == 1
    assert "--actions remote" in refused.stderr


def test_actions_elsewhere_that_have_ours(project: Project) -> None:
    folder = project("docker")
    result = added(folder, "--actions", "remote", "--escalation")
    assert {"action_session_start", "action_escalate_to_human"} <= {*domain(folder)["actions"]}
    assert not (folder / "actions").exists()
    assert "from emotionlayer_rasa.actions import ActionSessionStart, ValidateEmotionSlots" in result.stderr
    assert "Nothing to add" in added(folder, "--actions", "remote", "--escalation").stderr


def test_a_module_of_actions_is_added_to(project: Project) -> None:
    folder = project("stories")
    before = (folder / "actions.py").read_text()
    added(folder)
    after = (folder / "actions.py").read_text()
    assert after.startswith(before)
    classes: dict[str, Any] = {}
    exec(compile(after, "actions.py", "exec"), classes)
    assert classes["ActionSessionStart"].opening == ("disclosure",)
    assert {"ValidateEmotionSlots", "ActionSetEmotionConsent"} <= classes.keys()


def test_a_bot_without_actions_gets_a_package(project: Project) -> None:
    folder = project("moods")
    shutil.rmtree(folder / "actions")
    added(folder)
    assert {"actions/__init__.py", "actions/emotionlayer.py"} <= files(folder).keys()


def test_stories_without_rule_policy_get_one_without_a_fallback(project: Project) -> None:
    folder = project("stories")
    result = added(folder)
    policies = read(folder / "config.yml")["policies"]
    assert policies[-1] == {"name": "RulePolicy", "enable_fallback_prediction": False}
    assert "RulePolicy joins" in result.stderr
    assert "RulePolicy" in (project("forms") / "config.yml").read_text()


def test_files_elsewhere_are_named(project: Project) -> None:
    folder = project("forms")
    os.makedirs(folder / "bot")
    for name in ("config.yml", "domain.yml", "endpoints.yml"):
        (folder / name).rename(folder / "bot" / name)
    (folder / "data").rename(folder / "bot" / "training")
    (folder / "actions").rename(folder / "tables")
    missing = init(folder)
    assert missing.exit_code == 1
    assert f"There is no {folder / 'config.yml'}" in missing.stderr
    added(
        folder,
        *("--config", "bot/config.yml", "--domain", "bot/domain.yml", "--data", "bot/training"),
        *("--endpoints", "bot/endpoints.yml", "--actions", "tables"),
    )
    assert {"bot/training/emotionlayer.yml", "tables/emotionlayer.py"} <= files(folder).keys()


# What stands in the way


@pytest.mark.parametrize(
    ("file", "before", "after", "said"),
    [
        ("domain.yml", "entities: [number]", "entities: [number, emotion]", "entity 'emotion' of its own"),
        (
            "domain.yml",
            "  outdoor:\n    type: bool",
            "  escalated:\n    type: text",
            "slot 'escalated' of its own",
        ),
        ("domain.yml", "slots:", "slots: [", "domain.yml, line"),
        ("config.yml", "default.v1", "graph.v1", "recipe 'graph.v1'"),
        ("config.yml", "pipeline:\n", "pipeline: tokens\nmore:\n", "'pipeline' must hold a list"),
    ],
)
def test_what_does_not_fit_is_told_and_nothing_is_written(
    file: str, before: str, after: str, said: str, project: Project
) -> None:
    folder = project("forms")
    path = folder / file
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after, 1))
    there = files(folder)
    refused = init(folder, "--yes")
    assert refused.exit_code == 1
    assert said in refused.stderr
    assert files(folder) == there


def test_a_slot_emotion_with_other_values_is_the_bots_own(project: Project) -> None:
    folder = project("forms")
    path = folder / "domain.yml"
    own = "slots:\n  emotion: {type: categorical, values: [glad, sad], mappings: [{type: custom}]}\n"
    path.write_text(path.read_text().replace("slots:\n", own, 1))
    assert "slot 'emotion' of its own" in init(folder, "--yes").stderr


# The texts


@pytest.mark.parametrize("code", languages())
def test_what_callers_say_is_that_of_the_shop(code: str) -> None:
    """Lines in two places that must not go apart."""
    shop = ROOT / ("data" if code == "en" else f"languages/{code}") / "nlu.yml"
    examples = {item["intent"]: item["examples"] for item in read(shop)["nlu"] if "intent" in item}
    said = read(ROOT / "emotionlayer_rasa" / "languages" / code / "intents.yml")
    assert said.keys() == {"stop_emotion_analysis", "start_emotion_analysis", "ask_human"}
    for intent, lines in said.items():
        assert sorted(f"- {line}" for line in lines) == sorted(examples[intent].splitlines())


@pytest.mark.parametrize("code", languages())
def test_what_callers_are_told_to_say_is_understood(code: str) -> None:
    said = read(ROOT / "emotionlayer_rasa" / "languages" / code / "intents.yml")
    told = replies(code).situations
    for situation, intent in (
        ("disclosure", "stop_emotion_analysis"),
        ("disclosure_typed", "stop_emotion_analysis"),
        ("stop_emotion_analysis", "start_emotion_analysis"),
    ):
        for text in told[situation].cases[0].say:
            assert any(line in text.lower() for line in said[intent]), text
