"""Records of a Decision become upserts: one statement per table and set of columns, compiled once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Column, Dialect, Table
from sqlalchemy.dialects import postgresql, sqlite

from shared.store.intake import plain
from shared.store.model import Record


class Upsert(NamedTuple):
    """An insert-or-update ready for the driver, with its positional parameters; `feed` names its change, if any."""

    sql: str
    parameters: tuple[Any, ...]
    feed: str


class _Place(NamedTuple):
    """One parameter of a statement: its column, the type of its values, and what the driver needs done to them."""

    column: Column[Any]
    name: str
    wanted: type
    bind: Callable[[Any], Any] | None


@dataclass(frozen=True, slots=True)
class _Shape:
    sql: str
    places: tuple[_Place, ...]
    names: tuple[str, ...]
    types: list[type] | None
    """Of values that may go to the driver as they are; None when one has to be made ready for it."""


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
        parameters = tuple([record.values[name] for name in shape.names])
        if list(map(type, parameters)) != shape.types or not _is_plain(parameters):
            parameters = tuple(map(_checked, shape.places, parameters))
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
        places = tuple(self._place(table.c[column]) for column in compiled.positiontup or ())
        as_they_are = all(place.bind is None and place.wanted in (str, float) for place in places)
        types = [place.wanted for place in places] if as_they_are else None
        return _Shape(str(compiled), places, tuple(place.name for place in places), types)

    def _place(self, column: Column[Any]) -> _Place:
        bind = column.type.dialect_impl(self._dialect).bind_processor(self._dialect)
        return _Place(column, column.name, column.type.python_type, bind)


def _must_be_given(column: Column[Any]) -> bool:
    return not column.nullable and column.server_default is None


def _is_plain(values: Sequence[Any]) -> bool:
    """Say whether all texts among the values are plain; one look at all of them costs less than one at each."""
    text = "".join([value for value in values if type(value) is str])
    return text.isascii() and "\0" not in text


def _checked(place: _Place, value: Any) -> Any:  # noqa: ANN401 -- any column type
    column, _, wanted, bind = place
    if type(value) is str and wanted is str:
        return plain(value)
    if value is None:
        if not column.nullable:
            raise ValueError(f"record without a value for {column.table.name}.{column.name}")
        return None
    if type(value) is not wanted and not (wanted is float and type(value) is int):
        raise ValueError(
            f"record with a {type(value).__name__} for {column.table.name}.{column.name}, a {wanted.__name__}"
        )
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"record with {value} for {column.table.name}.{column.name}: more than 64 bits")
    return bind(value) if bind else value


def runs(records: Iterable[Upsert]) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Yield statements with all their parameters, in order: neighbours of one statement go to the driver at once."""
    for sql, same in groupby(records, key=lambda record: record.sql):
        yield sql, [record.parameters for record in same]
