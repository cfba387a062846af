"""The sentences of the released models."""

import pytest

from molmoact_ros.errors import InvalidData
from molmoact_ros.reasoning.prompts import (
    TEMPLATES,
    prompt_text,
    question,
    render_chat,
    template_for,
    tidy_instruction,
)


def user(content):
    return {"role": "user", "content": content}


def test_the_template_follows_the_views_and_the_steering():
    assert template_for(1, steered=False) == "this_image"
    assert template_for(2, steered=False) == template_for(3, steered=False) == "first_image"
    assert template_for(1, steered=True) == "trace_annotated_single"
    assert template_for(2, steered=True) == "trace_annotated_multi"
    with pytest.raises(InvalidData, match="0 camera views"):
        template_for(0, steered=False)


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("instruction", ["", "close {t} the {0} box", "  Two\nlines. ", "100 % {"])
def test_an_instruction_goes_in_untouched(template, instruction):
    text = question(template, instruction)
    assert text.startswith(f"The task is {instruction}. ")
    assert text.endswith("what is the action that the robot should take?")
    assert prompt_text(template, instruction) == f"User: {text} Assistant:"


def test_only_reasoning_prompts_ask_for_depth_and_trace():
    asks = {name for name in TEMPLATES if "depth map" in question(name, "go") and "trajectory" in question(name, "go")}
    assert asks == {"first_image", "this_image"}


def test_an_unknown_template_is_refused():
    with pytest.raises(InvalidData, match="no prompt template 'second_image'"):
        question("second_image", "go")


def test_a_steered_question_for_one_view():
    assert question("trace_annotated_single", "close the box") == (
        "The task is close the box. Notice that the trajectory of the end effector is annotated on the image. "
        "Based on the trajectory annotated on the image, what is the action that the robot should take?"
    )


@pytest.mark.parametrize(
    "content, text",
    [
        ("go", "go"),
        ([{"type": "text", "text": "go"}], "go"),
        ([{"type": "text", "text": "go"}, {"type": "text", "text": "on"}], "go on"),
        ([{"type": "image"}, {"type": "text", "text": "go"}], "go"),
        ([{"type": "text", "text": "go"}, {"type": "image"}], "go "),
        ([{"type": "text", "text": ""}], ""),
        ([], ""),
    ],
)
def test_parts_of_a_message_are_joined_as_the_template_does(content, text):
    assert render_chat([user(content)]) == f"User: {text} Assistant:"
    assert render_chat([user(content)], add_generation_prompt=False) == f"User: {text}"


def test_turns_alternate_whatever_their_case():
    messages = [{"role": "USER", "content": "a"}, {"role": "assistant", "content": "b"}, user("c")]
    assert render_chat(messages) == "User: a Assistant: b User: c Assistant:"


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "assistant", "content": "a"}],
        [{"role": "system", "content": "a"}, user("b")],
        [user("a"), user("b")],
        [{"content": "a"}],
        [{"role": 1, "content": "a"}],
        [{"role": "user"}],
        [user(None)],
        [user(["a"])],
        [user([{"type": "text"}])],
    ],
)
def test_other_conversations_are_refused(messages):
    with pytest.raises(InvalidData, match="messages of user and assistant in turn"):
        render_chat(messages)


@pytest.mark.parametrize(
    "typed, tidy",
    [
        ("  Close the\n\tBox. ", "close the box"),
        ("close the box", "close the box"),
        ("wait ...", "wait .."),
        ("move 1.5 cm", "move 1.5 cm"),
        (" . ", ""),
    ],
)
def test_tidy_instructions_look_like_the_training_data(typed, tidy):
    assert tidy_instruction(typed) == tidy
