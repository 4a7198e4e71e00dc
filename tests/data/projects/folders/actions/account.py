"""What the bank knows."""

from rasa_sdk import Action
from rasa_sdk.events import SlotSet


class ActionBalance(Action):
    """Looks up the balance."""

    def name(self):
        """Name in the domain."""
        return "action_balance"

    async def run(self, dispatcher, tracker, domain):
        """Say it."""
        dispatcher.utter_message(text=f"{tracker.get_slot('customer')}, you have 12 euros.")
        return [SlotSet("balance", "12")]


class ActionHello(Action):
    """Greets by name."""

    def name(self):
        """Name in the domain."""
        return "action_hello"

    async def run(self, dispatcher, tracker, domain):
        """Say it."""
        dispatcher.utter_message(text=f"Hello {tracker.get_slot('customer')}.")
        return []
