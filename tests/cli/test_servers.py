import os
import signal
import subprocess
import sys
import time

import httpx
import pytest

from emotionlayer_rasa.cli.servers import Servers, free_port
from emotionlayer_rasa.errors import ServerError


def alive(process_group: int) -> bool:
    try:
        os.killpg(process_group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_server_is_waited_for_and_stopped(tmp_path):
    port = free_port()
    with Servers(tmp_path) as servers:
        servers.start("files", [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"])
        servers.wait("files", f"http://127.0.0.1:{port}/", lambda answer: answer.status_code == 200, seconds=20)
        group = servers._running[0][1].pid
        assert alive(group)
    assert not alive(group)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)


def test_a_server_that_ends_shows_the_end_of_its_log(tmp_path):
    with Servers(tmp_path) as servers:
        servers.start("broken", [sys.executable, "-c", "print('no such port'); raise SystemExit(3)"])
        with pytest.raises(ServerError, match=r"exit code 3.*\n.*broken\.log:\nno such port"):
            servers.wait("broken", "http://127.0.0.1:9/", lambda answer: True, seconds=20)


def test_a_server_that_never_answers_is_given_up(tmp_path):
    with Servers(tmp_path) as servers:
        servers.start("silent", [sys.executable, "-c", "import time; time.sleep(60)"])
        with pytest.raises(ServerError, match="not ready after"):
            servers.wait("silent", f"http://127.0.0.1:{free_port()}/", lambda answer: True, seconds=0.5)


STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""


def test_a_server_that_ignores_sigterm_is_killed(tmp_path):
    servers = Servers(tmp_path, patience_s=0.2)
    servers.start("stubborn", [sys.executable, "-c", STUBBORN])
    while "up" not in (tmp_path / "stubborn.log").read_text():
        pass
    process = servers._running[0][1]
    servers.stop()
    assert process.returncode == -signal.SIGKILL


def test_ctrl_c_while_a_server_is_started_leaves_nothing_behind(tmp_path, monkeypatch):
    """The signal comes when the child runs, and the parent does not know it yet."""
    popen = subprocess.Popen

    def interrupted(*given, **named):
        process = popen(*given, **named)
        started.append(process)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)  # Python runs the handler between two instructions
        return process

    started = []
    monkeypatch.setattr(subprocess, "Popen", interrupted)
    with pytest.raises(KeyboardInterrupt), Servers(tmp_path) as servers:
        servers.start("sleeper", [sys.executable, "-c", "import time; time.sleep(60)"])
    assert started[0].poll() is not None
