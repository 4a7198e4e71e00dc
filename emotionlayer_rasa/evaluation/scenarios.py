"""EmotionLayer's scenarios: voice, words, and the affective state and strategy that people expect.

A file is a JSON list of::

    {"id": 1, "emotion_detected": "Frustration", "target_strategy": "Active De-escalation",
     "input": {"vocal_sentiment": [{"Emotion": "anger", "Score": "75%"}, {"Emotion": "sadness", "Score": "20%"}],
               "prosody": {"arousal": 0.65, "dominance": 0.4, "valence": 0.2},
               "transcription": "This is the third time I call."}}

Labels may be English or Italian in any case, scores ``"75%"``, ``"75"``, ``75`` or ``0.75``.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Callable, Iterable, Mapping, Sequence

from emotionlayer_rasa.affect import fuse
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.language import fold
from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS, STATES, STRATEGIES, UNKNOWN, canonical_emotion
from emotionlayer_rasa.utterance import AffectiveState, EmotionReading
from emotionlayer_rasa.words import LANGUAGES, create_text_reader
from emotionlayer_rasa.words.stop_words import stop_words

_STATE_ALIASES = {
    "neutral": "neutro neutra neutrale neutralita neutrality calma calmo calm",
    "enthusiasm": "entusiasmo entusiasta enthusiastic eccitazione excitement excited",
    "satisfaction": "soddisfazione soddisfatto soddisfatta satisfied",
    "uncertainty": "incertezza incerto incerta uncertain confusione confusion confused dubbio doubt",
    "anger": "rabbia arrabbiato arrabbiata angry ira collera",
    "frustration": "frustrazione frustrato frustrata frustrated",
    "sarcasm": "sarcasmo sarcastico sarcastica sarcastic ironia irony ironic",
    "urgency": "urgenza urgente urgent fretta",
    "insecurity": "insicurezza insicuro insicura insecure",
}
STATE_ALIASES: Mapping[str, str] = MappingProxyType(
    {alias: state for state, names in _STATE_ALIASES.items() for alias in (state, *names.split())}
)
"""Lower-case word without accents to affective state."""

_STRATEGY_ALIASES = {
    "direct_efficiency": "directefficiency efficienzadiretta direttaefficienza efficiency efficienza",
    "active_deescalation": "activedeescalation deescalation deescalazione",
    "empathic_validation": "empathicvalidation empatheticvalidation validazioneempatica validation validazione",
    "positive_mirroring": "positivemirroring rispecchiamentopositivo mirroring rispecchiamento",
    "assertive_neutrality": "assertiveneutrality neutralitaassertiva assertivita",
    "rapid_resolution": "rapidresolution risoluzionerapida resolution risoluzione",
}
STRATEGY_ALIASES: Mapping[str, str] = MappingProxyType(
    {alias: strategy for strategy, names in _STRATEGY_ALIASES.items() for alias in names.split()}
)
"""Letters of a strategy's name, lower-case and without accents, to the strategy."""


@dataclass(frozen=True)
class Scenario:
    """One scenario.

    Attributes:
        id: as in the file.
        text: the transcription.
        voice: seven probabilities that sum to 1, and valence, arousal and dominance, 0..1.
        state: the expected affective state.
        strategy: the expected strategy.
        context: ``input`` as in the file: what EmotionLayer shows to a language model.
        language: code, as in the file (``language``), or guessed from the text.
    """

    id: str
    text: str
    voice: EmotionReading
    state: str
    strategy: str
    context: Mapping[str, Any]
    language: str


@dataclass(frozen=True)
class ScenarioCase:
    """What was decided on a scenario, and in how many milliseconds."""

    scenario: Scenario
    decided: AffectiveState
    ms: float


def canonical_state(label: str) -> str:
    """The affective state that a label names: ``"Frustrazione (passiva)"`` gives ``frustration``.

    Case, accents, brackets and further words do not matter; of several states the first one counts.

    Raises:
        KeyError: no affective state is named.
    """
    for word in re.findall("[a-z]+", fold(label)):
        if word in STATE_ALIASES:
            return STATE_ALIASES[word]
    raise KeyError(label)


def canonical_strategy(label: str) -> str:
    """The strategy that a label names: ``"[De-escalation attiva]"`` gives ``active_deescalation``.

    Case, accents, blanks, hyphens, underscores and brackets do not matter.

    Raises:
        KeyError: no strategy is named.
    """
    letters = re.sub("[^a-z]", "", fold(label))
    for alias, strategy in STRATEGY_ALIASES.items():
        if alias in letters:
            return strategy
    raise KeyError(label)


def guess_language(text: str) -> str:
    """The language of which the text has most stop words, of those whose words are read; ``en`` for a draw."""
    words = set(re.findall(r"\w+", fold(text)))
    return max(("en", *LANGUAGES), key=lambda code: len(words & stop_words(code)))


def read_scenarios(path: str | Path) -> list[Scenario]:
    """Read a file in EmotionLayer's format.

    Raises:
        ConfigurationError: no such file, no JSON list, or a scenario with a missing key, an unknown label or a bad
            number; the message names the scenario's id and the culprit.
    """
    file = Path(path)
    try:
        records = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}. Correct the path.") from None
    except ValueError:
        raise ConfigurationError(f"{file} is no valid JSON in UTF-8. Correct the file.") from None
    if not isinstance(records, list) or not records:
        raise ConfigurationError(f"{file} holds no list of scenarios. Write a JSON list with at least one.")
    return [_scenario(record, _id(record, place), file.name) for place, record in enumerate(records, 1)]


def _id(record: Any, place: int) -> str:
    return str(record.get("id", f"number {place}")) if isinstance(record, Mapping) else f"number {place}"


