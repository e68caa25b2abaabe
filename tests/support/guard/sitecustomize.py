"""Python runs this at the start of every process that has this folder on its path: those that tests start."""

from loopback_only import forbid

forbid()
