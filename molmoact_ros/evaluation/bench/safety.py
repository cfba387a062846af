"""`molmoact bench safety`: what a verdict costs, and whether judging leaves memory behind."""

import gc
import time
import tracemalloc

import numpy as np

from ...arms.profile import FR3
from ...geometry import SerialChain
from ...safety.config import SafetyConfig
from ...safety.supervisor import Supervisor
from ...types import Command, RobotState, VerdictKind

CALLS = 10_000
_START_NS, _TICK_NS, _WARM = 1_000_000_000, 10_000_000, 500
_CONFIG = SafetyConfig(workspace_min_m=(0.25, -0.4, 0.005), workspace_max_m=(0.75, 0.4, 0.7), table_z_m=0.0)
# How far a proposal is from the arm [rad]: small steps, fast ones, ones beyond every limit.
_SPREADS_RAD = (0.002, 0.05, 1.0)


def measure(calls: int = CALLS, seed: int = 0) -> dict:
    """Judge `calls` commands of a moving arm, some of them absurd; return times [us], verdicts and memory growth.

    cpu: time that the judging thread computed, which other work on the machine does not lengthen.
    """
    taken, computed, counts = _judged(calls, seed)
    return {
        "calls": calls,
        "judge_us_p50": float(np.percentile(taken, 50)),
        "judge_us_p99": float(np.percentile(taken, 99)),
        "judge_us_max": float(taken.max()),
        "cpu_us_p50": float(np.percentile(computed, 50)),
        "cpu_us_p99": float(np.percentile(computed, 99)),
        **{f"verdicts_{kind.name.lower()}": count for kind, count in counts.items()},
        "growth_bytes_per_call": _growth(calls, seed),
    }


def _judged(calls: int, seed: int):
    """Return time and computing time of each call (calls,) [us], and how often each verdict came."""
    supervisor, asks = _armed(), _asks(calls, seed)
    taken, computed, arm_q = np.zeros(calls), np.zeros(calls), np.array(FR3.home_q)
    gc.disable()
    try:
        for i, (now_ns, command, robot) in enumerate(asks(arm_q)):
            began, began_cpu = time.perf_counter_ns(), time.thread_time_ns()
            verdict = supervisor.judge(now_ns, command, robot)
            computed[i] = (time.thread_time_ns() - began_cpu) / 1e3
            taken[i] = (time.perf_counter_ns() - began) / 1e3
            if verdict.command.space == "joint":
                arm_q += 0.5 * (verdict.command.targets[0] - arm_q)
    finally:
        gc.enable()
    return taken, computed, supervisor.counts


def _growth(calls: int, seed: int) -> float:
    """Return the bytes that a call leaves behind, once everything is warm."""
    supervisor, arm_q, asks = _armed(), np.array(FR3.home_q), _asks(calls, seed)
    tracemalloc.start()
    try:
        before = 0
        for i, (now_ns, command, robot) in enumerate(asks(arm_q)):
            supervisor.judge(now_ns, command, robot)
            if i == _WARM:
                gc.collect()
                before = tracemalloc.get_traced_memory()[0]
        command = robot = None
        gc.collect()
        return max(tracemalloc.get_traced_memory()[0] - before, 0) / max(calls - _WARM, 1)
    finally:
        tracemalloc.stop()


def _armed() -> Supervisor:
    supervisor = Supervisor(_CONFIG, FR3)
    chain = SerialChain(FR3.dh, FR3.T_flange_ee)
    supervisor.arm(_START_NS, RobotState(_START_NS, FR3.home_q, np.zeros(7), chain.pose(FR3.home_q), 0.08))
    return supervisor


def _asks(calls: int, seed: int):
    """Return a generator of (now_ns, command, state of the arm) that follows the arm's joints as they change."""
    chain = SerialChain(FR3.dh, FR3.T_flange_ee)

    def generate(arm_q):
        rng = np.random.default_rng(seed)
        for i in range(calls):
            now_ns = _START_NS + (i + 1) * _TICK_NS
            robot = RobotState(now_ns, arm_q, np.zeros(7), chain.pose(arm_q), 0.08)
            target = arm_q + rng.normal(0, _SPREADS_RAD[i // 50 % len(_SPREADS_RAD)], 7)
            yield now_ns, Command(now_ns, now_ns, i, 1, "joint", target[None], [0.08]), robot

    return generate


def line(figures: dict) -> str:
    """Say the figures in one line, with the verdicts that came."""
    kinds = " ".join(f"{kind.name} {figures[f'verdicts_{kind.name.lower()}']}" for kind in VerdictKind)
    names = ("judge_us_p50", "judge_us_p99", "judge_us_max", "cpu_us_p50", "cpu_us_p99")
    times = "  ".join(f"{name} {figures[name]:.0f}" for name in names)
    return f"judge of {figures['calls']} commands ({kinds}): {times}  growth {figures['growth_bytes_per_call']:.2f} B"
