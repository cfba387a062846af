"""`controller`: plans and the arm's state in, one proposed command per tick out."""

from molmoact_msgs.msg import Command, Plan, RobotState
from std_srvs.srv import Trigger

from .. import types
from ..arms.profile import FR3
from ..control.config import ControlConfig
from ..control.controller import Controller
from . import qos
from .convert import command_to_msg, plan_from_msg, robot_state_from_msg
from .shell import CellNode, run


class ControllerNode(CellNode):
    """Publishes at a fixed rate, also while it holds: silence means that it is dead."""

    CONFIG = ControlConfig

    def configure(self, config: ControlConfig) -> None:
        """Build the controller and connect it."""
        self._arm_name = config.arm_name
        self._controller = Controller(config, FR3)
        self._robot: types.RobotState | None = None
        self._commands = self.output(Command, "control/command", qos.COMMAND)
        self.input(Plan, "reasoning/plan", self._take_plan, qos.EVENT)
        self.input(RobotState, "arm/state", self._take_state, qos.STATE)
        self.serve(Trigger, "control/home", self._go_home)
        self.every(1.0 / config.rate_hz, self._tick)
        self.report(reason=self._controller.reason, last_refusal="")

    def _take_plan(self, msg: Plan) -> None:
        """Offer a plan. A refusal of the reasoner brings no new motion; the running course ends in a hold."""
        plan = plan_from_msg(msg)
        refusal = plan if isinstance(plan, types.Refusal) else self._controller.set_plan(plan)
        if refusal is not None:
            self.report(last_refusal=f"{refusal.name}: {refusal.detail}")

    def _take_state(self, msg: RobotState) -> None:
        if msg.arm_name == self._arm_name:
            self._robot = robot_state_from_msg(msg) if msg.ready else None

    def _go_home(self, request, response):
        self._controller.go_home()
        response.success, response.message = True, "going home"
        return response

    def _tick(self) -> None:
        refusal = self._controller.refusal
        command = self._controller.tick(self.now_ns(), self._robot)
        self._commands.publish(command_to_msg(command))
        self.report(reason=self._controller.reason, plan_id=command.plan_id)
        if self._controller.refusal is not refusal:
            refusal = self._controller.refusal
            self.report(last_refusal=f"{refusal.name}: {refusal.detail}")


def main(args=None) -> None:
    """Run the node."""
    run(ControllerNode, args)
