"""CREMA-D: H. Cao et al. (2014), IEEE Transactions on Affective Computing 5(4). English, 91 actors, 12 sentences.

Layout: ``AudioWAV/1001_DFA_ANG_XX.wav`` (actor, sentence, intended emotion, level), and beside it, where they are,

* ``VideoDemographics.csv``: the actors' gender;
* ``finishedResponses.csv``: every rater's answer. Those to the voice alone (``queryType`` 1) become vote shares;
* else ``processedResults/summaryTable.csv``: only the winning answers (``VoiceVote``), a tie as ``A:D``. They
  become equal shares, so agreement is overstated: 1 for every clip without a tie.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.evaluation.voice.manifest import Clip
from emotionlayer_rasa.taxonomy import canonical_emotion
from emotionlayer_rasa.training.corpora.layout import gender_of, named_sounds, read_table, shares

_NAME = re.compile(r"(\d{4})_([A-Z]{3})_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX|X)")
_LEVELS = {"LO": "low", "MD": "medium", "HI": "high"}
_VOTES = {"A": "anger", "D": "disgust", "F": "fear", "H": "joy", "N": "neutral", "S": "sadness"}
_VOICE_ONLY = "1"


def load_crema_d(folder: Path) -> list[Clip]:
    """List the clips under the emotion that the actor intended, with the raters' votes."""
    genders = _genders(folder)
    votes = _votes(folder)
    return [
        Clip(
            path=path,
            corpus="crema-d",
            language="en",
            speaker=f"crema-d-{name[1]}",
            gender=genders.get(name[1], ""),
            emotion=canonical_emotion(name[3]),
            original_label=name[3],
            intensity=_LEVELS.get(name[4], ""),
            votes=shares(votes[path.stem]),
        )
        for path, name in named_sounds("crema-d", folder, _NAME, "AudioWAV/1001_DFA_ANG_XX.wav and its like")
    ]


def _genders(folder: Path) -> dict[str, str]:
    table = folder / "VideoDemographics.csv"
    if not table.is_file():
        return {}
    return {row["ActorID"]: gender_of(row["Sex"]) for _, row in read_table(table, "ActorID", "Sex")}


def _votes(folder: Path) -> defaultdict[str, Counter[str]]:
    votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    answers, summary = folder / "finishedResponses.csv", folder / "processedResults" / "summaryTable.csv"
    if answers.is_file():
        for where, row in read_table(answers, "queryType", "clipName", "respEmo"):
            if row["queryType"] == _VOICE_ONLY:
                votes[row["clipName"]][_vote(row["respEmo"], where)] += 1
    elif summary.is_file():
        for where, row in read_table(summary, "FileName", "VoiceVote"):
            for letter in row["VoiceVote"].split(":"):
                votes[row["FileName"]][_vote(letter, where)] += 1
    return votes


def _vote(letter: str, where: str) -> str:
    if letter not in _VOTES:
        raise ConfigurationError(f"{where}: '{letter}' is no vote; those are {', '.join(_VOTES)}.")
    return _VOTES[letter]
