"""How long a silence ends a turn: learnt from the caller's pauses, or told by the voice."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from test_endpointing import RATE, LoudIsSpeech, spoken
from transformers import WhisperFeatureExtractor

from emotionlayer_rasa.audio import Endpointer, EndpointSettings, Patience, TurnDetector, TurnSettings, load_audio
from emotionlayer_rasa.audio import turn_detection as module
from emotionlayer_rasa.audio.endpointing import Ended
from emotionlayer_rasa.audio.turn_detection import SmartTurnDetector, log_mel, smart_turn_file
from emotionlayer_rasa.errors import ConfigurationError, ModelError
from emotionlayer_rasa.settings import read_settings

DATA = Path(__file__).parents[1] / "data"


class Told(TurnDetector):
    """Says what a test says, and remembers how much it heard."""

    def __init__(self, *probabilities: float) -> None:
        self.probabilities = list(probabilities)
        self.heard: list[int] = []

    def probability(self, samples: np.ndarray) -> float:
        self.heard.append(len(samples))
        return self.probabilities.pop(0)


def ends(samples: np.ndarray, detector: TurnDetector | None = None, **turns: Any) -> list[tuple[float, float]]:
    """Where each utterance's speech ends, and how many seconds later that was clear."""
    patience = Patience(TurnSettings(**turns), 600, detector, lambda start, end: samples[start:end])
    endpointer = Endpointer(EndpointSettings(), LoudIsSpeech(), patience)
    found = [end for start in range(0, len(samples), 777) for end in endpointer.feed(samples[start : start + 777])]
    return [
        (round(end.speech[-1][1] / RATE, 2), round((end.known_at - end.speech[-1][1]) / RATE, 2))
        for end in (*found, *endpointer.finish())
        if isinstance(end, Ended)
    ]


def test_who_pauses_long_gets_longer_silences() -> None:
    # A pause of 1 s cuts the first turn; the second one, with a pause of 1.1 s, is left whole.
    hesitant = spoken(1, 1, 1, 1, 5, 1, 1.1, 1, 5)
    assert ends(hesitant) == [(2.0, 0.6), (4.0, 1.25), (12.1, 1.38)]
    assert [at for at, _ in ends(hesitant, learn=False)] == [2.0, 4.0, 10.0, 12.1]


def test_who_speaks_fluently_waits_no_longer_and_an_answer_is_no_pause() -> None:
    fluent = spoken(1, 1, 0.4, 1, 3, 1, 3, 1, 3)
    assert [wait for _, wait in ends(fluent)] == [0.6, 0.6, 0.6]


def test_pauses_are_forgotten_and_never_lead_to_more_than_the_longest() -> None:
    patience = Patience(TurnSettings(longest_ms=2000), 600)
    patience.learn(int(1.9 * RATE))
    assert patience.usual == 2 * RATE
    patience.learn(3 * RATE)  # nobody pauses within a turn for so long
    for _ in range(10):
        patience.learn(RATE // 2)
    assert patience.usual == int(0.625 * RATE)


def test_a_complete_turn_ends_early_and_another_late() -> None:
    turns = spoken(1, 1, 1.2, 1, 4)
    detector = Told(0.1, 0.9)
    assert ends(turns, detector, learn=False) == [(4.2, 0.4)]
    # From the beginning of the utterance, pre-roll included, to the silence after which it may have ended.
    assert [heard / RATE for heard in detector.heard] == pytest.approx([1.55, 3.75], abs=0.02)
    assert ends(turns, Told(0.9, 0.9), learn=False) == [(2.0, 0.4), (4.2, 0.4)]
    assert ends(spoken(1, 1, 4), Told(0.1)) == [(2.0, 2.5)]


def test_a_detector_hears_eight_seconds_at_most() -> None:
    detector = Told(0.9)
    ends(spoken(1, 9, 2), detector)
    assert detector.heard == [8 * RATE]


def test_after_a_pause_a_turn_that_is_called_complete_ends_later() -> None:
    assert ends(spoken(1, 1, 1, 1, 4), Told(0.9, 0.9)) == [(2.0, 0.4), (4.0, 1.25)]


# --- the network ---


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A network with the form of Smart Turn's: the share of the spectrogram's mean and 1."""
    make = onnx.helper
    features = make.make_tensor_value_info("input_features", onnx.TensorProto.FLOAT, ["n", 80, 800])
    told = make.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["n", 1])
    nodes = [
        make.make_node("ReduceMean", ["input_features"], ["mean"], axes=[1, 2], keepdims=0),
        make.make_node("Sigmoid", ["mean"], ["flat"]),
        make.make_node("Unsqueeze", ["flat", "one"], ["logits"]),
    ]
    one = make.make_tensor("one", onnx.TensorProto.INT64, [1], [1])
    graph = make.make_graph(nodes, "turn", [features], [told], [one])
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 13)], ir_version=8)
    file = tmp_path / "pipecat" / "audio" / "turn" / "smart_turn" / "data" / "smart-turn-v3.2-cpu.onnx"
    file.parent.mkdir(parents=True)
    file.write_bytes(model.SerializeToString())
    return file


def test_the_spectrogram_is_whispers() -> None:
    extractor = WhisperFeatureExtractor(chunk_length=8)
    for samples in (load_audio(DATA / "en_complaint.flac").samples, spoken(1, 8, 1), np.zeros(RATE, np.float32)):
        count = 8 * RATE
        padded = np.pad(samples, (max(0, count - len(samples)), 0))[-count:]
        wanted = extractor(padded, sampling_rate=RATE, return_tensors="np", do_normalize=True, max_length=count)
        np.testing.assert_allclose(log_mel(samples), wanted.input_features[0], atol=1e-3)


def test_the_file_is_found_in_the_package_that_is_not_imported(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.machinery.ModuleSpec("pipecat", None, is_package=True)
    spec.submodule_search_locations = [str(network.parents[4])]
    monkeypatch.setattr(module, "find_spec", lambda name: spec if name == "pipecat" else None)
    assert smart_turn_file() == network
    settings = read_settings(TurnSettings, {"detector": "smart_turn"}, "credentials.yml, live.turns")
    assert settings.model is None
    samples = load_audio(DATA / "en_order.flac").samples
    told = SmartTurnDetector(network).probability(samples)
    assert told == pytest.approx(1 / (1 + np.exp(-log_mel(samples).mean())), abs=1e-4)


def test_settings_without_the_file_name_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="pip install --no-deps pipecat-ai"):
        read_settings(TurnSettings, {"detector": "smart_turn"}, "credentials.yml, live.turns")
    with pytest.raises(ConfigurationError, match="there is no file /nowhere"):
        read_settings(TurnSettings, {"detector": "smart_turn", "model": "/nowhere"}, "credentials.yml, live.turns")
    (tmp_path / "x.onnx").write_bytes(b"no network")
    with pytest.raises(ModelError, match="Smart Turn"):
        SmartTurnDetector(tmp_path / "x.onnx")


def test_the_network_of_the_package_gives_a_probability() -> None:
    file = smart_turn_file()
    assert file, "pip install --no-deps pipecat-ai"
    assert 0 <= SmartTurnDetector(file).probability(load_audio(DATA / "en_complaint.flac").samples) <= 1
