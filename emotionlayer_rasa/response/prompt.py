"""What a language model is asked: to reword a draft for one caller, or to answer in its own words.

The prompts are Jinja2 templates in ``languages/<language>/prompts/``; one of the same name in the bot's own folder
is taken in place of the package's. The caller's words stand in the last message only, as JSON in which ``<``,
``>``, ``&``, ``|``, ``[`` and ``]`` are written as Unicode escapes: they can neither close the quotation nor forge
the control tokens of a chat template (``<|im_end|>``, ``[INST]``).
"""

from __future__ import annotations

import json
import re
import traceback
from functools import cache, partial
from itertools import product
from typing import Any, Iterable, Mapping, Sequence, TypeVar

import jinja2

from emotionlayer_rasa.affect import speech_settings
from emotionlayer_rasa.affect.memory import AffectiveMemory
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.language import find_text, read_file, read_own_file
from emotionlayer_rasa.response.check import REASONS
from emotionlayer_rasa.response.placeholders import Placeholders
from emotionlayer_rasa.response.sentences import split_sentences
from emotionlayer_rasa.response.templates import DEFAULT_PROFILE, Draft, draft_reply, guidance
from emotionlayer_rasa.settings import Settings
from emotionlayer_rasa.taxonomy import STATES, STRATEGIES, UNKNOWN
from emotionlayer_rasa.utterance import AffectiveState, Transcript, Utterance

CRISIS = "crisis"
"""The situation of ``replies.yml`` that answers a caller in danger, to the letter."""

CRISIS_PROFILES = ("wellbeing", "tutoring")
"""Profiles in which a caller in danger is told the crisis lines.

In customer support the danger is mostly to money or goods; rules and policies answer it."""

_MAX_WORDS = 60
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACES = re.compile("[{}]")
"""Left out of the caller's words where braces make a placeholder: nobody else writes one."""
_SPECIAL = re.compile("[<>&|\\[\\]\x7f-\x9f\u2028\u2029]")

_BEGINNING = 4
"""Words by which a sentence that begins like one of our own counts as the same; the rest of it may differ."""

T = TypeVar("T")


class Example(Settings):
    """One of ``prompts/rephrase_examples.yml``.

    Attributes:
        caller: what the prompt holds of the caller; see :func:`caller_context`.
        draft: what was to be reworded.
        reply: what a good answer is.
    """

    caller: Mapping[str, Any]
    draft: str
    reply: str


class Messages(list[dict[str, str]]):
    """A chat: ``role`` and ``content`` of each message, oldest first.

    Attributes:
        guidance: what this caller's turn is to sound like, and what to do better than before.
    """

    def __init__(self, messages: Iterable[dict[str, str]], guidance: Sequence[str]) -> None:
        super().__init__(messages)
        self.guidance = tuple(guidance)


def rephrase_messages(
    utterance: Utterance,
    draft: str,
    strategy: str,
    language: str = "en",
    memory: AffectiveMemory | None = None,
    faults: Sequence[str] = (),
    profile: str = DEFAULT_PROFILE,
    placeholders: Placeholders | None = None,
) -> Messages:
    """The chat that asks for a draft in other words: rules, examples, then the caller and the draft.

    Rewording suits weak models: asked to compose freely, SmolLM2-135M invents facts. Rules and examples are the
    same for every caller and every attempt, so a server that caches the prompt's beginning reads only the last
    message.

    Args:
        utterance: the caller's turn.
        draft: the template to be reworded.
        strategy: one of the six response strategies.
        language: one of :func:`emotionlayer_rasa.response.languages`.
        memory: what the turns before tell about the caller.
        faults: reasons for which an earlier answer was refused; see :func:`corrections`.
        profile: the application profile, whose guidance is given.
        placeholders: what stands in the draft in place of its facts; None shows them.

    Raises:
        ConfigurationError: a template of the bot's own cannot be rendered.
    """

    def question(caller: Mapping[str, Any], draft: str, corrected: Sequence[str] = ()) -> dict[str, str]:
        told = guidance(caller["response_strategy"], language, profile)
        asked = {"caller": caller, "guidance": told, "corrections": list(corrected), "draft": draft}
        return {"role": "user", "content": _render(language, "rephrase_user.j2", asked)}

    if placeholders:
        draft = placeholders.text
    system = _render(language, "rephrase_system.j2", {})
    messages = [{"role": "system", "content": _with_rule(system, language, placeholders)}]
    for example in _examples(language, placeholders is not None):
        messages.append(question(example.caller, example.draft))
        messages.append({"role": "assistant", "content": example.reply})
    # A slot in the draft may hold what the caller said.
    caller = _caller(utterance, strategy, memory, placeholders is None)
    corrected = corrections(faults, language)
    messages.append(question(caller, _SPECIAL.sub("", draft), corrected))
    return Messages(messages, (guidance(strategy, language, profile), *corrected))


