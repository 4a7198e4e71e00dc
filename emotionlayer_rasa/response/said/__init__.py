"""Facts as they are said: the ways in which a slot's value may be said, and what of a reply nobody gave.

A caller of this room needs these functions::

    forms("41.20", "en")                                    # {("forty", "one", "twenty"), ...}
    warm_up("en")                                           # once, before the first call
    unbacked(reply, slots, caller, "en", date.today())      # (Unbacked("seven", "number"), ...)
    review(reply, slots, caller, "en").as_given             # the reply, its facts as the slots have them
    number_words("en")                                      # {"seven", "twenty", ...}

Numbers are spelt by CLDR's rules (``unicode_rbnf``), names of calendars and currencies are Babel's, Easter is
``dateutil``'s; what these do not know of a language is in ``languages/<code>/spoken.yml``.
"""

from emotionlayer_rasa.response.said.numerals import number_words
from emotionlayer_rasa.response.said.review import Review, Unbacked, review, unbacked, warm_up
from emotionlayer_rasa.response.said.spoken import spoken_languages
from emotionlayer_rasa.response.said.values import forms

__all__ = ["Review", "Unbacked", "forms", "number_words", "review", "spoken_languages", "unbacked", "warm_up"]
