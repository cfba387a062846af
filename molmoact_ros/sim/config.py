"""Options of the simulated robot and its cameras."""

from dataclasses import dataclass

from ..config import option


@dataclass(frozen=True)
class SimConfig:
    """The simulated robot."""

    robot_ip: str = option("127.0.0.1", "loopback address at which the simulated robot listens")
    seed: int = option(0, "layout of the table", low=0, high=2**31 - 1)
    clock_hz: float = option(100.0, "rate of /clock", "Hz", 20.0, 1000.0)
    state_hz: float = option(50.0, "rate of the true state", "Hz", 10.0, 200.0)


@dataclass(frozen=True)
class CamerasConfig:
    """The simulated RealSense cameras."""

    robot_ip: str = option("127.0.0.1", "address of the simulated robot whose world is shown")
    rate_hz: float = option(12.0, "pictures per second of each camera", "Hz", 1.0, 60.0)