def compose_messages(
    utterance: Utterance,
    draft: Draft,
    strategy: str,
    language: str = "en",
    memory: AffectiveMemory | None = None,
    profile: str = DEFAULT_PROFILE,
    faults: Sequence[str] = (),
    placeholders: Placeholders | None = None,
) -> Messages:
    """The chat that asks a capable model to answer in its own words.

    The first message holds the role by profile, what may not be said or promised, the caller's state, what the
    memory knows, the strategy and the form of the answer; the second one the data: caller, facts, and what to say.

    Args:
        utterance: the caller's turn.
        draft: what the template says; its slots are the only facts.
        strategy: one of the six response strategies.
        language: one of :func:`emotionlayer_rasa.response.languages`.
        memory: what the turns before tell about the caller.
        profile: the application profile.
        faults: reasons for which an earlier answer was refused; see :func:`corrections`.
        placeholders: what stands in the draft in place of its facts; None shows them.

    Raises:
        ConfigurationError: a template of the bot's own cannot be rendered.
    """
    told, corrected = guidance(strategy, language, profile), corrections(faults, language)
    rules = {
        "profile": profile,
        "state": utterance.affect.state,
        "memory": memory or AffectiveMemory(),
        "strategy": strategy,
        "tone": speech_settings(strategy).tone,
        "crisis": crisis_lines(language, profile),
        "guidance": told,
        "corrections": corrected,
    }
    data = {
        "caller": _caller(utterance, strategy, memory, placeholders is None),
        "facts": [f"{{{name}}}" for name in placeholders.surfaces] if placeholders else draft.facts,
        "draft": placeholders.text if placeholders else draft.text,
    }
    system = _render(language, "compose_system.j2", rules)
    messages = [
        {"role": "system", "content": _with_rule(system, language, placeholders)},
        {"role": "user", "content": _render(language, "compose_user.j2", data)},
    ]
    return Messages(messages, (told, *corrected))


def _with_rule(system: str, language: str, placeholders: Placeholders | None) -> str:
    return system if placeholders is None else f"{system}\n{_render(language, 'placeholders.j2', {})}"


def crisis_lines(language: str, profile: str) -> str:
    """What a caller in danger is told: the situation ``crisis``."""
    return draft_reply(CRISIS, "empathic_validation", {}, language, profile=profile).text


def instructions(messages: Messages) -> str:
    """What of a chat must never be said: its rules and guidance.

    The data may be, and the examples are replies themselves.
    """
    rules = (message["content"] for message in messages if message["role"] == "system")
    return "\n".join((*rules, *messages.guidance))


def repeats_guidance(reply: str, messages: Messages, draft: str) -> bool:
    """Whether a sentence of a reply begins as one of the guidance or the corrections does.

    These are commands, and many are shorter than the run of words by which :func:`check_reply` knows a prompt. A
    small model turns them on the caller ("Be warm and reassuring."). What the draft says may be said.
    """

    def beginnings(text: str) -> set[str]:
        return {" ".join(sentence.words.split()[:_BEGINNING]) for sentence in split_sentences(text)}

    told = {beginning for text in messages.guidance for beginning in beginnings(text)}
    return bool(told & beginnings(reply) - beginnings(draft))


