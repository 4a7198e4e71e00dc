"""The shipped recognizer: what it says of speech, and that it keeps silent about everything else."""

import csv
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform, load_audio
from emotionlayer_rasa.emotion import CallerVoice, EmotionSettings, create_recognizer, measure_prosody
from emotionlayer_rasa.emotion.adaptation import Site, write_site
from emotionlayer_rasa.emotion.onnx_recognizer import (
    NAMED_MODELS,
    SHIPPED_MODEL,
    OnnxRecognizer,
    read_description,
    reading,
)
from emotionlayer_rasa.errors import ConfigurationError, ModelError, ModelUnavailableError
from emotionlayer_rasa.settings import read_settings
from emotionlayer_rasa.taxonomy import EMOTIONS, UNKNOWN
from emotionlayer_rasa.utterance import EmotionReading, Prosody

DATA = Path(__file__).parents[1] / "data"
SPEECH = Path(os.environ.get("EMOTIONLAYER_SHARED", Path(__file__).parents[3] / "shared")) / "speech"
RECORDINGS = sorted(DATA.glob("*.flac"))


@pytest.fixture(scope="module")
def recognizer() -> OnnxRecognizer:
    return OnnxRecognizer()


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


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_of_an_unheard_caller_no_more_is_known_than_of_nobody(recognizer, path):
    sound = load_audio(path)
    assert recognizer.hear(sound, caller=CallerVoice()).reading == recognizer.recognize(sound)
    heard = recognizer.hear(sound)
    assert heard.reading.adapted_from == 0
    assert heard.offset.shape == (recognizer.description.adaptation.size,)
    assert np.isfinite(heard.offset).all()
    assert 0 <= heard.speech <= 1


def test_a_caller_is_heard_with_what_the_former_utterances_taught(recognizer):
    first, second, last = (load_audio(path) for path in RECORDINGS[:3])
    caller = CallerVoice()
    recognizer.hear(first, caller=caller).teach(caller)
    recognizer.hear(second, caller=caller).teach(caller)
    adapted, alone = recognizer.hear(last, caller=caller).reading, recognizer.recognize(last)
    assert (adapted.adapted_from, alone.adapted_from) == (2, 0)
    assert adapted.scores != alone.scores
    assert sum(adapted.scores.values()) == pytest.approx(1)
    caller.forget()
    assert recognizer.hear(last, caller=caller).reading == alone


def test_hearing_a_caller_does_not_change_what_is_known(recognizer):
    first, second = (load_audio(path) for path in RECORDINGS[:2])
    caller = CallerVoice()
    recognizer.hear(first, caller=caller).teach(caller)
    once, again = (recognizer.hear(second, caller=caller) for _ in range(2))
    assert once.reading == again.reading
    assert caller.heard == 1
    again.teach(caller)
    assert caller.heard == 2
    assert recognizer.hear(second, caller=caller).reading != once.reading


def test_the_same_voice_again_and_again_becomes_the_middle(recognizer):
    """The more of a caller is known, the less each further utterance of the same kind lies off it."""
    sound = load_audio(RECORDINGS[0])
    adaptation = recognizer.description.adaptation
    caller, left = CallerVoice(), []
    for _ in range(12):
        heard = recognizer.hear(sound, caller=caller)
        shift = caller.shift(np.zeros(adaptation.size, np.float32), adaptation.prior)
        left.append(float(np.linalg.norm(heard.offset - shift)))
        heard.teach(caller)
    assert left[-1] < 0.5 * left[0]


def test_many_callers_at_once_are_kept_apart(recognizer):
    sounds = [load_audio(path) for path in RECORDINGS]
    prosody = [measure_prosody(sound) for sound in sounds]

    def call(start: int) -> list[EmotionReading]:
        caller, readings = CallerVoice(), []
        for place in range(3):
            heard = recognizer.hear(sounds[(start + place) % 4], prosody[(start + place) % 4], caller)
            heard.teach(caller)
            readings.append(heard.reading)
        return readings

    alone = [call(start) for start in range(4)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, [0, 1, 2, 3] * 2)) == alone * 2
    assert len({reading.scores["neutral"] for readings in alone for reading in readings}) == 12


def test_long_speech_teaches_the_mean_of_its_pieces():
    recognizer = OnnxRecognizer()
    recognizer.description = recognizer.description.copy(update={"without_silence": False, "window_s": 5.0})
    samples = np.concatenate([load_audio(path).samples for path in RECORDINGS * 3])[: 15 * SAMPLE_RATE]
    prosody = measure_prosody(waveform(samples))
    pieces = [waveform(piece) for piece in np.split(samples, 3)]
    weights = [float(np.std(piece.samples)) for piece in pieces]
    offsets = [recognizer.hear(piece, prosody).offset for piece in pieces]
    whole = recognizer.hear(waveform(samples), prosody)
    assert whole.offset == pytest.approx(np.average(offsets, axis=0, weights=weights), abs=1e-3)


@pytest.mark.parametrize("samples", [np.zeros(48000), np.sin(0.1 * np.arange(4000))], ids=["silence", "too short"])
def test_where_nothing_is_heard_nothing_is_taught(recognizer, samples):
    caller = CallerVoice()
    heard = recognizer.hear(waveform(samples), caller=caller)
    assert (heard.offset, heard.speech) == (None, 0.0)
    heard.teach(caller)
    assert caller.heard == 0


