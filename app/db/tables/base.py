"""What the tables are made of: ids, instants, amounts, and the checks that guard them."""

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, MetaData, Text, TypeDecorator, Uuid
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.engine import Dialect

from app.domain.points import LIMIT

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)


class Id(TypeDecorator[bytes]):
    """A UUID that Python holds as its 16 bytes."""

    impl = Uuid
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> UUID | None:
        return None if value is None else UUID(bytes=value)

    def process_result_value(self, value: UUID | None, dialect: Dialect) -> bytes | None:
        return None if value is None else value.bytes


INSTANT = TIMESTAMP(timezone=True)


HOT: dict[str, Any] = {"postgresql_with": {"fillfactor": "70"}}


def id_column(name: str, *, nullable: bool = False) -> Column[bytes]:
    return Column(name, Id, nullable=nullable)


def instant(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, INSTANT, nullable=nullable)


def amount(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def text_column(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Text, nullable=nullable)


def within(*columns: str) -> CheckConstraint:
    return CheckConstraint(" AND ".join(f"{c} BETWEEN -{LIMIT} AND {LIMIT}" for c in columns), name="range")


def length(column: str, most: int, *, least: int = 1) -> CheckConstraint:
    return CheckConstraint(f"length({column}) BETWEEN {least} AND {most}", name=f"{column}_length")
