"""Records as a LeRobot dataset and back: nothing is lost, and what does not fit is named."""

import json
from dataclasses import replace

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
import pyarrow.parquet as pq  # noqa: E402

from molmoact_ros.errors import InvalidData, MissingPart  # noqa: E402
from molmoact_ros.learning.lerobot.reader import read_dataset  # noqa: E402
from molmoact_ros.learning.lerobot.schema import DATA_PATH, INFO, MEANING, Meaning  # noqa: E402
from molmoact_ros.learning.lerobot.statistics import norm_stats, statistics  # noqa: E402
from molmoact_ros.learning.lerobot.writer import write_dataset  # noqa: E402
from tests.few_records import few_records  # noqa: E402

MEANING_OF_OURS = Meaning(
    "observation.images.front",
    "absolute_base",
    8,
    (0, 1, 2, 6),
    (0.25, -0.4, 0.0, 0.0),
    (0.75, 0.4, 0.5, 1.0),
    labels=2,
)


@pytest.fixture(scope="module")
def records():
    return few_records()


@pytest.fixture(scope="module")
def dataset(records, tmp_path_factory):
    return write_dataset(records, tmp_path_factory.mktemp("data") / "ours", MEANING_OF_OURS)


def test_a_round_trip_loses_nothing(records, dataset):
    back = read_dataset(dataset)
    there = records.trace_length > 0
    for name in (
        "image",
        "state",
        "instruction",
        "trace_length",
        "far",
        "episode",
        "depth_codes",
        "depth_rows",
        "chunk",
    ):
        np.testing.assert_array_equal(getattr(back, name), getattr(records, name), name)
    np.testing.assert_array_equal(back.trace[there], records.trace[there])
    np.testing.assert_array_equal(back.points, records.points)
    assert back.instructions == records.instructions


def test_it_says_what_it_holds(records, dataset):
    info = json.loads((dataset / INFO).read_text())
    assert info["codebase_version"] == "v3.0" and info["total_frames"] == len(records)
    table = pq.read_table(dataset / DATA_PATH.format(chunk_index=0, file_index=0))
    assert set(info["features"]) == set(table.column_names)
    bins = np.array(table["reasoning.action_bins"].to_pylist())
    assert bins.shape == (len(records), 32) and bins.min() >= 0 and bins.max() <= 254
    stats = json.loads((dataset / "meta/stats.json").read_text())
    np.testing.assert_allclose(stats["action"]["mean"], records.chunk[:, 0, 0].mean(0), rtol=1e-5)


def test_statistics_count_every_dimension_and_ones_that_stand_still_have_no_scale():
    values = np.random.default_rng(0).normal(0, 1, (500, 14))
    values[:, 9] = 0.5
    stats = norm_stats(values, values, "mine")["mine"]["action"]
    assert len(stats["q01"]) == 14 and stats["mask"].count(False) == 1 and not stats["mask"][9]
    assert statistics(values[:, 0])["count"] == [500]


def test_a_nan_is_named_and_nothing_is_written(records, tmp_path):
    chunk = records.chunk.copy()
    chunk[4, 0, 2, 1] = np.nan
    with pytest.raises(InvalidData, match="1 NaN in 'chunk'"):
        write_dataset(replace(records, chunk=chunk), tmp_path / "bad", MEANING_OF_OURS)
    assert not (tmp_path / "bad").exists()


def test_a_folder_that_holds_something_is_left_alone(records, dataset):
    with pytest.raises(InvalidData, match="is not empty"):
        write_dataset(records, dataset, MEANING_OF_OURS)


def test_a_dataset_without_its_meaning_is_not_guessed_at(dataset, tmp_path):
    with pytest.raises(MissingPart, match="molmoact dataset convert"):
        read_dataset(tmp_path)
    text = (dataset / MEANING).read_text()
    try:
        (dataset / MEANING).write_text(text.replace('"format": 1', '"format": 9'))
        with pytest.raises(InvalidData, match="another format"):
            read_dataset(dataset)
    finally:
        (dataset / MEANING).write_text(text)
