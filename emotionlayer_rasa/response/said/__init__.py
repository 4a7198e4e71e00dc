"""Facts as they are said: the ways in which a slot's value may be said, and what of a reply nobody gave.

A caller of this room needs these functions::

    forms("41.20", "en")                                    # {("forty", "one", "twenty"), ...}
    warm_up("en")                                           # once, before the first call
    unbacked(reply, slots, caller, "en", date.today())      # (Unbacked("seven", "number"), ...)
    number_words("en")                                      # {"seven", "twenty", ...}

Numbers are spelt by CLDR's rules (``unicode_rbnf``), names of calendars and currencies are Babel's, Easter is
``dateutil``'s; what these do not know of a language is in ``languages/<code>/spoken.yml``.
"""

from emotionlayer_rasa.response.said.numerals import number_words
from emotionlayer_rasa.response.said.review import Unbacked, unbacked, warm_up
from emotionlayer_rasa.response.said.spoken import spoken_languages
from emotionlayer_rasa.response.said.values import forms

__all__ = ["Unbacked", "forms", "number_words", "spoken_languages", "unbacked", "warm_up"]
