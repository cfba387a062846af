"""The sentences of the released models: the question for an instruction, and the chat around it.

Wording: released inference code and data (spec sections 3.1, 3.2 and 7). A model answers well only to the words it was
trained on, so nothing here is paraphrased and instructions go in untouched; `tidy_instruction` is a separate step.
"""

from typing import Mapping, Sequence

from ..errors import InvalidData

# {t} is the instruction.
_REASON = (
    "The task is {t}. What is the action that the robot should take. To figure out the action that the robot should "
    "take to {t}, let's think through it step by step. "
)
_ANNOTATED = "The task is {t}. Notice that the trajectory of the end effector is annotated on the "
_OTHER_VIEWS = ", along with other images from different camera views as additional information"
_ASK = ", what is the action that the robot should take?"
TEMPLATES: Mapping[str, str] = {
    "first_image": (
        _REASON
        + "First, what is the depth map for the first image? "
        + "Second, what is the trajectory of the end effector in the first image? "
        + "Based on the depth map of the first image and the trajectory of the end effector in the first image"
        + _OTHER_VIEWS
        + _ASK
    ),
    "this_image": (
        _REASON
        + "First, what is the depth map for this image? "
        + "Second, what is the trajectory of the end effector? "
        + "Based on the depth map of the image and the trajectory of the end effector"
        + _ASK
    ),
    "trace_annotated_single": _ANNOTATED + "image. Based on the trajectory annotated on the image" + _ASK,
    "trace_annotated_multi": (
        _ANNOTATED + "first image. Based on the trajectory annotated on the image" + _OTHER_VIEWS + _ASK
    ),
}


def template_for(views: int, steered: bool) -> str:
    """Return the name of the template for a number of camera views; steered: a trace is drawn on the first of them."""
    if views < 1:
        raise InvalidData(f"{views} camera views", "one or more", "Give at least one image.")
    if steered:
        return "trace_annotated_single" if views == 1 else "trace_annotated_multi"
    return "this_image" if views == 1 else "first_image"


def question(template: str, instruction: str) -> str:
    """Return what the user asks, with the instruction exactly as given; InvalidData for an unknown template."""
    if template not in TEMPLATES:
        raise InvalidData(f"no prompt template '{template}'", " or ".join(TEMPLATES), "Name one of them.")
    return TEMPLATES[template].format(t=instruction)


def prompt_text(template: str, instruction: str) -> str:
    """Return the rendered chat of one question, "User: ... Assistant:"."""
    return render_chat([{"role": "user", "content": question(template, instruction)}])


def render_chat(messages: Sequence[Mapping], add_generation_prompt: bool = True) -> str:
    """Return the text of a conversation as the released chat template writes it.

    Each message has `role` (user and assistant in turn, any case) and `content`: a string, or a list of parts of which
    those of type "text" are written, with a blank after each that is not the last part. Raises InvalidData otherwise.
    """
    if not messages:
        raise _unfit("a conversation without messages")
    text = " ".join(_turn(message, index) for index, message in enumerate(messages))
    return text + " Assistant:" if add_generation_prompt else text


def tidy_instruction(text: str) -> str:
    """Return an instruction as the training data write it: lower case, single blanks, no full stop at the end.

    Strips both ends, makes every run of white space one blank, drops one trailing full stop. A choice of ours for what
    people type; the reference does not do it.
    """
    return " ".join(text.split()).removesuffix(".").rstrip().lower()


def _turn(message: Mapping, index: int) -> str:
    expected = ("user", "assistant")[index % 2]
    role = message.get("role")
    if not isinstance(role, str) or role.lower() != expected:
        raise _unfit(f"role {role!r} in message {index + 1}")
    return f"{role.capitalize()}: {_content(message.get('content'))}"


def _content(content) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, (list, tuple)) or not all(isinstance(part, Mapping) for part in content):
        raise _unfit(f"content of type {type(content).__name__}")
    last = len(content) - 1
    texts = ((i, part.get("text")) for i, part in enumerate(content) if part.get("type") == "text")
    return "".join(_part(text) + (" " if i < last else "") for i, text in texts)


def _part(text) -> str:
    if not isinstance(text, str):
        raise _unfit(f"a text part that holds {type(text).__name__}")
    return text


def _unfit(found: str) -> InvalidData:
    return InvalidData(
        found,
        "messages of user and assistant in turn, each with a text or a list of parts",
        "Start with the user and alternate.",
    )
