"""The settings files that lie beside labels: YAML, read without executing anything."""

from pathlib import Path
from typing import Any

from ethopose.core import FormatError


def read_settings(path: Path) -> dict[str, Any]:
    """A YAML file whose top level is a mapping.

    Raises:
        FormatError: it is missing, damaged, or something else.
    """
    import yaml

    try:
        content = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise FormatError(f"cannot be read ({error.strerror})", where=path) from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise FormatError(f"no valid YAML ({' '.join(str(error).split())})", where=path) from error
    if not isinstance(content, dict):
        raise FormatError("no mapping of keys to values", where=path)
    return content
