"""`kyber publish`: pages for an intranet, and what must not be on them."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kyber.cli.publish import MARKER
from tests.cli.run import kyber

NAMES = {f"{name}.html" for name in
         ("actions", "clock", "controls", "dependencies", "index", "plans", "report", "risks",
          "rules", "services")}  # fmt: skip


def published(root: Path, to: Path, *options: str) -> Path:
    result = kyber("publish", to, "--workspace", root, *options)
    assert result.exit_code == 0, result.output
    return to


def whole(folder: Path) -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in sorted(folder.iterdir()))


class Reader(HTMLParser):
    """The tags, ids and links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), (tag, name)
            assert name != "src"
            if name == "id" and value:
                self.ids.append(value)
            if name == "href" and value:
                self.links.append(value)


def test_every_link_leads_to_what_is_there_and_nothing_comes_from_elsewhere(example: Path, tmp_path: Path) -> None:
    folder = published(example, tmp_path / "site")
    assert {file.name for file in folder.iterdir()} == NAMES | {MARKER}
    pages = {name: Reader((folder / name).read_text(encoding="utf-8")) for name in NAMES}
    for name, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), name
        assert page.tags.count("h1") == 1
        assert not {"script", "img", "iframe", "link", "object", "form"} & set(page.tags)
        assert page.tags.count("caption") == page.tags.count("table")
        for link in page.links:
            file, _, anchor = link.partition("#")
            assert not file or file in NAMES, link
            assert not anchor or anchor in pages[file or name].ids, (name, link)
    assert "services.html#potilastiedot" in pages["risks.html"].links
    assert "risks.html#R-001" in pages["services.html"].links
    listed = pages["index.html"].links[-len(NAMES) + 1 :]
    assert listed[0] == "report.html"
    assert {*listed} == NAMES - {"index.html"}
    assert '<html lang="en">' in (folder / "index.html").read_text(encoding="utf-8")


CANARY = "kanarialintu"
RISK = f"""\
id: R-666
title: {CANARY}1
status: open
identified_in: log
identified_on: 2026-01-01
statement: {{cause: "{CANARY}2", event: "{CANARY}3", consequence: "{CANARY}4"}}
category: {CANARY}5
owner: cio
current: {{likelihood: 5, impact: {{privacy: 5}}, rationale: "{CANARY}6", assessed_on: 2026-01-01, assessed_by: x}}
treatment: mitigate
target: {{likelihood: 1, impact: {{privacy: 1}}}}
review: {{interval: 1 month, last: 2026-01-02, reviewer: cio}}
controls: [C-666]
actions: [A-666]
threats: [{CANARY}8]
vulnerabilities: [{CANARY}9]
services: [{CANARY}-palvelu]
detections: [{CANARY}10]
legal_basis: [{CANARY}11]
confidentiality: secret
notes: {CANARY}12
"""
CONTROL = f"""\
id: C-666
title: {CANARY}13
description: {CANARY}14
owner: cio
type: preventive
status: active
test: {{interval: 1 month, last: 2026-01-01, result: passed}}
"""
ACTION = f"id: A-666\ntitle: {CANARY}15\ndescription: {CANARY}16\nowner: cio\ndue: 2026-11-01\nstatus: planned\n"
SERVICE = f"""\
id: {CANARY}-palvelu
name: {CANARY}17
description: {CANARY}18
owner: cio
criticality: 1
depends_on: [{{id: verkko}}]
bia: {{last: 2026-01-01, by: "{CANARY}19"}}
hosts: [{CANARY}20, hyppy1]
supplier: {CANARY}21
confidentiality: secret
notes: {CANARY}22
"""
PLAN = f"""\
id: P-666
title: {CANARY}23
type: recovery
services: [{CANARY}-palvelu]
owner: cio
version: "1"
activation: ["{CANARY}29"]
approved: {{by: cio, on: 2026-01-01}}
review: {{interval: 1 month, last: 2026-01-01}}
steps: [{{no: 1, who: cio, does: "{CANARY}24"}}]
contacts: [{{name: "{CANARY}25", phone: "+358 40 {CANARY}"}}]
"""
EXERCISE = f"""\
id: E-666
type: tabletop
title: {CANARY}26
plans: [P-666]
services: [{CANARY}-palvelu]
risks: [R-666]
date: 2026-12-24
lead: cio
"""
SOURCE = f"""\
id: {CANARY}-loki
name: {CANARY}27
services: [{CANARY}-palvelu]
review: {{interval: 1 month, last: 2026-01-01}}
"""
INCIDENT = f"id: I-666\ntitle: {CANARY}28\nnoticed: 2026-11-01T12:00+02:00\npersonal_data: true\n"


