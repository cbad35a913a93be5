"""Masking: nothing secret leaves, identifiers keep their class, and what a person needs to read stays readable."""

from __future__ import annotations

import base64
import json
import re
import stat
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plexops.evidence import contexts, masking
from plexops.evidence.masking import Masker, load_key, mask_report
from plexops.evidence.scrub import REMOVED, Scrubber
from plexops.model.errors import Place, PlexopsError
from plexops.model.finding import FindingStatus
from plexops.model.run import ChangeReport, Exhibit, FieldChange, FindingReport, RunReport, SiteReport
from plexops.model.secret import Secret
from tests.captures.capture_files import DATA
from tests.unit.evidence.masking_excerpts import ALL, Excerpt


def masker(*secrets: str, key: bytes = b"k" * 32) -> Masker:
    return Masker(key, Scrubber(Secret(text, "env:X") for text in secrets))


@pytest.mark.parametrize("excerpt", ALL, ids=lambda excerpt: excerpt.text[:40])
def test_excerpt(excerpt: Excerpt) -> None:
    for label in (*excerpt.secret, *excerpt.identifier, *excerpt.keep):
        assert label in excerpt.text, "a label that is not in its excerpt tests nothing"
    masked = masker().mask(excerpt.text)
    assert [s for s in excerpt.secret if s in masked] == []
    assert [s for s in excerpt.identifier if s in masked] == []
    assert [s for s in excerpt.keep if s not in masked] == []
    assert masker().mask(masked) == masked


def test_recall_and_precision_over_all_excerpts() -> None:
    mask = masker().mask
    assert len(ALL) >= 120
    secrets = [s not in mask(e.text) for e in ALL for s in e.secret]
    identifiers = [s not in mask(e.text) for e in ALL for s in e.identifier]
    harmed = sum(s not in mask(e.text) for e in ALL for s in e.keep)
    hidden = sum(secrets) + sum(identifiers)
    assert len(secrets) >= 70
    assert all(secrets), "recall of secrets must be whole"
    assert sum(identifiers) / len(identifiers) >= 0.995
    assert hidden / (hidden + harmed) >= 0.98


def test_one_address_has_one_tag_in_every_notation_and_another_has_another() -> None:
    mask = masker().mask
    tags = {
        mask(text).partition("#")[2][:4]
        for text in ("52:54:00:12:34:56", "52-54-00-12-34-56", "5254.0012.3456")
    }
    assert len(tags) == 1
    assert mask("52:54:00:12:34:56").startswith("52:54:00:··:··:··#")
    assert mask("52:54:00:12:34:56") != mask("52:54:00:12:34:57")
    assert mask("x 62.155.13.7 y") == f"x 62.155.··.··{mask('62.155.13.7')[-5:]} y"
    assert masker(key=b"o" * 32).mask("62.155.13.7") != mask("62.155.13.7"), "tags are keyed"


@pytest.mark.parametrize(
    "secret", ["hunter2-Ä&<\"'\\ /?", "xKz9vQ2mB7tRw4LpYs8N", "p%q+r s$t`u", "短い秘密の言葉"]
)
def test_known_secret_vanishes_in_every_spelling(secret: str) -> None:
    raw = secret.encode()
    spellings = [
        secret,
        quote(secret, safe=""),
        quote(secret, safe="").lower() if secret.isascii() and secret.islower() else quote(secret),
        json.dumps(secret),
        json.dumps(json.dumps(secret)),
        json.dumps({"x": secret}, ensure_ascii=False),
        repr(secret),
        base64.b64encode(raw).decode(),
        base64.b64encode(b"root:" + raw).decode(),
        base64.b64encode(b"a:" + raw + b"\n").decode(),
        base64.urlsafe_b64encode(b"xx" + raw).decode(),
        base64.b64encode(f"$p = '{secret}'; exit".encode("utf-16-le")).decode(),
    ]
    scrubber = Scrubber([Secret(secret, "env:X")])
    for spelling in spellings:
        assert REMOVED in scrubber.scrub(f"before {spelling} after"), spelling
    assert secret not in scrubber.scrub(" ".join(spellings))


