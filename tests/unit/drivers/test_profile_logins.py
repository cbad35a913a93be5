"""What a profile says of logins and of its answers' envelope, judged when it is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from plexops.config.profiles import load_profile
from plexops.drivers.answers import Answer
from plexops.drivers.router.compile import CompiledProfile, compile_profile
from plexops.drivers.router.reads import answers_of, asked
from plexops.model.errors import PlexopsError
from plexops.model.exchange import Call, Read, Reply
from plexops.model.login import KeptHeader, SessionRequest
from plexops.transport.redact import hidden

BEGIN = """\
profile: mine
format: 2
title: Mine
speaks: rest
reads: {rows: /api/rows?limit=0, whole: {get: /api/whole, as: [json, {take: list}]}}
verified: [{firmware: "1", on: paper, how: documents}]
"""
SEND = "send: {post: /api/login, body: {user: '{{ username }}', password: '{{ password }}'}}"


def compiled(folder: Path, text: str) -> CompiledProfile:
    path = folder / "mine.yaml"
    path.write_text(BEGIN + text, encoding="utf-8")
    return compile_profile(load_profile(str(path), folder))


@pytest.mark.parametrize(
    ("login", "wants"),
    [
        ("basic", (("api_key", "api_secret"), ("username", "password"))),
        ("{basic: X-JNAP-Authorization}", (("api_key", "api_secret"), ("username", "password"))),
        ("digest", (("username", "password"),)),
        ("{header: X-Token}", (("api_key",),)),
        (f"{{session: {{{SEND}, keep: [cookie]}}}}", (("username", "password"),)),
        ("{session: {send: {post: /login, form: true, body: {p: '{{ password }}'}}}}", (("password",),)),
    ],
)
def test_a_login_says_which_keys_of_the_inventory_it_takes(
    login: str, wants: tuple[tuple[str, ...], ...], tmp_path: Path
) -> None:
    for text in (login, f"[{login}]"):
        (way,) = compiled(tmp_path, f"login: {text}\n").profile.login
        assert way.wants == wants


def test_a_session_is_what_the_transport_carries_out(tmp_path: Path) -> None:
    text = (
        "login: {session: {ask: {get: '/login_sid.lua?version=2', take: Challenge}, proof: pbkdf2-avm,\n"
        "  send: {post: '/login_sid.lua?version=2', form: true, body: {response: '{{ proof }}'}},\n"
        "  keep: [cookie, {header: X-Sid, take: SID}, {header: X-Csrf}],\n"
        "  end: {delete: /api/session}, refused: [401, 403]}}\n"
    )
    (way,) = compiled(tmp_path, text).profile.login
    assert way.session is not None
    steps = way.session.steps
    assert steps.ask == SessionRequest("GET", "/login_sid.lua", (("version", "2"),))
    assert steps.send.form
    assert (steps.take, steps.proof, steps.cookies) == ("Challenge", "pbkdf2-avm", True)
    assert steps.keep == (KeptHeader("X-Sid", "SID"), KeptHeader("X-Csrf"))
    assert steps.end == SessionRequest("DELETE", "/api/session")
    assert steps.refused == {401, 403}


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("login: basci\n", "PLX-C103", "basci"),
        ("login: {header: 'X Token'}\n", "PLX-D411", "no name of a header"),
        ("login: {header: X, session: {send: {post: /login}}}\n", "PLX-D411", "no login"),
        ("login: {session: {send: {post: /api/reboot}}}\n", "PLX-D411", "not known to be a login's"),
        ("login: {session: {send: {get: /api/login}}}\n", "PLX-D411", "not known to be a login's"),
        ("login: {session: {send: {post: '/a/../login'}}}\n", "PLX-D411", "no plain path"),
        ("login: {session: {send: {post: /login, body: {p: '{{ passwrd }}'}}}}\n", "PLX-D411", "passwrd"),
        (
            "login: {session: {send: {post: /login, body: {p: 'x{{ password }}'}}}}\n",
            "PLX-D411",
            "exactly one",
        ),
        ("login: {session: {send: {post: /login, body: {p: '{{ proof }}'}}}}\n", "PLX-D411", "no challenge"),
        (f"login: {{session: {{{SEND}, end: {{post: /api/rows}}}}}}\n", "PLX-D411", "end: "),
        (f"login: {{session: {{{SEND}, ask: {{get: /api/reboot}}}}}}\n", "PLX-D411", "ask: "),
        (f"login: {{session: {{{SEND}, keep: [{{header: Cookie}}]}}}}\n", "PLX-D411", "no header of a login"),
        (f"login: {{session: {{{SEND}, keep: [{{header: X, take: 'a['}}]}}}}\n", "PLX-D405", "JMESPath"),
        (f"login: {{session: {{{SEND}, keep: [cookies]}}}}\n", "PLX-C103", "str"),
        (
            "params: {password: {default: x, means: y}}\nsteps: {upnp: ['{{ password }}']}\n",
            "PLX-D411",
            "password",
        ),
        ("envelope: {ok: 'a[', data: data}\n", "PLX-D405", "JMESPath"),
        ("envelope: {ok: a, date: b}\n", "PLX-C101", "date"),
    ],
)
def test_what_could_do_more_than_log_in_or_is_misspelt_is_refused(
    text: str, code: str, says: str, tmp_path: Path
) -> None:
    with pytest.raises(PlexopsError) as caught:
        compiled(tmp_path, text)
    assert code in {problem.code for problem in caught.value.problems}
    assert says in " ".join(problem.reason for problem in caught.value.problems)


def test_a_shell_says_no_login(tmp_path: Path) -> None:
    text = BEGIN.replace("rest", "shell").replace(
        "reads: {rows: /api/rows?limit=0", "reads: {rows: uci changes"
    )
    path = tmp_path / "mine.yaml"
    path.write_text(
        text.replace("{get: /api/whole, as: [json, {take: list}]}", "uci changes") + "login: basic\n"
    )
    with pytest.raises(PlexopsError, match="says no login"):
        compile_profile(load_profile(str(path), tmp_path))


ENVELOPE = "envelope: {ok: \"rc=='ok'\", data: data, says: msg}\n"


def understood(folder: Path, body: str, status: int = 200) -> dict[str, Answer]:
    profile = compiled(folder, ENVELOPE).profile
    return answers_of(profile, [Reply(name, status, body) for name in profile.reads])


def test_the_content_is_taken_out_of_the_envelope_before_it_is_taken_apart(tmp_path: Path) -> None:
    answers = understood(tmp_path, '{"rc": "ok", "data": {"list": [1]}}')
    assert answers["rows"].value == {"list": [1]}
    assert answers["whole"].value == [1]
    assert understood(tmp_path, '{"rc": "ok"}')["rows"] == Answer(None)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('{"rc": "error", "msg": "api.err.NoPermission"}', "api.err.NoPermission"),
        ('{"rc": "error"}', "not rc=='ok'"),
        ('{"data": []}', "not rc=='ok'"),
        ("[]", "not rc=='ok'"),
        ("null", "not rc=='ok'"),
        ("", "understood"),
        ("<html>login", "page"),
    ],
)
def test_what_is_no_answer_is_not_understood_with_the_devices_own_reason(
    body: str, says: str, tmp_path: Path
) -> None:
    for answer in understood(tmp_path, body).values():
        assert says in answer.problem
        assert (answer.value, answer.absent) == (None, False)


def test_a_familys_own_status_says_that_there_is_none_and_its_words_that_a_right_is_missing() -> None:
    profile = load_profile("openwrt-ubus", Path())

    def answered(**bodies: str) -> dict[str, Answer]:
        said = dict.fromkeys(profile.reads, '{"result": [0, {}]}') | bodies
        return answers_of(profile, [Reply(name, 200, body) for name, body in said.items()])

    denied = '{"error": {"code": -32002, "message": "Access denied"}}'
    answers = answered(
        upnpd='{"result": [4]}', dhcp='{"result": [4]}', firewall='{"result": [6]}', leases=denied
    )
    assert answers["upnpd"] == Answer(absent=True)
    # Only where the read says so: that all of DHCP's configuration is gone is no home without reservations.
    assert (answers["dhcp"].absent, answers["dhcp"].problem[-15:]) == (False, "its status is 4")
    takes = "it takes a login that may use this part of the API"
    assert answers["firewall"].problem == f"firewall was refused (permission denied): {takes}"
    assert answers["leases"].problem == f"leases was refused (Access denied): {takes}"


def test_a_query_is_sent_as_one_and_a_menu_of_routeros_is_a_path(tmp_path: Path) -> None:
    reads = compiled(tmp_path, "").profile.reads
    assert asked(reads["rows"]) == (Read("rows", Call("GET", "/api/rows", (("limit", "0"),))),)
    menus = load_profile("routeros-rest", Path()).reads
    assert asked(menus["nat"])[0].ask == Call("GET", "/rest/ip/firewall/nat")


def test_members_that_hold_secrets_are_dropped_where_the_answer_arrives() -> None:
    read = Read("networks", Call("GET", "/x"), hides=("x_*", "*_token"))
    body = '{"x_wan_password": "p\\"w", "name": "WAN", "guest_token": "t", "x_n": 5, "max_age": 1}'
    kept = hidden(read, Reply("networks", 200, body)).body
    assert kept == '{"x_wan_password": "", "name": "WAN", "guest_token": "", "x_n": "", "max_age": 1}'
