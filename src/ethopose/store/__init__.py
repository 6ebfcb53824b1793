"""Results on disk: parts, manifests, files that are there whole or not at all."""

from ethopose.store.adoption import adopt, settle
from ethopose.store.atomic import (
    TEMPORARY,
    disk_errors,
    filling,
    make_folder,
    remove_folder,
    replacing,
    replacing_path,
)
from ethopose.store.beside import BOX, NOWHERE, line_column, peak_column
from ethopose.store.claims import check_held, is_claimed, scratch
from ethopose.store.features import Features
from ethopose.store.joins import UNSURE, Joins, join_joins, no_joins
from ethopose.store.lists import Lists, join_lists, lists_of
from ethopose.store.manifest import TRACKING, Manifest, ModelRecord, PartRecord, note_export, plain_columns
from ethopose.store.parts import Extra, store_part
from ethopose.store.result import SUFFIX, WITHIN, Part, Result, is_result, read, state_before
from ethopose.store.sources import video_of
from ethopose.store.tables import OK, SKIPPED, UNDECODABLE, FrameTable, State
from ethopose.store.writer import Writer, start

__all__ = [
    "BOX",
    "NOWHERE",
    "OK",
    "SKIPPED",
    "SUFFIX",
    "TEMPORARY",
    "TRACKING",
    "UNDECODABLE",
    "UNSURE",
    "WITHIN",
    "Extra",
    "Features",
    "FrameTable",
    "Joins",
    "Lists",
    "Manifest",
    "ModelRecord",
    "Part",
    "PartRecord",
    "Result",
    "State",
    "Writer",
    "adopt",
    "check_held",
    "disk_errors",
    "filling",
    "is_claimed",
    "is_result",
    "join_joins",
    "join_lists",
    "line_column",
    "lists_of",
    "make_folder",
    "no_joins",
    "note_export",
    "peak_column",
    "plain_columns",
    "read",
    "remove_folder",
    "replacing",
    "replacing_path",
    "scratch",
    "settle",
    "start",
    "state_before",
    "store_part",
    "video_of",
]
