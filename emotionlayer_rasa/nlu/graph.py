"""Our component among those of a bot's pipeline: what Rasa's graph gives it, and what it needs beside it."""

from __future__ import annotations

from typing import Dict, Type

import pluggy
import yaml
from rasa.core.policies.policy import Policy
from rasa.engine.graph import GraphComponent, GraphSchema, SchemaNode
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.nlu.extractors.extractor import EntityExtractorMixin
from rasa.plugin import plugin_manager
from rasa.shared.exceptions import InvalidConfigException

hook = pluggy.HookimplMarker("rasa")


def give_domain_and_stories(component: Type[GraphComponent]) -> None:
    """Let Rasa pass ``training_trackers`` and ``domain`` to a component of NLU, where it trains policies too.

    They are keyword-only parameters of ``train`` (both) and ``process`` (the domain). Rasa would pass any other
    parameter by itself, but refuse `rasa train nlu`, which knows neither.
    """
    plugin_manager().register(_DomainAndStories(component))


class _DomainAndStories:
    """Rasa calls each hook before it adds the nodes of NLU, and again before those of the policies."""

    def __init__(self, component: Type[GraphComponent]) -> None:
        self._component = component

    @hook
    def modify_default_recipe_graph_train_nodes(self, train_nodes: Dict[str, SchemaNode]) -> None:
        """Connect the component's training."""
        for node in train_nodes.values():
            if issubclass(node.uses, self._component):
                node.needs["training_trackers"] = "training_tracker_provider"
                node.needs["domain"] = "domain_for_core_training_provider"

    @hook
    def modify_default_recipe_graph_predict_nodes(self, predict_nodes: Dict[str, SchemaNode]) -> None:
        """Connect the trained component."""
        for node in predict_nodes.values():
            if issubclass(node.uses, self._component):
                node.needs["domain"] = "domain_provider"


def check_pipeline(graph: GraphSchema, component: Type[GraphComponent]) -> None:
    """Refuse a pipeline that understands nothing: Rasa takes its default pipeline for an empty one only.

    Args:
        graph: of the training.
        component: ours.

    Raises:
        InvalidConfigException: the pipeline has nothing but the component, extractors and loaders of models.
    """
    others = [
        node.uses
        for name, node in graph.nodes.items()
        if name.startswith(("train_", "run_")) and not issubclass(node.uses, (component, Policy))
    ]
    if any(issubclass(uses, IntentClassifier) or not issubclass(uses, EntityExtractorMixin) for uses in others):
        return
    default = DefaultV1Recipe.complete_config({}, {"pipeline"})["pipeline"]
    raise InvalidConfigException(
        f"config.yml, pipeline: beside {component.__name__} nothing there understands what is said, and Rasa uses "
        "its default pipeline for an empty one only, so the bot would not answer any more. Write the components "
        "of your pipeline before it; those of Rasa's default pipeline are:\n"
        + yaml.safe_dump(default, sort_keys=False)
    )
