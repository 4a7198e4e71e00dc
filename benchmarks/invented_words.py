"""How often Whisper's words are invented where nobody speaks its language, and how often real ones are lost.

``lost`` is the share of English utterances whose words Whisper gets right without the check (fewer than half of
them wrong) and that the check leaves without any; ``leak`` the share of other sounds that come out with words,
with the check and without it. Sounds are recordings of manifests (those in English are said, those in another
language or without one are not), spoken by espeak-ng, or made; most are sent through a telephone, noise or a
room, or turned down. Speakers and languages are halved: the limits in ``transcription/invented_words.py`` were
chosen on half 0 and are measured on half 1::

    PYTHONPATH=. python benchmarks/invented_words.py --half 1 --manifest ../shared/speech/manifest.csv \\
        --manifest ../shared/speech-open/manifest.csv
"""

from __future__ import annotations

import random
import re
import subprocess
import zlib
from collections import defaultdict
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping, Sequence
from unittest.mock import patch

import click
import numpy as np

from emotionlayer_rasa.audio import AudioLimits, Waveform, decode_audio, load_audio
from emotionlayer_rasa.evaluation.voice.degrade import add_noise, reverberate, telephone
from emotionlayer_rasa.evaluation.voice.manifest import Clip, read_manifest
from emotionlayer_rasa.training.no_speech import KINDS, no_speech_sound
from emotionlayer_rasa.transcription import TranscriptionSettings, create_transcriber, whisper
from emotionlayer_rasa.transcription.invented_words import without_invented_words

ENGLISH = """I want to complain. The product arrived broken and nobody answers my emails.
Where is my order? The order number is one zero four two.
Thank you very much for your help, goodbye.
I have been waiting for three weeks and nobody calls me back!
This is the third time I call about the same thing, it is unbelievable.
I want to talk to a real person please.
Help me, please, it is urgent, there is water everywhere.
Can you cancel my subscription?
What time do you open tomorrow?
I hate you all, this is terrible.
My name is John Smith.
I need a refund.
It's four one seven.
The blue one.
I don't know
never mind
yes please
no thanks
Not really.
goodbye
hello
help
okay
stop
yes
no
Why?""".splitlines()
FOREIGN = {
    "ar": "مرحبا، أريد أن أتحدث مع شخص.\nأين طلبي؟",
    "cmn": "你好,我想和客服说话。\n产品坏了,没有人回复我的邮件。",
    "de": "Guten Tag, ich möchte mich beschweren.\nDas Paket ist kaputt angekommen.\nJa, bitte.",
    "el": "Καλημέρα, θέλω να μιλήσω με κάποιον.\nΠού είναι η παραγγελία μου;",
    "es": "Buenos días, quiero hablar con una persona.\nEl producto llegó roto y nadie contesta.\nSí, gracias.",
    "fi": "Hei, haluaisin puhua ihmisen kanssa.\nMissä tilaukseni on?",
    "fr": "Bonjour, je voudrais parler à un conseiller.\nMa commande n'est jamais arrivée.\nOui, merci.",
    "hi": "नमस्ते, मैं एक व्यक्ति से बात करना चाहता हूँ।\nसामान टूटा हुआ आया और कोई जवाब नहीं देता।",
    "hu": "Jó napot, szeretnék egy munkatárssal beszélni.\nHol van a rendelésem?",
    "it": "Buongiorno, vorrei parlare con una persona.\nIl prodotto è arrivato rotto.\nSì, grazie.",
    "nl": "Goedemorgen, ik wil graag iemand spreken.\nHet pakket is kapot aangekomen.",
    "pl": "Dzień dobry, chciałbym rozmawiać z konsultantem.\nProdukt przyszedł uszkodzony.",
    "pt": "Bom dia, quero falar com um atendente.\nO produto chegou quebrado.",
    "ru": "Здравствуйте, я хочу поговорить с оператором.\nТовар пришёл сломанным, и никто не отвечает.",
    "sv": "Hej, jag vill prata med en människa.\nVar är min beställning?",
    "sw": "Habari, nataka kuzungumza na mtu.\nAgizo langu liko wapi?",
    "ta": "வணக்கம், நான் ஒருவரிடம் பேச விரும்புகிறேன்.\nஎன் ஆர்டர் எங்கே?",
    "tr": "Merhaba, bir temsilciyle görüşmek istiyorum.\nÜrün kırık geldi ve kimse cevap vermiyor.",
}
VOICES = ("en-us", "en-gb", "en-us+f3", "en-us+m3", "en-gb+f2", "en-us+m7")
LIMITS = AudioLimits(max_bytes=2**30, max_seconds=600)

Made = tuple[str, str, np.ndarray]
"""Kind of sound, what is said in English, and the samples."""


