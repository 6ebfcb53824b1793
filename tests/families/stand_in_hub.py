"""A hub on this machine that speaks what the client of the Hugging Face hub asks of it for single files."""

import hashlib
import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ASKED = re.compile(r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>[^/?]+)")


@dataclass
class Hub:
    """Repositories of one commit, and what goes wrong with them."""

    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    plain: dict[str, bytes] = field(default_factory=dict)  # by path: files of no repository
    told: dict[str, str] = field(default_factory=dict)  # digests of files that are not theirs
    cut: dict[str, int] = field(default_factory=dict)  # bytes after which the line breaks, once
    short: set[str] = field(default_factory=set)  # files of which less is sent than was told
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)  # method, file, range
    url: str = ""


def serve(hub: Hub) -> ThreadingHTTPServer:
    """Begin to answer, on a port of its own; `shutdown` ends it."""

    class Answer(_Answer):
        pass

    Answer.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    return server


class _Answer(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_content=False)

    def do_GET(self) -> None:
        self._answer(with_content=True)

    def log_message(self, *args: Any) -> None: ...

    def _answer(self, *, with_content: bool) -> None:
        match = ASKED.match(self.path)
        if match is None:
            content = self.hub.plain.get(self.path, b"the hub\n")
            if self.path in self.hub.plain:
                self.hub.asked.append((self.command, self.path.rpartition("/")[2], None))
            cut = self.hub.cut.pop(self.path, None)
            return self._say(200, {}, content if with_content else b"", cut)
        name, bytes_asked = match["name"], self.headers.get("Range")
        self.hub.asked.append((self.command, name, bytes_asked))
        content = self.hub.files.get((match["repository"], name))
        if match["revision"] not in ("main", COMMIT):
            return self._say(404, {"X-Error-Code": "RevisionNotFound"}, b"")
        if content is None:
            return self._say(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b"")
        digest = self.hub.told.get(name) or hashlib.sha256(content).hexdigest()
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{digest}"', "Accept-Ranges": "bytes"}
        headers["X-Linked-Size"] = str(len(content))
        if not with_content:
            return self._say(200, {**headers, "Content-Length": str(len(content))}, b"")
        first = int(bytes_asked.removeprefix("bytes=").partition("-")[0]) if bytes_asked else 0
        sent = content[first : len(content) // 2 if name in self.hub.short else None]
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        return self._say(206 if first else 200, headers, sent, self.hub.cut.pop(name, None))

    def _say(self, code: int, headers: dict[str, str], content: bytes, cut: int | None = None) -> None:
        self.send_response(code)
        for key, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content[:cut])
        if cut is not None:
            self.close_connection = True
