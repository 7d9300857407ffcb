"""Opens reports in a real browser, as a reviewer does, and says what they show: one JSON object.

Argument: a JSON file that names what to open. HALOD_CHROMIUM is the browser, HALOD_LIBRARIES where its libraries are.
"""


import http.server
import json
import os
import re
import sys
import threading
import time
from urllib.parse import parse_qs, urlparse

from playwright.sync_api import sync_playwright

with open(sys.argv[1], encoding="utf-8") as plan:
    PLAN = json.load(plan)
SAID = {}
NOISE = []
PATIENCE = 60
ASKED = set()


def until(page, expression):
    """Waits for what is true on the page. Playwright's own way needs `eval`, which the page's policy forbids."""
    end = time.monotonic() + PATIENCE
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"not in time: {expression}"
        time.sleep(0.01)


def done(page):
    until(page, "['done', 'failed'].includes(document.body.dataset.state)")
    return page.get_attribute("body", "data-state")


def verdict(page):
    """What the page says of a chain."""
    if done(page) == "failed":
        return {"state": "failed", "says": page.inner_text("#status")}
    lines = page.eval_on_selector_all("#verdict-lines li", "all => all.map(one => [one.dataset.line, one.dataset.grade, one.innerText])")
    return {"state": "done", "shown": page.inner_text("#shown"), "code": int(page.get_attribute("#verdict", "data-code")), **{line: {"grade": grade, "text": text} for line, grade, text in lines}}


class Browser:
    def __init__(self, chromium):
        self.browser = chromium.launch(executable_path=os.environ["HALOD_CHROMIUM"], args=["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP *.test 127.0.0.1"],
                                       env={**os.environ, "LD_LIBRARY_PATH": os.environ.get("HALOD_LIBRARIES", "")})

    def page(self, origin="", **settings):
        # What glides takes longer to be clicked.
        settings.setdefault("reduced_motion", "reduce")
        context = self.browser.new_context(viewport={"width": 1280, "height": 1000}, accept_downloads=True, **settings)
        page = context.new_page()
        page.on("console", lambda message: NOISE.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: NOISE.append(f"error: {error}"))
        page.on("dialog", lambda dialog: NOISE.append(f"dialog: {dialog.message}"))

        def asked(request):
            if not request.url.startswith(("file:", "blob:", "data:")) and not (origin and request.url.startswith(origin)):
                NOISE.append(f"request: {request.url}")
        page.on("request", asked)
        return page

    def open(self, path, fragment="", **settings):
        page = self.page(**settings)
        page.goto(f"file://{path}{fragment}")
        return page


def choose(page, text):
    until(page, "document.querySelector('#shown').textContent !== 'Looking.'")
    page.click(text)
    until(page, "document.querySelector('#shown').textContent !== 'Looking.'")


def rows(page):
    return [line.split("\t") for line in page.eval_on_selector_all("#rows tr", "all => all.map(one => [...one.cells].map(cell => cell.innerText).join('\\t'))")]


class Clicks:
    """A page on which clicks are counted."""

    def __init__(self, page):
        self.page, self.count = page, 0

    def click(self, selector):
        self.count += 1
        choose(self.page, selector)

    def again(self):
        choose(self.page, "#clear")
        self.count = 0


