"""What a Rasa project lacks of the plugin, as changes of its files.

Only what is not there is added, so a second time adds nothing, and whatever the bot has of its own stays.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping, Sequence

from emotionlayer_rasa.errors import ProjectError
from emotionlayer_rasa.installation import install_command
from emotionlayer_rasa.language import DEFAULT_LANGUAGE, language_code, languages, supported_language
from emotionlayer_rasa.project import blocks
from emotionlayer_rasa.project.blocks import ACTIONS, ASK_HUMAN, START, STOP
from emotionlayer_rasa.project.changes import Change
from emotionlayer_rasa.project.layout import OWN_NAME, Project
from emotionlayer_rasa.project.yaml_text import add, parse


@dataclass(frozen=True)
class Wishes:
    """What is to be added.

    Attributes:
        voice: the voice channel; without it typed words alone are read.
        language: code of the bot's language; None takes ``language`` of ``config.yml``.
        escalation: the policy that hands over callers who stay angry, or are in danger.
        llm: address of an OpenAI-compatible endpoint that words replies of ``action_empathetic_reply``.
        llm_model: name of the model there.
        transfer: the webhook that a handover posts its summary to.
        remote_actions: the bot's actions run elsewhere, and ours are there, or will be.
    """

    voice: bool = True
    language: str | None = None
    escalation: bool = False
    llm: str | None = None
    llm_model: str = "SmolLM2-135M-Instruct"
    transfer: str | None = None
    remote_actions: bool = False


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        changes: of files, none where everything is there.
        notes: what is left to the user.
        language: the bot's, as it was found.
        acts: whether actions of ours are part of it.
    """

    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    language: str
    acts: bool


def plan(project: Project, wishes: Wishes, token: str) -> Plan:
    """What the project lacks.

    Args:
        project: as it is.
        wishes: what is to be added.
        token: for the voice channel, where that is added.

    Raises:
        ProjectError: the bot has something else under a name of ours, or the wishes do not fit it.
        ConfigurationError: a file is no YAML, or cannot be added to.
        UnknownLanguageError: no speech of the language can be transcribed.
    """
    return _Planning(project, wishes, token).plan()


