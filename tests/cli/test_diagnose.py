"""`plexops diagnose` as a person starts it: what is shown, what it ends with, what is brought along, what is never done."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from plexops.lab.home import HomeOptions
from plexops.lab.plex_seed import PlexSeed
from plexops.lab.scenarios import EXTERNAL_PORT
from plexops.report import FORMATS
from tests.cli.process import Ended, House, describe_as_well, house

INVENTORY = "inventory.yaml"
PASSWORD = "not-the-password-7731"
SEED = PlexSeed()
#: What may be in no output and in no file that may leave.
SECRETS = (SEED.token, SEED.account_token, SEED.username)
#: What changes a device: in a shell, by RouterOS, by HTTP, by Plex.
WRITES = re.compile(
    r"\buci (?:-\S+ )*(?:set|add|add_list|del|del_list|delete|rename|reorder|import|commit|revert)\b"
    r"|\bnft (?:-f|add|insert|delete|flush|replace)\b|\bufw (?:allow|deny|delete|insert|enable|disable|reload)\b"
    r"|\b(?:tee|rm|mv|cp|chmod|kill|reboot|(?<!\.)service|sysupgrade)\b|/etc/init\.d/"
    r"|^(?:PUT|POST|DELETE|PATCH) |^# write "
)


@pytest.fixture(scope="module")
def blocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The forward leads to an address that Plex had once."""
    with house(tmp_path_factory.mktemp("blocked"), "stale-forward") as home:
        yield home


