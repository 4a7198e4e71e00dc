"""Models answer scenarios through the assistant's composer; what is finished is kept in a file."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, AsyncIterator, Mapping, Sequence

from emotionlayer_rasa.affect import fuse
from emotionlayer_rasa.errors import ConfigurationError, LLMError
from emotionlayer_rasa.evaluation.replies.candidates import Candidate
from emotionlayer_rasa.evaluation.replies.marks import MARKS_SCHEMA, judge_messages, read_marks
from emotionlayer_rasa.evaluation.replies.metrics import ScenarioReply
from emotionlayer_rasa.evaluation.scenarios import Scenario
from emotionlayer_rasa.response import ReplyComposer, check_reply
from emotionlayer_rasa.response.llm import LLMClient
from emotionlayer_rasa.utterance import Transcript, Utterance
from emotionlayer_rasa.words import create_text_reader

JUDGE_MAX_TOKENS = 256
"""Room to think aloud before the JSON."""

_CLEAR = 0.5


async def answer_scenarios(
    scenarios: Sequence[Scenario],
    candidates: Sequence[Candidate],
    judge: Candidate | None,
    path: Path,
    profile: str,
    language: str | None = None,
    limit: int | None = None,
) -> AsyncIterator[ScenarioReply]:
    """Answer, grade and keep what a file does not hold yet; gives every finished reply, the kept ones too.

    Args:
        scenarios: what is answered.
        candidates: by whom, one after the other.
        judge: the language model that grades; None where proxies stand in.
        path: JSON lines, a finished reply each; they are added to.
        profile: the application profile of the assistant.
        language: of every scenario; None guesses each one's.
        limit: how many new replies there are at most.

    Raises:
        ConfigurationError: the file holds something else, there is no reader for a language, or a scenario's slots
            are none.
        LLMError: a model's server cannot be used at all.
    """
    finished = _read_finished(path)
    judge_client = judge.client(temperature=0.0, max_tokens=JUDGE_MAX_TOKENS) if judge else None
    added = 0
    with path.open("a", encoding="utf-8") as file:
        for candidate in candidates:
            composer = ReplyComposer(candidate.client(), profile)
            for scenario in scenarios:
                key = _key(scenario, candidate, judge, profile, language)
                reply = finished.get(key)
                if reply is None:
                    if added == limit:
                        continue
                    reply = await _answer(scenario, candidate, composer, profile, language)
                    if judge is not None and judge_client is not None:
                        reply = await _grade(reply, judge.name, judge_client)
                    record = {"key": key, **asdict(reply)}
                    file.write(json.dumps(record, ensure_ascii=False) + "\n")
                    file.flush()
                    added += 1
                yield reply


def _read_finished(path: Path) -> dict[str, ScenarioReply]:
    """Finished replies by key; a last line that was cut off, and those the judge failed on, are done again."""
    if not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8")
    if text and not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
        path.write_text(text, encoding="utf-8")
    finished = {}
    for number, line in enumerate(text.splitlines(), 1):
        try:
            record = json.loads(line)
            key = record.pop("key")
            reply = ScenarioReply(**record)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ConfigurationError(
                f"{path}, line {number} is no answer of this command. Use another --out."
            ) from None
        if not reply.judge_error:
            finished[key] = reply
    return finished


def _key(
    scenario: Scenario, candidate: Candidate, judge: Candidate | None, profile: str, language: str | None
) -> str:
    """Names a reply: the same scenario, model, settings, profile and judge give the same key, on any server."""
    parts = [
        [scenario.id, scenario.state, scenario.strategy, scenario.context, profile, language],
        candidate.identity(),
        judge and [judge.name, judge.settings and judge.settings.model],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class _Spoken:
    """A scenario as the composer takes it."""

    utterance: Utterance
    situation: str
    slots: Mapping[str, Any]
    language: str


def _spoken(scenario: Scenario, language: str | None) -> _Spoken:
    """Fuse voice and words, and find the situation that is answered."""
    language = language or scenario.language
    words = create_text_reader(language).read(scenario.text)
    utterance = Utterance(
        Transcript(scenario.text, language=language),
        scenario.voice,
        words=words,
        affect=fuse(scenario.voice, words),
    )
    slots = scenario.context.get("slots") or {}
    if not isinstance(slots, Mapping):
        raise ConfigurationError(f"Scenario {scenario.id}: 'slots' are no keys and values. Correct them.")
    return _Spoken(utterance, str(scenario.context.get("situation") or _situation(utterance)), slots, language)


def _situation(utterance: Utterance) -> str:
    """What a shop's assistant would take the words for where the scenario does not say."""
    cues = utterance.words.cues if utterance.words else {}
    if cues.get("complaint", 0.0) >= _CLEAR or utterance.affect.state in ("anger", "frustration", "sarcasm"):
        return "complaint"
    if cues.get("praise", 0.0) >= _CLEAR or utterance.affect.state in ("enthusiasm", "satisfaction"):
        return "thanks"
    return "out_of_scope"


async def _answer(
    scenario: Scenario, candidate: Candidate, composer: ReplyComposer, profile: str, language: str | None
) -> ScenarioReply:
    spoken = _spoken(scenario, language)
    began = time.perf_counter()
    reply = await composer.reply(spoken.utterance, spoken.situation, spoken.slots, language=spoken.language)
    ms = round(1000 * (time.perf_counter() - began), 1)
    for reason in reply.reasons:
        _stop_if_unusable(candidate.name, reason)
    tone = create_text_reader(spoken.language).read(reply.text).emotion
    faults: tuple[str, ...] = ()
    if reply.facts is not None:
        faults = check_reply(reply.text, reply.strategy, spoken.language, facts=reply.facts, caller=scenario.text)
    return ScenarioReply(
        model=candidate.name,
        scenario=scenario.id,
        language=spoken.language,
        caller=scenario.text,
        expected_state=scenario.state,
        expected_strategy=scenario.strategy,
        state=spoken.utterance.affect.state,
        strategy=reply.strategy,
        facts=dict(spoken.slots),
        draft=reply.draft,
        text=reply.text,
        source=reply.source,
        rejections=reply.reasons,
        faults=faults,
        speech=dict(reply.speech),
        valence=tone.valence,
        arousal=tone.arousal,
        ms=ms,
        profile=profile,
    )


async def _grade(reply: ScenarioReply, judge: str, client: LLMClient) -> ScenarioReply:
    """Ask the judge; an answer that is late, cut off or no marks is a failure that is counted, not a mark."""
    try:
        marks = read_marks(await client.complete(judge_messages(reply), schema=dict(MARKS_SCHEMA)))
    except LLMError as error:
        _stop_if_unusable(judge, error.code)
        return replace(reply, judge_error=error.code)
    return replace(reply, judged=marks, judge_error="" if marks else "unreadable")


def _stop_if_unusable(name: str, code: str) -> None:
    """Stop where asking again is in vain: nobody there, or the request itself is refused."""
    if code == "llm.unreachable" or (code.startswith("llm.status_4") and code != "llm.status_429"):
        raise LLMError(
            f"The server of {name} cannot be used ({code}). Check its address, its model and the key, and run the "
            "command again: finished answers are kept.",
            "unreachable",
        )
