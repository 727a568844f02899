# SPDX-License-Identifier: Apache-2.0
"""One job on a server."""
import os
import shutil
import time

from . import errors, events, frames, progress, types
from .http import escape


class Job:
    """A job as the server last described it (`info`); made by Client.submit, Client.job and Client.jobs."""

    def __init__(self, connection, info: types.Job):
        self._connection = connection
        self.info: types.Job = info
        self.id = info["id"]
        self._path = "/v1/jobs/" + escape(self.id)
        self._result = None

    def __repr__(self):
        return f"<quantbench job {self.id}: {self.info['type']}, {self.state}>"

    @property
    def state(self):
        """queued, running, succeeded, failed or cancelled; as of the last refresh."""
        return self.info["state"]

    @property
    def name(self) -> str | None:
        return self.info["name"]

    @property
    def notes(self) -> str | None:
        return self.info["notes"]

    @property
    def tags(self) -> list[str]:
        return self.info["tags"]

    @property
    def best(self) -> types.BestResult | None:
        """The best of its result, as lists show it; None of kinds that have none."""
        return self.info["best"]

    def label(self, *, name=None, notes=None, tags=None, add=(), remove=()):
        """Changes its name and notes ("" takes one away), its tags, or some of them; what is None stays."""
        change = {"name": name, "notes": notes, "tags": None if tags is None else list(tags), "add_tags": list(add) or None,
                  "remove_tags": list(remove) or None}
        self.info = self._connection.call("PATCH", self._path, {k: v for k, v in change.items() if v is not None})
        return self

    @property
    def over(self):
        return self.state in events.OVER

    def refresh(self):
        self.info = self._connection.call("GET", self._path)
        return self

    def events(self, after=None):
        """Its events (dicts) from the beginning, or behind the one whose "id" is `after`, as they happen until it is over."""
        return events.of_job(self._connection, self._path + "/events", after)

    def follow(self, bar=None):
        """Shows its progress until it is over; gives the job itself. An Error where it fails or is cancelled."""
        bar = bar or progress.create()
        try:
            for event in self.events():
                progress.take(bar, event)
        finally:
            bar.close()
        return self.refresh()._succeeded()

    def wait(self, timeout=None, poll=1):
        """Waits until it is over, asking every `poll` seconds; an Error where it fails, is cancelled, or takes longer than
        `timeout` seconds (code "timeout")."""
        end = None if timeout is None else time.monotonic() + timeout
        while not self.refresh().over:
            left = poll if end is None else min(poll, end - time.monotonic())
            if left <= 0:
                raise errors.Error(f"job {self.id} is still {self.state} after {timeout} s", code="timeout", job=self)
            time.sleep(left)
        return self._succeeded()

    def _succeeded(self):
        if self.state == "succeeded":
            return self
        fault = self.info.get("error") or {}
        detail = fault.get("detail")
        raise errors.Error(f"job {self.id} {self.state}: {detail}" if detail else f"job {self.id} is {self.state}",
                           code=fault.get("code") or self.state, job=self)

    def _ended(self):
        return self._succeeded() if self.over else self.wait()

    def result(self):
        """Its whole result, a dict; waits for it."""
        if self._result is None:
            self._ended()
            self._result = self._connection.call("GET", self._path + "/results")
        return self._result

    def frame(self):
        """The rows of its result as a pandas.DataFrame: of a ptq job a row for float and one a scheme; waits for it."""
        frames.pandas()
        self._ended()
        return frames.of_csv(self._connection.read("GET", self._path + "/results.csv"))

    @property
    def artifacts(self):
        """The names of the files that it made; as of the last refresh."""
        return [a["name"] for a in self.info["artifacts"]]

    def artifact(self, name, path=None):
        """A file that it made: its bytes, or written to `path` (a file, or a folder), whose name is given back."""
        source = f"{self._path}/artifacts/{escape(name)}"
        if path is None:
            return self._connection.read("GET", source)
        if os.path.isdir(path):
            path = os.path.join(path, os.path.basename(name))
        with self._connection.open("GET", source) as answer, open(path, "wb") as file:
            shutil.copyfileobj(answer, file)
        return path

    def cancel(self):
        self.info = self._connection.call("POST", self._path + "/cancel")
        return self

    def retry(self):
        """Queues it again, where it failed or was cancelled."""
        self.info = self._connection.call("POST", self._path + "/retry")
        return self

    def delete(self):
        self._connection.call("DELETE", self._path)
