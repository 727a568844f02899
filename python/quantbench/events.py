# SPDX-License-Identifier: Apache-2.0
"""A job's events as they happen (Server-Sent Events), across broken lines and restarts of the server."""
import http.client
import json
import time

from . import errors

OVER = ("succeeded", "failed", "cancelled")
ATTEMPTS = 30  # without a word of the server, one a second
PASSING = (429, 502, 503, 504)  # answers after which the same request may succeed


def messages(lines):
    """(id, data) of each message of a stream of lines (bytes), as https://html.spec.whatwg.org/multipage/server-sent-events.html
    has them; comments are left out. One that the end of the stream cuts off is none."""
    last, data = None, []
    for raw in lines:
        line = raw.decode("utf-8", errors="replace").rstrip("\r\n")
        if not line:
            if data:
                yield last, "\n".join(data)
            data = []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "id":
            last = value


def of_job(connection, path, after=None):
    """The events of a job (dicts, with the number "id") from its beginning, or behind number `after`, until it is over. Listens again behind the
    last event where the line breaks; an Error where the server says no, or nothing for half a minute."""
    silent = 0
    while True:
        pause = 1
        try:
            headers = {"Accept": "text/event-stream", **({"Last-Event-ID": str(after)} if after else {})}
            with connection.open("GET", path, headers=headers) as stream:
                for number, data in messages(stream):
                    after, silent = number or after, 0
                    event = {"id": int(number or 0), **json.loads(data)}
                    yield event
                    if event.get("event") == "state" and event.get("state") in OVER:
                        return
        except errors.Error as why:
            if why.status is not None and why.status not in PASSING or after is None or silent >= ATTEMPTS:
                raise
            pause = why.retry_after or 1
        except (OSError, http.client.HTTPException) as why:
            if silent >= ATTEMPTS:
                raise errors.Error(f"the events of {connection.url}{path} broke off: {why}", code="unreachable") from why
        silent += 1
        if silent > ATTEMPTS:
            raise errors.Error(f"the events of {connection.url}{path} end and tell nothing", code="unreachable")
        time.sleep(pause)
