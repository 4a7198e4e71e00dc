"""What happens when a session begins, and on every turn."""

from rasa_sdk import Action
from rasa_sdk.events import ActionExecuted, SessionStarted, SlotSet
from rasa_sdk.forms import ValidationAction


class ActionSessionStart(Action):
    """Knows the customer from the start."""

    def name(self):
        """Name in the domain."""
        return "action_session_start"

    async def run(self, dispatcher, tracker, domain):
        """Set the slot."""
        return [SessionStarted(), SlotSet("customer", "Ada"), ActionExecuted("action_listen")]


class ValidateSlots(ValidationAction):
    """Keeps the balance out of the tracker."""

    def validate_balance(self, value, dispatcher, tracker, domain):
        """Round it."""
        return {"balance": str(value)}
