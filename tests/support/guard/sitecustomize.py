"""Python runs this at the start of every process that has this folder on its path: those that tests start."""

from loopback_only import forbid
from markers import report_inherited_keys

forbid()
report_inherited_keys()
