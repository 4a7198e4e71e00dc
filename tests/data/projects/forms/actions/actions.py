"""The bot's actions."""

from rasa_sdk.forms import FormValidationAction


class ValidateTableForm(FormValidationAction):
    """Checks how many come."""

    def name(self):
        """Name in ``domain.yml``."""
        return "validate_table_form"

    def validate_num_people(self, value, dispatcher, tracker, domain):
        """One to eight."""
        if 1 <= float(value) <= 8:
            return {"num_people": float(value)}
        dispatcher.utter_message(response="utter_wrong_num_people")
        return {"num_people": None}
