"""Emotion beside the transcripts of other frameworks' voice agents; each module needs its framework's package.

- :mod:`emotionlayer_rasa.integrations.livekit` (extra ``livekit``): wraps an STT of livekit-agents.
- :mod:`emotionlayer_rasa.integrations.pipecat` (extra ``pipecat``): stands behind an STT of Pipecat.

Both leave the words to the framework's own engine, and put what
:meth:`emotionlayer_rasa.utterance.Utterance.to_metadata` gives under the key ``emotionlayer`` of a transcript's
metadata.
"""