def questions(browser):
    """The seven questions of a reviewer, each with the clicks that its answer took."""
    page = browser.open(PLAN["acme"])
    assert done(page) == "done", page.inner_text("#status")
    clicks, answers = Clicks(page), {}

    def group(name, word):
        return f'[data-group="{name}"] button:has-text("{word}")'
    clicks.click(group("day", "2026-11-24"))
    answers["last Tuesday"] = [clicks.count, len(rows(page)) > 100 and all("2026-11-24" in row[1] for row in rows(page))]
    clicks.again()
    clicks.click(group("concerns", "with personal data"))
    made_of = page.inner_text("#made-of")
    answers["personal data, for whom"] = [clicks.count, all(word in made_of for word in ["crm.lookup (1)", "mail.send (1)", "Ms. Müller (2)"])]
    clicks.again()
    clicks.click(group("concerns", "failed or refused"))
    answers["failed or refused"] = [clicks.count, [row[5] for row in rows(page)] == ["refused", "failed"]]
    clicks.again()
    clicks.click(group("allowed", "Dana Lead"))
    answers["who approved"] = [clicks.count, len(rows(page)) == 1 and "Wrote with db.write" in rows(page)[0][3]]
    clicks.again()
    clicks.click(group("concerns", "never captured"))
    answers["never captured"] = [clicks.count, len(rows(page)) == 1 and "not recorded" in rows(page)[0][3]]
    clicks.again()
    clicks.click("#rows tr:nth-child(12) button")
    page.wait_for_selector("#save-proof")
    clicks.count += 1
    with page.expect_download() as saving:
        page.click("#save-proof")
    saving.value.save_as(PLAN["proof"])
    answers["this one call, proved"] = [clicks.count, page.evaluate("document.activeElement.id") in ("save-proof", "record-h")]
    clicks.again()
    clicks.count += 1
    for name, expected in [("june", "good"), ("kept_note", "good"), ("other", "bad"), ("proof", "good")]:
        page.evaluate("document.querySelector('#before-says').replaceChildren()")
        page.set_input_files("#kept", PLAN[name])
        page.wait_for_selector("#before-says strong, #before-says bdi")
        grade = page.eval_on_selector("#before-says", "one => (one.querySelector('strong') || one).className")
        answers[f"the same as before: {name}"] = [clicks.count, grade == expected or page.inner_text("#before-says")]
    SAID["questions"] = answers
    with open(PLAN["proof"], encoding="utf-8") as file:
        SAID["proof_members"] = sorted(json.load(file))
    held(page)
    page.context.close()


