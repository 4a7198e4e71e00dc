"""The first sentence of a reply, said while a language model writes the rest."""

from __future__ import annotations

from typing import AsyncIterator, Awaitable, Callable, Iterator

from emotionlayer_rasa.response.answer import Answer, read_beginning, read_wording
from emotionlayer_rasa.response.prompt import Messages
from emotionlayer_rasa.response.sentences import says_the_same, split_sentences, words_of_meaning
from emotionlayer_rasa.response.templates import replies
from emotionlayer_rasa.response.wording import WordingTask


class EarlySentence:
    """Says the first sentence where it may be said and a fit reply can be made of it, whatever comes behind it.

    Args:
        task: what the reply is made of.
        say: says a text; false where it cannot be said now. It is asked once at most.

    Attributes:
        text: what was said; empty as long as nothing was.
        reply: the reply that is given where what the model writes behind it cannot be said.
        source: that reply's.
    """

    def __init__(self, task: WordingTask, say: Callable[[str], Awaitable[bool]]) -> None:
        self.text = self.reply = ""
        self.source = "llm"
        self._task = task
        self._say: Callable[[str], Awaitable[bool]] | None = say

    def begins(self, wording: str) -> bool:
        """Whether a reply begins with what was said."""
        said = self.text.split()
        return wording.split()[: len(said)] == said

    async def read(self, texts: AsyncIterator[str], messages: Messages) -> str:
        """All that the model writes; its first sentence is said on the way.

        Args:
            texts: what it has written so far, time and again.
            messages: what it was asked.
        """
        task = self._task
        text = judged = ""
        async for text in texts:
            if self._say is None:
                continue
            if task.composing:
                answer = read_beginning(text)
            else:
                answer = Answer(read_wording(text, task.shown, whole=False))
            complete = complete_sentences(task.filled_beginning(answer.reply))
            if complete != judged and answer.follows(task.strategy):
                judged = complete
                await self._say_if_fit(complete, messages)
        return text

    async def _say_if_fit(self, text: str, messages: Messages) -> None:
        reply, source = self._completed(text, messages)
        if reply and self._say:
            say, self._say = self._say, None
            if await say(text):
                self.text, self.reply, self.source = text, reply, source

    def _completed(self, text: str, messages: Messages) -> tuple[str, str]:
        """A fit reply that begins with a text, and its source; empty where the text may not be said.

        What is reworded has to say what the draft begins with, or be such an opener as the strategy has; the rest
        of the draft stands behind it. What is composed may say it in any words. Either stands alone where it says
        all that the draft does beside its opener.
        """
        task = self._task
        language = task.language
        openers = replies(language, task.profile).strategies[task.strategy].openers
        opener = next((opener for opener in openers if task.draft.text.startswith(f"{opener} ")), "")
        after_opener = task.draft.text.removeprefix(opener)
        body = [sentence.text for sentence in split_sentences(after_opener)]

        def parts() -> Iterator[tuple[str, str | None, str]]:
            """What the text may say, the draft that it is compared with, and what is left to say."""
            for end in range(len(body), len(body) - 1 if task.composing else 0, -1):
                meant = " ".join(body[:end])
                yield meant, f"{opener} {meant}", " ".join(body[end:])
            bare = not words_of_meaning(text, language)  # such as "I am sorry about that."
            for other in () if task.composing else openers:
                yield text if bare else other, other, " ".join(body)
            for start in range(len(body)) if task.composing else ():
                yield text, None, " ".join(body[start:])

        for meant, compared, rest in parts():
            if not says_the_same(text, meant, language):
                continue
            if task.faults_beside(text, compared, messages, whole=not rest):
                continue
            whole = f"{text} {rest}".strip()
            if not rest or not task.faults(whole, messages):
                return whole, "both" if rest else "llm"
        return "", ""


def complete_sentences(text: str) -> str:
    """The sentences of a text that grows that are at their end: the next one has begun, with no small letter."""
    text = " ".join(text.split())
    sentences = split_sentences(text)
    if len(sentences) < 2 or sentences[-1].text[0].islower():
        return ""
    return text[: max(0, text.rfind(sentences[-1].text))].rstrip()
