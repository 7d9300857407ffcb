"""A customer opens a report in a real browser: the gate, the code, the report. Says what was seen as one JSON object.

Arguments: the link, the mail address, a file in which the code will stand. HALOD_CHROMIUM is the browser, HALOD_LIBRARIES where its
libraries are.
"""

import json
import os
import sys
import time

from playwright.sync_api import sync_playwright

LINK, EMAIL, CODE = sys.argv[1:4]
ORIGIN = LINK.split("/r/")[0]
PATIENCE = 90000
# The policy of the page lets no text be evaluated, so that functions can't be waited for.
ENDED = "body[data-state=done], body[data-state=failed]"
NOISE = []
SAID = {}

with sync_playwright() as playwright:
    browser = playwright.chromium.launch(
        executable_path=os.environ["HALOD_CHROMIUM"],
        args=["--no-sandbox", "--disable-gpu"],
        env={**os.environ, "LD_LIBRARY_PATH": os.environ.get("HALOD_LIBRARIES", "")},
    )
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda message: NOISE.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: NOISE.append(f"error: {error}"))
    page.on("request", lambda asked: asked.url.startswith((ORIGIN, "blob:", "data:")) or NOISE.append(f"request: {asked.url}"))
    page.goto(LINK)
    SAID["gate"] = page.content()
    page.fill("#email", EMAIL)
    page.click("button")
    page.wait_for_selector("#code")
    page.fill("#code", "000000x"[:6])
    page.click("button")
    page.wait_for_selector("[role=alert]")
    SAID["wrong code"] = page.inner_text("[role=alert]")
    for _ in range(900):
        if os.path.exists(CODE):
            break
        time.sleep(0.1)
    with open(CODE, encoding="utf-8") as file:
        page.fill("#code", file.read())
    # What a wrong code is answered with is told on the console; it counts no more.
    NOISE.clear()
    page.click("button")
    page.wait_for_selector(ENDED)
    SAID["state"] = page.get_attribute("body", "data-state")
    SAID["report"] = page.inner_text("body")
    SAID["code"] = page.get_attribute("#verdict", "data-code") if SAID["state"] == "done" else None
    page.reload()
    page.wait_for_selector(ENDED)
    SAID["again"] = page.get_attribute("body", "data-state")
    SAID["noise"] = NOISE
    browser.close()
print(json.dumps(SAID))
