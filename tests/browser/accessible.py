"""What axe finds wrong with a page as it stands."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Frame, Page

SURE = {"resultTypes": ["violations"], "iframes": False}  # a frame is looked at by itself


def violations(page: Page | Frame) -> list[str]:
    found = Axe().run(page, options=SURE).response["violations"]
    return [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in found]
