"""The scripted expert: from any state it gets there, and looks at nothing but the present."""

import numpy as np
import pytest

from molmoact_ros.learning import expert


def _scene(rng) -> expert.Scene:
    cube = np.array([rng.uniform(0.4, 0.62), rng.uniform(-0.2, 0.2), 0.02])
    tip = rng.uniform([0.3, -0.3, 0.02], [0.7, 0.3, 0.45])
    return expert.Scene(tip, float(rng.choice([0.08, 0.06, 0.0])), cube)


@pytest.mark.parametrize("seed", range(30))
def test_the_cube_is_lifted_from_anywhere(seed):
    scene = _scene(np.random.default_rng(seed))
    tips, opens = expert.act(scene, 40)
    assert tips[-1, 2] == pytest.approx(expert.LIFT_Z_M, abs=1e-6)
    assert opens[-1] == 0.0
    np.testing.assert_allclose(tips[-1, :2], scene.cube[:2], atol=0.02)


@pytest.mark.parametrize("seed", range(10))
def test_steps_are_never_longer_than_announced(seed):
    scene = _scene(np.random.default_rng(100 + seed))
    tips, _ = expert.act(scene, 40)
    assert np.linalg.norm(np.diff(np.vstack([scene.tip, tips]), axis=0), axis=1).max() <= expert.STEP_M + 1e-9


def test_the_gripper_closes_only_beside_the_cube():
    for seed in range(30):
        scene = _scene(np.random.default_rng(200 + seed))
        tips, opens = expert.act(expert.Scene(scene.tip, 0.08, scene.cube), 40)
        first = tips[np.flatnonzero(opens == 0)[0]]
        assert np.linalg.norm(first[:2] - scene.cube[:2]) < 0.02 and first[2] < 0.04


def test_the_way_to_the_end_starts_here_and_stops_when_lifted():
    scene = _scene(np.random.default_rng(5))
    path = expert.path_to_end(scene)
    np.testing.assert_array_equal(path[0], scene.tip)
    assert path[-1, 2] == pytest.approx(expert.LIFT_Z_M)
    assert np.linalg.norm(path[-1] - path[-2]) > 0
