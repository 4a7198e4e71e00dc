"""How good replies are: models answer scenarios through the assistant's composer, and what is said is scored."""

from emotionlayer_rasa.evaluation.replies.candidates import TEMPLATES, Candidate
from emotionlayer_rasa.evaluation.replies.metrics import WEIGHTS, ModelScore, ScenarioReply, summarise
from emotionlayer_rasa.evaluation.replies.report import write_judge_report
from emotionlayer_rasa.evaluation.replies.run import answer_scenarios

__all__ = [
    "TEMPLATES",
    "WEIGHTS",
    "Candidate",
    "ModelScore",
    "ScenarioReply",
    "answer_scenarios",
    "summarise",
    "write_judge_report",
]
