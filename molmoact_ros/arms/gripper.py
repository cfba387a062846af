"""The gripper in a thread of its own: its calls take as long as the fingers move."""

import threading

import franky

# Above this width a command means "open": half of what the hand can do.
OPEN_ABOVE_M = 0.04
POLL_S = 0.04


class GripperWorker:
    """Follows the newest wanted width; toggles that are overtaken are never sent."""

    def __init__(self, host: str, grasp_force_n: float, speed: float, max_width_m: float):
        self._gripper = franky.Gripper(host)
        self._force_n, self._speed, self._max_width_m = grasp_force_n, speed, max_width_m
        self._wanted_open: bool | None = None
        self._sent_open: bool | None = None
        self.width_m = float(self._gripper.width)
        self.problem = ""
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gripper", daemon=True)
        self._thread.start()

    def want(self, width_m: float) -> None:
        """Ask for an opening; only open and closed are told apart."""
        self._wanted_open = width_m > OPEN_ABOVE_M

    def close(self) -> None:
        """Stop following; the fingers keep what they hold."""
        self._closed.set()
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        pending = None
        while not self._closed.wait(0 if pending else POLL_S):
            try:
                if pending is not None and pending.wait(POLL_S):
                    # "Grasped nothing" is an answer, not an error: the camera shows the next plan what happened.
                    pending.get()
                    pending = None
                if pending is None and self._wanted_open is not None and self._wanted_open != self._sent_open:
                    self._sent_open = self._wanted_open
                    pending = self._send(self._wanted_open)
                self.width_m = float(self._gripper.width)
                self.problem = ""
            except (franky.CommandException, franky.NetworkException, RuntimeError) as error:
                self.problem, pending, self._sent_open = f"gripper: {error}", None, None
                self._closed.wait(0.2)

    def _send(self, opened: bool):
        if opened:
            return self._gripper.move_async(self._max_width_m, self._speed)
        return self._gripper.grasp_async(
            0.0, self._speed, self._force_n, epsilon_inner=self._max_width_m, epsilon_outer=self._max_width_m
        )
