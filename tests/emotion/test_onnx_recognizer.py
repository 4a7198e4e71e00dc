"""The shipped recognizer: what it says of speech, and that it keeps silent about everything else."""

import csv
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform, load_audio
from emotionlayer_rasa.emotion import EmotionSettings, create_recognizer, measure_prosody
from emotionlayer_rasa.emotion.onnx_recognizer import SHIPPED_MODEL, OnnxRecognizer, read_description, reading
from emotionlayer_rasa.errors import ConfigurationError, ModelError, ModelUnavailableError
from emotionlayer_rasa.settings import read_settings
from emotionlayer_rasa.taxonomy import EMOTIONS, UNKNOWN
from emotionlayer_rasa.utterance import Prosody

DATA = Path(__file__).parents[1] / "data"
SPEECH = Path(os.environ.get("EMOTIONLAYER_SHARED", Path(__file__).parents[3] / "shared")) / "speech"
RECORDINGS = sorted(DATA.glob("*.flac"))


@cache
def shipped() -> OnnxRecognizer:
    return OnnxRecognizer()


@pytest.fixture(scope="module")
def recognizer() -> OnnxRecognizer:
    return shipped()


def waveform(samples) -> Waveform:
    return Waveform(np.asarray(samples, dtype=np.float32))


def clips(emotion: str) -> list[Waveform]:
    """Recordings of an emotion, one a speaker: of the shared folder, or those that come with the tests."""
    if not SPEECH.is_dir():
        code = {"anger": "05", "sadness": "04"}[emotion]
        return [load_audio(path) for path in sorted((DATA / "ravdess").glob(f"03-01-{code}-*.flac"))]
    with (SPEECH / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["emotion"] == emotion and row["corpus"] != "urdu"]
    by_speaker = {row["speaker"]: row["path"] for row in rows}
    return [load_audio(SPEECH / path) for path in list(by_speaker.values())[:12]]


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_speech_gives_probabilities_and_vad(recognizer, path):
    heard = recognizer.recognize(load_audio(path))
    assert set(heard.scores) == set(EMOTIONS)
    assert sum(heard.scores.values()) == pytest.approx(1)
    assert all(0 <= value <= 1 for value in (*heard.scores.values(), heard.confidence))
    assert all(0 <= value <= 1 for value in (heard.valence, heard.arousal, heard.dominance))
    assert heard.label in (*EMOTIONS, UNKNOWN)
    assert (heard.source, heard.model) == ("voice", recognizer.model)
    json.dumps(asdict(heard))


def test_angry_voices_are_more_aroused_than_sad_ones(recognizer):
    arousal, valence = {}, {}
    for emotion in ("anger", "sadness"):
        heard = [recognizer.recognize(sound) for sound in clips(emotion)]
        arousal[emotion] = np.mean([each.arousal for each in heard])
        valence[emotion] = np.mean([each.valence for each in heard])
    assert arousal["anger"] > arousal["sadness"] + 0.05


def test_same_sound_same_reading(recognizer):
    sound = load_audio(RECORDINGS[0])
    assert recognizer.recognize(sound) == recognizer.recognize(sound, measure_prosody(sound))


def test_many_threads_agree(recognizer):
    sounds = [load_audio(path) for path in RECORDINGS]
    alone = [recognizer.recognize(sound) for sound in sounds]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(recognizer.recognize, sounds * 4))
    assert together == alone * 4


def test_dc_offset_changes_nothing(recognizer):
    sound = load_audio(RECORDINGS[0]).samples * 0.5
    plain, shifted = recognizer.recognize(waveform(sound)), recognizer.recognize(waveform(sound + 0.3))
    assert [shifted.scores[name] for name in EMOTIONS] == pytest.approx(
        [plain.scores[name] for name in EMOTIONS], abs=0.02
    )


def test_long_speech_is_heard_in_pieces(recognizer):
    sound = np.concatenate([load_audio(path).samples for path in RECORDINGS * 3])
    assert len(sound) > 2 * recognizer.description.window_s * SAMPLE_RATE
    heard = recognizer.recognize(waveform(sound))
    assert sum(heard.scores.values()) == pytest.approx(1)
    assert heard.confidence > 0


