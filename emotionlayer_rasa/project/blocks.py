"""What is added, as text: YAML of the bot's files, and the Python of its actions."""

from __future__ import annotations

import json
from importlib import resources
from typing import Sequence

import yaml

from emotionlayer_rasa.project.yaml_text import parse

COMPONENT, POLICY, CHANNEL = (
    f"emotionlayer_rasa.{name}" for name in ("EmotionExtractor", "EscalationPolicy", "VoiceInput")
)

STOP, START, ASK_HUMAN = "stop_emotion_analysis", "start_emotion_analysis", "ask_human"

ACTIONS = {
    "action_session_start": "ActionSessionStart",
    "action_validate_slot_mappings": "ValidateEmotionSlots",
    "action_set_emotion_consent": "ActionSetEmotionConsent",
    "action_escalate_to_human": "ActionEscalateToHuman",
    "action_empathetic_reply": "ActionEmpatheticReply",
}
"""Our actions by their names in the domain."""

EMOTION_SLOT = """
# The emotion of the last turn. With influence_conversation: true, rules and stories may name one.
emotion:
  type: categorical
  influence_conversation: false
  values: [anger, disgust, fear, joy, neutral, sadness, surprise, unknown]
  mappings:
  - type: from_entity
    entity: emotion
"""

MEMORY_SLOTS = {
    "affective_state": """
# Voice and words together, and how to answer; action_validate_slot_mappings fills both on every turn.
affective_state:
  type: text
  influence_conversation: false
  mappings:
  - type: custom
""",
    "response_strategy": """
response_strategy:
  type: text
  influence_conversation: false
  mappings:
  - type: custom
""",
}

CONSENT_SLOTS = {
    "emotion_consent": """
# False: voice and words are not analysed.
emotion_consent:
  type: bool
  initial_value: true
  influence_conversation: false
  mappings:
  - type: custom
""",
    "escalated": """
# True: a person has taken over; voice and words are not analysed.
escalated:
  type: bool
  initial_value: false
  influence_conversation: false
  mappings:
  - type: custom
""",
}

CONSENT_BY_INTENT = f"""
# False: voice and words are not analysed. The caller's word sets it.
emotion_consent:
  type: bool
  initial_value: true
  influence_conversation: false
  mappings:
  - type: from_intent
    intent: {STOP}
    value: false
  - type: from_intent
    intent: {START}
    value: true
"""

ESCALATION = f"""
# Rules over how the caller has been feeling, before what other policies predict.
- name: {POLICY}
  rules:
  - name: danger
    when:
      states: [urgency]
      cues: {{danger: 0.5}}
    action: action_escalate_to_human
    priority: 10
    urgent: true
  - name: anger that stays
    when:
      states: [anger, frustration]
      emotions: [anger]
      confidence: 0.4
      turns: 2
      window: 3
    action: action_escalate_to_human
    cooldown: 3
"""

RULES_ONLY = """
# For rules alone: what no rule knows is left to the policies above, as before.
- name: RulePolicy
  enable_fallback_prediction: false
"""


def component(language: str, reads_words: bool) -> str:
    """The component of the pipeline; ``language`` is that of typed words, one that can be read."""
    text = "" if reads_words else "  text: false\n"
    return (
        "# The entity `emotion` on every turn, of the voice or of typed words.\n"
        f"- name: {COMPONENT}\n  language: {language}\n{text}"
    )


def rasas_default(section: str) -> str:
    """What Rasa fills an empty ``pipeline`` or ``policies`` from, read without importing Rasa (seconds)."""
    file = resources.files("rasa.engine.recipes") / "config_files" / "default_config.yml"
    content = parse(file.read_text("utf-8"), "Rasa's default config")[section]
    return f"# Rasa's default {section}, written out, as it counts for an empty section only.\n" + yaml.safe_dump(
        content, sort_keys=False
    )


def language_slot(code: str) -> str:
    """The slot that our actions find their language in."""
    return f"""
# The language of what our actions say.
language:
  type: text
  initial_value: {code}
  influence_conversation: false
  mappings:
  - type: custom
"""


def rule(intent: str, action: str) -> str:
    """An item of ``rules``."""
    return f"- rule: {intent.replace('_', ' ')}\n  steps:\n  - intent: {intent}\n  - action: {action}\n"


def channel(token: str, language: str) -> str:
    """The voice channel of ``credentials.yml``."""
    return f"""
# Spoken messages: POST /webhooks/voice/webhook; live calls and a page to talk to the bot: /webhooks/voice/
{CHANNEL}:
  token: {json.dumps(token)}  # guards every route
  transcription:
    language: {language}
"""


def llm(url: str, model: str) -> str:
    """The section ``llm`` of ``endpoints.yml``."""
    return f"""
# An OpenAI-compatible server that rewords replies of action_empathetic_reply; each is checked before it is said.
base_url: {json.dumps(url)}
model: {json.dumps(model)}
api_key_env: OPENAI_API_KEY  # the environment variable with the key, where one is needed
mode: rephrase
"""


def handoff(url: str) -> str:
    """The section ``handoff`` of ``endpoints.yml``."""
    return f"""
# Where action_escalate_to_human posts its summary.
url: {json.dumps(url)}
secret_env: EMOTIONLAYER_HANDOFF_SECRET  # the environment variable with the secret that signs it
"""


def with_imports(module: str, classes: Sequence[str], opening: str) -> str:
    """A module of actions with imports of ours at its end.

    Args:
        module: its text; may be empty.
        classes: names in ``emotionlayer_rasa.actions``.
        opening: the situation that a session opens with.
    """
    newline = "\r\n" if "\r\n" in module else "\n"
    new = not module.strip()
    lines = ['"""Actions of emotionlayer_rasa, which `rasa run actions` finds here."""', ""] if new else []
    for name in classes:
        derived = name == "ActionSessionStart"
        unwanted = ["E402"] * (not new) + ["F401"] * (not derived)  # what linters would say
        mark = f"  # noqa: {', '.join(unwanted)}" if unwanted else ""
        lines.append(f"from emotionlayer_rasa.actions import {name}{' as _SessionStart' * derived}{mark}")
    if "ActionSessionStart" in classes:
        lines += [
            *("", "", "class ActionSessionStart(_SessionStart):"),
            *('    """Tells of the analysis when a session begins; the bot greets by itself."""', ""),
            f'    opening = ("{opening}",)',
        ]
    head = "" if new else module.rstrip() + newline * 3
    return head + newline.join(lines) + newline
