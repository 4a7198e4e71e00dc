"""Adding to a YAML file as a person would: in its text, so that everything else in it stays to the letter.

ruamel.yaml tells where the text's nodes begin and end. Its own round trip keeps comments and order, but not the
indentation, line breaks and quotes of a file that was written by hand, and a diff of all those shows nothing.
"""

from __future__ import annotations

import copy
import re
import textwrap
from typing import Any, Mapping, Sequence

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode

from emotionlayer_rasa.errors import ConfigurationError

_INDENT = 2


def parse(text: str, where: str) -> Any:
    """What a YAML text holds, as plain Python; None where it is empty.

    Args:
        text: one document.
        where: the file as the user knows it, for the error message.

    Raises:
        ConfigurationError: it is no YAML; the message names the line.
    """
    try:
        return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{where}{place}: no valid YAML ({error.problem}). Correct it first.") from None
    except YAMLError as error:
        raise ConfigurationError(f"{where}: no valid YAML ({type(error).__name__}). Correct it first.") from None


def add(text: str, path: Sequence[str], block: str, where: str) -> str:
    """Add items to the list, or keys to the mapping, at a path.

    What is missing on the way is made; a list or mapping that is empty (``pipeline:`` with nothing behind it, also
    ``null``, ``[]``, ``{}``) is filled.

    Args:
        text: of the file, which may be empty or hold comments only.
        path: keys from the top; empty for the top itself.
        block: the items or keys as YAML, with comments; flush left.
        where: the file as the user knows it, for error messages.

    Returns:
        The text with the block behind what is there already. It holds what it held before, and the block.

    Raises:
        ConfigurationError: something else stands at the path, or nothing can be added there without changing
            something else (anchors, for instance).
    """
    block = textwrap.dedent(block).strip("\n") + "\n"
    added = parse(block, where)
    wanted = _extended(parse(text, where), path, added, where)
    newline = "\r\n" if "\r\n" in text else "\n"
    edited = _edited(text.replace("\r\n", "\n"), path, block, added).replace("\n", newline)
    try:
        fits = parse(edited, where) == wanted
    except ConfigurationError:
        fits = False
    if not fits:
        raise ConfigurationError(
            f"{where}: nothing can be added to '{'.'.join(path)}' as it is written there. Add this by hand, and "
            f"run the command again:\n{_nested(path, block)}"
        )
    return edited


def _extended(content: Any, path: Sequence[str], added: Any, where: str, done: tuple[str, ...] = ()) -> Any:
    """The content as it is to be."""
    if path:
        key, *rest = path
        if not isinstance(content, (Mapping, type(None))):
            raise ConfigurationError(f"{where}: '{'.'.join(done) or 'the file'}' must hold keys and values.")
        content = dict(content or {})
        content[key] = _extended(content.get(key), rest, added, where, (*done, key))
        return content
    if content is None or content == [] or content == {}:
        return copy.deepcopy(added)
    if isinstance(content, list) and isinstance(added, list):
        return [*content, *added]
    if isinstance(content, Mapping) and isinstance(added, Mapping):
        return {**content, **added}
    kind = "a list" if isinstance(added, list) else "keys and values"
    raise ConfigurationError(f"{where}: '{'.'.join(done) or 'the file'}' must hold {kind}.")


def _edited(text: str, path: Sequence[str], block: str, added: Any) -> str:
    root = YAML().compose(text)
    if not isinstance(root, MappingNode):
        return _at_the_end(text, _nested(path, block))
    node: Node = root
    key: Node | None = None
    for depth, name in enumerate(path):
        found = _find(node, name)
        if found is None:  # the rest of the way is made
            block, added = _nested(path[depth:], block), _nested_value(path[depth:], added)
            break
        key, node = found
        if _empty(node):
            assert key is not None
            return _filled(text, key, node, _nested(path[depth + 1 :], block))
    if node is root and not root.flow_style:
        return _at_the_end(text, block)
    if not isinstance(node, CollectionNode):
        return text  # an alias or a scalar: not what is wanted, and said so by the caller
    if node.flow_style:
        return _in_brackets(text, node, added)
    return _inserted(text, _last_line(text, node, key) + 1, textwrap.indent(block, " " * node.start_mark.column))


def _find(node: Node, name: str) -> tuple[Node, Node] | None:
    pairs = node.value if isinstance(node, MappingNode) else ()
    return next(((key, value) for key, value in pairs if key.value == name), None)


def _empty(node: Node) -> bool:
    if isinstance(node, ScalarNode):
        return node.style is None and node.value in ("", "~", "null", "Null", "NULL")
    return not node.value


def _filled(text: str, key: Node, node: Node, block: str) -> str:
    """Put a block in place of an empty value."""
    start, end = node.start_mark.index, node.end_mark.index
    if end > start:  # written out: null, [] or {}
        before = text[:start].rstrip(" ")
        text = before + text[end:]
    return _inserted(text, key.end_mark.line + 1, textwrap.indent(block, " " * (key.start_mark.column + _INDENT)))


def _in_brackets(text: str, node: Node, added: Any) -> str:
    """Add to a list or mapping that is written in brackets, in brackets too."""
    end = node.end_mark.index - 1
    inner = text[:end].rstrip()
    separator = "" if inner.endswith(",") else ","
    return f"{inner}{separator} {_in_flow(added)[1:-1]}{text[len(inner) :]}"


def _in_flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_in_flow(key)}: {_in_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_in_flow, value)) + "]"
    if isinstance(value, str):
        plain = re.fullmatch(r"[A-Za-z_][\w.]*", value) and isinstance(yaml.safe_load(value), str)  # `no` is none
        return value if plain else '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _last_line(text: str, node: Node, key: Node | None) -> int:
    """The line, from 0, on which the node's content ends; comments behind it do not count."""
    if isinstance(node, ScalarNode):
        if _empty(node) and node.start_mark.index == node.end_mark.index:  # its mark stands at what comes next
            return int((key or node).end_mark.line)
        if node.style in ("|", ">"):
            written = text[node.start_mark.index : node.end_mark.index]
            return int(node.start_mark.line) + written.rstrip().count("\n")
        return int(node.end_mark.line)
    assert isinstance(node, CollectionNode)
    if node.flow_style or not node.value:
        return int(node.end_mark.line)
    last = node.value[-1]
    value, its_key = (last[1], last[0]) if isinstance(node, MappingNode) else (last, None)
    return _last_line(text, value, its_key)


def _inserted(text: str, line: int, block: str) -> str:
    lines = text.splitlines(keepends=True)
    before = "".join(lines[:line])
    unfinished = before and not before.endswith("\n")
    return "".join([before, "\n" * bool(unfinished), block, *lines[line:]])


def _at_the_end(text: str, block: str) -> str:
    if not text.strip():
        return block
    return text.rstrip("\n") + "\n\n" + block


def _nested(path: Sequence[str], block: str) -> str:
    for key in reversed(path):
        block = f"{key}:\n" + textwrap.indent(block, " " * _INDENT)
    return block


def _nested_value(path: Sequence[str], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value
