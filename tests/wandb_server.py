"""A W&B server that plays just enough to be uploaded to, on a loopback port, and keeps what arrives."""

import contextlib
import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server:
    """What has arrived.

    runs: W&B's id -> what was said of it last: groupName, jobType, tags, config, …
    history: id -> rows, at the places at which they were sent.
    files: id -> name -> bytes.
    views: the variables of each saved view.
    """

    def __init__(self) -> None:
        self.url = ""
        self.runs: dict[str, dict[str, Any]] = {}
        self.history: dict[str, list[dict[str, Any]]] = {}
        self.summary: dict[str, dict[str, Any]] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.views: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.status = 200
        """What every request is answered with."""

    def graphql(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        name = variables.get("name")
        where = {"id": "P", "name": variables.get("project"), "entity": {"id": "E", "name": "somebody"}}
        if "upsertBucket" in query:
            inserted = name not in self.runs
            run = self.runs.setdefault(name, {})
            config = {**json.loads(run.get("config", "{}")), **json.loads(variables.get("config") or "{}")}
            run |= {key: value for key, value in variables.items() if value is not None}
            run["config"] = json.dumps(config)
            return {"upsertBucket": {"bucket": self._bucket(name) | {"project": where}, "inserted": inserted}}
        if "RunResumeStatus" in query:
            return {"model": where | {"bucket": self._bucket(name) if name in self.runs else None}}
        if "createRunFiles" in query:
            run = variables["run"]
            files = [{"name": file, "uploadUrl": f"{self.url}/upload/{run}/{file}"} for file in variables["files"]]
            return {"createRunFiles": {"runID": run, "uploadHeaders": [], "files": files}}
        if "upsertView" in query:
            self.views.append(variables)
            return {"upsertView": {"view": {"id": "V", "name": name}, "inserted": len(self.views) == 1}}
        if "allViews" in query:
            found = [view for view in self.views if view["name"] == variables["viewName"]][-1:]
            edges = [{"node": {"id": "V", "displayName": v["displayName"], "spec": v["spec"]}} for v in found]
            return {"project": {"allViews": {"edges": edges}}}
        if "viewer" in query:
            teams = {"edges": []}
            return {"viewer": {"id": "U", "entity": "somebody", "username": "somebody", "flags": "{}", "teams": teams}}
        return {}

    def stream(self, run: str, files: dict[str, Any]) -> None:
        for name, sent in files.items():
            rows = [json.loads(line) for line in sent["content"]]
            if name == "wandb-history.jsonl":
                kept = self.history.setdefault(run, [])
                kept[sent["offset"] : sent["offset"] + len(rows)] = rows
            elif name == "wandb-summary.json":
                self.summary[run] = rows[-1]

    def _bucket(self, name: str) -> dict[str, Any]:
        rows = self.history.get(name, [])
        return {
            "id": name, "name": name, "displayName": self.runs[name].get("displayName"), "description": "",
            "config": self.runs[name]["config"], "summaryMetrics": json.dumps(self.summary.get(name, {})),
            "historyLineCount": len(rows), "eventsLineCount": 0, "logLineCount": 0, "sweepName": None,
            "historyTail": json.dumps([json.dumps(row) for row in rows[-1:]]), "eventsTail": "[]",
            "tags": self.runs[name].get("tags", []), "notes": "", "wandbConfig": "{}",
        }  # fmt: skip


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """Run the server while the block runs."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):
                super().handle()

        def do_GET(self) -> None:
            self._answer({})

        do_HEAD = do_GET  # noqa: N815

        def do_PUT(self) -> None:
            _, _, run, name = self.path.split("/", 3)
            self._answer({}, lambda body: state.files.setdefault(run, {}).update({name: body}))

        def do_POST(self) -> None:
            if self.path == "/graphql":
                request = json.loads(self._body())
                self._answer({"data": state.graphql(request["query"], request.get("variables") or {})})
            elif self.path.endswith("/file_stream"):
                run = self.path.split("/")[-2]
                self._answer({}, lambda body: state.stream(run, json.loads(body).get("files") or {}))
            else:
                self._answer({})

        def _body(self) -> bytes:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.headers.replace_header("Content-Length", "0") if "Content-Length" in self.headers else None
            return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

        def _answer(self, reply: dict[str, Any], take: Any = lambda body: None) -> None:
            state.requests.append(f"{self.command} {self.path}")
            if state.status == 200:
                take(self._body())
            text = b"" if self.command == "HEAD" else json.dumps(reply).encode()
            self.send_response(state.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
