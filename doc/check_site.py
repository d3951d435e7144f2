"""Look at every page of the built site in a browser, at the width of a desktop and of a phone.

``python doc/check_site.py doc/_build/html`` fails if a page is wider than the window, if an image
does not load, if a line of code is cut although it has at most 79 characters, or if a page shows
the raw name of a reference. Without a browser, it says so and succeeds.

The pages are shown in a frame of a page that measures them and sends the results back. So all that
is needed is Chromium or Chrome.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTHS = (1280, 390)
CHECKER = """<!doctype html><iframe id="frame" style="border: 0; height: 900px"></iframe><script>
const frame = document.getElementById("frame");

function load(path, width) {
  return new Promise(resolve => {
    frame.style.width = width + "px";
    frame.onload = resolve;
    frame.src = path;
  });
}

function scrolls(node, root) {
  for (; node && node !== root; node = node.parentElement) {
    if (getComputedStyle(node).overflowX !== "visible") return true;
  }
  return false;
}

function problems(width) {
  const page = frame.contentDocument, body = page.body, found = [];
  const excess = page.documentElement.scrollWidth - width;
  if (excess > 0) {
    const wide = [...body.querySelectorAll("*")].filter(
      node => node.getBoundingClientRect().right > width + 1 && !scrolls(node, body));
    const names = wide.map(node => node.tagName.toLowerCase() + "." + node.className);
    found.push(`wider than the window by ${excess} px: ${names.slice(-3).join(", ")}`);
  }
  for (const image of page.images) {
    if (image.complete && image.naturalWidth === 0) found.push(`broken image ${image.src}`);
  }
  for (const id of new Set(body.innerText.match(/\\[R[0-9a-f]{6,}-\\d+\\]/g))) {
    found.push(`raw reference ${id}`);
  }
  if (width > 1000) {
    for (const code of body.querySelectorAll("div.highlight pre")) {
      const longest = Math.max(...code.innerText.split("\\n").map(line => line.length));
      if (longest < 80 && code.scrollWidth > code.clientWidth + 1) {
        found.push(`code is cut at fewer than ${longest} characters`);
      }
    }
  }
  return found;
}

async function check({pages, widths}) {
  const found = [];
  for (const path of pages) {
    for (const width of widths) {
      await load(path, width);
      for (const problem of problems(width)) found.push(`${path} at ${width} px: ${problem}`);
    }
  }
  await fetch("/report", {method: "POST", body: JSON.stringify(found)});
}

fetch("/tasks").then(answer => answer.json()).then(check);
</script>"""


class Handler(SimpleHTTPRequestHandler):
    """Serve the site, the page that measures it, and what to measure; take the results."""

    def do_GET(self):
        if self.path == "/checker":
            self.answer(CHECKER, "text/html")
        elif self.path == "/tasks":
            self.answer(json.dumps(self.server.tasks), "application/json")
        else:
            super().do_GET()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer("", "text/plain")
        self.server.found = json.loads(body)
        Thread(target=self.server.shutdown).start()

    def answer(self, text, content_type):
        content = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


def check(browser, folder, timeout=600):
    """Return the problems of the pages in a folder, and the number of pages."""
    pages = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))
    pages = [f"/{name}" for name in pages if not name.startswith("_")]
    with (
        ThreadingHTTPServer(("localhost", 0), partial(Handler, directory=folder)) as server,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
    ):
        server.tasks, server.found = {"pages": pages, "widths": WIDTHS}, None
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        process = subprocess.Popen(
            [browser, *options, "--window-size=1400,1000", f"--user-data-dir={profile}",
             f"http://localhost:{server.server_port}/checker"],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        serving = Thread(target=server.serve_forever)
        serving.start()
        for _ in range(timeout):
            serving.join(1)
            if not serving.is_alive() or process.poll() is not None:
                break
        server.shutdown()
        process.kill()
        process.wait()
    if server.found is None:
        raise SystemExit(f"{browser} ended, or did not look at all pages within {timeout} s.")
    return server.found, len(pages)


def find_browser():
    """Return the path of a browser, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def main():
    if len(sys.argv) != 2 or not (folder := Path(sys.argv[1]).resolve()).is_dir():
        raise SystemExit(f"Usage: python {sys.argv[0]} FOLDER_OF_THE_BUILT_SITE")
    if (browser := find_browser()) is None:
        print(f"Skipped: none of {', '.join(BROWSERS)} is installed.")
        return
    found, n_pages = check(browser, folder)
    print("\n".join([*found, f"{n_pages} pages, {len(found)} problems"]))
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