@dataclass
class _Planning:
    project: Project
    wishes: Wishes
    token: str
    texts: dict[Path, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def plan(self) -> Plan:
        self._check()
        self._pipeline()
        self._policies()
        self._domain()
        self._consent()
        if self.acts:
            self._actions()
        if self.wishes.voice:
            self._channel()
        self._endpoints()
        changes = [
            Change(path, self.project.text(path) if path.is_file() else None, text)
            for path, text in self.texts.items()
        ]
        return Plan(tuple(changes), tuple(self.notes if changes else ()), self.language, self.acts)

    # What the project is like

    @property
    def language(self) -> str:
        return self.wishes.language or str(self.project.config_content.get("language") or DEFAULT_LANGUAGE)

    @property
    def reads_words(self) -> bool:
        return self.language_code in self.readable

    @property
    def language_code(self) -> str:
        return language_code(self.language)

    @property
    def readable(self) -> tuple[str, ...]:
        """Languages whose words can be read."""
        if self.language_code == DEFAULT_LANGUAGE:  # the import takes seconds
            return (DEFAULT_LANGUAGE,)
        from emotionlayer_rasa.words import LANGUAGES

        return LANGUAGES

    @property
    def acts(self) -> bool:
        """Whether our actions can be served: in this folder, or where the user says that they are."""
        elsewhere = self.project.endpoints_content.get("action_endpoint") is not None
        remote = elsewhere and self.project.actions is None
        return self.wishes.remote_actions or not remote

    @property
    def wanted_actions(self) -> list[str]:
        names = ["action_session_start", "action_validate_slot_mappings", "action_set_emotion_consent"]
        if self.wishes.escalation or self.wishes.transfer:
            names.append("action_escalate_to_human")
        if self.wishes.llm:
            names.append("action_empathetic_reply")
        return [name for name in names if not self._of_the_bot(name)]

    def _of_the_bot(self, action: str) -> bool:
        """Whether the bot has an action of its own under a name of ours."""
        there = action in self.project.domain_names("actions")
        return there and not self.wishes.remote_actions and ACTIONS[action] not in self.project.our_actions

    def _check(self) -> None:
        recipe = self.project.config_content.get("recipe", "default.v1")
        if recipe != "default.v1":
            raise ProjectError(
                f"The recipe '{recipe}' of config.yml is not known here. "
                "Add the plugin by hand: docs/add-to-a-bot.md."
            )
        if not self.acts and (self.wishes.escalation or self.wishes.llm or self.wishes.transfer):
            raise ProjectError(
                "Escalation, transfer and a language model need actions of ours, and this bot's actions run "
                f"elsewhere ({self.project.name(self.project.endpoints)}, action_endpoint). Install "
                f"emotionlayer-rasa there, import {', '.join(ACTIONS.values())} from emotionlayer_rasa.actions in "
                "its actions, and run this again with --actions remote."
            )
        if not self.wishes.voice and not self.reads_words:
            raise ProjectError(
                f"Typed words of '{self.language}' cannot be read (only: {', '.join(self.readable)}), so without "
                "the voice channel nothing would be known of the caller. Leave out --text-only."
            )
        if "emotion" in self.project.domain_names("entities") and "emotion" not in self.project.slots:
            raise ProjectError(
                "The bot has an entity 'emotion' of its own. The plugin's entity has that name too: rename yours "
                "in the domain and the training data first."
            )
        if self.wishes.voice:
            from emotionlayer_rasa.transcription.vosk import find_model

            find_model(self.language)

    # Files

    def _add(self, path: Path, keys: Sequence[str], block: str) -> None:
        self.texts[path] = add(self._text(path), keys, block, self.project.name(path))

    def _text(self, path: Path) -> str:
        """As it will be so far; a new file that Rasa reads with others begins with the version of its format."""
        if path in self.texts:
            return self.texts[path]
        new = path in (self.project.domain_addition, self.project.data_addition) and not path.exists()
        return 'version: "3.1"\n' if new else self.project.text(path)

    # config.yml

    def _pipeline(self) -> None:
        if not self._has("pipeline", "EmotionExtractor"):
            language = self.language_code if self.reads_words else DEFAULT_LANGUAGE
            component = blocks.component(language, self.reads_words)
            self._add(self.project.config, ["pipeline"], self._default("pipeline") + component)

    def _policies(self) -> None:
        escalates = self.wishes.escalation and not self._has("policies", "EscalationPolicy")
        given = self.project.config_content.get("policies")
        block = self._default("policies") if escalates else ""
        if given is not None and not any(_name(item).endswith("RulePolicy") for item in given):
            block += blocks.RULES_ONLY
            self.notes.append(
                "RulePolicy joins the policies, for the rules on consent; it has no fallback of its own."
            )
        block += blocks.ESCALATION if escalates else ""
        if block:
            self._add(self.project.config, ["policies"], block)

    def _has(self, section: str, name: str) -> bool:
        given = self.project.config_content.get(section) or ()
        return any(_ours(_name(item), name) for item in given)

    def _default(self, section: str) -> str:
        """Rasa's default, which an empty section stands for, and no longer once something is in it."""
        return blocks.rasas_default(section) if self.project.config_content.get(section) is None else ""

    # The domain

    def _domain(self) -> None:
        path, slots = self.project.domain_addition, {"emotion": blocks.EMOTION_SLOT}
        if self.acts and not self._of_the_bot("action_validate_slot_mappings"):
            slots |= blocks.MEMORY_SLOTS
        slots |= blocks.CONSENT_SLOTS if self.acts else {"emotion_consent": blocks.CONSENT_BY_INTENT}
        code = self.language_code
        if code != DEFAULT_LANGUAGE and code in languages() and "language" not in self.project.slots:
            slots["language"] = blocks.language_slot(code)
        if "emotion" not in self.project.domain_names("entities"):
            self._add(path, ["entities"], "- emotion:\n    influence_conversation: false\n")
        missing = [block for name, block in slots.items() if not self._has_slot(name, block)]
        if missing:
            self._add(path, ["slots"], "\n".join(block.strip("\n") for block in missing))

    def _has_slot(self, name: str, block: str) -> bool:
        found, ours = self.project.slots.get(name), parse(block, name)[name]
        if found is None:
            return False
        values = ours.get("values", ())
        if found.get("type") != ours["type"] or not {*values} <= {*map(str, found.get("values") or ())}:
            raise ProjectError(
                f"The bot has a slot '{name}' of its own. The plugin's is of type {ours['type']}"
                f"{' with the values ' + ', '.join(values) if values else ''}: rename yours first."
            )
        return True

    # Consent, and the wish for a person: intents, what is said for them, and rules

    def _consent(self) -> None:
        if self.acts:
            self._intents({STOP: "action_set_emotion_consent", START: "action_set_emotion_consent"})
            if self.wishes.transfer:
                self._intents({ASK_HUMAN: "action_escalate_to_human"})
            return
        added = self._intents({STOP: "utter_emotion_analysis_off", START: "utter_emotion_analysis_on"})
        said = _replies(supported_language(self.language)) if added else {}
        for intent, response in added.items():
            if response not in self.project.domain_names("responses"):
                text = json.dumps(said[intent], ensure_ascii=False)
                self._add(self.project.domain_addition, ["responses", response], f"- text: {text}\n")
        if added:
            self.notes.append(
                "This bot's actions run elsewhere, so only what needs none of ours is added. Callers must be told "
                "that voice and words are analysed (in the EU: AI Act, art. 50(3)), and how to switch that off "
                '("stop analysing my voice"): say so in your greeting. For the disclosure, the memory of several '
                "turns and handing over, install emotionlayer-rasa on your action server, import "
                f"{', '.join(list(ACTIONS.values())[:3])} from emotionlayer_rasa.actions there, and run this "
                "again with --actions remote."
            )

    def _intents(self, rules: Mapping[str, str]) -> dict[str, str]:
        """Add the intents that the bot has not, each with the action of its rule; gives these.

        They get no examples, which would change how the bot's own are understood: the component knows them.
        """
        known = self.project.domain_names("intents")
        lacking = {name: action for name, action in rules.items() if name not in known}
        if not lacking:
            return {}
        if supported_language(self.language) != self.language_code:
            self.notes.append(
                f"There are no texts in '{self.language}' yet: what callers say of the analysis, and what they "
                "are told, is English; see docs/languages.md."
            )
        self._add(self.project.domain_addition, ["intents"], "".join(f"- {name}\n" for name in lacking))
        for name, action in lacking.items():
            self._add(self.project.data_addition, ["rules"], blocks.rule(name, action))
        return lacking

    # Actions

    def _actions(self) -> None:
        wanted = self.wanted_actions
        lacking = [name for name in wanted if name not in self.project.domain_names("actions")]
        if lacking:
            self._add(self.project.domain_addition, ["actions"], "".join(f"- {name}\n" for name in lacking))
        if self._of_the_bot("action_session_start"):
            self.notes.append(
                "The bot's own action_session_start stays. Callers must be told that voice and words are analysed "
                "(in the EU: AI Act, art. 50(3)): say so there, or derive it from "
                "emotionlayer_rasa.actions.ActionSessionStart, which also keeps a withdrawn consent over sessions."
            )
        if self._of_the_bot("action_validate_slot_mappings"):
            self.notes.append(
                "The bot's own action_validate_slot_mappings stays. Derived from "
                "emotionlayer_rasa.actions.ValidateEmotionSlots it fills the emotion slots as well "
                "(docs/add-to-a-bot.md)."
            )
        classes = [ACTIONS[name] for name in wanted if ACTIONS[name] not in self.project.our_actions]
        if self.wishes.remote_actions:
            self.notes.append(
                f"Your action server needs the package too (here it came by: {install_command()}), and in its "
                f"actions: from emotionlayer_rasa.actions import {', '.join(ACTIONS[name] for name in wanted)}"
            )
        elif classes:
            self._import(classes)

    def _import(self, classes: Sequence[str]) -> None:
        path = self.project.actions_addition
        if path is None:  # the bot's first actions
            package = self.project.folder / "actions"
            path = package / f"{OWN_NAME}.py"
            self.texts[package / "__init__.py"] = '"""The bot\'s actions, which `rasa run actions` serves."""\n'
        opening = "disclosure" if self.wishes.voice else "disclosure_typed"
        self.texts[path] = blocks.with_imports(self._text(path), classes, opening)
        if any(path for name in ("*ocker*", "compose.y*ml") for path in self.project.folder.glob(name)):
            self.notes.append(
                f"The image of your action server needs the package too (here it came by: {install_command()})."
            )

    # credentials.yml, endpoints.yml

    def _channel(self) -> None:
        if any(_ours(str(name), "VoiceInput") for name in self.project.credentials_content):
            return
        self._add(self.project.credentials, [], blocks.channel(self.token, self.language))
        path = self.project.actions_addition
        if path is not None and '"disclosure_typed"' in self._text(path):  # of an earlier time, without a voice
            self.texts[path] = self._text(path).replace('"disclosure_typed"', '"disclosure"')

    def _endpoints(self) -> None:
        path, there = self.project.endpoints, self.project.endpoints_content
        if self.acts and there.get("action_endpoint") is None:
            self._add(path, ["action_endpoint"], "url: http://localhost:5055/webhook\n")
        if self.wishes.llm and there.get("llm") is None:
            self._add(path, ["llm"], blocks.llm(self.wishes.llm, self.wishes.llm_model))
            self.notes.append(
                "The language model words what action_empathetic_reply says: name that action in rules or "
                "stories, with wordings for your intents (docs/add-to-a-bot.md). For the responses that the bot "
                "has already, see `emotionlayer nlg`."
            )
        if self.wishes.transfer and there.get("handoff") is None:
            self._add(path, ["handoff"], blocks.handoff(self.wishes.transfer))
            self.notes.append(
                "Set EMOTIONLAYER_HANDOFF_SECRET where the action server runs: it does not start without, and the "
                "receiver checks the signature with it."
            )
        elif self.wishes.escalation and there.get("handoff") is None:
            self.notes.append(
                "Without --transfer URL nobody is told of a handover, and callers hear that nobody can be told."
            )


def _name(item: Any) -> str:
    """Of a component or policy in ``config.yml``."""
    return str(item.get("name", "")) if isinstance(item, Mapping) else str(item)


def _ours(name: str, cls: str) -> bool:
    """Whether a dotted path names a class of ours, at the top or in its module."""
    return name.startswith("emotionlayer_rasa.") and name.endswith(f".{cls}")


def _replies(language: str) -> dict[str, str]:
    """What is said about consent, by intent."""
    from emotionlayer_rasa.response.templates import replies

    situations = replies(language).situations
    return {intent: situations[intent].cases[0].say[0] for intent in (STOP, START)}
