"""All of Parquet that datasets need: tables read column by column, and written as LeRobot reads them."""

import json
from pathlib import Path

import numpy as np

from ...errors import InvalidData, MissingPart, missing_package

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise missing_package("pyarrow", "learning") from error

_ROWS_PER_GROUP = 500
_PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_KINDS = {"float32": pa.float32(), "int64": pa.int64()}
_AGAIN = "Fetch or make the dataset again."


def data_files(folder, below: str = "data") -> list[Path]:
    """Return the parquet files of a dataset in order. MissingPart without any."""
    files = sorted(Path(folder).glob(f"{below}/*/*.parquet"))
    if not files:
        raise MissingPart(f"no table in '{folder}/{below}'", f"{below}/chunk-000/*.parquet", _AGAIN)
    return files


def names_of(folder, below: str = "data") -> list[str]:
    """Return the names of the columns of a dataset's data."""
    return list(_opened(data_files(folder, below)[0]).schema_arrow.names)


def numbers(files, name: str) -> np.ndarray:
    """Return a column of numbers (n, …) of all files. InvalidData where it is missing or its rows differ in size."""
    try:
        return np.concatenate([_array(_read(file, [name])[name].combine_chunks()) for file in files])
    except (ValueError, pa.ArrowInvalid, TypeError) as error:
        first = str(error).splitlines()[0]
        raise InvalidData(f"column '{name}' cannot be read ({first})", "rows of as many numbers", _AGAIN) from None


def texts(file) -> dict[int, str]:
    """Return task index -> sentence of meta/tasks.parquet, whatever its column of sentences is called."""
    if not Path(file).is_file():
        raise MissingPart(f"no '{file}'", "the table of tasks", _AGAIN)
    table = _opened(file).read()
    found = [name for name in table.column_names if table[name].type in (pa.string(), pa.large_string())]
    if not found or "task_index" not in table.column_names:
        raise InvalidData(f"'{file}' with columns {table.column_names}", "task_index and sentences", _AGAIN)
    return dict(zip(table["task_index"].to_pylist(), table[found[0]].to_pylist()))


def rows(files, names) -> list[dict]:
    """Return the rows of some columns of all files."""
    return [row for file in files for row in _read(file, names).to_pylist()]


def picture_cells(file, name: str) -> list:
    """Return the cells of a column of pictures: bytes and path each, or arrays."""
    return _read(file, [name])[name].to_pylist()


def row_count(file) -> int:
    """Return how many rows a file has."""
    return _opened(file).metadata.num_rows


def _read(file, names):
    opened = _opened(file)
    there = opened.schema_arrow.names
    for name in names:
        if name not in there:
            raise InvalidData(f"no column '{name}' in '{file}'", f"one of {', '.join(there)}", "Name the right one.")
    return opened.read(columns=list(names))


def _opened(file):
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowInvalid, OSError) as error:
        found = f"'{file}' cannot be read ({str(error).splitlines()[0]})"
        raise InvalidData(found, "a Parquet file", _AGAIN) from None


def _array(column) -> np.ndarray:
    """Turn nested lists of one size into an array without going through Python objects."""
    shape = [len(column)]
    while pa.types.is_nested(column.type):
        inner = column.flatten()
        outer = int(np.prod(shape))
        size, rest = divmod(len(inner), outer) if outer else (0, 0)
        lengths = column.value_lengths() if hasattr(column, "value_lengths") else None
        if rest or (lengths is not None and len(set(lengths.to_pylist())) > 1):
            raise ValueError("its rows differ in size")
        shape.append(size)
        column = inner
    return column.to_numpy(zero_copy_only=False).reshape(shape)


class TableWriter:
    """Write the rows of a dataset's data into files of about `most_bytes`, whole episodes each."""

    def __init__(self, folder, pattern: str, described: dict, most_bytes: int = 100_000_000, per_chunk: int = 1000):
        self._folder, self._pattern, self._most, self._per_chunk = Path(folder), pattern, most_bytes, per_chunk
        self._described, self._writer, self._bytes, self._number = described, None, 0, 0
        self._waiting: list = []
        self._schema = pa.schema([(n, _type(f)) for n, f in described.items()], metadata=_for_datasets(described))

    def begin_episode(self) -> tuple[int, int]:
        """Return the chunk and file that an episode starting now goes to."""
        if self._bytes >= self._most:
            self.close()
            self._number, self._bytes = self._number + 1, 0
        return divmod(self._number, self._per_chunk)

    def add(self, columns: dict, pictures: list[bytes], picture_name: str) -> None:
        """Add rows: name -> (n, …) array, and as many encoded pictures."""
        arrays = {picture_name: pa.array([{"bytes": b, "path": None} for b in pictures], _PICTURE)}
        arrays |= {name: _column(values, self._described[name]) for name, values in columns.items()}
        self._waiting.append(pa.table({name: arrays[name] for name in self._described}, schema=self._schema))
        self._bytes += sum(map(len, pictures))
        if sum(t.num_rows for t in self._waiting) >= _ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        """Finish the present file."""
        self._flush()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _flush(self) -> None:
        if not self._waiting:
            return
        if self._writer is None:
            chunk, file = divmod(self._number, self._per_chunk)
            path = self._folder / self._pattern.format(chunk_index=chunk, file_index=file)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(path, self._schema, compression="snappy")
        self._writer.write_table(pa.concat_tables(self._waiting))
        self._waiting = []


def write_tasks(file, sentences) -> None:
    """Write meta/tasks.parquet: LeRobot looks a task up by its sentence, which pandas is told is the index."""
    text = {"name": "task", "field_name": "task", "pandas_type": "unicode", "numpy_type": "object", "metadata": None}
    number = {**text, "name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64"}
    said = {"index_columns": ["task"], "column_indexes": [], "columns": [number, text], "pandas_version": "2.0.0"}
    index = pa.array(range(len(sentences)), pa.int64())
    table = pa.table({"task_index": index, "task": pa.array(sentences, pa.string())})
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(said)}), file)


def write_episodes(file, columns: dict) -> None:
    """Write a table of episodes: name -> list of ints or of lists of texts."""
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    kinds = {"tasks": pa.list_(pa.string())}
    pq.write_table(pa.table({n: pa.array(v, kinds.get(n, pa.int64())) for n, v in columns.items()}), file)


def _type(feature: dict):
    if feature["dtype"] == "image":
        return _PICTURE
    kind, size = _KINDS[feature["dtype"]], feature["shape"][0]
    return kind if size == 1 else pa.list_(kind, size)


def _column(values, feature: dict):
    kind, size = _KINDS[feature["dtype"]], feature["shape"][0]
    flat = pa.array(np.ascontiguousarray(values, feature["dtype"]).ravel(), kind)
    return flat if size == 1 else pa.FixedSizeListArray.from_arrays(flat, size)


def _for_datasets(described: dict) -> dict:
    """Say, as the `datasets` package does, which column holds pictures, so that any viewer shows them."""
    said = {name: {"_type": "Image"} for name, f in described.items() if f["dtype"] == "image"}
    for name, feature in described.items():
        if feature["dtype"] != "image":
            one = {"dtype": feature["dtype"], "_type": "Value"}
            size = feature["shape"][0]
            said[name] = one if size == 1 else {"feature": one, "length": size, "_type": "Sequence"}
    return {"huggingface": json.dumps({"info": {"features": said}})}