def test_short_secret_goes_as_a_word_and_does_not_blank_other_words() -> None:
    scrub = Scrubber([Secret("plex", "env:X")]).scrub
    assert scrub("login plex failed") == f"login {REMOVED} failed"
    assert scrub("plexops and complex stay") == "plexops and complex stay"
    assert Scrubber([Secret("", "env:X")]).scrub("all of it") == "all of it"


@given(st.text(min_size=8).filter(lambda t: len(t.strip()) >= 8), st.text(), st.text())
def test_known_secret_never_survives(secret: str, before: str, after: str) -> None:
    masked = masker(secret).mask(f"{before}{secret}{after}")
    assert secret not in masked or secret in REMOVED


@pytest.mark.parametrize(
    "lead",
    [
        "community pass=",
        "wifi password token: ",
        "pwd.auth_key=",
        "api_key@secret = ",
        "community[api_key = ",
        "psk_token.password: ",
        "    auth_key-secret_password ",
    ],
)
def test_a_line_whose_words_hold_several_names_is_masked_to_its_end(lead: str) -> None:
    """An unquoted value may hold spaces; in a block it is quoted."""
    quoted = not lead.rstrip().endswith(("=", ":"))
    value = '"correct horse battery"' if quoted else "correct horse battery"
    masked = masker().mask(f"{lead}{value}")
    assert not {"correct", "horse", "battery"} & set(masked.replace('"', " ").split()), masked
    assert masked.startswith(lead)


CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


@given(
    st.text(CROCKFORD, max_size=24), st.sampled_from(["pwd", "passwd", "psk", "csrf", "secret"]), st.data()
)
def test_a_run_id_names_no_secret_whatever_its_letters_spell(
    random: str, word: str, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(random)))
    run_id = ("01" + random[:at] + word + random[at:] + "0" * 26)[:26]
    said = f"Run {run_id}: undone: the old state, read back"
    assert masker().mask(said) == said
    assert "hunter" not in masker().mask(f"password {run_id}: password: hunter2")
    assert "hunter" not in masker().mask(f"x{run_id}pwd: hunter2")


@given(
    st.sampled_from(ALL),
    st.integers(0, 200),
    st.sampled_from(['"', "'", "\n", "=", ":", "{", "\\", "<", " "]),
)
def test_masking_twice_changes_nothing_more(excerpt: Excerpt, at: int, sign: str) -> None:
    once = masker().mask(excerpt.text[:at] + sign + excerpt.text[at:])
    assert masker().mask(once) == once


def test_own_captures_keep_their_sense() -> None:
    text = (DATA / "openwrt" / "uci_show_firewall_after.txt").read_text()
    assert masker().mask(text) == text, "a firewall configuration holds nothing to hide"


def test_no_token_survives_in_a_server_answer_of_settings() -> None:
    rows = json.loads((DATA / "plex" / "settings.json").read_text())
    rows = [row | {"value": row["default"]} for row in rows if row["id"] != "FriendlyName"]
    rows.append({"id": "FriendlyName", "type": "text", "value": "Wohnzimmer von Anna"})
    rows.append({"id": "PlexOnlineToken", "type": "text", "value": "tOk3nT0k3n"})
    settings = {"MediaContainer": {"size": len(rows), "Setting": rows}}
    for indent in (None, 4):
        masked = masker().mask(json.dumps(settings, indent=indent))
        assert "tOk3nT0k3n" not in masked
        assert "Wohnzimmer" not in masked
        names = {setting["id"] for setting in json.loads(masked)["MediaContainer"]["Setting"]}
        assert "ManualPortMappingMode" in names


