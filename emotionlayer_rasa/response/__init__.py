"""Replies that fit the caller: templates, a language model, the check between them, and how a reply is spoken."""

from emotionlayer_rasa.language import languages, supported_language
from emotionlayer_rasa.response.check import REASONS, check_reply
from emotionlayer_rasa.response.composer import Reply, ReplyComposer, ReplySettings, SayEarly
from emotionlayer_rasa.response.prompt import compose_messages, rephrase_messages
from emotionlayer_rasa.response.speech import speech_payload, ssml
from emotionlayer_rasa.response.templates import Draft, draft_reply, replies, with_opener

__all__ = [
    "REASONS",
    "Draft",
    "Reply",
    "ReplyComposer",
    "ReplySettings",
    "SayEarly",
    "check_reply",
    "compose_messages",
    "draft_reply",
    "languages",
    "rephrase_messages",
    "replies",
    "speech_payload",
    "ssml",
    "supported_language",
    "with_opener",
]
