"""What differs between the releases of Rasa: Rasa 3.6 on Python 3.10, rasa-pro on later ones.

Nothing of Rasa is imported before it is asked for, so that what works without Rasa may ask whether it is there.
"""

from __future__ import annotations

import functools
import inspect
from importlib import import_module, metadata
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any, Callable, Mapping

from emotionlayer_rasa.errors import MissingRasaError

if TYPE_CHECKING:
    from rasa.core.nlg.response import TemplatedNaturalLanguageGenerator
    from rasa.core.policies.policy import Policy
    from rasa.engine.graph import SchemaNode
    from rasa.shared.core.slots import Slot
    from rasa.shared.core.trackers import DialogueStateTracker

Connect = Callable[[dict[str, "SchemaNode"]], None]
"""Changes what the nodes of a graph need."""

_DISTRIBUTIONS = ("rasa", "rasa-pro")
_TRAIN_HOOK = "modify_default_recipe_graph_train_nodes"


def installed() -> tuple[str, str] | None:
    """The distribution that provides Rasa (``rasa`` or ``rasa-pro``) and its version; None where there is none."""
    for name in _DISTRIBUTIONS:
        try:
            return name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def require_rasa() -> None:
    """Go on only where Rasa is installed.

    Raises:
        MissingRasaError: it is not.
    """
    if find_spec("rasa") is None:
        raise MissingRasaError("rasa")


def tracker_stores() -> ModuleType:
    """The module with ``TrackerStore`` and ``InMemoryTrackerStore``; rasa-pro has given it another place.

    Raises:
        MissingRasaError: Rasa is not installed.
    """
    require_rasa()
    try:
        return import_module("rasa.core.tracker_store")
    except ModuleNotFoundError:
        return import_module("rasa.core.tracker_stores.tracker_store")


def fill_response(
    generator: TemplatedNaturalLanguageGenerator,
    name: str,
    slots: dict[str, Any],
    channel: str,
    **arguments: Any,
) -> dict[str, Any] | None:
    """A response of the domain, filled with slots.

    Args:
        generator: Rasa's.
        name: of the response.
        slots: values by name.
        channel: name of the output channel.
        arguments: of the custom action that utters it.

    Returns:
        The message; None where the domain has no such response, or no variation of it that fits.
    """
    generate = generator.generate_from_slots
    if "stack_context" in inspect.signature(generate).parameters:  # rasa-pro: what the flow that speaks knows
        return generate(name, slots, {}, channel, **arguments)
    return generate(name, slots, channel, **arguments)


def entities_filling(slot: Slot) -> set[str]:
    """Names of the entities that a slot is filled from."""
    # Rasa 3.6 has the mappings as they stand in the domain, rasa-pro as objects.
    named = (
        mapping.get("entity") if isinstance(mapping, Mapping) else getattr(mapping, "entity", None)
        for mapping in slot.mappings
    )
    return {name for name in named if name}


def connect_graph(train: Connect, predict: Connect) -> None:
    """Have the graphs of all assistants with policies changed before they are run.

    Args:
        train: gets the nodes of the training graph.
        predict: gets the nodes of the graph that is loaded. Either may be called before all nodes are there, and
            once more then.
    """
    from rasa.engine.recipes.default_recipe import DefaultV1Recipe
    from rasa.plugin import plugin_manager

    if hasattr(plugin_manager().hook, _TRAIN_HOOK):
        plugin_manager().register(_hooks(train, predict))
        return
    # rasa-pro has dropped these hooks, and says nothing of a plugin that still waits for them.
    # Components are imported while it makes the training's nodes; what it does next is in time for these, too.
    make = DefaultV1Recipe._create_predict_nodes

    @functools.wraps(make)
    def make_and_connect(
        self: DefaultV1Recipe, config: Any, preprocessors: Any, train_nodes: dict[str, SchemaNode]
    ) -> dict[str, SchemaNode]:
        nodes: dict[str, SchemaNode] = make(self, config, preprocessors, train_nodes)
        if self._use_core:
            train(train_nodes)
            predict(nodes)
        return nodes

    DefaultV1Recipe._create_predict_nodes = make_and_connect


def _hooks(train: Connect, predict: Connect) -> object:
    import pluggy

    hook = pluggy.HookimplMarker("rasa")

    class Hooks:
        """Rasa 3.6 calls each before it adds the nodes of NLU, and again before those of the policies."""

        @hook
        def modify_default_recipe_graph_train_nodes(self, train_nodes: dict[str, SchemaNode]) -> None:
            train(train_nodes)

        @hook
        def modify_default_recipe_graph_predict_nodes(self, predict_nodes: dict[str, SchemaNode]) -> None:
            predict(predict_nodes)

    return Hooks()


def flow_decides(policy: Policy, tracker: DialogueStateTracker) -> bool:
    """Whether a policy of intents and slots has to stand back for the flows of rasa-pro.

    So it is while a flow is going on, and where the assistant has routed the conversation to its flows. Rasa 3.6
    has no flows.
    """
    if not hasattr(policy, "supports_current_stack_frame"):
        return False
    free = policy.supports_current_stack_frame(tracker, only_after_user_message=False)
    return not free or bool(policy.should_abstain_in_coexistence(tracker, is_calm_policy=False))