def test_report_is_masked_in_every_text_and_keeps_its_words() -> None:
    report = RunReport(
        command="apply",
        run_id="01arz3ndektsv4rrffq69g5fav",
        started="2026-11-22T08:41:00+00:00",
        seconds=1.5,
        version="0.1.0",
        exit_status=0,
        sites=(
            SiteReport(
                name="home",
                access="forward",
                outcome="reachable at 62.155.13.7:32500",
                plan_digest="3f9b8c1d2e4a5f60718293a4b5c6d7e8f9012345",
                findings=(
                    FindingReport(
                        FindingStatus.DRIFT, "router", "port_forward", "plex", "T 52:54:00:12:34:56",
                        place=Place("a.yaml", 3, 4), steps=("open http://62.155.13.7/",),
                    ),
                ),
                changes=(
                    ChangeReport(
                        "1", "router", "x", "plex", "create", "+", "t",
                        fields=(FieldChange("password", "", "geheim1"), FieldChange("port", "", "32500")),
                        commands=("uci set network.wan.password='geheim2'",),
                    ),
                ),
                exhibits=(Exhibit("E1", "router", "s", "t", "PlexOnlineToken=\"geheim3\"", "ab" * 32),),
            ),
        ),
    )  # fmt: skip
    masked = mask_report(report, masker())
    text = json.dumps(msgspec.to_builtins(masked), ensure_ascii=False)
    for gone in ("geheim1", "geheim2", "geheim3", "62.155.13.7", "12:34:56"):
        assert gone not in text
    site = masked.sites[0]
    assert site.changes[0].fields[1] == FieldChange("port", "", "32500")
    assert site.plan_digest == report.sites[0].plan_digest
    assert site.exhibits[0].sha256_raw == "ab" * 32
    assert site.findings[0].place == Place("a.yaml", 3, 4)


def test_key_is_made_once_and_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    key = load_key(tmp_path)
    assert len(key) == 32
    assert load_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "mask.key").stat().st_mode) == 0o600


def test_damaged_or_linked_key_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"x" * 32)
    (tmp_path / "mask.key").symlink_to(elsewhere)
    with pytest.raises(PlexopsError) as caught:
        load_key(tmp_path)
    assert caught.value.problems[0].code == "PLX-R101"
    (tmp_path / "mask.key").unlink()
    (tmp_path / "mask.key").write_bytes(b"longer than any key of ours ever was")
    (tmp_path / "mask.key").chmod(0o600)
    with pytest.raises(PlexopsError) as caught:
        load_key(tmp_path)
    assert caught.value.problems[0].code == "PLX-R105"


_NAMES = (
    contexts.ANY_CONFIDENTIAL,
    contexts.SSID_NAMES,
    contexts.SERIAL_NAMES,
    contexts.PERSON_NAMES,
    contexts.IDENTITY_NAMES,
)
#: What a shape gives away, and what stands beside a name.
_SHAPES = (
    *masking._SECRETS,
    *(context for context in vars(masking).values() if isinstance(context, contexts.Context)),
    *contexts._BESIDE_A_NAME,
    *_NAMES,
)


@pytest.mark.parametrize("names", _NAMES)
@given(data=st.data())
@settings(suppress_health_check=list(HealthCheck))
def test_the_look_for_names_is_the_same_in_capitals(names: contexts.Context, data: st.DataObject) -> None:
    source = names.source.removeprefix("(?=[aceimprstuvw])")  # else most of what is drawn does not fit
    pattern = re.compile(source, re.IGNORECASE)
    text = data.draw(st.from_regex(pattern, fullmatch=True, alphabet=st.characters(codec="ascii")))
    assert contexts.replace_beside(
        f"{text}=x", contexts.Seen.of(f"{text}=x"), names, lambda _: "gone"
    ).endswith("gone")


@pytest.mark.parametrize("context", _SHAPES)
@given(data=st.data())
@settings(suppress_health_check=list(HealthCheck))
def test_no_expression_could_find_what_its_signs_miss(context: contexts.Context, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(context.pattern))
    assert context.may_find(contexts.Seen.of(text))


@pytest.mark.parametrize("context", [masking._OCTETS, masking._V6, masking._V4, masking._DASHED_V4])
@given(data=st.data())
@settings(suppress_health_check=list(HealthCheck))
def test_what_is_looked_for_near_its_shape_is_all_that_there_is(
    context: contexts.Context, data: st.DataObject
) -> None:
    noise = st.text("0123456789abcdefgh:.- \n·", max_size=200)
    found = st.from_regex(context.pattern, alphabet=st.characters(codec="ascii"))
    text = "".join(data.draw(st.lists(st.one_of(noise, found), max_size=6)))
    assert context.near(text, contexts.Seen.of(text), lambda _: "#") == context.pattern.sub("#", text)
