"""The table of an ablation, and recipes that would not be a fair comparison."""

import pytest

from molmoact_ros.cli import main
from molmoact_ros.evaluation.ablation import VARIANTS, WHOLE, table
from molmoact_ros.learning.training_config import load_training_config


def _case(seed: int, success: bool, task: str = "pick") -> dict:
    return {
        "seed": seed,
        "success": success,
        "task": task,
        "axis": "in_distribution",
        "reached": True,
        "plan_ms": [10.0],
    }


def test_variants_are_held_against_the_whole_model_table_by_table():
    whole = [_case(1, True), _case(2, True), _case(3, False), _case(4, False, "bowl")]
    other = [_case(1, False), _case(2, False), _case(3, True), _case(4, False, "bowl")]
    lines = table({WHOLE: whole, "no_trace": other})
    assert "bowl | pick" in lines[0]
    assert lines[2].startswith("| whole | 50% |") and "| 0% | 67% |  | 10 |" in lines[2]
    assert lines[3].startswith("| no_trace | 25% |") and "| 1 / 2 |" in lines[3]


def test_without_the_whole_model_nothing_is_compared():
    assert "/" not in table({"vit": [_case(1, True)]})[2]


def test_the_recipe_of_the_comparison_is_the_same_for_all():
    recipe = load_training_config("ablation")
    assert not recipe.rounds_at and not recipe.start and recipe.annotated_share == 0 and len(VARIANTS) == 7


@pytest.mark.parametrize(
    "arguments, said",
    [(["--only", "whole,ears"], "ears"), (["--preset", "smoke"], "rounds"), (["--preset", "no"], "no")],
)
def test_what_would_not_compare_is_refused(arguments, said, tmp_path, capsys):
    assert main(["ablation", "--output", str(tmp_path), *arguments]) == 1
    assert said in capsys.readouterr().err and not list(tmp_path.iterdir())
