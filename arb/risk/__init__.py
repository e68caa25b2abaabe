"""Limits on what may be traded: `limits` inside every submit and modify of every world."""
