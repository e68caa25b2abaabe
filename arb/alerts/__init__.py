"""Alerts: messages about states of a session, one when a state begins and one when it ends, to a person's receivers.

A session numbers what begins and ends (`message`). Its guard, which lives on when the session is dead, keeps that in a
file of the state directory (`store`) and sends it (`sender`) over the configured channels (`channels`), until each
receiver has accepted it. Nothing here knows strategies, venues' protocols or the configuration.
"""
