"""Calibration files: read, refuse, write."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from molmoact_ros.calibration import store
from molmoact_ros.errors import ConfigError, MissingPart

EXAMPLE = Path(__file__).parents[3] / "calibration" / "sim_fr3.yaml"


def test_the_simulated_cell_sees_the_table():
    camera = store.load(EXAMPLE).fixed_camera("front")
    axis, height = camera.T_mount_camera[:3, 2], camera.T_mount_camera[2, 3]
    assert height > 0.2 and axis[2] < 0 and np.allclose(np.linalg.norm(axis), 1)


def test_written_is_read_back(tmp_path):
    calibration = store.load(EXAMPLE)
    store.save(calibration, tmp_path / "copy.yaml")
    again = store.load(tmp_path / "copy.yaml")
    assert again.cell == calibration.cell and set(again.cameras) == set(calibration.cameras)
    for name, camera in calibration.cameras.items():
        assert np.allclose(again.cameras[name].T_mount_camera, camera.T_mount_camera, atol=1e-6)
        assert np.allclose(again.cameras[name].K, camera.K)


@pytest.mark.parametrize(
    "key, value",
    [
        ("size", [320]),
        ("intrinsics", [300, -300, 160, 120]),
        ("intrinsics", [300, 300, 900, 120]),
        ("xyz", [1.0, float("nan"), 0.5]),
        ("xyz", [1020.0, 0.0, 600.0]),
        ("xyzw", [0.0, 0.0, 0.0, 0.0]),
        ("mount", "ceiling"),
        ("focal", 3),
    ],
)
def test_nonsense_is_refused_in_one_line(tmp_path, key, value):
    data = yaml.safe_load(EXAMPLE.read_text())
    data["cameras"]["front"][key] = value
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(ConfigError) as error:
        store.load(tmp_path / "bad.yaml")
    assert "camera 'front'" in str(error.value) and "\n" not in str(error.value)


def test_missing_file_broken_yaml_and_moving_camera(tmp_path):
    with pytest.raises(MissingPart, match="calibration/ has an example"):
        store.load(tmp_path / "none.yaml")
    (tmp_path / "broken.yaml").write_text("cell: [")
    with pytest.raises(ConfigError, match="not YAML"):
        store.load(tmp_path / "broken.yaml")
    with pytest.raises(ConfigError, match="moving camera 'wrist'"):
        store.load(EXAMPLE).fixed_camera("wrist")


def test_a_stream_of_another_camera_does_not_fit():
    camera = store.load(EXAMPLE).fixed_camera("front")
    assert camera.fits(camera.K, (320, 240)) and not camera.fits(camera.K, (640, 480))
    assert not camera.fits(camera.K * np.array([[1.1, 1, 1], [1, 1.1, 1], [1, 1, 1]]), (320, 240))
