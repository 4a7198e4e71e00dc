"""The assistant: pipeline, trained model, slots, consent and disclosure."""

from __future__ import annotations

import json
import tarfile
import zlib
from pathlib import Path
from typing import Any, Iterator, Mapping

from emotionlayer_rasa.cli.doctor.findings import Finding
from emotionlayer_rasa.cli.doctor.project import Project
from emotionlayer_rasa.conversation import CONSENT, CONSENTS, ESCALATED, MEMORY_CONSENT, PROFILE, SLOTS
from emotionlayer_rasa.rasa_versions import installed
from emotionlayer_rasa.taxonomy import EMOTIONS, UNKNOWN
from emotionlayer_rasa.utterance import ENTITY

EXTRACTOR = "emotionlayer_rasa.EmotionExtractor"
POLICY = "emotionlayer_rasa.EscalationPolicy"
FILLS_SLOTS = "action_validate_slot_mappings"
DISCLOSES = "action_session_start"
SETS_CONSENT = "action_set_emotion_consent"
HANDS_OVER = "action_escalate_to_human"
GUIDE = "See docs/add-to-a-bot.md"

_BOOL = ("bool",)
SLOT_TYPES: Mapping[str, tuple[str, ...]] = {
    "emotion": ("categorical",),
    "affective_state": ("text", "categorical"),
    "response_strategy": ("text", "categorical"),
    "emotion_trend": ("categorical", "text"),
    "negative_streak": ("float",),
    "emotion_priority": ("float",),
    "valence": ("float",),
    "arousal": ("float",),
    "dominance": ("float",),
    CONSENT: _BOOL,
    MEMORY_CONSENT: _BOOL,
    ESCALATED: _BOOL,
    PROFILE: ("any",),
}
"""What type each of our slots may have; ``any`` holds everything."""

_FILLED = [name for name in SLOTS if name not in (ENTITY, CONSENT, MEMORY_CONSENT, ESCALATED, PROFILE)]
"""What nothing but ``action_validate_slot_mappings`` fills."""


def pipeline(project: Project) -> Iterator[Finding]:
    """Whether ``config.yml`` has the component, in its place, and the policy's actions exist."""
    names = [str(part.get("name")) for part in project.components("pipeline")]
    if EXTRACTOR not in names:
        yield Finding("config.yml", "error", f"The pipeline has no {EXTRACTOR}.", f"{GUIDE}, step 2.")
    elif names[-1] != EXTRACTOR:
        yield Finding(
            "config.yml",
            "warning",
            f"{EXTRACTOR} is not the last of the pipeline: it does not see what comes behind it.",
            "Move it to the end.",
        )
    else:
        yield Finding("config.yml", "ok", f"{EXTRACTOR} is the last of {len(names)} components")
    for policy in project.components("policies"):
        if policy.get("name") == POLICY:
            yield from _policy(policy, project)


def _policy(policy: Mapping[str, Any], project: Project) -> Iterator[Finding]:
    rules = [rule for rule in policy.get("rules") or () if isinstance(rule, dict)]
    responses = project.domain.get("responses")
    known = {*project.actions, *(responses if isinstance(responses, dict) else ())}
    unknown = sorted({str(rule.get("action")) for rule in rules} - known)
    if unknown:
        yield Finding(
            "config.yml",
            "error",
            f"{POLICY} names what the domain does not have: {', '.join(unknown)}.",
            "Add it to 'actions:' or 'responses:' of the domain.",
        )
    else:
        yield Finding("config.yml", "ok", f"{POLICY} with {len(rules)} rules")


def trained_model(project: Project) -> Iterator[Finding]:
    """Whether the newest model was trained with the component, by this Rasa, from these files."""
    archive = project.newest_model
    if archive is None:
        yield Finding("trained model", "warning", "There is none in models/.", "rasa train")
        return
    about = _metadata(archive)
    if about is None:
        yield Finding("trained model", "error", f"{archive.name} is no model of Rasa's, or damaged.", "rasa train")
        return
    nodes = (about.get("predict_schema") or {}).get("nodes") or {}
    uses = [str(node.get("uses")) for node in nodes.values() if isinstance(node, dict)]
    trained_by = str(about.get("rasa_open_source_version"))
    _, here = installed() or ("", "none")
    if not any(name.startswith("emotionlayer_rasa.") and name.endswith(".EmotionExtractor") for name in uses):
        yield Finding(
            "trained model",
            "error",
            f"{archive.name} was trained without {EXTRACTOR}.",
            f"{GUIDE}, step 2; rasa train",
        )
    elif trained_by != here:
        yield Finding(
            "trained model",
            "warning",
            f"{archive.name} was trained by Rasa {trained_by}, and {here} is installed.",
            "rasa train",
        )
    elif changed := [file for file in project.sources() if file.stat().st_mtime > archive.stat().st_mtime]:
        names = ", ".join(str(file.relative_to(project.folder)) for file in changed)
        yield Finding("trained model", "warning", f"{archive.name} is older than {names}.", "rasa train")
    else:
        yield Finding("trained model", "ok", f"{archive.name}, trained with {EXTRACTOR} by Rasa {trained_by}")


