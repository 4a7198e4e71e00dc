"""Our component among those of a bot's pipeline: what Rasa's graph gives it, and what it needs beside it."""

from __future__ import annotations

from typing import Dict, Type

import yaml
from rasa.core.policies.policy import Policy
from rasa.engine.graph import GraphComponent, GraphSchema, SchemaNode
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.nlu.extractors.extractor import EntityExtractorMixin
from rasa.shared.exceptions import InvalidConfigException

from emotionlayer_rasa.rasa_versions import connect_graph


def give_domain_and_stories(component: Type[GraphComponent]) -> None:
    """Let Rasa pass ``training_trackers`` and ``domain`` to a component of NLU, where it trains policies too.

    They are keyword-only parameters of ``train`` (both) and ``process`` (the domain). Rasa would pass any other
    parameter by itself, but refuse `rasa train nlu`, which knows neither.
    """

    def train(nodes: Dict[str, SchemaNode]) -> None:
        for node in nodes.values():
            if issubclass(node.uses, component):
                node.needs["training_trackers"] = "training_tracker_provider"
                node.needs["domain"] = "domain_for_core_training_provider"

    def predict(nodes: Dict[str, SchemaNode]) -> None:
        for node in nodes.values():
            if issubclass(node.uses, component):
                node.needs["domain"] = "domain_provider"

    connect_graph(train, predict)


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
