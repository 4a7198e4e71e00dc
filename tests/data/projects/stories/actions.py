from rasa_sdk import Action
from rasa_sdk.events import SlotSet


class ActionSearchConcerts(Action):
    def name(self):
        return "action_search_concerts"

    def run(self, dispatcher, tracker, domain):
        dispatcher.utter_message(text="Foo Fighters")
        return [SlotSet("concerts", ["Foo Fighters"]), SlotSet("likes_music", True)]


class ActionSearchVenues(Action):
    def name(self):
        return "action_search_venues"

    def run(self, dispatcher, tracker, domain):
        dispatcher.utter_message(text="Big Arena")
        return []


class ActionShowReviews(Action):
    def name(self):
        return "action_show_reviews"

    def run(self, dispatcher, tracker, domain):
        dispatcher.utter_message(text="Loud.")
        return []
