"""Recipes: presets, files, changes from the command line, and what is refused."""

import pytest

from molmoact_ros.errors import ConfigError, MissingPart
from molmoact_ros.learning.training_config import TrainingConfig, load_training_config


def test_presets_are_recipes_and_changes_count_more():
    assert load_training_config("tabletop").name == "tabletop"
    smoke = load_training_config("smoke", seed=7, steps=None)
    assert smoke.seed == 7 and smoke.steps < TrainingConfig().steps


def test_a_file_of_ones_own(tmp_path):
    (tmp_path / "mine.yaml").write_text("name: mine\nrounds_at: [0.5]\n")
    assert load_training_config(str(tmp_path / "mine.yaml")).rounds_at == (0.5,)


@pytest.mark.parametrize(
    "text, error, said",
    [
        ("stepz: 3", ConfigError, "stepz"),
        ("steps: 0", ConfigError, "steps"),
        ("seeds: 20001", ConfigError, "seeds"),
        ("- 1", ConfigError, "list"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, error, said):
    (tmp_path / "wrong.yaml").write_text(text)
    with pytest.raises(error, match=said):
        load_training_config(str(tmp_path / "wrong.yaml"))


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(MissingPart, match="smoke.*tabletop"):
        load_training_config("nothing")
