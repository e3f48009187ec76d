"""Chromium over a pipe: the DevTools protocol without a package, for tests of pages. SPDX-License-Identifier: MIT"""
import base64
import json
import os
import shutil
import subprocess
import tempfile


def chromium():
    """Path of a Chromium, or None."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return shutil.which(name)
    return None


class Browser:
    """One headless browser; messages are JSON texts that end in a zero byte, on descriptors 3 and 4."""

    def __init__(self):
        to_child, self.write = os.pipe()
        self.read, from_child = os.pipe()
        self.profile = tempfile.mkdtemp()
        # the descriptors' numbers are the protocol's, so they are set up by a shell between
        command = 'exec 3<&%d 4>&%d; exec "$@"' % (to_child, from_child)
        self.process = subprocess.Popen(
            ["sh", "-c", command, "sh", chromium(), "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
             "--user-data-dir=" + self.profile, "--hide-scrollbars", "--disable-extensions", "--no-first-run", "about:blank"],
            pass_fds=(to_child, from_child), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_child)
        os.close(from_child)
        self.buffer, self.number, self.session = b"", 0, None
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def message(self):
        while b"\0" not in self.buffer:
            piece = os.read(self.read, 1 << 20)
            if not piece:
                raise RuntimeError("the browser ended")
            self.buffer += piece
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **params):
        self.number += 1
        request = {"id": self.number, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.write, json.dumps(request).encode() + b"\0")
        while True:
            m = self.message()
            if m.get("id") == request["id"]:
                if "error" in m:
                    raise RuntimeError("%s: %s" % (method, m["error"]))
                return m["result"]
            if "method" in m:
                self.events.append(m)

    def wait(self, event):
        for m in self.events:
            if m["method"] == event:
                return
        while True:
            m = self.message()
            self.events.append(m)
            if m.get("method") == event:
                return

    def open(self, path, width, height=900, dark=False, script=True, reduced=True):
        """Opens a file; afterwards self.troubles() has what went wrong."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", media="", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        self.events = []
        self.call("Page.navigate", url="file://" + os.path.abspath(path))
        self.wait("Page.loadEventFired")

    def evaluate(self, expression):
        r = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in r:
            raise RuntimeError(r["exceptionDetails"].get("exception", {}).get("description", str(r)))
        return r["result"].get("value")

    def troubles(self):
        """Console errors and warnings, exceptions, and requests to anything but the page itself."""
        found = []
        for m in self.events:
            p = m["params"]
            if m["method"] == "Runtime.exceptionThrown":
                found.append("exception: " + str(p["exceptionDetails"].get("text")))
            elif m["method"] == "Runtime.consoleAPICalled" and p["type"] in ("error", "warning", "assert"):
                found.append("console: " + str(p["args"]))
            elif m["method"] == "Log.entryAdded" and p["entry"]["level"] in ("error", "warning"):
                found.append("log: " + p["entry"]["text"])
            elif m["method"] == "Network.requestWillBeSent" and not p["request"]["url"].startswith(("data:", "file:")):
                found.append("request: " + p["request"]["url"][:120])
        return found

    def screenshot(self, path, full=True):
        r = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=full)
        with open(path, "wb") as f:
            f.write(base64.b64decode(r["data"]))

    def pdf(self):
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
        except (RuntimeError, OSError):
            pass
        self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)