def held(page):
    """Whether a text that the reviewer holds is the record's."""
    says = {}
    choose(page, "#rows tr:nth-child(12) button")
    for name, text in [("it", "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 3), ("another", "Donau")]:
        page.fill("#held", text)
        page.click("#held-form button")
        says[name] = page.get_attribute("#held-says strong", "class")
    choose(page, "#rows tr:nth-child(11) button")
    page.fill("#held", '{ "customer" : "株式会社サンプル" }')
    page.click("#held-form button")
    says["json"] = page.get_attribute("#held-says strong", "class")
    SAID["held"] = says


def views(browser):
    """What stands on the page: by the eye, by the keyboard, on paper."""
    page = browser.open(PLAN["acme"], "#expect=acme&r=0000000c-0000-4000-8000-000000000000")
    said = {"verdict": verdict(page), "who": page.inner_text("#who"), "weak": page.inner_text("#weak"), "answer": page.inner_text("#answer")}
    page.wait_for_selector("#record:not([hidden])")
    said["linked"] = page.inner_text("#record-h")
    said["late"] = [row[2] for row in rows(page) if "late" in row[2]]
    page.fill("#expect", "globex")
    page.wait_for_selector("#expect-says .bad")
    said["other id"] = [page.inner_text("#expect-says"), page.get_attribute("#verdict", "data-code")]
    page.fill("#expect", "")
    page.click("summary")
    page.fill("#key", PLAN["key"])
    until(page, "document.querySelector('#who').innerText.includes('you named it')")
    said["pinned"] = verdict(page)["removed"]
    page.fill("#policy", PLAN["policy_of_witness"])
    until(page, "document.querySelector('#verdict').dataset.code === '0'")
    said["witnessed"] = verdict(page)
    page.fill("#policy", "quorum nobody\n")
    page.wait_for_selector("#policy-says:not(:empty)")
    said["bad policy"] = [page.inner_text("#policy-says"), page.get_attribute("#verdict", "data-code")]
    page.fill("#policy", "")
    page.click("#show-tree")
    page.wait_for_selector("#proof-says .tree")
    said["tree"] = page.eval_on_selector_all("#proof-says .tree li", "all => all.length")
    page.fill("#text", "株式会社")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#shown').textContent.includes('with \"')")
    said["found"] = [len(rows(page)), page.inner_text("#shown")]
    with page.expect_download() as saving:
        page.click("#csv")
    with open(saving.value.path(), encoding="utf-8", newline="") as file:
        said["csv"] = file.read()
    choose(page, "#clear")
    page.focus("#rows tr:nth-child(1) button")
    for key in ["ArrowDown", "ArrowDown", "ArrowUp", "Enter"]:
        page.keyboard.press(key)
    until(page, "document.activeElement.id === 'record-h'")
    said["by keyboard"] = page.inner_text("#record-h")
    said["width"] = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    page.click("#next")
    until(page, "document.querySelector('#page-says').textContent.startsWith('201')")
    said["second page"] = [page.inner_text("#page-says"), page.eval_on_selector_all("#rows tr", "all => all.length")]
    if PLAN.get("picture"):
        page.click("#previous")
        page.set_viewport_size({"width": 1280, "height": 1500})
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=PLAN["picture"])
    page.emulate_media(media="print")
    said["on paper"] = [page.is_visible("#search"), page.is_visible("#verdict-lines"), len(page.pdf())]
    page.context.close()
    quiet = browser.open(PLAN["acme"], bypass_csp=True)
    done(quiet)
    choose(quiet, "#rows tr:nth-child(12) button")
    with open(PLAN["axe"], encoding="utf-8") as file:
        quiet.evaluate(file.read())
    found = quiet.evaluate("axe.run().then(found => found.violations.map(one => [one.id, one.nodes.map(node => node.target.join(' ')).slice(0, 3)]))")
    said["axe"] = found
    said["motion"] = quiet.evaluate("getComputedStyle(document.documentElement).scrollBehavior")
    quiet.context.close()
    SAID["views"] = said


def hostile(browser):
    page = browser.open(PLAN["hostile"])
    said = {"verdict": verdict(page)}
    said["shown"] = [row[4] for row in rows(page)]
    for number in range(1, len(rows(page)) + 1):
        choose(page, f"#rows tr:nth-child({number}) button")
        until(page, f"document.querySelector('#record-h').innerText.startsWith('Record {number}:')")
    said["elements"] = page.evaluate("[document.scripts.length, document.images.length, document.querySelectorAll('iframe, object, svg, base, style').length]")
    said["pwned"] = page.evaluate("[typeof window.pwned, typeof ({}).polluted]")
    SAID["hostile"] = said
    page.context.close()


def drop(page, path):
    page.set_input_files("#folder" if os.path.isdir(path) else "#files", path)
    until(page, "document.body.dataset.state === 'reading' || document.querySelector('#open').hidden || document.body.dataset.state === 'failed'")
    return verdict(page)


def chosen(browser):
    """Chains, folders and proofs that the reviewer chooses, each on a fresh page."""
    said = {}
    page = browser.open(PLAN["page"])
    until(page, "document.body.dataset.state === 'waiting'")
    for name, path in PLAN["chosen"]:
        page.evaluate("document.body.dataset.state = 'waiting'")
        page.evaluate("document.querySelector('#open').hidden = false")
        page.evaluate("for (const id of ['files', 'folder']) document.getElementById(id).value = ''")
        page.evaluate("key => { document.getElementById('key').value = key; }", PLAN["key"])
        said[name] = drop(page, path)
    SAID["chosen"] = said
    page.context.close()


def damaged(browser):
    """Reports whose packed records were changed by a character: what they say instead of yes."""
    with open(PLAN["acme"], encoding="utf-8") as file:
        report = file.read()
    found = re.search(r'id="halo-records">([A-Za-z0-9+/=]*)<', report)
    start, length = found.start(1), len(found.group(1))
    green = []
    page = browser.page()
    for n in range(24):
        at = start + (n * 7919 + 17) % (length - 4)
        other = "A" if report[at] != "A" else "B"
        path = os.path.join(PLAN["scratch"], "damaged.html")
        with open(path, "w", encoding="utf-8") as file:
            file.write(report[:at] + other + report[at + 1:])
        page.goto(f"file://{path}")
        said = verdict(page)
        if said["state"] == "done" and said["unchanged"]["grade"] == "good":
            green.append(at - start)
    SAID["damaged"] = green
    page.context.close()


class Server(http.server.BaseHTTPRequestHandler):
    """A report's server: the agreed routes over one chain, which may show other bytes than it should."""

    def log_message(self, *_):
        pass

    def send(self, status, body, kind, **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        url = urlparse(self.path)
        ASKED.add(url.path)
        with open(PLAN["served_chain"], "rb") as file:
            chain = file.read()
        if url.path == "/r/token":
            with open(PLAN["page"], "rb") as file:
                self.send(200, file.read(), "text/html; charset=utf-8", Content_Security_Policy=PLAN["policy"], X_Content_Type_Options="nosniff")
        elif url.path == "/r/token/meta":
            self.send(200, PLAN["given"].encode(), "application/json")
        elif url.path == "/r/token/records":
            asked = parse_qs(url.query)
            first, count = int(asked["from"][0]), int(asked.get("n", ["200"])[0])
            lines = chain.splitlines(keepends=True)[first - 1:first - 1 + count]
            self.send(200, b"".join(lines), "application/x-ndjson", X_First=str(first))
        elif url.path == "/r/token/chain":
            # It has grown since the server told of it.
            chain += b'{"later": 1}\n'
            wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if wanted and not PLAN.get("no_range"):
                first, last = int(wanted[1]), min(int(wanted[2]), len(chain) - 1)
                self.send(206, chain[first:last + 1], "application/x-ndjson", Content_Range=f"bytes {first}-{last}/{len(chain)}")
            else:
                self.send(200, chain, "application/x-ndjson")
        else:
            self.send(404, b"nothing is here", "text/plain")


def served(browser):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    said = {}
    for host in ["127.0.0.1", "halod.test"]:
        origin = f"http://{host}:{server.server_port}"
        page = browser.page(origin)
        page.goto(f"{origin}/r/token")
        said[host] = verdict(page)
        choose(page, "#rows tr:nth-child(12) button")
        page.wait_for_selector("#record-hash strong")
        said[host]["record"] = page.get_attribute("#record-hash strong", "class")
        said[host]["secure"] = page.evaluate("isSecureContext")
        # The server shows another line the second time.
        whole = PLAN["served_chain"]
        PLAN["served_chain"] = PLAN["changed_chain"]
        choose(page, "#rows tr:nth-child(13) button")
        until(page, "document.querySelector('#record-h').innerText.startsWith('Record 13')")
        said[host]["changed"] = page.get_attribute("#record-hash strong", "class")
        PLAN["served_chain"] = whole
        page.context.close()
    server.shutdown()
    said["asked"] = sorted(ASKED)
    SAID["served"] = said


def long(browser):
    start = time.monotonic()
    page = browser.open(PLAN["long"])
    said = verdict(page)
    said["seconds"] = round(time.monotonic() - start, 1)
    SAID["long"] = said
    page.context.close()


with sync_playwright() as playwright:
    BROWSER = Browser(playwright.chromium)
    for look in [questions, views, hostile, chosen, damaged, served, long]:
        look(BROWSER)
        if NOISE:
            SAID.setdefault("noise", []).extend(f"{look.__name__}: {noise}" for noise in NOISE)
            NOISE.clear()
    BROWSER.browser.close()
print(json.dumps(SAID))