def caller_context(
    utterance: Utterance, strategy: str, memory: AffectiveMemory | None = None
) -> Mapping[str, Any]:
    """What the prompt holds of an utterance: words (the first sixty), emotion, PAD, state and strategy.

    Trend and streak of the memory are added only where they say something: a small model reads few keys well. The
    words come last: what stands before them is more often the same as in the turn before, which a server keeps.
    """
    context = utterance.to_context()
    return {
        "response_strategy": strategy,
        "affective_state": context["affective_state"],
        "emotion": memory.emotion if memory else context["emotion"],
        **{axis: value if value is None else round(value, 2) for axis, value in context["affect"].items()},
        **({"emotion_trend": memory.trend} if memory and memory.trend != "steady" else {}),
        **({"negative_streak": memory.negative_streak} if memory and memory.negative_streak > 1 else {}),
        "transcription": " ".join(context["transcription"].split()[:_MAX_WORDS]),
    }


def _caller(
    utterance: Utterance, strategy: str, memory: AffectiveMemory | None, braces: bool
) -> Mapping[str, Any]:
    caller = caller_context(utterance, strategy, memory)
    return caller if braces else {**caller, "transcription": _BRACES.sub("", caller["transcription"])}


def corrections(faults: Sequence[str], language: str) -> list[str]:
    """What to do better, one sentence a fault.

    Args:
        faults: keys of :data:`emotionlayer_rasa.response.REASONS`, or codes of LLMError.
        language: language of the sentences.
    """
    known = _known_corrections(language)
    sentences = [known.get(fault) or REASONS.get(fault, "") for fault in faults]
    return [sentence for sentence in dict.fromkeys(sentences) if sentence]


@cache
def check_prompts(language: str, profile: str = DEFAULT_PROFILE) -> None:
    """Render every prompt of a language, once, in every state and strategy: no caller is to meet a fault in them.

    Raises:
        ConfigurationError: names the template that cannot be read or rendered.
    """
    known = AffectiveMemory(trend="falling", negative_streak=3, failed_strategies=STRATEGIES)
    for state, memory in product((*STATES, UNKNOWN), (None, known)):
        utterance = Utterance(Transcript(""), affect=AffectiveState(state))
        compose_messages(
            utterance, Draft("", {}), STRATEGIES[0], language, memory, profile, ("empty",) if memory else ()
        )
    for strategy in STRATEGIES:
        rephrase_messages(utterance, "", strategy, language, known, ("empty",), profile)
        compose_messages(utterance, Draft("", {}), strategy, language, known, profile)
    _render(language, "placeholders.j2", {})


def _render(language: str, name: str, values: Mapping[str, Any]) -> str:
    try:
        return _environment(language).get_template(name).render(values).strip()
    except (jinja2.TemplateError, TypeError) as error:
        # The text of an error in a template names variables, never their values.
        raise ConfigurationError(
            f"{_place(error) or name} cannot be used: {error}. Correct it, or remove your own."
        ) from None


def _place(error: Exception) -> str:
    """File and line of the innermost template in an error's traceback; Jinja2 puts them there."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(".j2")]
    return f"{frames[-1].filename}, line {frames[-1].lineno}," if frames else ""


@cache
def _environment(language: str) -> jinja2.Environment:
    def load(name: str) -> tuple[str, str, None] | None:
        found = find_text(language, f"prompts/{name}")
        return (*found, None) if found else None

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(load),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    environment.filters["tojson"] = _data
    return environment


def _data(value: Any) -> str:
    """JSON in one line without blanks, its strings without the characters of markup and control tokens."""
    return _JSON_STRING.sub(
        lambda string: _SPECIAL.sub(lambda char: f"\\u{ord(char[0]):04x}", string[0]),
        json.dumps(value, ensure_ascii=False, separators=(",", ":")),  # every blank is a token to read
    )


@cache
def _examples(language: str, masked: bool) -> tuple[Example, ...]:
    examples = _own_or_ours(tuple[Example, ...], language, "prompts/rephrase_examples.yml")
    return tuple(map(partial(_masked, language=language), examples)) if masked else examples


def _masked(example: Example, language: str) -> Example:
    placeholders = Placeholders.of(example.draft, {}, language)
    return Example(caller=example.caller, draft=placeholders.text, reply=placeholders.mask(example.reply))


@cache
def _known_corrections(language: str) -> Mapping[str, str]:
    return _own_or_ours(dict[str, str], language, "prompts/corrections.yml")


def _own_or_ours(kind: type[T], language: str, file: str) -> T:
    return read_own_file(kind, language, file) or read_file(kind, language, file)
