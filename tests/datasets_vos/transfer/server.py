"""A local web server that misbehaves on demand."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Site:
    """One file under every address, and how it is served.

    Attributes:
        body: The file.
        cuts: After how many bytes of the body each next answer breaks off; whole when used up.
        ranges: Whether range requests are honoured.
        validator: Whether the answers carry an ETag.
        claimed_size: Wrong Content-Length.
        content_type: Of the answers.
        failures: Status codes with which the next requests are answered.
        seen: The Range header of each request.
    """

    body: bytes
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    validator: bool = True
    claimed_size: int | None = None
    content_type: str = "application/zip"
    failures: list[int] = field(default_factory=list)
    seen: list[str | None] = field(default_factory=list)
    url: str = ""

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.body).hexdigest()}"'


@contextmanager
def serve(site: Site) -> Iterator[Site]:
    """Serve in a thread; ``site.url`` is the address of its file."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.seen.append(self.headers["Range"])
            if site.failures:
                self.send_error(site.failures.pop(0))
                return
            start = self._start()
            if start >= len(site.body) > 0:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(site.body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self._send(site.body[start:], start)

        def _start(self) -> int:
            unchanged = self.headers["If-Range"] in (None, site.etag)
            match = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
            return int(match.group(1)) if match and site.ranges and unchanged else 0

        def _send(self, rest: bytes, start: int) -> None:
            total = len(site.body)
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            if site.validator:
                self.send_header("ETag", site.etag)
            self.send_header("Content-Type", site.content_type)
            size = len(rest) if site.claimed_size is None else site.claimed_size
            self.send_header("Content-Length", str(size))
            self.end_headers()
            self.wfile.write(rest[: site.cuts.pop(0)] if site.cuts else rest)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/data/set.zip"
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
