import csv
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar, Iterator, get_args

import pytest
from click.testing import Result
from command_line import separate_runner

from emotionlayer_rasa.cli import main
from emotionlayer_rasa.response import ReplySettings, templates
from emotionlayer_rasa.response.llm.server import llm_server
from emotionlayer_rasa.training.states import DATA

DANGER = "I cannot go on, I want to kill myself tonight."
MARKS = '{"relevance": 7, "voice_suitability": 9, "empathy": 6}'


def run(*arguments: object) -> Result:
    return separate_runner().invoke(main, ["judge", *(str(argument) for argument in arguments)])


@pytest.fixture
def scenarios(tmp_path: Path, data: Path) -> Path:
    """Three of the scenarios of this repository; one with a situation and facts of its own."""
    listed = json.loads((DATA / "older01.json").read_text(encoding="utf-8"))
    chosen = [next(one for one in listed if one["id"].startswith(name)) for name in ("dev-it-shop", "dev-en-shop")]
    late = {
        "id": "late",
        "target_strategy": "Active De-escalation",
        "emotion_detected": "Anger",
        "input": {
            "vocal_sentiment": [{"Emotion": "anger", "Score": "92%"}, {"Emotion": "disgust", "Score": "3%"}],
            "prosody": {"arousal": 0.9, "dominance": 0.85, "valence": 0.1},
            "transcription": "I am furious, where is my order?",
            "situation": "order_status",
            "slots": {"order_number": "1042", "order_status": "on its way", "order_eta": "tomorrow"},
        },
    }
    path = tmp_path / "scenarios.json"
    path.write_text(json.dumps([*chosen, late]), encoding="utf-8")
    return path


class Endpoint(BaseHTTPRequestHandler):
    """A language model that says ``answers`` in order, the last one again and again."""

    answers: ClassVar[list[str]] = []
    asked: ClassVar[list[dict]] = []
    status: ClassVar[int] = 200

    def do_POST(self) -> None:
        self.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
        completion = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        body = json.dumps(completion).encode()
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def grader() -> Iterator[tuple[type[Endpoint], str]]:
    """A judge, and its URL."""

    class Grader(Endpoint):
        answers: ClassVar[list[str]] = [MARKS]
        asked: ClassVar[list[dict]] = []

    server = ThreadingHTTPServer(("127.0.0.1", 0), Grader)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield Grader, f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def rows(out: Path) -> dict[tuple[str, str], dict[str, str]]:
    with (out / "scores.csv").open(encoding="utf-8", newline="") as file:
        return {(row["model"], row["scenario"]): row for row in csv.DictReader(file)}


