"""Memory of the live bot that a test took without a world to close."""

from __future__ import annotations

from arb.engine.blocks import Blocks, release_all


def free(blocks: Blocks) -> None:
    """What the close of a world does with it."""
    owners = blocks.owners()
    release_all(int(owners.ctypes.data), len(owners))
