# SPDX-License-Identifier: Apache-2.0
"""Who is told by webhooks."""
import http.server
import threading
import time


class Hook:
    """A receiver that answers with the statuses in turn, the last one from then on."""

    def __init__(self, *statuses, port=0):
        hook = self
        self.statuses = list(statuses)
        self.heard = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.heard.append((dict(self.headers), body))
                status = hook.statuses.pop(0) if len(hook.statuses) > 1 else hook.statuses[0]
                if status is None:
                    time.sleep(3)
                    status = 200
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = "http://127.0.0.1:%d/hook" % self.port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