def test_templates_are_scored_by_proxies(scenarios: Path, tmp_path: Path) -> None:
    done = run("--scenarios", scenarios, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    assert "proxies stand in" in done.stdout
    scored = rows(tmp_path / "out")
    assert len(scored) == 3
    late = scored["templates", "late"]
    assert (late["state"], late["strategy"], late["source"]) == ("anger", "active_deescalation", "template")
    assert "1042" in late["text"]
    assert (late["emotion (exact)"], late["tts_alignment (exact)"]) == ("1.0", "1.0")
    assert all(row["faults"] == "" and 50 < float(row["total"]) <= 100 for row in scored.values())
    assert {row["language"] for row in scored.values()} == {"en", "it"}
    assert all((tmp_path / "out" / name).stat().st_size for name in ("report.md", "scores.png", "answers.jsonl"))


@pytest.mark.llm
def test_smollm2_and_templates_before_a_judge(
    scenarios: Path, tmp_path: Path, grader: tuple[type[Endpoint], str]
) -> None:
    judge, url = grader
    judge.answers[:] = ["I cannot say.", MARKS]
    out = tmp_path / "out"
    with llm_server(port=0) as base_url:
        models = tmp_path / "models.yml"
        models.write_text(
            f"models:\n- {{name: SmolLM2, base_url: '{base_url}', timeout_s: 60}}\n- templates\n"
            f"judge: {{name: grader, model: g-1, base_url: '{url}'}}\n"
        )
        done = run("--scenarios", scenarios, "--models", models, "--out", out)
    assert done.exit_code == 0, done.stderr
    scored = rows(out)
    assert len(scored) == 6
    assert "llm" in {row["source"] for (model, _), row in scored.items() if model == "SmolLM2"}
    failed = [row for row in scored.values() if row["judge_error"]]
    assert [(row["judge_error"], row["total"], row["empathy (judged)"]) for row in failed] == [
        ("unreadable", "", "")
    ]
    assert [row["empathy (judged)"] for row in scored.values()].count("0.6") == 5
    assert {(asked["model"], asked["temperature"]) for asked in judge.asked} == {("g-1", 0.0)}
    report = (out / "report.md").read_text(encoding="utf-8")
    assert "2 of 3" in report
    assert "unreadable 1" in report

    # The failed one is asked again, and only that one.
    judge.asked.clear()
    with llm_server(port=0) as base_url:
        models.write_text(
            f"models:\n- {{name: SmolLM2, base_url: '{base_url}', timeout_s: 60}}\n- templates\n"
            f"judge: {{name: grader, model: g-1, base_url: '{url}'}}\n"
        )
        again = run("--scenarios", scenarios, "--models", models, "--out", out)
    assert again.exit_code == 0, again.stderr
    assert len(judge.asked) == 1
    assert all(row["total"] for row in rows(out).values())


def test_a_run_goes_on_where_it_was_stopped(
    scenarios: Path, tmp_path: Path, grader: tuple[type[Endpoint], str]
) -> None:
    judge, url = grader
    out = tmp_path / "out"
    command = ("--scenarios", scenarios, "--judge", f"grader={url}", "--out", out)
    stopped = run(*command, "--limit", 2)
    assert stopped.exit_code == 0, stopped.stderr
    assert "2 of 3 answers" in stopped.stdout
    assert len(judge.asked) == 2
    kept = (out / "answers.jsonl").read_text(encoding="utf-8")
    with (out / "answers.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"key": "cut o')  # killed while it wrote

    done = run(*command)
    assert done.exit_code == 0, done.stderr
    assert "run the command again" not in done.stdout
    assert len(judge.asked) == 3
    text = (out / "answers.jsonl").read_text(encoding="utf-8")
    assert text.startswith(kept)
    assert len(text.splitlines()) == len(rows(out)) == 3

    assert run(*command).exit_code == 0
    assert len(judge.asked) == 3  # nothing is left to do


def test_another_judge_grades_anew(scenarios: Path, tmp_path: Path, grader: tuple[type[Endpoint], str]) -> None:
    judge, url = grader
    out = tmp_path / "out"
    assert run("--scenarios", scenarios, "--out", out).exit_code == 0
    done = run("--scenarios", scenarios, "--judge", f"grader={url}", "--out", out)
    assert done.exit_code == 0, done.stderr
    assert len(judge.asked) == 3
    assert "proxy" not in (out / "report.md").read_text(encoding="utf-8")


@pytest.fixture
def no_own_wordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder without ``languages/``: the shop's wordings would go before those of a profile."""
    monkeypatch.chdir(tmp_path)
    templates.replies.cache_clear()
    yield
    templates.replies.cache_clear()


@pytest.mark.usefixtures("no_own_wordings")
def test_a_profile_has_wordings_of_its_own_and_crisis_lines(tmp_path: Path, scenarios: Path) -> None:
    listed = json.loads(scenarios.read_text(encoding="utf-8"))[-1:]
    listed[0]["input"]["situation"] = "complaint"
    listed.append({**listed[0], "id": "danger", "input": {**listed[0]["input"], "transcription": DANGER}})
    scenarios.write_text(json.dumps(listed), encoding="utf-8")
    out = tmp_path / "out"
    said = {}
    for profile in ("customer_support", "wellbeing"):
        done = run("--scenarios", scenarios, "--profile", profile, "--out", out)
        assert done.exit_code == 0, done.stderr
        assert f"Profile: {profile}" in (out / "report.md").read_text(encoding="utf-8")
        said[profile] = {scenario: row for (_, scenario), row in rows(out).items()}
    shop, companion = said["customer_support"], said["wellbeing"]
    assert companion["late"]["text"] == "I hear that this is a lot. What happened?"
    assert "noted" in shop["late"]["text"]
    assert "988" in companion["danger"]["text"]
    assert "988" not in shop["danger"]["text"]
    assert companion["danger"]["faults"] == ""
    assert companion["danger"]["strategy"] == "empathic_validation"


def test_an_unknown_profile_is_refused(scenarios: Path, tmp_path: Path) -> None:
    done = run("--scenarios", scenarios, "--profile", "sales", "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert all(profile in done.stderr for profile in get_args(ReplySettings.__fields__["profile"].outer_type_))


def test_a_model_that_is_not_there_stops_it_and_what_is_finished_stays(
    scenarios: Path, tmp_path: Path, grader: tuple[type[Endpoint], str]
) -> None:
    judge, url = grader
    out = tmp_path / "out"
    nobody = run(
        "--scenarios", scenarios, "--model", "templates", "--model", "far=http://127.0.0.1:9/v1", "--out", out
    )
    assert nobody.exit_code == 1
    assert "far" in nobody.stderr
    assert "llm.unreachable" in nobody.stderr
    assert len((out / "answers.jsonl").read_text(encoding="utf-8").splitlines()) == 3

    judge.status = 401
    refused = run("--scenarios", scenarios, "--judge", f"grader={url}", "--out", tmp_path / "other")
    assert refused.exit_code == 1
    assert "grader" in refused.stderr
    assert "llm.status_401" in refused.stderr


def test_a_model_that_fails_is_asked_every_time(
    data: Path, tmp_path: Path, grader: tuple[type[Endpoint], str]
) -> None:
    endpoint, url = grader
    endpoint.status = 500
    scenarios = tmp_path / "six.json"
    listed = json.loads((DATA / "older01.json").read_text(encoding="utf-8"))
    scenarios.write_text(json.dumps(listed[:6]), encoding="utf-8")
    models = tmp_path / "models.yml"
    models.write_text(f"models: [{{name: broken, mode: compose, base_url: '{url}'}}]\n")
    done = run("--scenarios", scenarios, "--models", models, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    scored = rows(tmp_path / "out")
    assert [(row["source"], row["rejections"]) for row in scored.values()] == [("template", "llm.status_500")] * 6
    assert "llm.status_500 6" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("models: [{name: a, base_url: 'http://x/v1', warmth: 3}]", "warmth"),
        ("models: [{base_url: 'http://x/v1'}]", "models, number 1"),
        ("models: [{name: a}]", "base_url"),
        ("models: [templates, templates]", "templates"),
        ("models: templates", "no list"),
        ("model: []", "models"),
        ("models: []\njudge: templates", "judge"),
        ("models: [", "YAML"),
    ],
)
def test_a_wrong_models_file_is_named(scenarios: Path, tmp_path: Path, content: str, named: str) -> None:
    models = tmp_path / "models.yml"
    models.write_text(content)
    done = run("--scenarios", scenarios, "--models", models, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert named in done.stderr


@pytest.mark.parametrize("model", ["gpt", "=http://x/v1", "a=", "a=ftp://x"])
def test_a_wrong_model_is_named(scenarios: Path, tmp_path: Path, model: str) -> None:
    done = run("--scenarios", scenarios, "--model", model, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "--model" in done.stderr


def test_a_foreign_answers_file_is_refused(scenarios: Path, tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_text('{"key": "x", "colour": "red"}\n')
    done = run("--scenarios", scenarios, "--out", tmp_path)
    assert done.exit_code == 1
    assert "line 1" in done.stderr
