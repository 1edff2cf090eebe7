"""Records of a Decision become upserts: one statement per table and set of columns, compiled once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Dialect, Table
from sqlalchemy.dialects import postgresql, sqlite

from shared.store.intake import plain
from shared.store.model import Record


@dataclass(frozen=True, slots=True)
class Upsert:
    """An insert-or-update ready for the driver, with its positional parameters; `feed` names its change, if any."""

    sql: str
    parameters: tuple[Any, ...]
    feed: str


@dataclass(frozen=True, slots=True)
class _Shape:
    sql: str
    columns: tuple[str, ...]
    binds: tuple[Callable[[Any], Any] | None, ...]


def refuse_record(record: Record) -> Upsert:
    """Refuse every record: what a service without tables does."""
    raise ValueError(f"record for table {record.table!r}, but this service registered no tables")


class RecordWriter:
    """Compiles the records of the tables a service registered, in one dialect."""

    def __init__(self, tables: Sequence[Table], dialect: Dialect) -> None:
        self._tables = {table.name: table for table in tables}
        self._dialect = dialect
        self._shapes: dict[tuple[str, tuple[str, ...]], _Shape] = {}

    def prepare(self, record: Record) -> Upsert:
        """Return the statement of a record; columns it does not name keep their value.

        Raises ValueError for an unknown table or column, a missing value, a value of the wrong type and a NUL in text,
        so that no commit fails for what an author wrote.
        """
        names = tuple(sorted(record.values))
        shape = self._shapes.get((record.table, names))
        if shape is None:
            shape = self._shapes[record.table, names] = self._compile(record.table, names)
        values = (record.values[name] for name in shape.columns)
        parameters = tuple(
            _checked(self._tables[record.table].c[name], value, bind)
            for name, value, bind in zip(shape.columns, values, shape.binds, strict=True)
        )
        return Upsert(shape.sql, parameters, record.feed)

    def _compile(self, name: str, names: tuple[str, ...]) -> _Shape:
        table = self._tables.get(name)
        if table is None:
            raise ValueError(f"record for unknown table {name!r}; registered: {', '.join(sorted(self._tables))}")
        unknown = [column for column in names if column not in table.c]
        missing = [c.name for c in table.c if c.name not in names and _must_be_given(c)]
        if unknown or missing:
            raise ValueError(f"record for table {name!r}: unknown columns {unknown}, missing columns {missing}")
        insert = (sqlite if self._dialect.name == "sqlite" else postgresql).insert(table)
        keys = [column.name for column in table.primary_key]
        changed = {column: insert.excluded[column] for column in names if column not in keys}
        statement = insert.values(dict.fromkeys(names))
        upsert = (
            statement.on_conflict_do_update(index_elements=keys, set_=changed)
            if changed
            else statement.on_conflict_do_nothing(index_elements=keys)
        )
        compiled = upsert.compile(dialect=self._dialect, column_keys=list(names))
        order = tuple(compiled.positiontup or ())
        binds = tuple(
            table.c[column].type.dialect_impl(self._dialect).bind_processor(self._dialect) for column in order
        )
        return _Shape(str(compiled), order, binds)


def _must_be_given(column: Column[Any]) -> bool:
    return not column.nullable and column.server_default is None


def _checked(column: Column[Any], value: Any, bind: Callable[[Any], Any] | None) -> Any:  # noqa: ANN401 -- any column type
    if value is None:
        if not column.nullable:
            raise ValueError(f"record without a value for {column.table.name}.{column.name}")
        return None
    wanted = column.type.python_type
    if type(value) is not wanted and not (wanted is float and type(value) is int):
        raise ValueError(
            f"record with a {type(value).__name__} for {column.table.name}.{column.name}, a {wanted.__name__}"
        )
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"record with {value} for {column.table.name}.{column.name}: more than 64 bits")
    return bind(value) if bind else value