@pytest.fixture(scope="module")
def shared_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The ISP shares one address between many homes."""
    with house(tmp_path_factory.mktemp("cgnat"), "cgnat") as home:
        yield home


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """All as it should be."""
    with house(tmp_path_factory.mktemp("healthy"), "in-order") as home:
        yield home


@pytest.fixture(scope="module")
def unwatched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """All as it should be, and nobody outside whom plexops could ask."""
    with house(tmp_path_factory.mktemp("unwatched"), "in-order") as home:
        text = (home.directory / INVENTORY).read_text(encoding="utf-8")
        kept = [line for line in text.splitlines(keepends=True) if "vantages:" not in line]
        assert len(kept) == len(text.splitlines()) - 1
        (home.directory / INVENTORY).write_text("".join(kept), encoding="utf-8")
        yield home


def lines(ended: Ended) -> list[str]:
    return ended.out.splitlines()


def site(ended: Ended) -> Any:
    return json.loads(ended.out)["sites"][0]


# --- what is shown -----------------------------------------------------------------------------------


def test_a_cause_as_text(blocked: House) -> None:
    ended = blocked("diagnose", COLUMNS="100")
    assert (ended.status, ended.err) == (1, "")
    shown = lines(ended)
    assert re.fullmatch(r"plexops diagnose {20,}home · read-only · \d+\.\d s", shown[0])
    assert shown[1].split("  ")[0] == "Internet ── ISP ok ── router HERE ── server ok ── Plex ok"
    assert shown[1].endswith("meant: forward")
    assert shown[3:11] == [
        "Verdict  router: The forward leads to an address that Plex does not have",
        "because  “Plex” leads to 192.168.1.83; the Plex host is at 192.168.1.50",
        "Plex Web “Not available outside your network” “Your server is signed in to Plex, but is not",
        "         reachable from outside your network.”, inferred from Plex's own state",
        "do       plexops apply --dry-run --adopt router/port_forward/plex shows what it would do with the",
        "         entry that is there.",
        "unless   an attempt from outside that reaches Plex at this port",
        "see      certain · runbook R4, R5",
    ]
    assert shown[11:13] == [
        "         E1  router: uci show firewall",
        "         E2  server: ip -j addr show",
    ]
    assert shown[-1].strip() == "exit 1"
    assert "nothing was judged" not in ended.out


def test_a_safe_stop_as_text(shared_address: House) -> None:
    ended = shared_address("diagnose", COLUMNS="100")
    assert ended.status == 3
    shown = lines(ended)
    assert "Internet ── ISP STOP ── router ok" in shown[1]
    assert "Verdict  ISP: The ISP shares one public address between many homes (carrier NAT)" in shown
    start = shown.index("do       - Ask the ISP for a public IPv4 address; sometimes it costs nothing.")
    assert shown[start + 1].startswith("         - Keep Plex Relay")
    assert shown[start + 2].startswith("         - Reach home over Tailscale or WireGuard")
    at = shown.index("see      certain · runbook R2, D1, E1")
    assert shown[at + 1] == "         E1  router: ubus call network.interface dump"
    assert "Safe stop. The WAN address 100.72.13.5 is in 100.64.0.0/10: carrier NAT." in ended.said
    assert "Document this before paying for hardware." in ended.said


def test_in_order_as_text(healthy: House) -> None:
    ended = healthy("diagnose", COLUMNS="100")
    assert ended.status == 0
    shown = lines(ended)
    assert "Internet ── ISP ok ── router ok ── server ok ── Plex ok" in shown[1]
    assert "Verdict  Plex: Reachable from outside" in shown
    assert "because  198.51.100.77 reached Plex at port 32500" in shown
    assert "not seen" not in ended.out


@pytest.mark.parametrize("columns", [40, 100])
def test_lines_fit_the_terminal(columns: int, shared_address: House) -> None:
    ended = shared_address("diagnose", COLUMNS=str(columns))
    told = [line for line in lines(ended) if not line.startswith("evidence: ")]
    assert max(map(len, told)) <= columns
    assert lines(ended)[-1] == "exit 3".rjust(columns)
    assert "Verdict ISP: The ISP shares one public address between many homes (carrier NAT)" in ended.said


def test_a_stream_without_unicode_gets_ascii(blocked: House) -> None:
    ended = blocked("diagnose", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert ended.status == 1
    assert ended.out.isascii()
    assert 'because "Plex" leads to 192.168.1.83; the Plex host is at 192.168.1.50' in ended.said


def test_markdown_says_the_same(shared_address: House) -> None:
    ended = shared_address("diagnose", "--format", "markdown")
    assert ended.status == 3
    text = ended.out
    assert text.count("**The ISP shares one public address between many homes \\(carrier NAT\\)**") == 1
    assert "> **Safe stop.** The WAN address 100.72.13.5 is in 100.64.0.0/10" in text
    assert "See: certain · runbook R2, D1, E1 · exhibit E1" in text
    assert re.search(r"^exit 3 · run [0-9a-z]+$", text, re.MULTILINE)
    titles = re.findall(r"<summary>(.*?)</summary>", text)
    assert titles
    assert all(len(re.sub(r"&#?\w+;", "x", title)) <= 300 for title in titles)


def test_json_is_as_its_schema_says(blocked: House) -> None:
    import jsonschema

    ended = blocked("diagnose", "--format", "json")
    schema = json.loads(blocked("schema", "run").out)
    document = json.loads(ended.out)
    jsonschema.Draft7Validator(schema).validate(document)
    assert (document["command"], document["exit_status"], ended.status) == ("diagnose", 1, 1)
    verdict = document["sites"][0]["verdict"]
    assert (verdict["id"], verdict["layer"], verdict["confidence"], verdict["mark"]) == (
        "forward-old-address",
        "router",
        "certain",
        "drift",
    )
    asked = {exhibit["id"]: exhibit["source"] for exhibit in document["sites"][0]["exhibits"]}
    assert [asked[name] for name in verdict["exhibits"]] == ["uci show firewall", "ip -j addr show"]


class _Page(HTMLParser):
    """Reads a page: its tags, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "action") and not (value or "").startswith("#"):
                self.outside.append(f"{name}={value}")
            if name.startswith("on"):
                self.outside.append(name)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_page_holds_the_verdict_and_nothing_that_runs_or_loads(shared_address: House) -> None:
    ended = shared_address("diagnose", "--format", "html:page.html", "--format", "text")
    assert ended.status == 3
    page = _Page()
    page.feed((shared_address.directory / "page.html").read_text(encoding="utf-8"))
    assert not {"script", "iframe", "object", "embed", "img", "link", "form"} & set(page.tags)
    assert page.outside == []
    text = " ".join(" ".join(page.texts).split())
    assert "The ISP shares one public address between many homes (carrier NAT)" in text
    assert "What to do Ask the ISP for a public IPv4 address" in text
    assert "access: relay" in text
    assert "`" not in text.split("What to do")[1].split("Path")[0]
    assert "certain · runbook R2, D1, E1" in text


@pytest.mark.parametrize("name", FORMATS)
def test_the_last_run_is_shown_again_in_every_format(name: str, blocked: House) -> None:
    assert blocked("diagnose").status == 1
    ended = blocked("report", "last", "--format", name)
    assert (ended.status, ended.err) == (0, "")
    assert "The forward leads to an address that Plex does not have" in ended.said


# --- exit statuses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shown",
    [
        *((f"--format={name}",) for name in FORMATS),
        ("-v",),
        ("--format=html:page.html", "--format=json:run.json"),
    ],
)
def test_no_format_changes_a_status(
    shown: tuple[str, ...], blocked: House, shared_address: House, healthy: House
) -> None:
    assert [home("diagnose", *shown).status for home in (healthy, blocked, shared_address)] == [0, 1, 3]


