"""Strict decoders of what the venues send to clients that trade: every field has to be known and of its JSON type."""
