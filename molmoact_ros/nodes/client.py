"""Talk to a running cell from outside: a ROS node in a thread of its own, and the cell's services as methods."""

import threading
import time

import rclpy
from molmoact_msgs.srv import ResetWorld, SetInstruction
from std_srvs.srv import SetBool, Trigger

from ..errors import MissingPart
from .executor import make_executor

_ASK_AGAIN_S = 2.0
SERVICES = {
    "sim/reset": ResetWorld,
    "reasoning/set_instruction": SetInstruction,
    "safety/arm": SetBool,
    "safety/e_stop": Trigger,
    "safety/reset": Trigger,
    "control/home": Trigger,
}


class CellClient:
    """Join the ROS graph (domain from the environment). Methods are for the caller's thread; use as context manager.

    Subclasses create their subscriptions in __init__, so that the node is complete before its thread starts.
    """

    def __init__(self, name: str, namespace: str = ""):
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node(name, namespace=namespace, context=self._context)
        self._service_clients = {service: self._node.create_client(kind, service) for service, kind in SERVICES.items()}
        self._executor, self._thread = make_executor(self._context), None

    def start(self) -> None:
        """Begin to listen."""
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._executor.spin, name=self._node.get_name(), daemon=True)
        self._thread.start()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Leave the graph."""
        if self._thread is not None:
            self._executor.stop()
            self._thread.join(timeout=5.0)
        self._node.destroy_node()
        self._context.try_shutdown()

    def wait_for(self, condition, timeout_s: float, period_s: float = 0.02) -> bool:
        """Wait until `condition()` holds; say whether it did within `timeout_s` of wall time."""
        end = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(period_s)
        return True

    def reset_world(self, seed: int) -> None:
        """Lay the table out anew."""
        self.call("sim/reset", seed=seed)

    def set_instruction(self, text: str) -> None:
        """Tell the reasoner what to do; empty stops it."""
        self.call("reasoning/set_instruction", instruction=text)

    def arm(self, on: bool = True) -> None:
        """Let the supervisor issue commands, or forbid it."""
        self.call("safety/arm", data=on)

    def e_stop(self) -> None:
        """Stop the arm and latch."""
        self.call("safety/e_stop")

    def release_e_stop(self) -> None:
        """Clear a latched stop; the cell is disarmed afterwards."""
        self.call("safety/reset")

    def home(self) -> None:
        """Move the arm home, through the controller and the supervisor."""
        self.call("control/home")

    def call(self, name: str, timeout_s: float = 10.0, **request):
        """Call a service and return its answer. MissingPart when nobody answers or the answer is no."""
        client = self._service_clients[name]
        if not client.wait_for_service(timeout_s):
            raise MissingPart(f"no service {name}", "a running cell", "Look at the nodes' messages above.")
        answer = self._ask(client, SERVICES[name].Request(**request), timeout_s)
        if answer is None:
            raise MissingPart(f"no answer from {name} in {timeout_s:.0f} s", "an answer", "Start the cell again.")
        # std_srvs say `success`, molmoact_msgs say `accepted`.
        if not getattr(answer, "success", getattr(answer, "accepted", True)):
            raise MissingPart(f"{name} refused: {answer.message}", "its consent", "Remove the cause and try again.")
        return answer

    def _ask(self, client, request, timeout_s: float):
        """Send a request until it is answered: the first answer of a server that has just started may be lost."""
        answered, answers = threading.Event(), []

        def take(future) -> None:
            answers.append(future.result())
            answered.set()

        end = time.monotonic() + timeout_s
        while not answers and time.monotonic() < end:
            client.call_async(request).add_done_callback(take)
            answered.wait(min(_ASK_AGAIN_S, timeout_s))
        return answers[0] if answers else None