def _scenario(record: Any, name: str, file: str) -> Scenario:
    where = f"{file}, scenario {name}"
    try:
        context = record["input"]
        voice = _voice(context, where)
        text = _checked(str, context["transcription"], "transcription", where)
        return Scenario(
            id=name,
            text=text,
            voice=voice,
            state=_label(canonical_state, record["emotion_detected"], "affective state", STATES, where),
            strategy=_label(canonical_strategy, record["target_strategy"], "strategy", STRATEGIES, where),
            context=context,
            language=_checked(str, record.get("language") or guess_language(text), "language", where),
        )
    except KeyError as error:
        raise ConfigurationError(f"{where}: the key {error} is missing. Add it.") from None
    except (TypeError, AttributeError):
        raise ConfigurationError(
            f"{where} has not the form of EmotionLayer's scenarios. Compare its keys."
        ) from None


def _voice(context: Mapping[str, Any], where: str) -> EmotionReading:
    """The best emotions as given; what they leave of 1 is spread evenly over the others."""
    given: dict[str, float] = {}
    for item in context["vocal_sentiment"]:
        emotion = _label(canonical_emotion, item["Emotion"], "emotion", EMOTIONS, where)
        if emotion != UNKNOWN:
            given[emotion] = max(given.get(emotion, 0.0), _share(item["Score"], where))
    valence, arousal, dominance = (_number(context["prosody"][axis], axis, where) for axis in DIMENSIONS)
    pad_only = EmotionReading(valence=valence, arousal=arousal, dominance=dominance, source="voice")
    if not given or not sum(given.values()):
        return pad_only
    others = [emotion for emotion in EMOTIONS if emotion not in given]
    rest = max(0.0, 1 - sum(given.values()))
    scores = given | {emotion: rest / len(others) for emotion in others}
    total = sum(scores.values())
    label = max(given, key=lambda emotion: given[emotion])
    scores = {emotion: scores[emotion] / total for emotion in EMOTIONS}
    return replace(pad_only, label=label, confidence=scores[label], scores=scores)


def _share(value: Any, where: str) -> float:
    """``"96%"``, ``"96"``, ``96`` and ``0.96`` are all .96."""
    text = str(value).strip().replace(",", ".")
    number = _number(text.rstrip("% "), "Score", where, top=100)
    return number / 100 if text.endswith("%") or number > 1 else number


def _number(value: Any, name: str, where: str, top: float = 1) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number <= top:
        raise ConfigurationError(f"{where}: {name} is {value!r}. Give a number from 0 to {top:g}.")
    return number


def _checked(kind: type, value: Any, name: str, where: str) -> Any:
    if not isinstance(value, kind):
        raise ConfigurationError(f"{where}: {name} is no {kind.__name__}. Correct it.")
    return value


def _label(canonical: Callable[[str], str], label: Any, kind: str, allowed: Sequence[str], where: str) -> str:
    try:
        return canonical(_checked(str, label, kind, where))
    except KeyError:
        raise ConfigurationError(
            f"{where}: '{label}' is no {kind} known here. Use one of: {', '.join(allowed)}."
        ) from None


def fuse_scenario(scenario: Scenario) -> AffectiveState:
    """Decide by reading the words and fusing them with the voice."""
    return fuse(scenario.voice, create_text_reader().read(scenario.text))


def run_scenarios(
    scenarios: Iterable[Scenario], decide: Callable[[Scenario], AffectiveState]
) -> list[ScenarioCase]:
    """Decide on every scenario, one after the other, and take the time."""
    cases = []
    for scenario in scenarios:
        began = time.perf_counter()
        decided = decide(scenario)
        cases.append(ScenarioCase(scenario, decided, 1000 * (time.perf_counter() - began)))
    return cases


def measure_scenarios(cases: Sequence[ScenarioCase]) -> dict[str, Any]:
    """The figures of a run, ready for JSON.

    Returns:
        ``emotion_match`` and ``strategy_match`` (share of cases with the expected state and strategy, 0..1),
        ``scenarios`` (how many), ``by_language`` (the same three of each), ``ms`` (mean and largest milliseconds a
        scenario), ``confusion`` (count by expected, then decided state) and ``cases`` (one record each).

    Raises:
        ValueError: there is no case.
    """
    if not cases:
        raise ValueError("There is no case to measure.")
    confusion = {state: Counter[str]() for state in STATES}
    for case in cases:
        confusion[case.scenario.state][case.decided.state] += 1
    languages = sorted({case.scenario.language for case in cases})
    return {
        **_matches(cases),
        "by_language": {
            language: _matches([case for case in cases if case.scenario.language == language])
            for language in languages
        },
        "ms": {
            "mean": round(_mean(case.ms for case in cases), 3),
            "max": round(max(case.ms for case in cases), 3),
        },
        "confusion": {state: dict(counts) for state, counts in confusion.items() if counts},
        "cases": [_record(case) for case in cases],
    }


def _matches(cases: Sequence[ScenarioCase]) -> dict[str, Any]:
    return {
        "emotion_match": _mean(case.decided.state == case.scenario.state for case in cases),
        "strategy_match": _mean(case.decided.strategy == case.scenario.strategy for case in cases),
        "scenarios": len(cases),
    }


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


def _record(case: ScenarioCase) -> dict[str, Any]:
    scenario, decided = case.scenario, case.decided
    return {
        "id": scenario.id,
        "expected_state": scenario.state,
        "state": decided.state,
        "expected_strategy": scenario.strategy,
        "strategy": decided.strategy,
        "confidence": round(decided.confidence, 3),
        "incongruence": round(decided.incongruence, 3),
        "reasons": list(decided.reasons),
        "ms": round(case.ms, 3),
    }
