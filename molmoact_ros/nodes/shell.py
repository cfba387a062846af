"""The frame of every node: parameters from a config dataclass, lifecycle, diagnostics, and an end with an exit code.

    class GripperNode(CellNode):                       # its node name is "gripper"
        CONFIG = GripperConfig

        def configure(self, config):                   # build the core; MolmoActError = one line, exit code 1
            self.state = self.output(JointState, "arm/joint_states", qos.STATE)
            self.input(Command, "safety/command", self._store, qos.COMMAND)
            self.every(0.01, self._tick)

    def main(args=None):
        run(GripperNode, args)

Callbacks run one at a time in the executor's thread. One that raises InvalidData has met a malformed message: it is
counted and dropped. Any other exception ends the process with exit code 1; the watchdogs of the others hold the arm.
"""

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from ..config import build
from ..errors import InvalidData, MolmoActError
from . import qos as profiles
from .parameters import declare_parameters, parameter_values
from .process import RCLError, run, say
from .vitals import Input, status_message

__all__ = ["CellNode", "run"]
_DIAGNOSTICS_PERIOD_S = 1.0
_STEADY = Clock(clock_type=ClockType.STEADY_TIME)


class CellNode(LifecycleNode):
    """A lifecycle node that takes, checks, delegates and publishes. Subclasses set CONFIG and define `configure`."""

    CONFIG: type
    NAME = ""

    def __init__(self, **node_options):
        name = self.NAME or type(self).__name__.removesuffix("Node").lower()
        super().__init__(name, automatically_declare_parameters_from_overrides=True, **node_options)
        self._of_rclpy = frozenset(vars(self))
        self.failure: BaseException | None = None
        self.on_end = lambda: None
        self._undo, self._timers_of_cell, self._inputs, self._values = [], [], {}, {}
        self._active = self._built = False
        declare_parameters(self, self.CONFIG)

    # What a subclass defines -----------------------------------------------------------------------------------

    def configure(self, config) -> None:
        """Build the core from `config` (an instance of CONFIG). MolmoActError ends the process in one line."""

    def activate(self) -> None:
        """Called when the node becomes active, before its timers start."""

    def deactivate(self) -> None:
        """Called when the node stops being active, after its timers stopped."""

    def close(self) -> None:
        """Give back what `configure` took (threads, devices). Called once, also after a failed configure."""

    # What a subclass uses --------------------------------------------------------------------------------------

    def input(self, msg_type, topic: str, callback, qos):
        """Subscribe; rate and age of the messages appear in /diagnostics. Delivered from `configure` on."""
        record = self._inputs[topic] = Input()

        def receive(msg):
            record.arrived(msg)
            try:
                callback(msg)
            except InvalidData as error:
                record.dropped += 1
                self.get_logger().warning(f"dropped a message on {topic}: {error}", throttle_duration_sec=1.0)

        subscription = self.create_subscription(msg_type, topic, self._guard(receive), qos)
        self._undo.append(lambda: self.destroy_subscription(subscription))
        return subscription

    def output(self, msg_type, topic: str, qos):
        """Create a publisher that is silent unless the node is active."""
        publisher = self.create_lifecycle_publisher(msg_type, topic, qos)
        self._undo.append(lambda: self.destroy_lifecycle_publisher(publisher))
        return publisher

    def serve(self, srv_type, name: str, callback):
        """Offer a service: callback(request, response) -> response. Served from `configure` on."""
        service = self.create_service(srv_type, name, self._guard(callback))
        self._undo.append(lambda: self.destroy_service(service))
        return service

    def every(self, period_s: float, callback):
        """Call `callback()` every `period_s` of wall time while the node is active."""
        timer = self.create_timer(period_s, self._guard(callback), clock=_STEADY, autostart=self._active)
        self._timers_of_cell.append(timer)
        self._undo.append(lambda: (self._timers_of_cell.remove(timer), self.destroy_timer(timer)))
        return timer

    def now_ns(self) -> int:
        """Return ROS time [ns]: the simulator's clock when use_sim_time is set, 0 before its first tick."""
        return self.get_clock().now().nanoseconds

    def report(self, problem: str | None = None, **values) -> None:
        """Keep values for /diagnostics. `problem`: a sentence turns the status to WARN, "" clears it."""
        if problem is not None:
            self._values[""] = problem
        self._values.update(values)

    def fail(self, error: BaseException) -> None:
        """End the process with exit code 1, said once. Callable from any thread."""
        late = isinstance(error, RCLError) and not self.context.ok()  # Ctrl-C came while something was published
        if self.failure is None and not late:
            self.failure = error
            say(self.get_name(), error)
            self.on_end()

    # Lifecycle ---------------------------------------------------------------------------------------------------

    @property
    def autostart(self) -> bool:
        """Whether the node configures and activates itself when it starts."""
        return bool(self.get_parameter("autostart").value)

    def on_configure(self, state):
        """Check the parameters, build the core and the diagnostics."""
        return self._transition(self._configure, undo=self._release)

    def on_activate(self, state):
        """Let publishers publish and timers run."""
        return self._transition(lambda: (super(CellNode, self).on_activate(state), self._start()))

    def on_deactivate(self, state):
        """Stop timers, then publishers."""
        return self._transition(lambda: (self._stop(), super(CellNode, self).on_deactivate(state)))

    def on_cleanup(self, state):
        """Give everything back that configure took."""
        return self._transition(self._release)

    def on_shutdown(self, state):
        """Stop, give everything back and end the process."""
        return self._transition(lambda: (self._stop(), self._release(), self.on_end()))

    def _transition(self, action, undo=lambda: None):
        """Run one transition. A failure ends the process, unless a person drives the lifecycle and can try again."""
        try:
            action()
            return TransitionCallbackReturn.SUCCESS
        except Exception as error:
            if self.autostart or not isinstance(error, MolmoActError):
                self.fail(error)
            else:
                say(self.get_name(), error)
            self._transition(undo)
            return TransitionCallbackReturn.FAILURE

    def _configure(self) -> None:
        config = build(self.CONFIG, parameter_values(self, self.CONFIG))
        self._built, of_rclpy = True, {name: id(value) for name, value in vars(self).items() if name in self._of_rclpy}
        self.configure(config)
        taken = [name for name, identity in of_rclpy.items() if id(getattr(self, name)) != identity]
        if taken:
            raise AttributeError(f"configure has overwritten attributes of rclpy.Node: {taken}; call them otherwise")
        diagnostics = self.output(DiagnosticArray, "/diagnostics", profiles.EVENT)
        self.every(_DIAGNOSTICS_PERIOD_S, lambda: diagnostics.publish(status_message(self, self._inputs, self._values)))

    def _start(self) -> None:
        self.activate()
        self._active = True
        for timer in self._timers_of_cell:
            timer.reset()

    def _stop(self) -> None:
        was_active, self._active = self._active, False
        for timer in self._timers_of_cell:
            timer.cancel()
        if was_active:
            self.deactivate()

    def _release(self) -> None:
        built, self._built = self._built, False
        try:
            if built:
                self.close()
        finally:
            while self._undo:
                self._undo.pop()()
            self._inputs.clear()
            self._values.clear()

    def end(self) -> None:
        """Stop and give everything back, from any state; the last thing that happens to a node."""
        self._stop()
        self._release()
        self.destroy_node()

    # Guards ---------------------------------------------------------------------------------------------------------

    def _guard(self, callback):
        def guarded(*args):
            try:
                return callback(*args)
            except Exception as error:
                self.fail(error)
                return args[-1] if len(args) == 2 else None

        return guarded
