"""Well-known corpora of emotional speech, from the folders their owners hand out to one list of clips.

A loader is a function from a folder to clips. A new corpus is one file here and one line in :data:`CORPORA`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Mapping

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.evaluation.voice.manifest import Clip
from emotionlayer_rasa.training.corpora.agreement import filter_by_agreement
from emotionlayer_rasa.training.corpora.ai4ser import load_ai4ser
from emotionlayer_rasa.training.corpora.crema_d import load_crema_d
from emotionlayer_rasa.training.corpora.emodb import load_emodb
from emotionlayer_rasa.training.corpora.emovo import load_emovo
from emotionlayer_rasa.training.corpora.emozionalmente import load_emozionalmente
from emotionlayer_rasa.training.corpora.iemocap import load_iemocap
from emotionlayer_rasa.training.corpora.msp_podcast import load_msp_podcast
from emotionlayer_rasa.training.corpora.own import load_own
from emotionlayer_rasa.training.corpora.ravdess import load_ravdess

__all__ = ["CORPORA", "filter_by_agreement", "load_corpus"]

CORPORA: Mapping[str, Callable[[Path], list[Clip]]] = {
    "ai4ser": load_ai4ser,
    "crema-d": load_crema_d,
    "emodb": load_emodb,
    "emovo": load_emovo,
    "emozionalmente": load_emozionalmente,
    "iemocap": load_iemocap,
    "msp-podcast": load_msp_podcast,
    "ravdess": load_ravdess,
    "shared": load_own,
}
"""Name of a corpus to its loader; ``shared`` is any folder with a manifest of ours, ``manifest.csv``."""


def load_corpus(name: str, path: str | Path) -> list[Clip]:
    """List the clips of a corpus.

    Args:
        name: one of :data:`CORPORA`.
        path: the corpus's folder.

    Returns:
        The clips, sorted by path; paths are absolute.

    Raises:
        ConfigurationError: the name is not known, or the folder is not laid out as this corpus is; names what was
            looked for.
    """
    if name not in CORPORA:
        raise ConfigurationError(f"'{name}' is no known corpus. Known are: {', '.join(sorted(CORPORA))}.")
    folder = Path(path).expanduser().absolute()
    if not folder.is_dir():
        raise ConfigurationError(f"{name}: there is no folder {folder}.")
    return sorted(CORPORA[name](folder), key=lambda clip: clip.path)
