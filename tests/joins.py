"""Joins of our own for results that are there."""

from ethopose.store import Joins, Result, read
from ethopose.store.joins import store_joins
from ethopose.store.manifest import write_manifest


def put_joins(result: Result, joins: Joins) -> Result:
    """The result, in its place, with these joins."""
    record = store_joins(result.path, joins)
    write_manifest(result.path, read(result.path).manifest.model_copy(update={"joins": record}))
    return read(result.path)
