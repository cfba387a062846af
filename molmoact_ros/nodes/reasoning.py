"""`reasoning`: newest frame in, plans or refusals out; the network runs in a thread of its own."""

from diagnostic_msgs.msg import DiagnosticStatus
from molmoact_msgs.msg import ActionChunk, Frame, Plan, Trace
from molmoact_msgs.srv import SetInstruction
from std_msgs.msg import Header

from .. import types
from ..arms.profile import FR3
from ..perception.raster import resize
from ..reasoning.config import ReasoningConfig
from ..reasoning.factory import Engine, open_reasoner, pass_gate
from ..reasoning.gate import Station, first_refusal
from . import qos
from .convert import (
    action_chunk_to_msg,
    depth_tokens_from_msg,
    frame_from_msg,
    plan_to_msg,
    refusal_to_msg,
    stamp_to_msg,
    trace_to_msg,
    verdict_to_msg,
)
from .newest import NewestWins
from .shell import CellNode, run
from .vitals import plan_report

_HEARTBEAT_S = 0.02


class ReasoningNode(CellNode):
    """Thinks about the newest frame while there is an instruction."""

    CONFIG = ReasoningConfig

    def configure(self, config: ReasoningConfig) -> None:
        """Let the checkpoint pass the gate, connect, and start the worker."""
        self._reasoner = self._through_gate(config)
        self._max_age_ns, self._deadline_ns = int(config.max_frame_age_s * 1e9), int(config.deadline_s * 1e9)
        self._continue, self._plan_ns = config.continue_motion, 0
        self._instruction = ""
        problem = self._accept(config.instruction)
        if problem:
            self.get_logger().error(problem)
        self._plan = self.output(Plan, "reasoning/plan", qos.EVENT)
        self._trace = self.output(Trace, "reasoning/trace", qos.EVENT)
        self._rows = self.output(ActionChunk, "reasoning/rows", qos.EVENT)
        self._gate = self.output(DiagnosticStatus, "reasoning/checkpoint", qos.LATCHED)
        self._heartbeat = self.output(Header, "reasoning/heartbeat", qos.STATE)
        self._worker = NewestWins(self._think, self.fail, 1.0 / config.max_rate_hz, "reasoner")
        self.input(Frame, "perception/frame", self._take, qos.EVENT)
        self.serve(SetInstruction, "reasoning/set_instruction", self._set_instruction)
        self.every(_HEARTBEAT_S, lambda: self._heartbeat.publish(Header(stamp=stamp_to_msg(self.now_ns()))))

    def activate(self) -> None:
        """Tell the supervisor that the checkpoint may move an arm."""
        self._gate.publish(self._verdict)

    def close(self) -> None:
        """Stop the worker."""
        if hasattr(self, "_worker"):
            self._worker.close()

    def _through_gate(self, config: ReasoningConfig):
        """Return the reasoner; a refused checkpoint ends the process in one line, and then nobody arms."""

        engine = Engine(config.backend, config.device, config.threads, config.depth_mode, config.window)

        def open_one():
            return open_reasoner(config.checkpoint, resize, (config.arm_name,), engine)

        reasoner, checks = pass_gate(config.checkpoint, Station(FR3), open_one, config.backend)
        refusal = first_refusal(checks)
        if refusal is not None:
            raise refusal
        self._verdict = verdict_to_msg(config.checkpoint, checks)
        return reasoner

    def _accept(self, instruction: str) -> str:
        """Take an instruction, or return why not; a sentence that is not understood stops the planning."""
        problem = self._reasoner.understands(instruction) if instruction else ""
        self._instruction = "" if problem else instruction
        self.report(problem=problem, instruction=self._instruction)
        return problem

    def _set_instruction(self, request, response):
        problem = self._accept(request.instruction)
        response.accepted = not problem
        response.message = problem or f"thinking about '{request.instruction}'" * bool(request.instruction)
        self.get_logger().info(response.message or "planning stopped")
        return response

    def _take(self, msg: Frame) -> None:
        if self._instruction:
            self._worker.put(msg)

    def _think(self, msg: Frame) -> None:
        """Plan for one frame, in the worker's thread; a changed instruction makes the answer worthless."""
        instruction = self._instruction
        frame = frame_from_msg(msg)
        if not instruction or self.now_ns() - frame.stamp_ns > self._max_age_ns:
            return
        began_ns = self.now_ns()
        # the answer will take about as long as the last one did
        until_ns = began_ns + self._plan_ns if self._continue and self._plan_ns else None
        sensor = depth_tokens_from_msg(msg.depth_tokens) if msg.depth_tokens.rows else None
        answer = self._reasoner.plan(
            frame, instruction, sensor, until_ns, lambda: self._unwanted(frame, instruction), self._publish_part
        )
        if answer is None or self._instruction != instruction:
            return
        if isinstance(answer, types.Plan):
            self._plan_ns = self.now_ns() - began_ns
            self._plan.publish(plan_to_msg(answer))
            self.report(problem="", **plan_report(answer))
        else:
            self.report(problem=f"{answer.name}: {answer.detail}")
            self._plan.publish(refusal_to_msg(answer))

    def _unwanted(self, frame: types.Frame, instruction: str) -> str:
        """Say between two passes why an answer is no longer wanted; "" while it is."""
        if self._instruction != instruction:
            return "cancelled"
        return "too_late" if self.now_ns() - frame.stamp_ns > self._deadline_ns else ""

    def _publish_part(self, part: types.Trace | types.ActionChunk) -> None:
        """Show what is decoded before the rest is; only a whole plan is a plan."""
        if isinstance(part, types.Trace):
            self._trace.publish(trace_to_msg(part))
        else:
            self._rows.publish(action_chunk_to_msg(part))


def main(args=None) -> None:
    """Run the node."""
    run(ReasoningNode, args)
