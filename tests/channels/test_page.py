from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Iterator

import httpx
import pytest
from sanic import Sanic

from emotionlayer_rasa.channels import VoiceInput, VoiceSettings, page

pytestmark = pytest.mark.anyio

FOLDER = Path(page.__file__).parent
HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def no_apps_left() -> Iterator[None]:
    yield
    Sanic._app_registry.pop("page", None)


async def nobody(message: Any) -> None:
    raise AssertionError("no message is sent here")


class App(Sanic):
    """As a Sanic server makes it when it starts: without signals that nobody listens for."""

    async def dispatch(self, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        pass


def browser(peer: str = "127.0.0.1", host: str = "localhost:5005", **settings: Any) -> httpx.AsyncClient:
    """A client at the address ``peer`` that asks the channel for the server ``host``."""
    app = App("page")
    app.blueprint(VoiceInput(VoiceSettings(**settings)).blueprint(nobody), url_prefix="/webhooks/voice")
    app.finalize()
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app, client=(peer, 50_000)),
        base_url="http://server/webhooks/voice",
        headers={"Host": host},
    )


async def test_a_browser_gets_the_page_and_others_the_health() -> None:
    async with browser() as http:
        shown = await http.get("/", headers=HTML)
        assert shown.status_code == 200
        assert shown.headers["content-type"] == "text/html; charset=utf-8"
        assert shown.text == (FOLDER / "index.html").read_text(encoding="utf-8")
        assert shown.headers["vary"] == "Accept"
        for headers in ({}, {"Accept": "application/json"}, {"Accept": "*/*"}):
            health = await http.get("/", headers=headers)
            assert health.json() == {"status": "loading"}


async def test_without_the_last_slash_the_browser_is_sent_on() -> None:
    async with browser() as http:
        moved = await http.get("http://server/webhooks/voice", headers=HTML)
        assert moved.is_redirect
        assert moved.next_request is not None
        assert moved.next_request.url.path == "/webhooks/voice/"


async def test_with_a_token_everyone_sees_the_page_and_nothing_else() -> None:
    async with browser(peer="192.0.2.7", host="voice.example", token="s3cret") as http:
        assert (await http.get("/", headers=HTML)).status_code == 200
        assert (await http.get("/page/page.js")).status_code == 200
        assert (await http.get("/")).status_code == 401
        assert "s3cret" not in (await http.get("/", headers=HTML)).text


@pytest.mark.parametrize("host", ["localhost:5005", "127.0.0.1:5005", "[::1]:5005", "localhost"])
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_without_a_token_the_machine_itself_sees_the_page(peer: str, host: str) -> None:
    async with browser(peer, host) as http:
        assert (await http.get("/", headers=HTML)).headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("peer", "host", "headers"),
    [
        ("192.0.2.7", "localhost:5005", {}),
        ("10.0.0.2", "10.0.0.1:5005", {}),
        ("127.0.0.1", "voice.example", {}),
        ("127.0.0.1", "localhost.example:5005", {}),
        ("127.0.0.1", "[::1", {}),
        ("127.0.0.1", "localhost:5005", {"X-Forwarded-For": "192.0.2.7"}),
        ("127.0.0.1", "localhost:5005", {"Forwarded": "for=192.0.2.7"}),
        ("127.0.0.1", "localhost:5005", {"X-Real-IP": "192.0.2.7"}),
    ],
)
async def test_without_a_token_nobody_else_does(peer: str, host: str, headers: dict[str, str]) -> None:
    async with browser(peer, host) as http:
        assert (await http.get("/", headers={**HTML, **headers})).json() == {"status": "loading"}
        assert (await http.get("/page/page.js", headers=headers)).status_code == 404


async def test_the_page_can_be_switched_off() -> None:
    async with browser(page=False) as http:
        assert (await http.get("/", headers=HTML)).json() == {"status": "loading"}
        assert (await http.get("/page/page.js")).status_code == 404


async def test_only_files_of_the_page_are_served() -> None:
    async with browser() as http:
        for name in ("__init__.py", "%2e%2e%2fvoice.py", "..%2f..%2ferrors.py", "none.js"):
            assert (await http.get(f"/page/{name}")).status_code == 404, name
        for path in FOLDER.iterdir():
            if path.suffix in (".html", ".css", ".js", ".svg"):
                assert (await http.get(f"/page/{path.name}")).content == path.read_bytes()


async def test_the_browser_is_told_to_run_nothing_but_our_files() -> None:
    async with browser(host="127.0.0.1:5005") as http:
        for address in ("/", "/page/page.js"):
            headers = (await http.get(address, headers=HTML)).headers
            policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
            assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
            assert policy["script-src"] == policy["style-src"] == "'self'"
            assert policy["connect-src"] == "'self' ws://127.0.0.1:5005 wss://127.0.0.1:5005"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["x-content-type-options"] == "nosniff"
            assert "microphone=(self)" in headers["permissions-policy"]


@pytest.mark.parametrize("host", ["a; script-src *", "a b", "a,b", "", "[::1", "\xe4.example"])
async def test_the_host_of_a_request_adds_nothing_to_the_policy(host: str) -> None:
    async with browser(token="s3cret") as http:
        answer = await http.get("/", headers=[(b"Accept", b"text/html"), (b"Host", host.encode())])
        assert "connect-src 'self';" in answer.headers["content-security-policy"]
        assert "*" not in answer.headers["content-security-policy"]


class Markup(HTMLParser):
    """What the page refers to, and what the policy would forbid."""

    def __init__(self) -> None:
        super().__init__()
        self.files: list[str] = []
        self.forbidden: list[str] = []
        self.targets: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.forbidden += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and not given.get("src")):
            self.forbidden.append(tag)
        self.files += [value for name in ("src", "href") if (value := given.get(name)) and value[0] != "#"]
        self.targets += [
            target
            for name in ("for", "aria-labelledby", "aria-describedby")
            for target in (given.get(name) or "").split()
        ]
        if value := given.get("id"):
            self.ids.append(value)


def test_the_page_is_complete_and_asks_nobody_else() -> None:
    markup = Markup()
    markup.feed((FOLDER / "index.html").read_text(encoding="utf-8"))
    assert markup.forbidden == []
    assert len(markup.ids) == len(set(markup.ids))
    assert set(markup.targets) <= set(markup.ids)
    scripts = "".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("*.js"))
    used = set(re.findall(r'(?:\$|byId)\("([\w-]+)"\)', scripts))
    assert used <= set(markup.ids)
    files = {name.removeprefix("page/") for name in markup.files}
    for path in [*FOLDER.glob("*.js"), *FOLDER.glob("*.css"), FOLDER / "index.html"]:
        text = path.read_text(encoding="utf-8")
        files |= set(re.findall(r'(?:from "\./|new URL\(")([\w.]+\.js)"', text))
        others = set(re.findall(r"https?://[^\s\"'`]+", text)) - {"http://www.w3.org/2000/svg"}
        assert others == set(), path.name
        assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|\beval\(", text), path.name
    assert files == {path.name for path in FOLDER.iterdir() if path.suffix in (".css", ".js", ".svg")}
