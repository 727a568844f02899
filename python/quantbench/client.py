# SPDX-License-Identifier: Apache-2.0
"""A server's API."""
import hashlib
import json
import os
import re
import time
import urllib.parse

from . import errors, frames, inputs, types
from .http import Connection, escape
from .job import Job

INSPECTION_SECONDS = 120


class Client:
    """A server of quantbench.

    url      http://HOST:PORT, https://HOST or unix:PATH of its socket; else QUANTBENCH_URL, else http://127.0.0.1:8080
    token    else QUANTBENCH_TOKEN
    ca       a file of certificates to trust of an https server; else QUANTBENCH_CA, else the system's
    timeout  seconds without a word of the server
    """

    def __init__(self, url=None, token=None, *, ca=None, timeout=60):
        self._connection = Connection(url, token, ca, timeout)

    def __repr__(self):
        return f"<quantbench client of {self._connection.url}>"

    # Uploads

    def upload_model(self, source, name=None, *, wait=True, **export):
        """A network: a file's path, bytes, or a torch.nn.Module with example=, a tensor or a tuple of its inputs (other options
        go to torch.onnx.export). Gives the server's description; what the server has already is not sent again. Waits until
        the server has looked into it, unless wait is False; an Error where no job can use it."""
        return self._upload("models", source, name, wait, **export)

    def upload_data(self, source, name=None, *, wait=True):
        """Data: a file's path, bytes, arrays by name {"x": x, "y": y}, a pair (x, y), or one array x. As upload_model."""
        return self._upload("datasets", source, name, wait)

    def _upload(self, kind, source, name, wait, **export):
        with inputs.as_file(source, name, **export) as file:
            if file is None:
                raise errors.Error(f"{source!r} is no file here and holds no arrays", code="no_file")
            upload = self._send(kind, *file)
        return self._inspected(kind, upload) if wait else upload

    def _send(self, kind, path, name):
        with open(path, "rb") as file:
            known = self._connection.call("GET", "/v1/" + kind, query={"sha256": hashlib.file_digest(file, "sha256").hexdigest()})
            if known[kind]:
                return known[kind][0]
            file.seek(0)
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(os.path.getsize(path))}
            query = urllib.parse.urlencode({"name": name}, quote_via=urllib.parse.quote)
            return json.loads(self._connection.read("POST", f"/v1/{kind}?{query}", file, headers))

    def _inspected(self, kind, upload):
        end = time.monotonic() + INSPECTION_SECONDS
        while upload["inspection"]["state"] == "pending" and time.monotonic() < end:
            time.sleep(0.1)
            upload = self._connection.call("GET", f"/v1/{kind}/{escape(upload['id'])}")
        if upload["inspection"]["state"] == "failed":
            fault = upload["inspection"]["error"]
            raise errors.Error(f"{upload['name']} is stored as {upload['id']}, but no job can use it: {fault['detail']}",
                               code=fault["code"])
        return upload

    def models(self, limit=None) -> list[types.Model]:
        """Networks on the server, the latest first."""
        return list(self._connection.pages("/v1/models", "models", limit=limit))

    def datasets(self, limit=None) -> list[types.Dataset]:
        """Data sets on the server, the latest first."""
        return list(self._connection.pages("/v1/datasets", "datasets", limit=limit))

    def model(self, id) -> types.Model:
        return self._connection.call("GET", "/v1/models/" + escape(id))

    def dataset(self, id) -> types.Dataset:
        return self._connection.call("GET", "/v1/datasets/" + escape(id))

    def delete_model(self, id):
        self._connection.call("DELETE", "/v1/models/" + escape(id))

    def delete_dataset(self, id):
        self._connection.call("DELETE", "/v1/datasets/" + escape(id))

    # Jobs

    def submit(self, job=None, /, *, fresh=False, **fields) -> Job:
        """Hands in a job, a dict or its fields, and gives the Job. model, data, train, teacher and models are ids, names on the
        server, descriptions of uploads, or what upload_model and upload_data take, which is sent. name, notes and tags (a list) are
        for people. A job that was computed before is answered by that one unless fresh is true."""
        spec = inputs.replace({"type": "ptq", **(job or {}), **fields}, self._place)
        if fresh:
            spec["fresh"] = True
        return Job(self._connection, self._connection.call("POST", "/v1/jobs", spec))

    def _place(self, field, kind, value):
        if isinstance(value, dict) and isinstance(value.get("id"), str):
            return value["id"]
        if isinstance(value, str) and re.fullmatch(kind[0] + r"\d+", value) and not os.path.isfile(value):
            return value
        with inputs.as_file(value) as file:
            if file:
                return self._inspected(kind, self._send(kind, *file))["id"]
        for upload in self._connection.pages("/v1/" + kind, kind):
            if upload["name"] == value:
                return upload["id"]
        raise errors.Error(f"{field}: {value!r} is no file here, and nothing on the server has that name or id", code="no_file")

    def job(self, id) -> Job:
        return Job(self._connection, self._connection.call("GET", "/v1/jobs/" + escape(id)))

    def jobs(self, *, state=None, type=None, tag=None, scheme=None, model=None, data=None, q=None, sort=None, limit=None) -> list[Job]:
        """Jobs on the server, the latest first; q: words that stand in id, name, tags, notes, type, state, network, schemes or names of
        uploads; sort: created, finished, took, name, model, type, state or best, with - before it from the end."""
        query = {"state": state, "type": type, "tag": tag, "scheme": scheme, "model": model, "data": data, "q": q, "sort": sort}
        return [Job(self._connection, info) for info in self._connection.pages("/v1/jobs", "jobs", query, limit)]

    def tags(self) -> dict[str, int]:
        """Tags of jobs, and how many have each; the most frequent first."""
        return {row["tag"]: row["jobs"] for row in self._connection.call("GET", "/v1/tags")["tags"]}

    def compare(self, *jobs, frame=False):
        """Networks by schemes, of these jobs (Job or id), or of the latest ptq job of every pair of network and data; as
        the server gives it, or as a pandas.DataFrame with a row for each network and scheme."""
        ids = ",".join(j.id if isinstance(j, Job) else j for j in jobs) or None
        comparison = self._connection.call("GET", "/v1/compare", query={"jobs": ids})
        return frames.of_comparison(comparison) if frame else comparison

    # The server

    def job_types(self):
        """Kinds of job, each with the JSON Schema of its description."""
        return self._connection.call("GET", "/v1/job-types")["types"]

    def formats(self) -> list[types.Format]:
        return self._connection.call("GET", "/v1/formats")["formats"]

    def format(self, name) -> types.Format:
        """Everything about one number format."""
        return self._connection.call("GET", "/v1/formats/" + escape(name))

    def system(self) -> types.System:
        """Machine, versions, queue and limits."""
        return self._connection.call("GET", "/v1/system")
