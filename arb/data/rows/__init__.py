"""From days to event rows: decoded, proven, ordered, cached, and handed to a run or to a comparison.

One clock offset holds for all legs of a run. Memory does not grow with the length of a day. Start with `convert`, then
`spool` and `order`.
"""
