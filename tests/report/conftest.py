import browser
import pytest


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """A headless browser; a test without one is skipped."""
    if browser.found() is None:
        pytest.skip(f"no browser: none of {', '.join(browser.NAMES)}")
    with browser.browser(tmp_path_factory.mktemp("profile")) as started:
        yield started