@pytest.fixture
def planted(example: Path) -> Path:
    """The example with secret entries, of which every field has a canary, and with references to them from others."""
    for name, text in {
        "risks/R-666-x.yaml": RISK,
        "controls/C-666-x.yaml": CONTROL,
        "actions/A-666-x.yaml": ACTION,
        f"continuity/services/{CANARY}-palvelu.yaml": SERVICE,
        "continuity/plans/P-666-x.yaml": PLAN,
        "continuity/exercises/E-666-x.yaml": EXERCISE,
        f"sources/{CANARY}-loki.yaml": SOURCE,
        "incidents/I-666-x.yaml": INCIDENT,
    }.items():
        (example / name).write_text(text, encoding="utf-8")
    for name, old, new in (
        ("continuity/services/potilastiedot.yaml", "depends_on:", f"depends_on:\n  - {{id: {CANARY}-palvelu}}"),
        ("continuity/plans/P-003-puhelinpalvelujen-jatkuvuus.yaml", "services: [", f"services: [{CANARY}-palvelu, "),
    ):
        text = (example / name).read_text(encoding="utf-8")
        assert old in text, name
        (example / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    return example


def test_what_is_secret_is_on_no_page_in_any_field(planted: Path, tmp_path: Path) -> None:
    assert "R-666" in kyber("risks", "list", "--workspace", planted).stdout  # the canaries can be read
    assert CANARY in kyber("continuity", "list", "plans", "--workspace", planted).stdout
    text = whole(published(planted, tmp_path / "site"))
    assert CANARY not in text.casefold()
    assert not re.search(r"[RCAPEI]-666", text)
    assert "are confidential, or belong to one that is" in text


def test_who_asks_for_what_is_confidential_gets_it_and_is_told(planted: Path, tmp_path: Path) -> None:
    text = whole(published(planted, tmp_path / "site", "--confidential"))
    assert "Confidential:" in text
    assert {f"{CANARY}{number}" for number in (1, 13, 15, 17, 23, 25)} <= set(re.findall(CANARY + r"\d*", text))


def test_the_report_on_the_site_is_of_what_everybody_may_see(planted: Path, tmp_path: Path) -> None:
    scanned = kyber("scan", planted / "logs", "--workspace", planted)
    assert scanned.exit_code in (0, 1), scanned.output
    report = (published(planted, tmp_path / "site") / "report.html").read_text(encoding="utf-8")
    assert CANARY not in report.casefold()
    assert not re.search(r"[RCAPEI]-666", report)
    assert "Internal" in report
    assert "confidential entr" in report
    for part in ("incidents", "problems"):
        assert f"at-{part}" not in report
    whole_report = (published(planted, tmp_path / "all", "--confidential") / "report.html").read_text(encoding="utf-8")
    assert {"at-incidents", "at-problems"} <= set(re.findall(r"at-[a-z]+", whole_report))
    assert CANARY in whole_report.casefold()
    assert "report.html" not in {one.name for one in published(planted, tmp_path / "no", "--no-report").iterdir()}


def test_addresses_and_numbers_of_people_stay_out(example: Path, tmp_path: Path) -> None:
    file = next((example / "risks").glob("R-001*"))
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub("title: .*", "title: Ask aino.virtanen@county.example, 131052-308T", text, count=1),
                    encoding="utf-8")  # fmt: skip
    plain = whole(published(example, tmp_path / "site"))
    assert "131052-308T" not in plain
    assert "@" not in re.sub(r"@(media|page|bottom-left|bottom-right)", "", plain)
    phones = re.findall(r"phone: [\"']?([+\d][\d ]{5,}\d)", "\n".join(
        one.read_text(encoding="utf-8") for one in (example / "continuity/plans").glob("*.yaml")))  # fmt: skip
    assert phones
    assert not [one for one in phones if one in plain]


def test_hostile_titles_are_only_letters(example: Path, tmp_path: Path) -> None:
    file = next((example / "risks").glob("R-001*"))
    text = file.read_text(encoding="utf-8")
    hostile = '"<script>alert(1)</script>\\u202e</svg><img src=x onerror=1>"'
    file.write_text(re.sub("title: .*", lambda _: f"title: {hostile}", text, count=1), encoding="utf-8")
    folder = published(example, tmp_path / "site")
    for name in NAMES:
        Reader((folder / name).read_text(encoding="utf-8"))
    assert "<script" not in whole(folder)
    assert "\u202e" not in whole(folder)


def test_the_same_registers_give_the_same_bytes_and_take_the_place_of_the_old_pages(
    example: Path, tmp_path: Path
) -> None:
    first = whole(published(example, tmp_path / "site"))
    assert whole(published(example, tmp_path / "site")) == first
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".site")] == []