def _metadata(archive: Path) -> dict[str, Any] | None:
    """What Rasa wrote into a trained model about it."""
    try:
        with tarfile.open(archive) as bundle:
            for member in bundle:
                if member.name.strip("./") == "metadata.json" and (file := bundle.extractfile(member)):
                    about = json.load(file)
                    return about if isinstance(about, dict) else None
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError):
        pass
    return None


def slots(project: Project) -> Iterator[Finding]:
    """Whether entity and slots of the domain are there, of the right type, and filled."""
    problems = [*_entity_problems(project), *_slot_problems(project)]
    if not any(problem.level == "error" for problem in problems):
        ours = [name for name in SLOTS if name in project.slots]
        yield Finding("domain", "ok", f"{len(ours)} of {len(SLOTS)} slots: {', '.join(ours)}")
    yield from problems


def _entity_problems(project: Project) -> Iterator[Finding]:
    if ENTITY not in project.entities:
        yield Finding("domain", "error", f"The entity '{ENTITY}' is missing.", f"{GUIDE}, step 3.")
    elif project.entities[ENTITY].get("influence_conversation", True) is not False:
        yield Finding(
            "domain",
            "warning",
            f"The entity '{ENTITY}' influences the conversation: it would be a feature of every turn.",
            "Set 'influence_conversation: false' for the entity; its slot is the feature.",
        )


def _slot_problems(project: Project) -> Iterator[Finding]:
    emotion = project.slots.get(ENTITY)
    if emotion is None:
        yield Finding("domain", "error", "The slot 'emotion' is missing.", f"{GUIDE}, step 3.")
    else:
        values = {str(value).lower() for value in emotion.get("values") or ()}
        if missing := [label for label in (*EMOTIONS, UNKNOWN) if label not in values]:
            yield Finding(
                "domain", "error", f"The slot 'emotion' lacks the values {', '.join(missing)}.", "Add them."
            )
        if not any(kind == "from_entity" and entity == ENTITY for kind, entity in _mappings(emotion)):
            yield Finding(
                "domain",
                "error",
                "The slot 'emotion' is not filled from the entity 'emotion'.",
                "mappings: [{type: from_entity, entity: emotion}]",
            )
    for name, types in SLOT_TYPES.items():
        slot = project.slots.get(name)
        if slot is None:
            continue
        if slot.get("type") not in (*types, "any"):
            yield Finding(
                "domain",
                "error",
                f"The slot '{name}' is of type {slot.get('type')}.",
                f"Make it {' or '.join(types)}.",
            )
        # `controlled` is what newer releases of Rasa make of `custom`.
        if name != ENTITY and not any(kind in ("custom", "controlled") for kind, _ in _mappings(slot)):
            yield Finding(
                "domain", "error", f"The slot '{name}' is not filled by actions.", "mappings: [{type: custom}]"
            )
    if (unfilled := [name for name in _FILLED if name in project.slots]) and FILLS_SLOTS not in project.actions:
        yield Finding(
            "domain",
            "error",
            f"Nothing fills the slots {', '.join(unfilled)}.",
            f"Add {FILLS_SLOTS} to 'actions:' and ValidateEmotionSlots to the action server. {GUIDE}, step 4.",
        )
    if HANDS_OVER in project.actions and ESCALATED not in project.slots:
        yield Finding(
            "domain",
            "error",
            f"{HANDS_OVER} sets the slot '{ESCALATED}', which is missing: a caller would be analysed on.",
            f"{GUIDE}, step 3.",
        )


def _mappings(slot: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Type and entity of a slot's mappings."""
    found = slot.get("mappings")
    return [
        (str(mapping.get("type")), str(mapping.get("entity")))
        for mapping in (found if isinstance(found, list) else ())
        if isinstance(mapping, dict)
    ]


def consent(project: Project) -> Iterator[Finding]:
    """Whether callers are told of the analysis, and can switch it off."""
    if CONSENT not in project.slots:
        yield Finding(
            "consent",
            "error",
            f"The slot '{CONSENT}' is missing: nobody can switch the analysis off.",
            f"{GUIDE}, step 3.",
        )
    elif SETS_CONSENT not in project.actions or SETS_CONSENT not in project.run_actions:
        where = "rule or story runs" if SETS_CONSENT in project.actions else "domain names"
        yield Finding(
            "consent",
            "warning",
            f"No {where} {SETS_CONSENT}: callers cannot switch the analysis off, unless an action of yours "
            f"sets '{CONSENT}'.",
            f"{GUIDE}, step 4, with a rule for each of the intents {', '.join(CONSENTS)}.",
        )
    elif missing := [intent for intent in CONSENTS if intent not in project.intents]:
        yield Finding(
            "consent",
            "error",
            f"{SETS_CONSENT} acts on intents that the domain does not have: {', '.join(missing)}.",
            "Add them to the domain, with examples in data/ and rules.",
        )
    else:
        first = (
            "after a yes only"
            if project.slots[CONSENT].get("initial_value") is False
            else "until a caller objects"
        )
        yield Finding("consent", "ok", f"Voice and words are analysed {first}; {SETS_CONSENT} is run")
    if DISCLOSES in project.actions:
        yield Finding("disclosure", "ok", f"{DISCLOSES} of the action server opens with it")
    else:
        yield Finding(
            "disclosure",
            "warning",
            f"The domain does not name {DISCLOSES}: unless your own greeting says it, callers are not told that "
            "voice and words are analysed, which is a duty in the European Union.",
            f"{GUIDE}, step 4.",
        )
