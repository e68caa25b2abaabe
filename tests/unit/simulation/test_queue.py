"""Queue positions at the edges of their models."""

from __future__ import annotations

import numpy as np
import pytest

from arb.engine.order_table import ORDER
from arb.simulation.queue import QUEUE_MODELS, on_level
from connectors.jit.compilation import compiled


@compiled
def change_level(orders, before, after, model, power):
    on_level(orders[0], before, after, model, power)


@pytest.mark.parametrize("model", QUEUE_MODELS)
def test_a_level_with_nothing_before_and_behind_an_order_changes(model: str) -> None:
    orders = np.zeros(1, ORDER)

    change_level(orders, 0.0, 0.0, QUEUE_MODELS[model], 3.0)

    assert orders["front_qty"][0] == 0.0
