"""The shared truth: undivided states, one mailbox, no dead simulators."""

import threading

import numpy as np
import pytest

from molmoact_ros.errors import MissingPart
from molmoact_ros.sim.shared_world import FIRST_NS, TICK_NS, SharedWorld

NQ, NV = 37, 33


@pytest.fixture
def writer(tmp_path):
    """A simulator that ticks: every value of a state is the number of its tick."""
    world, stop = SharedWorld.create(tmp_path / "a.world", NQ, NV), threading.Event()

    def tick():
        number = 0
        while not stop.wait(0.0005):
            number += 1
            world.write(number, np.full(NQ, number), np.full(NV, number), 5, 1.0)

    thread = threading.Thread(target=tick)
    thread.start()
    yield world, tmp_path / "a.world"
    stop.set()
    thread.join()


def test_a_reader_never_sees_a_torn_state(writer):
    reader = SharedWorld.attach(writer[1], 5.0)
    for _ in range(2000):
        state = reader.read()
        assert state.qpos.shape == (NQ,) and state.qvel.shape == (NV,)
        assert len(set(state.qpos)) == 1 and set(state.qvel) == set(state.qpos)
        assert state.stamp_ns == FIRST_NS + int(state.qpos[0]) * TICK_NS


def test_a_layout_that_is_asked_for_arrives_once(writer):
    world, path = writer
    reader = SharedWorld.attach(path, 5.0)
    ticket = reader.ask_layout(20_001)
    assert world.wanted_layout() == (ticket, 20_001)
    world.finish_layout(ticket)
    assert world.wanted_layout() is None and reader.layout_done() == ticket


def test_a_file_that_a_dead_simulator_left_is_not_taken_for_a_world(tmp_path):
    SharedWorld.create(tmp_path / "b.world", NQ, NV).write(7, np.zeros(NQ), np.zeros(NV), 0, 1.0)
    with pytest.raises(MissingPart, match="no running simulator"):
        SharedWorld.attach(tmp_path / "b.world", 0.3)


def test_another_simulators_world_is_not_taken_for_ones_own(writer):
    with pytest.raises(MissingPart):
        SharedWorld.attach(writer[1], 0.3, owner=1)
