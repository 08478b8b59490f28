"""A hub on this machine: it answers a client as the hub of Hugging Face does."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_REFUSALS = {
    # what the hub says without a login, and with one that has not accepted the terms
    "gated": (401, "GatedRepo", "Access to model is restricted. You must be authenticated."),
    "awaiting": (403, "GatedRepo", "You are not in the authorized list."),
    "private": (401, "RepoNotFound", "Repository not found"),
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""

    def _answer(self, with_body: bool) -> None:
        path = self.path.split("?")[0]
        self.server.asked.append(f"{self.command} {path}")
        parts = path.strip("/").split("/")
        if path == "/":
            return self._send(200, b"hub", {}, with_body)
        if parts[0] == "api":
            parts = parts[2:]
        owner, name, *rest = [*parts, ""] if len(parts) < 2 else parts
        folder = self.server.root / name
        if owner in _REFUSALS or not folder.is_dir():
            code, error, message = _REFUSALS[owner if owner in _REFUSALS else "private"]
            headers = {"X-Error-Code": error, "X-Error-Message": message}
            return self._send(code, json.dumps({"error": message}).encode(), headers, with_body)
        common = {"X-Repo-Commit": COMMIT}
        if rest[:1] != ["resolve"]:
            files = [
                {"type": "file", "path": f.relative_to(folder).as_posix(), "oid": "", "size": 0}
                for f in _files(folder)
            ]
            asked_tree = rest[:1] == ["tree"]
            listing = files if asked_tree else {"id": f"{owner}/{name}", "sha": COMMIT}
            return self._send(200, json.dumps(listing).encode(), common, with_body)
        if rest[1] not in ("main", COMMIT):
            return self._send(404, b"", {"X-Error-Code": "RevisionNotFound"}, with_body)
        file = folder.joinpath(*rest[2:])
        if not file.is_file():
            return self._send(404, b"", {**common, "X-Error-Code": "EntryNotFound"}, with_body)
        content = file.read_bytes()
        tag = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        return self._send(200, content, {**common, **tag}, with_body)

    def _send(self, code: int, body: bytes, headers: dict[str, str], with_body: bool) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.asked: list[str] = []


@contextmanager
def hub(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve the folders in `root` as `ANY/FOLDER`; yield the address and what was asked."""
    server = _Server(root)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.asked
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def black_hole() -> Iterator[str]:
    """Take connections and never answer; yield the address."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def closed_port() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    return f"http://127.0.0.1:{port}"
