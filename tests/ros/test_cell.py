"""The whole simulated cell in real processes: rates, motion, and rest within 0.3 s whatever dies or goes wrong."""

import os
import time

import numpy as np
import pytest

pytestmark = [pytest.mark.ros, pytest.mark.sim]

pytest.importorskip("rclpy")
from molmoact_msgs.msg import Plan  # noqa: E402

from molmoact_ros import types  # noqa: E402
from molmoact_ros.arms.profile import FR3  # noqa: E402
from molmoact_ros.cell import CELLS  # noqa: E402
from molmoact_ros.errors import MissingPart  # noqa: E402
from molmoact_ros.evaluation.episode import go_home  # noqa: E402
from molmoact_ros.launcher import CellProcesses  # noqa: E402
from molmoact_ros.nodes import qos  # noqa: E402
from molmoact_ros.nodes.convert import plan_to_msg  # noqa: E402
from molmoact_ros.nodes.observer import Observer  # noqa: E402
from molmoact_ros.sim.language import instruction  # noqa: E402
from molmoact_ros.sim.layout import COLOURS, sample_layout  # noqa: E402

# Sessions that test at the same time on one machine should not hear each other.
NUMBER = os.getpid()
ENVIRONMENT = {"ROS_DOMAIN_ID": str(88 + NUMBER % 14), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
ROBOT_IP = f"127.0.{1 + NUMBER % 200}.1"
CHECKPOINT = os.environ.get("MOLMOACT_CHECKPOINT", "models/embedded")
LAYOUT = sample_layout(20_100)
# At rest: no joint is faster than the noise of a standing arm.
# 0.3 s, and what measuring adds: the truth's samples are 20 ms apart, and a busy machine hears them late.
REST_WITHIN_S, REST_RAD_S = 0.3 + 0.05, 0.02
MOVING_RAD_S = 0.15
READY_S, MOTION_S = 90.0, 40.0


class Bench(Observer):
    """An observer that can also publish plans by hand and remembers the truth."""

    def __init__(self):
        super().__init__("bench", pictures=True)
        self._plans = self._node.create_publisher(Plan, "reasoning/plan", qos.EVENT)
        self.history = []
        self.listen("sim/state", self.history.append)

    def send_plan(self, actions) -> None:
        """Publish one plan of absolute poses, as the reasoner would."""
        now_ns = self.now_ns()
        plan = types.Plan(
            plan_id=10**6 + len(self.history),
            instruction="by hand",
            depth_tokens=types.DepthTokens(now_ns, np.zeros((10, 10), int), 128, "model"),
            trace=types.Trace(now_ns, [[128, 128]], (320, 240), "model"),
            chunk=types.ActionChunk(now_ns, 0.2, np.ones((8, 7)), "absolute_base"),
            latency_ms={"total": 1.0},
        )
        message = plan_to_msg(plan)
        message.chunk.actions = [float(v) for v in np.ravel(actions)]
        self._plans.publish(message)

    def moving(self) -> bool:
        return self.truth().speed > MOVING_RAD_S

    def rest_after(self, stamp_ns: int) -> float:
        """Simulated seconds from `stamp_ns` to the last sample in which the arm still moved."""
        moved = [s.stamp_ns for s in tuple(self.history) if s.stamp_ns >= stamp_ns and s.speed > REST_RAD_S]
        return (max(moved) - stamp_ns) / 1e9 if moved else 0.0

    def watch_for(self, simulated_s: float) -> None:
        end_ns = self.now_ns() + int(simulated_s * 1e9)
        assert self.wait_for(lambda: self.now_ns() > end_ns, 60.0), "the simulator's clock stands still"


@pytest.fixture(scope="module")
def running():
    """The cell and a bench in its graph; one start for all tests of this module."""
    os.environ.update(ENVIRONMENT)
    arguments = {"sim": True, "robot_ip": ROBOT_IP, "seed": LAYOUT.number, "checkpoint": CHECKPOINT}
    said = []
    with CellProcesses(CELLS["franka"].nodes(arguments), lambda *line: said.append(line), ENVIRONMENT) as cell:
        with Bench() as bench:
            wait_until_ready(cell, bench)
            yield cell, bench
    defects = [line for line in said if "defect" in line[1]]
    assert not defects, defects


def wait_until_ready(cell, bench) -> None:
    def ready() -> bool:
        cell.check()
        lives = bench.truth() is not None and bench.safety() is not None and bench.safety().state == "ACTIVE"
        return lives and bench.meters["perception/depth_tokens"].count > 2

    assert bench.wait_for(ready, READY_S, period_s=0.1), f"not ready: {bench.safety()}"


@pytest.fixture
def at_home(running):
    """A complete cell, the arm at home and nothing to do. Restarts what the test before has killed."""
    cell, bench = running
    for name, process in cell.processes.items():
        if process.poll() is not None:
            cell.restart(name)
    assert bench.wait_for(lambda: bench.safety().state == "ACTIVE", 30.0), bench.safety()
    bench.set_instruction("")
    go_home(bench, FR3.home_q, 60.0)
    bench.history.clear()
    return cell, bench


def set_in_motion(bench) -> None:
    bench.set_instruction(instruction(LAYOUT))
    assert bench.wait_for(bench.moving, MOTION_S, period_s=0.005), f"no motion: {bench.safety()}"


def test_every_stage_has_its_rate(running):
    _, bench = running
    bench.reset_meters()
    time.sleep(4.0)
    rates = {topic: meter.mean_hz for topic, meter in bench.meters.items()}
    for topic, least_hz in {
        "camera/front/color/image_raw": 10,
        "camera/front/aligned_depth_to_color/image_raw": 10,
        "camera/wrist/color/image_raw": 10,
        "arm/state": 100,
        "control/command": 90,
        "sim/state": 45,
        "perception/depth_tokens": 2,
    }.items():
        # Other work on the machine may cost a part of the rate; a stage that limps is found all the same.
        assert rates[topic] > 0.5 * least_hz, rates


def test_an_instruction_moves_the_arm_towards_the_named_object(at_home):
    _, bench = at_home
    start = bench.truth()
    target = start.objects[LAYOUT.task.target]
    set_in_motion(bench)
    before = np.linalg.norm(start.tip - target)
    assert bench.wait_for(lambda: np.linalg.norm(bench.truth().tip - target) < 0.6 * before, 40.0)


@pytest.mark.parametrize("victim", ["perception", "reasoning", "controller", "supervisor"])
def test_the_arm_rests_when_a_process_dies(at_home, victim):
    cell, bench = at_home
    set_in_motion(bench)
    cell.kill(victim)
    killed_ns = bench.now_ns()
    bench.watch_for(1.0)
    assert bench.rest_after(killed_ns) <= REST_WITHIN_S


def test_e_stop_rests_and_latches(at_home):
    _, bench = at_home
    set_in_motion(bench)
    stopped_ns = bench.now_ns()
    bench.e_stop()
    bench.watch_for(1.0)
    assert bench.rest_after(stopped_ns) <= REST_WITHIN_S
    assert bench.safety().state == "STOPPED"
    with pytest.raises(MissingPart, match="reset first"):
        bench.arm()
    assert not bench.moving()
    bench.set_instruction("")
    bench.release_e_stop()
    assert bench.wait_for(lambda: bench.safety().state == "DISARMED", 5.0)
    bench.arm()


def test_plans_by_hand_a_good_one_moves_and_nan_does_not(at_home):
    _, bench = at_home
    q = bench.truth().q
    good = np.tile([*bench.truth().tip, np.pi, 0.0, 0.0, 1.0], (8, 1))
    good[:, 2] += np.linspace(-0.01, -0.08, 8)
    for bad in (np.full((8, 7), np.nan), np.where(np.arange(56).reshape(8, 7) == 30, np.nan, good), good[:3, :5]):
        for _ in range(5):
            bench.send_plan(bad)
            bench.watch_for(0.1)
        assert np.abs(bench.truth().q - q).max() < 2e-3, "a bad chunk moved the arm"
    bench.send_plan(good)
    assert bench.wait_for(lambda: np.abs(bench.truth().q - q).max() > 0.02, 10.0), bench.safety()


def test_an_object_that_is_not_there_is_refused_and_nothing_moves(at_home):
    _, bench = at_home
    with pytest.raises(MissingPart, match="banana"):
        bench.set_instruction("pick up the banana")
    absent = next(colour for colour in COLOURS if f"{colour}_cube" not in [i.name for i in LAYOUT.items])
    answers = []
    bench.listen("reasoning/plan", answers.append)
    bench.set_instruction(f"pick up the {absent} cube")
    try:
        assert bench.wait_for(lambda: len(answers) >= 3, 30.0)
    finally:
        bench.unlisten("reasoning/plan", answers.append)
    assert all(isinstance(a, types.Refusal) and a.name == "object_not_in_sight" for a in answers), answers
    assert max(s.speed for s in bench.history) < MOVING_RAD_S
