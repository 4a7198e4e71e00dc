"""``emotionlayer check``: the check of replies alone, on a file of them."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any, BinaryIO, Sequence

import click


@click.command()
@click.argument("file", type=click.File("rb"), metavar="FILE.jsonl")
@click.option("--report", is_flag=True, help='Print how many are caught and wrongly refused; lines need "faults".')
@click.option("--placeholders", is_flag=True, help="Count, of rewrites with placeholders, how many get through.")
def check(file: BinaryIO, report: bool, placeholders: bool) -> None:
    """Check replies as they are checked before they are said.

    Each line of FILE.jsonl (- is standard input) is a JSON object with "id", "reply", "strategy" and "language",
    and where known "caller" (the caller's words) and "slots" (the facts that may be named). Prints an object with
    "id", "ok" and "reasons" for each; with --report, of replies whose "faults" are known (none of a good one), the
    shares of the faulty ones that are caught and of the good ones that are refused, by language and by fault.

    With --placeholders the lines are what a model made of a draft whose facts were placeholders: "id", "language",
    "reply", "draft" (the reply as it was, with its facts; empty for a reply of which only what stands outside
    placeholders is judged), "slots" and "kind" (of the fact that nobody gave; empty for a good reply). Prints by
    kind and language how many get through, and names those that should not.

    A line that cannot be read, or whose language is none of ours, is one line on stderr, which names what is
    allowed; the exit code is then 1.
    """
    from emotionlayer_rasa.errors import ReplyLineError
    from emotionlayer_rasa.response.check import check_reply

    if placeholders:
        return check_rewrites(file)
    unreadable = 0
    judged: list[tuple[dict[str, Any], Sequence[str]]] = []
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            record = read_line(line, number, ("faults",) if report else ())
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
        if report:
            judged.append((record, reasons))
            continue
        click.echo(json.dumps({"id": record["id"], "ok": not reasons, "reasons": reasons}, ensure_ascii=False))
    if judged:
        show_report(judged)
    if unreadable:
        raise SystemExit(1)


def check_rewrites(file: BinaryIO) -> None:
    """How many rewrites get through; a line that cannot be read ends the command with code 1, as for replies.

    Args:
        file: JSON lines.
    """
    from emotionlayer_rasa.errors import ReplyLineError
    from emotionlayer_rasa.response.placeholders import Placeholders

    unreadable = 0
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    through = []
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            record = read_rewrite(line, number)
        except ReplyLineError as error:
            unreadable += 1
            click.echo(f"{error.code}: {error}", err=True)
            continue
        draft, reply, language = record["draft"], record["reply"], record["language"]
        asked = (
            Placeholders.of(draft, {name: str(value) for name, value in record["slots"].items()}, language)
            if draft
            else Placeholders.in_text(reply, language)
        )
        passed = not asked.faults(reply)
        kind = record["kind"] or "good"
        quality = "faulty" if record["kind"] else "good"
        for group in {kind, quality, f"{quality} {language}"}:
            counts[group][0] += 1
            counts[group][1] += passed
        if passed and record["kind"]:
            through.append(f"{record['id']} ({kind}): {reply}")
    click.echo(f"{'':14} {'lines':>6} {'through':>8}")
    for group, (lines, let) in sorted(counts.items()):
        click.echo(f"{group:14} {lines:6} {let:8}")
    for one in through:
        click.echo(one)
    if unreadable:
        raise SystemExit(1)


def read_rewrite(line: bytes, number: int) -> dict[str, Any]:
    """One line of rewrites.

    Raises:
        ReplyLineError: as :func:`read_line`; "draft" and "kind" must be there too, and text.
    """
    from emotionlayer_rasa.errors import ReplyLineError
    from emotionlayer_rasa.taxonomy import STRATEGIES

    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if isinstance(record, dict):  # a rewrite has no tone
        line = json.dumps({"strategy": STRATEGIES[0], **record}).encode()
    record = read_line(line, number, ("draft", "kind"))
    if wrong := [key for key in ("draft", "kind") if not isinstance(record[key], str)]:
        raise ReplyLineError(number, f"'{wrong[0]}' must be text")
    return record


def show_report(judged: Sequence[tuple[dict[str, Any], Sequence[str]]]) -> None:
    """Shares caught and wrongly refused, of all, by language and by fault; and for what good ones were refused.

    Args:
        judged: records with ``language`` and ``faults``, and the reasons that the check gave.
    """
    groups: dict[str, dict[bool, list[bool]]] = defaultdict(lambda: {True: [], False: []})
    refused: dict[str, int] = defaultdict(int)
    for record, reasons in judged:
        faulty = bool(record["faults"])
        for group in ("all", record["language"], *record["faults"]):
            groups[group][faulty].append(bool(reasons))
        for reason in () if faulty else reasons:
            refused[reason] += 1
    click.echo(f"{'':14} {'faulty':>6} {'caught':>7} {'good':>6} {'refused':>8}")
    for group, found in groups.items():
        caught, wrongly = (f"{sum(hits) / len(hits):.3f}" if hits else "-" for hits in (found[True], found[False]))
        click.echo(f"{group:14} {len(found[True]):6} {caught:>7} {len(found[False]):6} {wrongly:>8}")
    click.echo(f"good ones refused for: {', '.join(f'{name} {count}' for name, count in refused.items()) or '-'}")


def read_line(line: bytes, number: int, also: Sequence[str] = ()) -> dict[str, Any]:
    """The reply of one line, with ``caller`` and ``slots`` filled in where they are missing.

    Args:
        line: as it stands in the file.
        number: of the line, for the error.
        also: keys that it must have beside the usual ones.

    Raises:
        ReplyLineError: the line is no JSON object, a key is missing, or a value is not what it should be.
    """
    from emotionlayer_rasa.errors import ReplyLineError
    from emotionlayer_rasa.language import languages
    from emotionlayer_rasa.taxonomy import STRATEGIES

    try:
        record = json.loads(line)
    except ValueError:
        raise ReplyLineError(number, "this is no JSON. Write one object a line") from None
    if not isinstance(record, dict):
        raise ReplyLineError(number, "this is no JSON object. Write one object a line")
    if missing := [key for key in ("id", "reply", "strategy", "language", *also) if key not in record]:
        raise ReplyLineError(number, f"add the key {', '.join(missing)}")
    record = {**record, "caller": record.get("caller") or "", "slots": record.get("slots") or {}}
    if wrong := [key for key in ("reply", "caller") if not isinstance(record[key], str)]:
        raise ReplyLineError(number, f"'{wrong[0]}' must be text")
    if not isinstance(record["slots"], dict):
        raise ReplyLineError(number, "'slots' must be an object of names and values")
    for key, allowed in (("strategy", STRATEGIES), ("language", languages())):
        if record[key] not in allowed:
            raise ReplyLineError(number, f"'{key}' must be one of {', '.join(allowed)}")
    return record
