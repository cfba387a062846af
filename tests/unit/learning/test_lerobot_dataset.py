"""Records as a LeRobot dataset and back: nothing is lost, and what is wrong with a dataset has a name."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
import pyarrow.parquet as pq  # noqa: E402

from molmoact_ros.cli import main  # noqa: E402
from molmoact_ros.errors import InvalidData, MissingPart  # noqa: E402
from molmoact_ros.learning.lerobot.check import check  # noqa: E402
from molmoact_ros.learning.lerobot.reader import read_dataset  # noqa: E402
from molmoact_ros.learning.lerobot.schema import (  # noqa: E402
    CAMERA,
    DATA_PATH,
    INFO,
    MEANING,
    NORM_STATS,
    STATS,
    Meaning,
)
from molmoact_ros.learning.lerobot.statistics import PictureStatistics, norm_stats, statistics  # noqa: E402
from molmoact_ros.learning.lerobot.tables import TableWriter  # noqa: E402
from molmoact_ros.learning.lerobot.writer import write_dataset  # noqa: E402
from molmoact_ros.reasoning.norm_stats import action_statistics  # noqa: E402
from tests.few_records import few_records  # noqa: E402

FILE = DATA_PATH.format(chunk_index=0, file_index=0)


@pytest.fixture(scope="module")
def records():
    found = few_records(labels=3)
    found.chunk[..., 6] = found.chunk[..., 6] > 1
    # Points that do not count are zero, as the demonstrations have them.
    return replace(found, trace=np.where((found.trace_length > 0)[..., None, None], found.trace, 0).astype(np.uint8))


@pytest.fixture
def dataset(records, tmp_path):
    return write_dataset(records, tmp_path / "ours")


def change(dataset, name, values):
    """Replace a column of a dataset's data."""
    table = pq.read_table(dataset / FILE)
    place = table.column_names.index(name)
    pq.write_table(table.set_column(place, name, pa.array(values.tolist(), table[name].type)), dataset / FILE)


def column(dataset, name):
    return np.array(pq.read_table(dataset / FILE)[name].to_pylist())


def fault(dataset) -> str:
    """Return what is wrong, all of it on one line."""
    found = [f"{name}: {wrong}" for name, wrong in check(dataset) if wrong]
    assert all("\n" not in one for one in found)
    return "; ".join(found)


def test_a_round_trip_loses_nothing(records, dataset):
    back = read_dataset(dataset)
    for field in fields(records):
        before, after = getattr(records, field.name), getattr(back, field.name)
        if field.name == "instructions":
            assert before == after
            continue
        assert before.dtype == after.dtype, field.name
        np.testing.assert_array_equal(before, after, field.name)
    assert fault(dataset) == ""


def test_one_label_and_numbers_of_episodes_that_are_not_consecutive(records, tmp_path):
    labelled = ("instruction", "trace", "trace_length", "chunk", "points", "far")
    first = {name: getattr(records, name)[:, :1] for name in labelled}
    alone = replace(records, episode=records.episode * 7 + 3, **first)
    back = read_dataset(write_dataset(alone, tmp_path / "ours"))
    np.testing.assert_array_equal(back.episode, alone.episode)
    np.testing.assert_array_equal(back.chunk, alone.chunk)
    assert back.instruction.shape == (len(records), 1)


def test_several_files_hold_whole_episodes(records, tmp_path, monkeypatch):
    defaults = (len(records.image[0].tobytes()) * 7, 1)
    monkeypatch.setattr(TableWriter.__init__, "__defaults__", defaults)
    ours = write_dataset(records, tmp_path / "ours")
    assert len(list(ours.glob("data/chunk-00[01]/file-000.parquet"))) == 2
    np.testing.assert_array_equal(read_dataset(ours).image, records.image)
    assert fault(ours) == ""


def test_it_says_what_its_numbers_mean(records, dataset):
    info, said = json.loads((dataset / INFO).read_text()), json.loads((dataset / MEANING).read_text())
    assert info["codebase_version"] == "v3.0" and info["total_frames"] == len(records)
    assert set(info["features"]) == set(pq.read_table(dataset / FILE).column_names)
    assert said["action_frame"] == "absolute_base" and said["gripper"] == "open_is_1"
    assert "fixed x y z" in said["rotation"] and "the tip's way" in said["columns"]["reasoning.trace"]
    meaning = Meaning.load(dataset)
    np.testing.assert_array_equal(column(dataset, "action"), records.chunk[:, 0, 0])
    bins = column(dataset, "reasoning.action_bins").reshape(len(records), 8, len(meaning.dims))
    step = (np.array(meaning.q99) - meaning.q01) / 255
    inside = np.clip(records.chunk[:, 0][..., list(meaning.dims)], meaning.q01, meaning.q99)
    assert np.abs(bins * step + step / 2 + meaning.q01 - inside).max() <= step.max() * 0.51


