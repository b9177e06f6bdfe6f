"""Debian's Chromium without a window, and what a test asks of a page in it."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
_PATIENCE = 30.0  # seconds until all is drawn; a page needs one


class Browser:
    """A tab."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    def open(self, page: Path, width: int = 1200, theme: str = "light") -> None:
        """Shows a page from the disk in a window of this width and waits until it is drawn."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=900, deviceScaleFactor=1, mobile=width < 500,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": theme}
        self.command("Emulation.setEmulatedMedia", features=[scheme])
        self._driver.get(page.resolve().as_uri())
        end = time.monotonic() + _PATIENCE
        while not self.run("return document.documentElement.dataset.drawn"):
            assert time.monotonic() < end, f"not drawn: {self.console()}"
            time.sleep(0.05)

    def run(self, script: str, *arguments: object) -> Any:
        """What a script returns."""
        return self._driver.execute_script(script, *arguments)

    def command(self, name: str, **settings: object) -> Any:
        """A command of Chromium's own protocol."""
        return self._driver.execute_cdp_cmd(name, settings)

    def press(self, *keys: str) -> None:
        """Keys for what has the focus."""
        self._driver.switch_to.active_element.send_keys(*keys)

    def console(self) -> list[str]:
        """Messages since the last call."""
        return [entry["message"] for entry in self._driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Addresses asked for since the last call."""
        log = (entry["message"] for entry in self._driver.get_log("performance"))
        return [message for message in log if '"Network.requestWillBeSent"' in message]


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with an empty profile in this folder; the test is skipped where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no chromium and chromedriver: Debian's chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    running = webdriver.Chrome(options=options, service=service)
    try:
        yield Browser(running)
    finally:
        running.quit()
