"""A server of the Deltacloud API over the mock cloud, for aggregates and other clients."""

import base64
import re
import signal
import subprocess
import urllib.error
import urllib.request

from . import binary


class DeltacloudServer:
    """The server of the API over the mock cloud alone."""

    def __init__(self, *options, listen="127.0.0.1:0"):
        self.process = subprocess.Popen(
            [binary.path(), "deltacloud", "--driver", "mock", "--listen", listen, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        line = self.process.stdout.readline().decode()
        found = re.fullmatch(r"ready: (http://127\.0\.0\.1:\d+/api)\n", line)
        if not found:
            self.process.kill()
            raise AssertionError(f"the server did not start: {line!r} {self.process.stderr.read().decode()}")
        self.url = found[1]

    def call(self, method, path="", body=None, **headers):
        """Status, headers and body of an answer."""
        request = urllib.request.Request(self.url + path, data=body, method=method)
        request.add_header("Authorization", "Basic " + base64.b64encode(b"mockuser:mockpassword").decode())
        request.add_header("Accept", "application/json")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def memory(self, line):
        """A line of /proc/<pid>/status, in kB."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(rf"^{line}:\s+(\d+) kB", status.read(), re.MULTILINE)[1])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        assert code == 0, self.process.stderr.read().decode()
        self.process.stdout.close()
        self.process.stderr.close()
