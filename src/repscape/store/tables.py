"""Result tables as parquet files: equal content gives equal bytes.

Numbers are int64 or float64, text is UTF-8, missing is null (a NaN is missing; a column that
holds nothing at all counts as text). There is no index, no time and no pandas metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repscape.errors import InvalidParameterError
from repscape.store.manifest import ArraySpec

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_ROWS_PER_GROUP = 65_536
_COMPRESSION_LEVEL = 3


def as_parquet(
    frame: pd.DataFrame, metadata: Mapping[str, str] | None = None
) -> tuple[memoryview, dict[str, ArraySpec]]:
    """Return the bytes of the parquet file, and type and shape of every column.

    `metadata` are texts that the file carries by name.

    Raises
    ------
    InvalidParameterError
        If a column has no name of its own, or holds anything but text, numbers and booleans,
        or if the table has a named index, which would be lost.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = _canonical(frame)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        table.schema,
        version="2.6",
        compression="zstd",
        compression_level=_COMPRESSION_LEVEL,
        use_dictionary=True,
        write_statistics=True,
        store_schema=False,
    ) as writer:
        writer.write_table(table, row_group_size=_ROWS_PER_GROUP)
        if metadata:
            writer.add_key_value_metadata(dict(metadata))
    specs = {
        name: ArraySpec(_dtype_name(column.type), (table.num_rows,))
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    return memoryview(sink.getvalue()), specs


def read_parquet(path: Path) -> pd.DataFrame:
    """Inverse of `as_parquet`; integers and booleans with nulls get pandas' nullable types."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    with pq.ParquetFile(path) as file:
        table = file.read()
    columns = {
        name: column.to_pandas(types_mapper=nullable.get if column.null_count else None)
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    return pd.DataFrame(columns, columns=table.column_names)


def _canonical(frame: pd.DataFrame) -> pa.Table:
    import pyarrow as pa

    names = list(frame.columns)
    if any(not isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise InvalidParameterError(f"the columns of a table need distinct names, not {names}")
    if any(name is not None for name in frame.index.names):
        raise InvalidParameterError(
            f"the table has the index {list(frame.index.names)}: make it columns (reset_index())"
        )
    return pa.table({name: _canonical_column(frame, name) for name in names})


def _canonical_column(frame: pd.DataFrame, name: str) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        column = pa.Array.from_pandas(frame[name])
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        column = column.cast(_canonical_type(name, column.type))
    except pa.ArrowException as problem:
        raise InvalidParameterError(
            f"column {name!r} holds more than one type: {problem}"
        ) from problem
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return column


def _canonical_type(name: str, dtype: Any) -> Any:
    import pyarrow as pa

    kinds = pa.types
    if kinds.is_dictionary(dtype):
        return _canonical_type(name, dtype.value_type)
    if kinds.is_boolean(dtype):
        return pa.bool_()
    if kinds.is_integer(dtype):
        return pa.int64()
    if kinds.is_floating(dtype):
        return pa.float64()
    if kinds.is_string(dtype) or kinds.is_large_string(dtype) or kinds.is_null(dtype):
        return pa.large_string()
    raise InvalidParameterError(
        f"column {name!r} has the type {dtype}: a table holds text, numbers and booleans"
    )


def _dtype_name(dtype: Any) -> str:
    return {"large_string": "str", "double": "float64"}.get(str(dtype), str(dtype))