def test_4_not_everything_could_be_seen(tmp_path: Path) -> None:
    with house(tmp_path, "echoes-disagree") as home:
        ended = home("diagnose")
        assert ended.status == 4
        assert "Verdict Plex: The way in works; not everything could be read" in ended.said
        assert "not seen the sources disagree about our public address" in ended.said
        assert "see      none" not in ended.out


def test_a_router_that_does_not_answer_is_named_and_never_fine(tmp_path: Path) -> None:
    with house(tmp_path, "in-order") as home:
        home.edit(INVENTORY, 'address: "192.168.1.1"', 'address: "192.168.1.77"')
        ended = home("diagnose")
        assert ended.status == 4
        assert "router unknown" in lines(ended)[1]
        assert "not seen - the router did not answer" in ended.said
        assert "error[PLX-D108]" in ended.out
        assert "Reachable from outside" not in ended.said
        assert home.home.commands("router") == []


def test_a_cause_behind_a_router_that_does_not_answer_is_likely_at_most(tmp_path: Path) -> None:
    with house(tmp_path, "host-firewall") as home:
        home.home.ssh["router"].options.refuse_connections = True
        ended = home("diagnose", "--format", "json")
        assert ended.status == 4
        verdict = site(ended)["verdict"]
        assert (verdict["id"], verdict["confidence"]) == ("host-firewall-blocks", "likely")
        assert "the router did not answer" in verdict["missing"]


def test_a_wrong_password_is_4_and_is_not_repeated_anywhere(tmp_path: Path) -> None:
    with house(tmp_path, "stale-forward", options=HomeOptions(password_only=frozenset({"router"}))) as home:
        home.edit(INVENTORY, 'username: "root"', 'username: "root", password: {env: PLEXOPS_ROUTER_PASSWORD}')
        ended = home("diagnose", PLEXOPS_ROUTER_PASSWORD=PASSWORD)
        assert ended.status == 4
        assert "error[PLX-D204]" in ended.out
        assert "home/router refused the login as root" in ended.said
        assert PASSWORD not in ended.out + ended.err
        assert not [
            path for path in _files(home.directory / "state") if PASSWORD.encode() in path.read_bytes()
        ]
        assert home("diagnose", PLEXOPS_ROUTER_PASSWORD=home.home.options.router_password).status == 1


# --- files -------------------------------------------------------------------------------------------


def test_no_playbook_is_needed(tmp_path: Path) -> None:
    with house(tmp_path, "stale-forward") as home:
        shutil.rmtree(home.directory / "playbooks")
        ended = home("diagnose", "--format", "json")
        assert ended.status == 1
        assert site(ended)["verdict"]["id"] == "forward-old-address"
        assert home("audit").status == 2, "an audit is against playbooks"


def test_two_homes_in_one_inventory_have_a_verdict_each(tmp_path: Path) -> None:
    with house(tmp_path / "one", "in-order") as home, house(tmp_path / "two", "cgnat") as cabin:
        describe_as_well(home, cabin, "cabin")
        ended = home("diagnose", "--format", "json", "--format", "html:page.html")
        assert ended.status == 3
        found = {one["name"]: one for one in json.loads(ended.out)["sites"]}
        assert {name: one["verdict"]["id"] for name, one in found.items()} == {
            "home": "in-order",
            "cabin": "carrier-nat",
        }
        assert [found[name]["exit_status"] for name in ("home", "cabin")] == [0, 3]
        page = (home.directory / "page.html").read_text(encoding="utf-8")
        assert "<h1>2 sites</h1>" in page
        assert home("diagnose", "--limit", "home").status == 0
        again = home("report", "last", "--site", "home", "--format", "json")
        assert site(again)["verdict"]["id"] == "in-order"


def test_a_recording_gives_the_same_verdict_without_a_device(tmp_path: Path) -> None:
    with house(tmp_path, "stale-forward") as home:
        live = home("diagnose", "--record", "kept", "--format", "json")
        assert live.status == 1
        again = home("diagnose", "--record", "kept")
        assert (again.status, "PLX-D303" in again.err) == (2, True), "a recording is never mixed with another"
        variables = dict(home.variables)
    # The home is gone: nobody could answer but the recording.
    replayed = House(home.home, variables)("diagnose", "--replay", "kept", "--format", "json")
    assert replayed.status == live.status
    assert site(replayed)["verdict"] == site(live)["verdict"]
    assert site(replayed)["next_steps"] == site(live)["next_steps"]


# --- what a person brings along ----------------------------------------------------------------------


