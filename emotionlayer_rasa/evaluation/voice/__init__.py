"""How good a recognizer is: labelled clips, figures of merit, damaged sound, reports."""

from emotionlayer_rasa.evaluation.voice.degrade import DEGRADATIONS
from emotionlayer_rasa.evaluation.voice.manifest import (
    Clip,
    check_disjoint,
    read_manifest,
    split_by_speaker,
    write_manifest,
)
from emotionlayer_rasa.evaluation.voice.report import measure, write_report
from emotionlayer_rasa.evaluation.voice.run import Outcome, recognize_adapted, recognize_clips

__all__ = [
    "DEGRADATIONS",
    "Clip",
    "Outcome",
    "check_disjoint",
    "measure",
    "read_manifest",
    "recognize_adapted",
    "recognize_clips",
    "split_by_speaker",
    "write_manifest",
    "write_report",
]