def test_noise_teaches_little(recognizer):
    for samples in no_voice()["white noise"]:
        heard = recognizer.hear(waveform(samples))
        assert heard.offset is None or heard.speech < 0.5


def test_a_site_is_what_is_known_before_the_first_utterance(recognizer, tmp_path):
    sound, adaptation = load_audio(RECORDINGS[0]), recognizer.description.adaptation
    caller = CallerVoice()
    for path in RECORDINGS[1:]:
        recognizer.hear(load_audio(path), caller=caller).teach(caller)
    shift = caller.shift(np.zeros(adaptation.size, np.float32), adaptation.prior)
    write_site(Site(model=recognizer.model, callers=50, shift=shift.tolist()), tmp_path / "site.json")
    there = create_recognizer(EmotionSettings(site=str(tmp_path / "site.json")))
    at_site, known = there.recognize(sound), recognizer.hear(sound, caller=caller).reading
    assert at_site.adapted_from == 0
    assert at_site.scores == pytest.approx(dict(known.scores), abs=1e-4)
    assert at_site.scores != recognizer.recognize(sound).scores
    of_caller = CallerVoice()
    there.hear(sound, caller=of_caller).teach(of_caller)
    of_both = there.hear(sound, caller=of_caller).reading.scores
    assert of_both != at_site.scores
    assert of_both != recognizer.hear(sound, caller=of_caller).reading.scores


def test_a_site_of_another_model_stops_the_start(recognizer, tmp_path):
    site = Site(model="onnx/another-1", callers=50, shift=[0.0] * recognizer.description.adaptation.size)
    write_site(site, tmp_path / "site.json")
    with pytest.raises(ConfigurationError, match="onnx/another-1, and onnx/emotionlayer-open-"):
        create_recognizer(EmotionSettings(site=str(tmp_path / "site.json")))
    with pytest.raises(ConfigurationError, match=r"gone\.json: the site cannot be read"):
        create_recognizer(EmotionSettings(site=str(tmp_path / "gone.json")))
    with pytest.raises(ConfigurationError, match="'site' goes with the emotion engine 'onnx'"):
        create_recognizer(EmotionSettings(engine="transformers", model="any", site=str(tmp_path / "site.json")))


def test_a_model_that_does_not_adapt_is_heard_as_ever(tmp_path):
    path = tmp_path / "plain.onnx"
    values = {"name": "plain", "version": "1", "prosody": [], "window_s": 10, "temperature": 1, "threshold": 0}
    path.with_suffix(".json").write_text(json.dumps(values))
    write_constant_model(path)
    sound, caller = load_audio(RECORDINGS[0]), CallerVoice()
    heard = OnnxRecognizer(path).hear(sound, caller=caller)
    heard.teach(caller)
    assert (heard.reading.label, heard.offset, caller.heard) == ("fear", None, 0)
    assert heard.reading == OnnxRecognizer(path).recognize(sound)
    write_site(Site(model="onnx/plain-1", callers=50, shift=[0.0]), tmp_path / "site.json")
    with pytest.raises(ConfigurationError, match="was learnt by"):
        OnnxRecognizer(path, site=tmp_path / "site.json")


def write_constant_model(path: Path) -> None:
    """A model without shift and offset, which hears fear in everything."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    outputs = {"logits": [[0, 0, 3, 0, 0, 0, 0, 0]], "vad": [[0.2, 0.8, 0.3]]}
    nodes = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.array(values, np.float32)))
        for name, values in outputs.items()
    ]
    sizes = {"waveform": [1, "n"], "prosody": [1, 0]}
    graph = helper.make_graph(
        nodes,
        "constant",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in sizes.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, np.shape(v)) for name, v in outputs.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


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


def test_models_of_this_project_have_names(tmp_path, monkeypatch):
    shipped = create_recognizer(EmotionSettings())
    assert create_recognizer(EmotionSettings(model="open")).model == shipped.model
    assert shipped.model.startswith("onnx/emotionlayer-open-")
    named = tmp_path / "emotionlayer-research.onnx"
    monkeypatch.setitem(NAMED_MODELS, "research", named)
    research = EmotionSettings(model="research", threads=3)
    with pytest.raises(ModelUnavailableError, match=r"emotionlayer-research\.onnx"):
        create_recognizer(research)
    shutil.copy(SHIPPED_MODEL, named)
    description = json.loads(SHIPPED_MODEL.with_suffix(".json").read_text())
    named.with_suffix(".json").write_text(json.dumps(description | {"name": "emotionlayer-research"}))
    assert create_recognizer(research).model.startswith("onnx/emotionlayer-research-")


def test_shipped_files():
    description = read_description(SHIPPED_MODEL)
    assert SHIPPED_MODEL.name == "emotionlayer-open.onnx"
    assert SHIPPED_MODEL.stat().st_size < 30e6
    assert description.name == "emotionlayer-open"
    assert set(description.training["corpora"]) == {"crema-d", "emodb-full", "emogator"}
    assert description.adaptation
    assert description.figures["largest_probability_difference_to_torch"] < 0.15
    assert {"strangers", "speakers"} <= set(description.figures)
    card = SHIPPED_MODEL.with_suffix(".md").read_text(encoding="utf-8")
    for licence in ("CC BY 4.0", "ODbL", "CC0", "Apache-2.0"):
        assert licence in card


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
