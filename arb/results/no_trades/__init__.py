"""Why a run has no fill: the main cause in a sentence with the keys of the configuration, and what was measured.

It reads the result of a run only: log, refusals, effective configuration, and the edges that a second pass over the
same rows measured (`arb.strategies.spread.measure`), if there was one. What the run does not know is left out. Start
with `explanation`.
"""
