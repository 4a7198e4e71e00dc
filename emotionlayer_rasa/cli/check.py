"""``emotionlayer check``: the check of replies alone, on a file of them."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

import click


@click.command()
@click.argument("file", type=click.File("rb"), metavar="FILE.jsonl")
def check(file: BinaryIO) -> None:
    """Check replies as they are checked before they are said.

    Each line of FILE.jsonl (- is standard input) is a JSON object with "id", "reply", "strategy" and "language",
    and where known "caller" (the caller's words) and "slots" (the facts that may be named). Prints an object with
    "id", "ok" and "reasons" for each. A line that cannot be read, or whose language has no rules to check by, is
    one line on stderr, which names what is allowed; the exit code is then 1.
    """
    from emotionlayer_rasa.errors import ReplyLineError
    from emotionlayer_rasa.response.check import check_reply

    unreadable = 0
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            record = read_line(line, number)
        except ReplyLineError as error:
            unreadable += 1
            click.echo(f"{error.code}: {error}", err=True)
            continue
        reasons = check_reply(
            record["reply"],
            record["strategy"],
            record["language"],
            facts=record["slots"],
            caller=record["caller"],
        )
        click.echo(json.dumps({"id": record["id"], "ok": not reasons, "reasons": reasons}, ensure_ascii=False))
    if unreadable:
        raise SystemExit(1)


def read_line(line: bytes, number: int) -> dict[str, Any]:
    """The reply of one line, with ``caller`` and ``slots`` filled in where they are missing.

    Raises:
        ReplyLineError: the line is no JSON object, a key is missing, or a value is not what it should be.
    """
    from emotionlayer_rasa.errors import ReplyLineError
    from emotionlayer_rasa.language import languages
    from emotionlayer_rasa.response.rules import RULES_FILE
    from emotionlayer_rasa.taxonomy import STRATEGIES

    try:
        record = json.loads(line)
    except ValueError:
        raise ReplyLineError(number, "this is no JSON. Write one object a line") from None
    if not isinstance(record, dict):
        raise ReplyLineError(number, "this is no JSON object. Write one object a line")
    if missing := [key for key in ("id", "reply", "strategy", "language") if key not in record]:
        raise ReplyLineError(number, f"add the key {', '.join(missing)}")
    record = {**record, "caller": record.get("caller") or "", "slots": record.get("slots") or {}}
    if wrong := [key for key in ("reply", "caller") if not isinstance(record[key], str)]:
        raise ReplyLineError(number, f"'{wrong[0]}' must be text")
    if not isinstance(record["slots"], dict):
        raise ReplyLineError(number, "'slots' must be an object of names and values")
    for key, allowed in (("strategy", STRATEGIES), ("language", languages(RULES_FILE))):
        if record[key] not in allowed:
            raise ReplyLineError(number, f"'{key}' must be one of {', '.join(allowed)}")
    return record