def test_overdriven_speech_gives_numbers(recognizer):
    heard = recognizer.recognize(waveform(np.clip(load_audio(RECORDINGS[0]).samples * 100, -1, 1)))
    assert np.isfinite([*heard.scores.values(), heard.confidence]).all()


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0),
        np.zeros(1),
        np.zeros(48000),
        np.full(48000, 0.5),
        np.full(48000, np.nan),
        np.sin(0.1 * np.arange(4000)),
    ],
    ids=["empty", "one sample", "silence", "DC", "NaN", "a quarter of a second"],
)
def test_nothing_to_hear_is_unknown(recognizer, samples):
    heard = recognizer.recognize(waveform(samples))
    assert (heard.label, heard.confidence, dict(heard.scores)) == (UNKNOWN, 0.0, {})
    assert (heard.valence, heard.arousal, heard.dominance) == (None, None, None)


def no_voice() -> dict[str, list[np.ndarray]]:
    """Sounds that the training's generator does not make in this form, ten or more of each kind."""
    rng = np.random.default_rng(123)
    times = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    levels = 10 ** (np.linspace(-45, -6, 10) / 20)
    chord = [(1, 5 / 4, 3 / 2), (1, 6 / 5, 3 / 2)]
    return {
        "white noise": [level * rng.standard_normal(len(times)).clip(-3, 3) / 3 for level in levels],
        "sine tones": [
            level * np.sin(2 * np.pi * pitch * times) for level in levels[3:] for pitch in (220, 440, 997)
        ],
        "chords": [
            level * np.mean([np.sin(2 * np.pi * root * ratio * times) for ratio in chord[place % 2]], axis=0)
            for place, level in enumerate(levels)
            for root in (131, 262)
        ],
        "scales": [
            level
            * np.concatenate(
                [
                    np.sin(2 * np.pi * 262 * 2 ** (step / 12) * times[: SAMPLE_RATE // 2])
                    * np.hanning(SAMPLE_RATE // 2)
                    for step in (0, 2, 4, 5, 7, 9)
                ]
            )
            for level in levels
        ],
        "near silence": [1e-3 * rng.standard_normal(len(times)) for _ in range(10)],
    }


@pytest.mark.parametrize("kind", list(no_voice()))
def test_sound_without_a_voice_is_unknown_nine_times_in_ten(recognizer, kind):
    labels = [recognizer.recognize(waveform(samples)).label for samples in no_voice()[kind]]
    assert labels.count(UNKNOWN) >= 0.9 * len(labels), labels


def test_prosody_of_the_caller_is_used(recognizer):
    sound = load_audio(RECORDINGS[0])
    prosody = measure_prosody(sound)
    louder = replace(prosody, energy_db=prosody.energy_db + 20, pitch_semitones=prosody.pitch_semitones + 10)
    assert recognizer.recognize(sound, louder).scores != recognizer.recognize(sound, prosody).scores
    assert recognizer.recognize(sound, Prosody()).scores == {}  # nothing measured: nothing was heard


def heard_again_below(value: float) -> OnnxRecognizer:
    """The shipped recognizer, with this limit of the second hearing."""
    changed = copy(shipped())
    hearing = changed.description.second_hearing.copy(update={"below": value})
    changed.description = changed.description.copy(update={"second_hearing": hearing})
    return changed


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_doubtful_utterance_is_heard_again_and_a_clear_one_is_not(recognizer, path):
    sound = load_audio(path)
    once, always = heard_again_below(0.0).recognize(sound), heard_again_below(1.0).recognize(sound)
    assert once.scores != always.scores
    assert (once.valence, once.arousal, once.dominance) == (always.valence, always.arousal, always.dominance)
    clear = once.confidence > recognizer.description.second_hearing.below + 0.1  # before the temperature, hence .1
    doubtful = once.confidence < recognizer.description.second_hearing.below - 0.1
    if clear or doubtful:
        assert recognizer.recognize(sound) == (once if clear else always)


def test_an_interim_reading_hears_once():
    sound = load_audio(RECORDINGS[0])
    once, always = heard_again_below(0.0), heard_again_below(1.0)
    assert always.recognize(sound, interim=True) == once.recognize(sound) != always.recognize(sound)


def test_the_answer_is_the_mean_of_all_hearings():
    sound = load_audio(RECORDINGS[0])
    once, always = heard_again_below(0.0), heard_again_below(1.0)
    same_scale = {"temperature": 1.0, "without_silence": False}
    for changed in (once, always):
        changed.description = changed.description.copy(update=same_scale)
    prosody, hearing = measure_prosody(sound), always.description.second_hearing
    versions = [sound.samples, *(hearing.version(sound.samples, speed) for speed in hearing.speeds)]
    joy = [heard.scores["joy"] for heard in (once.recognize(waveform(v), prosody) for v in versions)]
    assert always.recognize(sound, prosody).scores["joy"] == pytest.approx(np.mean(joy), abs=0.01)


def test_threshold_decides_between_label_and_unknown():
    sound = load_audio(RECORDINGS[0])
    sure = create_recognizer(EmotionSettings(threshold=0.0)).recognize(sound)
    unsure = create_recognizer(EmotionSettings(threshold=1.0)).recognize(sound)
    assert sure.label in EMOTIONS
    assert unsure == replace(sure, label=UNKNOWN)


def test_reading_of_probabilities():
    vad = np.array([0.2, 0.9, 0.6])
    heard = reading(np.array([0.6, 0.1, 0, 0, 0.1, 0, 0, 0.2]), vad, 0.5, "m")
    assert (heard.label, heard.confidence) == ("anger", 0.6)
    assert heard.scores["anger"] == pytest.approx(0.75)
    assert (heard.valence, heard.arousal, heard.dominance) == (0.2, 0.9, 0.6)
    assert reading(np.array([0.3, 0.1, 0, 0, 0.1, 0, 0, 0.5]), vad, 0.1, "m").scores == {}


def test_the_same_settings_give_the_same_loaded_model():
    assert create_recognizer(EmotionSettings()) is create_recognizer(EmotionSettings())
    assert create_recognizer(EmotionSettings(threads=2)) is not create_recognizer(EmotionSettings())


def test_shipped_files():
    description = read_description(SHIPPED_MODEL)
    assert SHIPPED_MODEL.stat().st_size < 30e6
    assert set(description.training["corpora"]) == {"ravdess", "emovo", "emodb", "urdu"}
    assert description.figures["largest_probability_difference_to_torch"] < 0.15
    card = SHIPPED_MODEL.with_name("MODEL_CARD.md").read_text(encoding="utf-8")
    assert "CC BY-NC-SA 4.0" in card
    assert "5(1)(f)" in card


def test_missing_and_broken_models_are_explained(tmp_path):
    with pytest.raises(ModelUnavailableError, match=r"nowhere\.onnx"):
        create_recognizer(EmotionSettings(model=str(tmp_path / "nowhere.onnx")))
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(ModelUnavailableError, match=r"broken\.json"):
        OnnxRecognizer(broken)
    shutil.copy(SHIPPED_MODEL.with_suffix(".json"), broken.with_suffix(".json"))
    with pytest.raises(ModelError, match=r"broken\.onnx"):
        OnnxRecognizer(broken)
    broken.with_suffix(".json").write_text("{")
    with pytest.raises(ModelError, match="not JSON"):
        OnnxRecognizer(broken)
    broken.with_suffix(".json").write_text('{"name": "x"}')
    with pytest.raises(ConfigurationError, match="temperature"):
        OnnxRecognizer(broken)


@pytest.mark.parametrize("values", [{"engine": "magic"}, {"threshold": 1.5}, {"threads": 0}, {"speed": 2}])
def test_wrong_settings_are_named(values):
    with pytest.raises(ConfigurationError, match=next(iter(values))):
        read_settings(EmotionSettings, values, "credentials.yml: emotion")