def probe_file(home: House, name: str, *, minutes_ago: float = 1, **values: object) -> str:
    """Write by hand what `plexops probe --out` writes."""
    made = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    document = {
        "schema": "plexops/probe/1",
        "vantage": "cafe",
        "host": "62.155.240.55",
        "address": "62.155.240.55",
        "port": EXTERNAL_PORT,
        "answer": "open",
        "identifier": str(home.home.plex.setting("MachineIdentifier")),
        "inside": False,
        "made": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "milliseconds": 40,
        "detail": "",
        **values,
    }
    (home.directory / name).write_text(json.dumps(document), encoding="utf-8")
    return name


def test_an_attempt_from_outside_proves_the_way_in(unwatched: House) -> None:
    """Without it only plex.tv's word is there, which may be old."""
    before = unwatched("diagnose", "--format", "json")
    assert site(before)["verdict"]["because"] == ["plex.tv reached Plex at port 32500, within the last hour"]
    assert "no vantage outside" in site(before)["not_asked"]
    ended = unwatched("diagnose", "--probes", probe_file(unwatched, "open.json"), "--format", "json")
    assert ended.status == 0
    assert site(ended)["verdict"]["because"] == ["cafe reached Plex at port 32500"]


@pytest.mark.parametrize(
    "values",
    [
        {"answer": "timed out", "identifier": ""},
        {"answer": "refused", "identifier": ""},
        {"identifier": "a" * 40},
    ],
    ids=["timed out", "refused", "another Plex"],
)
def test_an_attempt_that_failed_outweighs_plexs_own_word(values: dict[str, Any], unwatched: House) -> None:
    name = probe_file(unwatched, "failed.json", **values)
    ended = unwatched("diagnose", "--probes", name, "--format", "json")
    assert ended.status in (1, 4)
    assert site(ended)["verdict"]["id"] != "in-order"


@pytest.mark.parametrize(("minutes", "counts"), [(55, True), (61, False), (-30, False)])
def test_an_old_attempt_says_nothing_about_now(minutes: float, counts: bool, unwatched: House) -> None:
    name = probe_file(unwatched, "old.json", minutes_ago=minutes)
    ended = unwatched("diagnose", "--probes", name, "--format", "json")
    verdict = site(ended)["verdict"]
    assert ended.status == 0, "it is as if it had not been brought"
    assert any("what cafe tried does not count" in text for text in verdict["missing"]) is not counts
    assert ("no vantage outside" in site(ended)["not_asked"]) is not counts


@pytest.mark.parametrize("address", ["203.0.113.9", "100.101.7.3"], ids=["another home", "over Tailscale"])
def test_an_attempt_at_another_address_proves_nothing(address: str, unwatched: House) -> None:
    name = probe_file(unwatched, "elsewhere.json", address=address)
    ended = unwatched("diagnose", "--probes", name, "--format", "json")
    assert ended.status == 4
    assert any("what cafe tried does not count" in text for text in site(ended)["verdict"]["missing"])


def test_what_was_brought_is_an_exhibit(unwatched: House) -> None:
    ended = unwatched("diagnose", "--probes", probe_file(unwatched, "open.json"), "--format", "json")
    shown = {exhibit["id"]: exhibit["source"] for exhibit in site(ended)["exhibits"]}
    assert "plexops probe by cafe" in [shown[name] for name in site(ended)["verdict"]["exhibits"]]
    assert "no vantage outside" not in site(ended)["not_asked"]


def test_an_attempt_from_inside_proves_nothing(unwatched: House) -> None:
    name = probe_file(unwatched, "inside.json", inside=True)
    ended = unwatched("diagnose", "--probes", name, "--format", "json")
    assert ended.status == 0, "it is as if it had not been made"
    assert any("cafe stands in the home" in text for text in site(ended)["verdict"]["ignored"])


def test_several_attempts_from_several_networks(unwatched: House) -> None:
    """Works here and not there: the viewer's own network."""
    names = (
        probe_file(unwatched, "one.json"),
        probe_file(unwatched, "two.json", vantage="hotel", answer="timed out", identifier=""),
    )
    ended = unwatched("diagnose", *(f"--probes={name}" for name in names), "--format", "json")
    assert ended.status == 1
    assert site(ended)["verdict"]["id"] == "client-network"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "PLX-C801"),
        ("[]", "PLX-C801"),
        ('{"schema": "plexops/probe/2"}', "PLX-C801"),
        ('{"schema": "plexops/probe/1"}', "PLX-C802"),
    ],
)
def test_a_damaged_probe_file_is_2_and_nobody_is_asked(text: str, code: str, unwatched: House) -> None:
    (unwatched.directory / "damaged.json").write_text(text, encoding="utf-8")
    before = len(unwatched.home.log("router"))
    ended = unwatched("diagnose", "--probes", "damaged.json")
    assert (ended.status, ended.out) == (2, "")
    assert f"error[{code}]" in ended.err
    assert "plexops probe HOST:PORT --out FILE" in ended.said
    assert len(unwatched.home.log("router")) == before


