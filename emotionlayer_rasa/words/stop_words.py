"""Common words of the languages, as spaCy lists them."""

from __future__ import annotations

import re
from functools import cache

from spacy.util import get_lang_class

from emotionlayer_rasa.language import fold, language_code


@cache
def stop_words(language: str) -> frozenset[str]:
    """A language's common words, folded; of ``l'ordine`` either part is one.

    Args:
        language: its code, of any language that spaCy knows.
    """
    listed = get_lang_class(language_code(language)).Defaults.stop_words
    return frozenset(part for word in listed for part in re.findall(r"\w+", fold(word)))