class Sounds:
    """Makes sounds by chance, always the same ones."""

    def __init__(self, manifests: Sequence[Path], half: int) -> None:
        self._chance = random.Random(half)
        self._noise = np.random.default_rng(half)
        self._languages = sorted(FOREIGN)[half::2]
        self._clips: dict[str, list[tuple[Path, Clip]]] = defaultdict(list)
        for manifest in manifests:
            for clip in read_manifest(manifest):
                if zlib.crc32("".join(clip.speaker_key).encode()) % 2 == half:
                    said = "said" if clip.text and clip.language == "en" else clip.language or "burst"
                    self._clips[said].append((manifest.parent, clip))

    def english(self) -> Made:
        """Somebody speaks English."""
        if self._clips["said"] and self._chance.random() < 0.7:
            samples, clip = self._clip("said")
            return clip.corpus, clip.text, samples
        text = self._chance.choice(ENGLISH)
        return "espeak-ng", text, self._spoken(text, self._chance.choice(VOICES))

    def other(self) -> Made:
        """Nobody does."""
        made: list[Callable[[], Made]] = [self._foreign, self._backward, self._babble, self._sound]
        if others := [said for said in self._clips if said != "said"]:
            made += 2 * [lambda: self._other_clip(self._chance.choice(others))]
        return self._chance.choice(made)()

    def sent(self, samples: np.ndarray) -> Waveform:
        """The sound as it arrives."""
        waveform, seed = Waveform(samples), self._chance.randrange(10**6)
        return self._chance.choice(
            [
                lambda: waveform,
                lambda: telephone(waveform),
                lambda: telephone(add_noise(waveform, seed, snr_db=10.0)),
                lambda: add_noise(waveform, seed, snr_db=10.0),
                lambda: add_noise(waveform, seed, snr_db=5.0),
                lambda: reverberate(waveform, seed),
                lambda: Waveform(samples * np.float32(0.03)),
            ]
        )()

    def _clip(self, said: str) -> tuple[np.ndarray, Clip]:
        folder, clip = self._chance.choice(self._clips[said])
        return load_audio(folder / clip.path, LIMITS).samples, clip

    def _spoken(self, text: str, voice: str) -> np.ndarray:
        speed, pitch = self._chance.choice((140, 175, 175, 210)), self._chance.choice((35, 50, 65))
        command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdin", "--stdout", "-b", "1"]
        return decode_audio(
            subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout
        ).samples

    def _other_clip(self, said: str) -> Made:
        return "vocal burst" if said == "burst" else f"people, {said}", "", self._clip(said)[0]

    def _foreign(self) -> Made:
        language = self._chance.choice(self._languages)
        return "espeak-ng, foreign", "", self._spoken(self._chance.choice(FOREIGN[language].split("\n")), language)

    def _backward(self) -> Made:
        return "backward", "", self.english()[2][::-1].copy()

    def _babble(self) -> Made:
        voices = [self.english()[2] for _ in range(self._chance.choice((6, 8, 12)))]
        length = max(len(voice) for voice in voices)
        mix = sum(np.resize(np.roll(v, self._chance.randrange(len(v))), length) / (v.std() + 1e-6) for v in voices)
        return "babble", "", (0.05 * mix / len(voices) ** 0.5).astype(np.float32)

    def _sound(self) -> Made:
        return "hum, music, …", "", no_speech_sound(self._chance.choice(KINDS), self._noise)


def wrong_words(said: str, heard: str) -> float:
    """Word error rate."""
    expected, found = (re.sub(r"[^a-z0-9' ]", " ", text.lower()).split() for text in (said, heard))
    row = np.arange(len(found) + 1)
    for i, word in enumerate(expected, 1):
        before, row[0] = row.copy(), i
        for j, other in enumerate(found, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (word != other))
    return float(row[-1]) / max(1, len(expected))


@click.command()
@click.option("--manifest", "manifests", multiple=True, type=click.Path(exists=True, path_type=Path))
@click.option("--half", type=click.IntRange(0, 1), default=1, show_default=True)
@click.option(
    "--count", type=click.IntRange(2), default=600, show_default=True, help="Sounds; half of them English."
)
@click.option("--show", is_flag=True, help="Also print what is lost and what leaks.")
def main(manifests: tuple[Path, ...], half: int, count: int, show: bool) -> None:
    """Print both shares, by kind of sound and for all."""
    sounds = Sounds(manifests, half)
    transcriber = create_transcriber(TranscriptionSettings(engine="whisper"))
    lost: dict[str, list[bool]] = defaultdict(list)
    leaks: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for number in range(count):
        kind, said, samples = sounds.english() if number % 2 else sounds.other()
        waveform = sounds.sent(samples)
        decoded: list[Any] = []

        def check(segments: Iterable[Any], speech_s: float, decoded: list[Any] = decoded) -> list[Any]:
            decoded += segments
            return without_invented_words(decoded, speech_s)

        with patch.object(whisper, "without_invented_words", check):
            checked = transcriber.transcribe(waveform).text
        unchecked = "".join(segment.text for segment in decoded).strip()
        if not said:
            leaks[kind].append((bool(checked), bool(unchecked)))
        elif wrong_words(said, unchecked) < 0.5:
            lost[kind].append(not checked)
        if show and bool(said) != bool(checked) and unchecked:
            click.echo(f"{kind}: {said!r} {unchecked[:100]!r}")
    for name, share in _shares(lost).items():
        click.echo(f"lost  {name:<22}{share}")
    with_check = {kind: [checked for checked, _ in pairs] for kind, pairs in leaks.items()}
    without = _shares({kind: [unchecked for _, unchecked in pairs] for kind, pairs in leaks.items()})
    for name, share in _shares(with_check).items():
        click.echo(f"leak  {name:<22}{share}   without the check{without[name]}")


def _shares(kinds: Mapping[str, Sequence[bool]]) -> dict[str, str]:
    everything = {
        **{kind: kinds[kind] for kind in sorted(kinds)},
        "all": [item for kind in kinds.values() for item in kind],
    }
    return {kind: f"{np.mean(items):>7.1%} of {len(items):>3}" for kind, items in everything.items() if items}


if __name__ == "__main__":
    main()