def test_plexs_log_from_a_file_or_a_folder(tmp_path: Path) -> None:
    """The log decides here: who refused Plex's mapping is said nowhere else."""
    with house(tmp_path, "upnp-conflict") as home:
        told = home.home.plex.log.text()
        silent = "".join(line for line in told.splitlines(keepends=True) if "UPnP" not in line)
        assert silent != told
        for name, text in (("told", told), ("silent", silent)):
            (home.directory / name).mkdir()
            (home.directory / name / "Plex Media Server.log").write_text(text, encoding="utf-8")

        def verdict(*words: str) -> str:
            found: str = site(home("diagnose", "--format", "json", *words))["verdict"]["id"]
            return found

        assert verdict() == "upnp-conflict"
        assert verdict("--plex-logs", "silent") != "upnp-conflict", "it stands for the server's own log"
        assert verdict("--plex-logs", "told") == "upnp-conflict"
        assert verdict("--plex-logs", "told/Plex Media Server.log") == "upnp-conflict"


def test_a_folder_without_a_log_is_2(unwatched: House) -> None:
    (unwatched.directory / "empty").mkdir(exist_ok=True)
    ended = unwatched("diagnose", "--plex-logs", "empty")
    assert (ended.status, ended.out) == (2, "")
    assert "error[PLX-C704]: empty holds no log of Plex" in ended.err


# --- what is never done ------------------------------------------------------------------------------


def test_offline_sends_nothing_to_the_internet(tmp_path: Path) -> None:
    def asked(home: House) -> list[str]:
        return [
            line
            for role in ("server", "outside")
            for line in home.home.log(role)
            if ("echo" in line and ".test" in line) or "ping -n" in line
        ]

    with house(tmp_path, "in-order") as home:
        assert home("diagnose", "--offline").status == 0
        assert asked(home) == []
        assert home("diagnose").status == 0
        assert any("ping -n" in line for line in asked(home))
        assert any(".test" in line for line in asked(home))


@pytest.mark.parametrize("router", ["openwrt", "routeros", "linux"])
def test_no_device_is_changed(router: Any, tmp_path: Path) -> None:
    with house(tmp_path, "stale-forward", router) as home:
        before = home.exports()
        assert home("diagnose").status == 1
        assert home.exports() == before
        sent = [line for role in ("router", "server", "plex", "outside") for line in home.home.commands(role)]
        assert len(sent) > 20
        assert [line for line in sent if WRITES.search(line)] == []


def test_nothing_of_the_account_leaves(tmp_path: Path) -> None:
    with house(tmp_path, "stale-forward") as home:
        outs = [home("diagnose", "-v", "--record", "kept")]
        outs += [home("diagnose", f"--format={name}:report.{name}") for name in FORMATS]
        outs += [home("report", "last", f"--format={name}") for name in FORMATS]
        assert {ended.status for ended in outs} == {0, 1}
        for secret in SECRETS:
            assert not [ended for ended in outs if secret in ended.out + ended.err]
        reports = list(home.directory.glob("report.*"))
        assert len(reports) == len(FORMATS)
        kept = [path for path in _files(home.state) if "private" not in path.parts]
        assert any(path.parent.name == "exhibits" for path in kept)
        private = [path for path in _files(home.state) if "private" in path.parts]
        assert any(SEED.username.encode() in path.read_bytes() for path in private), "what is masked was read"
        for path in (*reports, *kept):
            assert not [secret for secret in SECRETS if secret.encode() in path.read_bytes()], path
        recorded = b"".join(path.read_bytes() for path in _files(home.directory / "kept"))
        assert SEED.token.encode() not in recorded


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_an_audit_loads_nothing_that_only_a_diagnosis_needs(tmp_path: Path) -> None:
    with house(tmp_path, "in-order") as home:
        said = home("audit", PYTHONPROFILEIMPORTTIME="1").err
    loaded = set(re.findall(r"\| +(plexops\.[\w.]+)$", said, re.MULTILINE))
    assert "plexops.engine.look.observe" in loaded
    only = ("engine.diagnosing", "engine.neighbours")
    more = ("parsers.plex_log", "parsers.igd", "drivers.plex_log", "drivers.server_extra", "model.quick")
    assert loaded & {f"plexops.{name}" for name in (*only, *more)} == set()