def test_no_folder_of_anybody_else_is_touched(example: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    published(example, other)  # an empty one will do
    (other / "mine.txt").write_text("mine")
    link = tmp_path / "link"
    link.symlink_to(other)
    (tmp_path / "file").write_text("")
    for to in (other, link, tmp_path / "file", example, example.parent, example / ".kyber", tmp_path / "no/site"):
        result = kyber("publish", to, "--workspace", example)
        assert result.exit_code == 2, to
    assert (other / "mine.txt").read_text() == "mine"


def secret_risk(root: Path) -> Path:
    return next(one for one in (root / "risks").glob("*.yaml") if "\nconfidentiality: secret" in one.read_text())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\nstatus: ", "\nstatus: x"),
        ("\nconfidentiality: secret", "\nconfidentiality: Secret"),
        ("\nconfidentiality: secret", '\n"Confidentiality" : secret'),
        ("\nid: ", "\nid: ]"),
    ],
)
def test_nothing_goes_out_while_a_secret_file_cannot_be_read(example: Path, tmp_path: Path, old: str, new: str) -> None:
    file = secret_risk(example)
    text = f"\n{file.read_text(encoding='utf-8')}"
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    for command in (("publish", tmp_path / "site"), ("publish", tmp_path / "site", "--no-report"), ("report",)):
        refused = kyber(*command, "--workspace", example)
        assert refused.exit_code == 2, command
        assert f"risks/{file.name}" in refused.stderr
        assert "--confidential" in refused.stderr
    assert not (tmp_path / "site").exists()
    assert not (example / "reports").exists()
    published(example, tmp_path / "all", "--confidential")
    assert kyber("report", "--confidential", "--no-save", "-f", "md", "--workspace", example).exit_code == 0


@pytest.mark.parametrize("name", ["R-006-x.yml", "R-006-x.yaml"])
def test_a_file_that_says_nothing_of_it_keeps_pages_back_and_no_report(
    example: Path, tmp_path: Path, name: str
) -> None:
    (example / "risks" / name).write_text("id: R-060\nstatus: nonsense\nconfidentiality: public\n", encoding="utf-8")
    refused = kyber("publish", tmp_path / "site", "--workspace", example)
    assert refused.exit_code == 2
    assert f"risks/{name}" in refused.stderr
    assert kyber("report", "--no-save", "-f", "md", "--workspace", example).exit_code == 0


def test_a_service_that_cannot_be_read_keeps_pages_back(example: Path, tmp_path: Path) -> None:
    file = example / "continuity/services/konesali.yaml"
    file.write_text(re.sub("criticality: .*", "criticality: yksi", file.read_text(encoding="utf-8")), encoding="utf-8")
    refused = kyber("publish", tmp_path / "site", "--workspace", example)
    assert refused.exit_code == 2
    assert "continuity/services/konesali.yaml" in refused.stderr


def test_a_secret_service_is_not_named_by_its_name_nor_by_one_that_nobody_knows(example: Path, tmp_path: Path) -> None:
    for name, old, new in (
        ("continuity/services/yllapito.yaml", "name: Ylläpito", "name: Operaatio Kuutamo\nconfidentiality: secret"),
        ("risks/R-006*.yaml", "services: [", "services: [operaatio kuutamo, "),
        ("sources/linux-jump-host.yaml", "[yllapito]", "[OPERAATIO KUUTAMO]"),
    ):
        file = next(example.glob(name))
        text = file.read_text(encoding="utf-8")
        assert old in text, name
        file.write_text(text.replace(old, new, 1), encoding="utf-8")
    (example / "enrichment").mkdir()
    (example / "enrichment/hosts.yaml").write_text("assets: [{host: hyppy1, service: Entinen Nimi}]\n")
    scanned = kyber("scan", "--workspace", example)
    assert scanned.exit_code in (0, 1), scanned.output
    report = ("report", "--no-save", "-f", "md", "--workspace", example)
    texts = [whole(published(example, tmp_path / "site")), kyber(*report).stdout]
    everything = kyber(*report, "--confidential").stdout.casefold()
    for name in ("kuutamo", "entinen nimi", "linux-jump-host"):
        assert name in everything
        assert not [text for text in texts if name in text.casefold()], name


def test_no_part_of_an_address_is_left_in_a_picture_that_shortens_names(example: Path, tmp_path: Path) -> None:
    file = example / "continuity/services/konesali.yaml"
    name = "name: Yhteystieto on aa matti.meikalainen@hyvinvointialue.example"
    file.write_text(file.read_text(encoding="utf-8").replace("name: Konesalit", name), encoding="utf-8")
    text = whole(published(example, tmp_path / "site"))
    assert "Yhteystieto on aa" in text
    assert "meikalainen" not in text
    assert "hyvinvoi…" not in text