def test_the_ends_of_the_bins_can_be_given(records, tmp_path):
    ends = {"dims": (0, 1, 2, 6), "q01": (0.25, -0.4, 0.0, 0.0), "q99": (0.75, 0.4, 0.5, 1.0)}
    ours = write_dataset(records, tmp_path / "ours", ends=ends)
    assert Meaning.load(ours).q99 == ends["q99"] and column(ours, "reasoning.action_bins").shape[1] == 32
    assert fault(ours) == ""


def test_statistics_are_of_every_dimension_and_a_manifest_can_use_them(records, dataset):
    stats, norms = (json.loads((dataset / name).read_text()) for name in (STATS, NORM_STATS))
    rows = records.chunk[:, 0].reshape(-1, 7)
    chunks = records.chunk[:, 0].reshape(len(records), -1).astype(float)
    np.testing.assert_allclose(stats["reasoning.chunk"]["mean"], chunks.mean(0))
    wanted = np.quantile(rows[:, :6].astype(float), 0.99, axis=0)
    np.testing.assert_allclose(norms["ours"]["action"]["q99"][:6], wanted)
    pixels = records.image.reshape(-1, 3) / 255
    for name, wanted in (("mean", pixels.mean(0)), ("std", pixels.std(0)), ("max", pixels.max(0))):
        np.testing.assert_allclose(np.ravel(stats[CAMERA][name]), wanted, rtol=1e-9)
    action_statistics(norms).require_whole()


def test_fourteen_dimensions_have_fourteen_statistics_and_two_grippers_are_left_as_they_are():
    values = np.random.default_rng(0).normal(0, 1, (500, 14))
    values[:, 9] = 0.5
    meaning = Meaning("absolute_base", 14, (6, 13), 2, 14, 8, 1, "mine")
    found = norm_stats(values, values, meaning, 3)["mine"]
    assert [i for i, scaled in enumerate(found["action"]["mask"]) if not scaled] == [6, 13]
    assert len(found["action"]["q01"]) == len(found["proprio"]["q99"]) == 14
    action_statistics({"mine": found}).require_whole()
    assert statistics(values[:, 0])["count"] == [500]


def test_picture_statistics_find_quantiles_of_pixels():
    seen, picture = PictureStatistics(), np.zeros((10, 10, 3), np.uint8)
    picture.reshape(100, 3)[:, 0] = np.arange(100)
    seen.add(picture)
    found = seen.result()
    assert np.ravel(found["q50"])[0] == 49 / 255 and np.ravel(found["q99"]).tolist() == [98 / 255, 0, 0]
    assert np.shape(found["min"]) == (3, 1, 1) and found["count"] == [1]


@pytest.mark.parametrize("name, place", [("state", 0), ("chunk", (0, 2, 1))])
def test_a_nan_is_named_and_nothing_is_written(records, tmp_path, name, place):
    values = getattr(records, name).copy()
    values[4][place] = np.nan
    with pytest.raises(InvalidData, match=f"NaN in '.*{name}' in 1 rows, the first is row 4"):
        write_dataset(replace(records, **{name: values}), tmp_path / "bad")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_refused(records, dataset, tmp_path):
    with pytest.raises(InvalidData, match="is not empty"):
        write_dataset(records, dataset)
    with pytest.raises(InvalidData, match="4 episodes whose frames lie between those of others|frames lie between"):
        write_dataset(replace(records, episode=np.arange(len(records)) % 4), tmp_path / "mixed")
    with pytest.raises(InvalidData, match="actions of 8 numbers"):
        wide = np.concatenate([records.chunk, records.chunk[..., :1]], axis=3)
        write_dataset(replace(records, chunk=wide), tmp_path / "wide")


def test_a_dataset_without_its_meaning_is_not_guessed_at(dataset):
    text = (dataset / MEANING).read_text()
    (dataset / MEANING).write_text(text.replace('"format": 1', '"format": 9'))
    with pytest.raises(InvalidData, match="another format"):
        read_dataset(dataset)
    (dataset / MEANING).unlink()
    with pytest.raises(MissingPart, match="molmoact dataset convert"):
        read_dataset(dataset)
    assert "files: no '" in fault(dataset)


