import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from command_line import separate_runner

from emotionlayer_rasa.cli import main
from emotionlayer_rasa.cli.benchmark import read_answer
from emotionlayer_rasa.taxonomy import UNKNOWN

SARCASTIC = {
    "id": "late",
    "target_strategy": "Assertive Neutrality",
    "emotion_detected": "Sarcasm",
    "input": {
        "vocal_sentiment": [{"Emotion": "disgust", "Score": "60%"}, {"Emotion": "anger", "Score": "30%"}],
        "prosody": {"arousal": 0.53, "dominance": 0.66, "valence": 0.3},
        "transcription": "Oh great, thank you so much, another hour on hold.",
    },
}
PLAIN = {
    "id": "plain",
    "target_strategy": "Efficienza diretta",
    "emotion_detected": "Neutro",
    "input": {
        "vocal_sentiment": [{"Emotion": "Neutralità", "Score": "90%"}, {"Emotion": "Gioia", "Score": "5%"}],
        "prosody": {"arousal": 0.46, "dominance": 0.5, "valence": 0.5},
        "transcription": "A che ora aprite il sabato?",
    },
}
WRONG = {**PLAIN, "id": "mislabelled", "emotion_detected": "Rabbia", "target_strategy": "De-escalation attiva"}


def run(*arguments):
    return separate_runner().invoke(main, ["benchmark", *(str(argument) for argument in arguments)])


@pytest.fixture
def scenarios(tmp_path):
    path = tmp_path / "scenarios.json"
    path.write_text(json.dumps([SARCASTIC, PLAIN, WRONG]), encoding="utf-8")
    return path


@pytest.fixture
def llm(tmp_path, monkeypatch):
    """A language model that says what ``replies`` holds, in order; ``asked`` holds what it was asked."""

    class Model(BaseHTTPRequestHandler):
        replies: ClassVar[list[str]] = []
        asked: ClassVar[list[dict]] = []

        def do_POST(self):
            self.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            message = {"role": "assistant", "content": self.replies.pop(0)}
            body = json.dumps(
                {
                    **{"id": "1", "object": "chat.completion", "created": 0, "model": "m"},
                    "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                }
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    endpoints = tmp_path / "endpoints.yml"
    endpoints.write_text(f"llm:\n  base_url: http://127.0.0.1:{server.server_port}/v1\n  model: m\n")
    monkeypatch.setenv("EMOTIONLAYER_ENDPOINTS", str(endpoints))
    yield Model
    server.shutdown()
    server.server_close()


def test_json_has_the_figures_and_the_cases(scenarios):
    done = run("--scenarios", scenarios, "--format", "json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["emotion_match"], result["strategy_match"]) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    decided = {case["id"]: (case["state"], case["strategy"]) for case in result["cases"]}
    assert decided == {
        "late": ("sarcasm", "assertive_neutrality"),
        "plain": ("neutral", "direct_efficiency"),
        "mislabelled": ("neutral", "direct_efficiency"),
    }
    assert all(case["reasons"] and case["ms"] > 0 for case in result["cases"])


def test_the_table_shows_figures_and_misses_with_their_reasons(scenarios):
    done = run("--scenarios", scenarios)
    assert done.exit_code == 0, done.stderr
    assert "emotion match 0.667" in done.stdout
    assert "mislabelled: expected anger (active_deescalation), decided neutral (direct_efficiency)" in done.stdout
    assert "voice:neutral=.90" in done.stdout
    assert "plain:" not in done.stdout


def test_wrong_labels_stop_it(scenarios):
    scenarios.write_text(json.dumps([{**PLAIN, "emotion_detected": "Malinconia"}]))
    done = run("--scenarios", scenarios)
    assert done.exit_code == 1
    assert "scenario plain: 'Malinconia' is no affective state" in done.stderr


def test_a_language_model_decides_instead(scenarios, llm):
    llm.replies[:] = [
        'Sure: {"state": "Sarcasm", "strategy": "Assertive Neutrality"} because the tone differs.',
        "I cannot say.",
        '{"state": "anger", "strategy": "dance"}',
    ]
    done = run("--scenarios", scenarios, "--llm", "--format", "json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    decided = [(case["state"], case["strategy"]) for case in result["cases"]]
    assert decided == [("sarcasm", "assertive_neutrality"), (UNKNOWN, UNKNOWN), ("anger", UNKNOWN)]
    assert (result["emotion_match"], result["strategy_match"]) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert json.loads(llm.asked[0]["messages"][-1]["content"]) == SARCASTIC["input"]


def test_a_language_model_must_be_configured(scenarios, tmp_path, monkeypatch):
    monkeypatch.delenv("EMOTIONLAYER_ENDPOINTS", raising=False)
    monkeypatch.chdir(tmp_path)
    done = run("--scenarios", scenarios, "--llm")
    assert done.exit_code == 1
    assert "llm:" in done.stderr


@pytest.mark.parametrize(
    ("answer", "state", "strategy"),
    [
        (
            '```json\n{"state": "Frustrazione", "strategy": "empathic_validation"}\n```',
            "frustration",
            "empathic_validation",
        ),
        ('{"state": "anger", "strategy": }', UNKNOWN, UNKNOWN),
        ('{"state": null, "strategy": ["rapid_resolution"]}', UNKNOWN, "rapid_resolution"),
        ("", UNKNOWN, UNKNOWN),
    ],
)
def test_answers_are_read_with_patience(answer, state, strategy):
    read = read_answer(answer)
    assert (read.state, read.strategy) == (state, strategy)
