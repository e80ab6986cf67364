"""A real browser for the tests of the pages: Debian's Chromium without a window, driven by Selenium."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

# The browser itself calls nobody, so that each request in its log is the page's.
ARGUMENTS = """
--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars
""".split()


@contextmanager
def chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """Start the browser with an empty profile; skips where Debian's packages are not installed."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("needs a browser: Debian's packages chromium and chromium-driver")
    options = Options()
    options.binary_location = program
    for argument in [*ARGUMENTS, f"--user-data-dir={profile}"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    browser = webdriver.Chrome(options, Service(driver))
    try:
        yield browser
    finally:
        browser.quit()


def look(browser: webdriver.Chrome, width: int = 1280, height: int = 900, dark: bool = False) -> None:
    """Look through a window of this size: a phone's below 600 pixels, which is touched."""
    phone = width < 600
    size = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": phone})
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def requested(browser: webdriver.Chrome) -> list[str]:
    """The addresses asked for since the last call, without those inside the page (data:) or forbidden to it."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent, forbidden = {}, set()
    for what, details in [(event["method"], event["params"]) for event in events]:
        if what == "Network.requestWillBeSent":
            sent[details["requestId"]] = details["request"]["url"]
        elif what == "Network.loadingFailed" and details.get("blockedReason") == "csp":
            forbidden.add(details["requestId"])
    return [url for key, url in sent.items() if key not in forbidden and not url.startswith(("data:", "blob:"))]


def complaints(browser: webdriver.Chrome) -> list[str]:
    """What the browser's console says of the page since the last call: errors, what the content policy forbade."""
    return [str(entry["message"]) for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def fits(browser: webdriver.Chrome) -> bool:
    """Whether nothing sticks out to the right, where a phone would have to scroll sideways."""
    return bool(browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth"))
