"""Sentences: canonical, said otherwise, held out; and read back."""

import numpy as np
import pytest

from molmoact_ros.sim.language import CANONICAL, HELD_OUT, SAID, WORDS, instruction, paraphrase, understand
from molmoact_ros.sim.layout import AXES, TASKS, Task, sample_layout, table_number

LAYOUT = sample_layout(7)


@pytest.mark.parametrize("axis", AXES)
def test_what_is_said_of_a_table_is_its_task(axis):
    for seed in range(20_000, 20_060):
        layout = sample_layout(table_number(seed, axis))
        assert understand(instruction(layout), layout.items) == layout.task


def test_a_paraphrase_asks_for_the_same_in_known_words():
    rng = np.random.default_rng(0)
    seen = set()
    for seed in range(300):
        layout = sample_layout(seed)
        sentence = paraphrase(instruction(layout), rng)
        assert understand(sentence, layout.items) == layout.task, sentence
        assert set(sentence.split()) <= set(WORDS) and len(sentence.split()) <= 12
        seen.add(sentence)
    assert len(seen) > 200


def test_held_out_forms_are_not_those_of_training_and_use_their_words():
    for kind in TASKS:
        assert not set(HELD_OUT[kind]) & {*SAID[kind], CANONICAL[kind]}
    trained = {word for forms in SAID.values() for form in forms for word in form.split()}
    assert {word for forms in HELD_OUT.values() for form in forms for word in form.split()} <= trained


def test_other_sentences_stay_as_they_are():
    assert paraphrase("fold the towel", np.random.default_rng(0)) == "fold the towel"


@pytest.mark.parametrize(
    "sentence, task",
    [
        ("pick up the yellow ball", Task("pick", "yellow_ball")),
        ("grab a yellow object", Task("pick", "yellow_ball")),
        ("put the red cube on the purple block", Task("stack", "red_cube", "purple_cube")),
        ("put the purple cube on the red cube", Task("stack", "purple_cube", "red_cube")),
        ("right of the red cube place a blue sphere", Task("beside", "blue_ball", "red_cube", "right")),
        ("pick up the green cube", None),
        ("look at the red cube", None),
        ("put the red cube and the blue ball in the bowl", None),
        ("", None),
    ],
)
def test_understanding(sentence, task):
    # Table 7: yellow ball, blue ball, red cube, purple cube.
    assert {i.name for i in LAYOUT.items} == {"yellow_ball", "blue_ball", "red_cube", "purple_cube"}
    assert understand(sentence, LAYOUT.items) == task