def test_check_finds_an_inverted_gripper(records, tmp_path):
    rng = np.random.default_rng(0)
    closing = rng.random(len(records)) < 0.5
    state, chunk = records.state.copy(), records.chunk.copy()
    state[:, 6] = 0.04 + np.append(0, np.cumsum(np.where(closing, -0.001, 0.001))[:-1])
    for said, wrong in ((1.0 - closing, ""), (closing, "opens when it is told to close (correlation -1.00 in 2")):
        chunk[:, :, :, 6] = np.asarray(said, float)[:, None, None]
        ours = write_dataset(replace(records, state=state, chunk=chunk), tmp_path / f"ours{wrong[:1]}")
        assert fault(ours) == "" if not wrong else wrong in fault(ours)


@pytest.mark.parametrize(
    "name, row, value, said",
    [
        ("observation.state", 5, np.nan, "numbers: NaN in 'observation.state' in 1 rows, the first is row 5"),
        ("reasoning.trace", 6, 480, "to 480; expected 0..255 of width and height"),
        ("reasoning.trace", 6, -1, "4 points in row 6|[4] points in row 6"),
        ("frame_index", 7, 0, "order: frame_index 0 in row 7 (episode 1); expected 1"),
        ("index", 3, 9, "order: index 9 in row 3"),
        ("timestamp", 3, 9.0, "order: timestamp 9 s of frame 3"),
        ("task_index", 2, 7, "tasks: task_index 7; expected one of the 3"),
        ("counterfactual.task_index", 2, 7, "tasks: counterfactual.task_index 7"),
        ("action", 2, 0.3, "that is not the first row of 'reasoning.chunk'"),
        ("reasoning.depth_tokens", 0, 300, "depth: depth codes from -1 to 300"),
        ("reasoning.action_bins", 0, 3, "bins: 1 rows of 'reasoning.action_bins'"),
        ("observation.state", 5, 1.0, "statistics: "),
    ],
)
def test_check_names_what_is_wrong(dataset, name, row, value, said):
    values = column(dataset, name)
    values[row if values.ndim == 1 else (row, 0)] = value
    change(dataset, name, values)
    assert any(one in fault(dataset) for one in said.split("|")), fault(dataset)


def test_check_finds_statistics_of_six_dimensions_and_of_other_data(dataset):
    norms = json.loads((dataset / NORM_STATS).read_text())
    six = {**norms["ours"], "action": {k: v[:6] for k, v in norms["ours"]["action"].items()}}
    (dataset / NORM_STATS).write_text(json.dumps({"ours": six}))
    assert "with 6 numbers; expected 7, one for every dimension" in fault(dataset)
    (dataset / NORM_STATS).write_text(json.dumps(norms))
    stats = json.loads((dataset / STATS).read_text())
    stats["action"]["mean"][2] += 0.1
    (dataset / STATS).write_text(json.dumps(stats))
    assert "statistics: mean of 'action' in meta/stats.json is" in fault(dataset)


def test_check_finds_a_missing_camera_and_other_dimensions(dataset):
    table = pq.read_table(dataset / FILE)
    pq.write_table(table.drop_columns([CAMERA]), dataset / FILE)
    assert f"no camera '{CAMERA}', cameras: none" in fault(dataset)
    chunk = pa.array([row[:-7] for row in table["reasoning.chunk"].to_pylist()])
    place = table.column_names.index("reasoning.chunk")
    pq.write_table(table.set_column(place, "reasoning.chunk", chunk), dataset / FILE)
    assert "'reasoning.chunk' with 49 numbers per row" in fault(dataset)
    pq.write_table(table.set_column(0, CAMERA, pa.array([{"bytes": b"x", "path": None}] * len(table))), dataset / FILE)
    assert f"pictures: no picture in row 0 of '{CAMERA}'" in fault(dataset)


def test_the_commands_check_and_info(dataset, capsys):
    assert main(["dataset", "check", str(dataset)]) == 0
    assert main(["dataset", "info", str(dataset)]) == 0
    assert "absolute_base" in capsys.readouterr().out
    assert main(["dataset", "info", str(dataset), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 24
    (dataset / STATS).unlink()
    assert main(["dataset", "check", str(dataset), "--json"]) == 1
    assert "stats.json" in json.loads(capsys.readouterr().out)["faults"]["files"]
