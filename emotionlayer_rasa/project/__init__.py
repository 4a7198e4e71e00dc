"""A Rasa project's files: what it lacks of the plugin, and adding that without touching anything else."""

from emotionlayer_rasa.project.additions import Plan, Wishes, plan
from emotionlayer_rasa.project.changes import Change, diff, take_back, taken_back, write
from emotionlayer_rasa.project.layout import Project, read_project

__all__ = [
    "Change",
    "Plan",
    "Project",
    "Wishes",
    "diff",
    "plan",
    "read_project",
    "take_back",
    "taken_back",
    "write",
]
