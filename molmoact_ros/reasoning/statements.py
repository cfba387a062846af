"""The entries of a manifest: what a person states about a checkpoint, one field each."""

from dataclasses import dataclass

from ..config import REQUIRED, option
from ..runtime.grammar import SECTIONS
from .action_frame import FRAMES

EMBEDDED, PUBLISHED = "embedded", "molmoact_v1"
# Inputs of some simulator's controller are no lengths and angles: to be evaluated there, never to move an arm.
ACTION_FRAMES = (*FRAMES, "controller_input")


@dataclass(frozen=True)
class Statements:
    """The flat part of a manifest; every field says how the checkpoint is to be read."""

    name: str = option(REQUIRED, "what reports call the model")
    layout: str = option(REQUIRED, "form of prompts and answers", choices=(EMBEDDED, PUBLISHED))
    source: str = option(REQUIRED, "where the weights come from")
    revision: str = option("", "commit or version at the source")
    license: str = option("", "licence of the weights")
    folder: str = option("", "folder of the weights, from here; empty: this file's name without .yaml")
    dtype: str = option("float32", "type of the weights in memory", choices=("float32", "bfloat16", "float16"))
    cameras: tuple[str, ...] = option(("front",), "cameras in the order in which the model looks through them")
    arms: int = option(1, "arms that one row of actions moves", low=1, high=2)
    horizon: int = option(REQUIRED, "rows of one chunk", low=1, high=64)
    control_rate_hz: float = option(REQUIRED, "rows per second", "Hz", 0.5, 100.0)
    action_frame: str = option(REQUIRED, "what a row is measured from, see action_frame.py", choices=ACTION_FRAMES)
    gripper: str = option(REQUIRED, "what a gripper value of 1 means", choices=("open_is_1", "closed_is_1"))
    unnorm_key: str = option("", "which statistics apply; may be empty where there is only one")
    norm_stats: str = option("config.json", "file of the folder that holds norm_stats")
    wording: tuple[str, ...] = option(
        (),
        "whole answers with {depth}, {trace}, {action} in place (molmoact_v1); none: the released ones; free: any text",
    )
    unverified: tuple[str, ...] = option((), "statements above that nobody has checked; the gate refuses them")


@dataclass(frozen=True)
class EmbeddedForm:
    """What only the embedded layout needs."""

    dims: tuple[int, ...] = option(REQUIRED, "columns of a row that have tokens", low=0, high=13)
    constant: tuple[float, ...] = option(REQUIRED, "a whole row; what is not in 'dims' stays like this")
    image_size: tuple[int, int] = option(REQUIRED, "width and height of the picture", "px", 1, 4096)
    sections: tuple[str, ...] = option(SECTIONS, "what an answer has; all of them, or no arm is moved")
