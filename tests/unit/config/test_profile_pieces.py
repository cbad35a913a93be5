"""What profiles share: pieces, whose entries count where a profile has none of that name, and vocabularies."""

from __future__ import annotations

from pathlib import Path

import pytest

from plexops.config.profiles import load_profile, profile_names
from plexops.drivers.router.compile import compile_profile
from plexops.model.errors import PlexopsError
from plexops.model.profile import Profile
from plexops.model.snapshot import Kind

HEAD = "profile: mine\nformat: 2\ntitle: Mine\nspeaks: shell\nverified: []\n"


def loaded(folder: Path, text: str, pieces: str = "") -> Profile:
    (folder / "mine.yaml").write_text(HEAD + text, encoding="utf-8")
    if pieces:
        (folder / "pieces").mkdir()
        (folder / "pieces" / "own.yaml").write_text(pieces, encoding="utf-8")
    profile = load_profile(f"{folder}/mine.yaml", folder)
    compile_profile(profile)
    return profile


def refused(folder: Path, text: str) -> tuple[str, str]:
    with pytest.raises(PlexopsError) as caught:
        loaded(folder, text)
    problem = caught.value.problems[0]
    return problem.code, f"{problem.reason} {problem.cure}"


def test_a_piece_gives_its_reads_and_kinds_with_the_words_that_it_is_given(tmp_path: Path) -> None:
    profile = loaded(tmp_path, "uses: [{dnsmasq-leases: {file: /var/lib/misc/x.leases}}, neighbours]\n")
    assert profile.uses == ("dnsmasq-leases", "neighbours")
    assert profile.reads["leases"].run == "cat /var/lib/misc/x.leases"
    assert set(profile.kinds) == {Kind.LEASE, Kind.NEIGHBOUR}


def test_an_entry_of_the_profile_replaces_the_pieces_as_a_whole(tmp_path: Path) -> None:
    profile = loaded(
        tmp_path, "uses: [dnsmasq-leases]\nreads: {leases: {run: cat /tmp/x, as: dnsmasq_leases}}\n"
    )
    assert profile.reads["leases"].absent == frozenset()
    assert Kind.LEASE in profile.kinds


def test_a_piece_beside_the_profile_counts_and_hides_none_of_plexops(tmp_path: Path) -> None:
    own = "piece: {menu: {default: x, means: A word}}\nreads: {a: {run: 'cat /tmp/{{ menu }}', as: lines}}\n"
    profile = loaded(tmp_path, "uses: [{own: {menu: y}}]\nfacts: {firmware: 'a[0]'}\n", own)
    assert profile.reads["a"].run == "cat /tmp/y"
    (tmp_path / "pieces" / "netfilter.yaml").write_text("reads: {nft: cat /tmp/x}\n", encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(HEAD + "uses: [netfilter]\n", encoding="utf-8")
    assert load_profile(f"{tmp_path}/mine.yaml", tmp_path).reads["nft"].run == "nft -j list ruleset"


def test_what_is_sent_is_covered_by_the_digest_with_its_pieces(tmp_path: Path) -> None:
    text = "uses: [own]\nfacts: {firmware: 'a'}\n"
    one = loaded(tmp_path, text, "reads: {a: cat /tmp/x}\n")
    (tmp_path / "pieces" / "own.yaml").write_text("reads: {a: cat /tmp/y}\n", encoding="utf-8")
    other = load_profile(f"{tmp_path}/mine.yaml", tmp_path)
    assert one.digest != other.digest
    assert not other.shipped


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("uses: [netfilte]", "PLX-C604", "there is no piece 'netfilte' Did you mean netfilter?"),
        ("uses: [../mine]", "PLX-C604", "there is no piece '../mine'"),
        ("uses: [words]", "PLX-C604", "there is no piece 'words'"),
        ("uses: [{dnsmasq-leases: {fiel: /x}}]", "PLX-C602", "has no word 'fiel'"),
        ("facts: {wan.up: {take: a, words: up_donw}}\nreads: {a: cat /tmp/x}", "PLX-C604", "up_donw"),
        ("steps: {upnp: ['Open {{ page }}.']}", "PLX-D406", "no field of upnp"),
        ("steps: {port_forward: ['To {address}.']}", "PLX-D406", "{{ name }}"),
        ("steps: {port_forward: ['To {{ adress }}.']}", "PLX-D406", "{{ adress }}"),
    ],
)
def test_what_is_misspelt_is_refused(text: str, code: str, says: str, tmp_path: Path) -> None:
    found, words = refused(tmp_path, text + "\n")
    assert found == code
    assert says in words


def test_a_param_is_a_literal_in_an_expression_and_a_word_elsewhere(tmp_path: Path) -> None:
    text = (
        "params: {wan: {default: eth-1.2, means: The internet side}}\n"
        "reads: {a: {run: 'ip -j addr show dev {{ wan }}', as: json}}\n"
        'facts: {wan.interface: "a[?ifname=={{wan}}] | [0].ifname"}\n'
    )
    profile = loaded(tmp_path, text)
    assert profile.reads["a"].run == "ip -j addr show dev eth-1.2"
    assert profile.facts["wan.interface"].take == "a[?ifname=='eth-1.2'] | [0].ifname"


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_that_comes_with_plexops_is_shipped_word_for_word(name: str) -> None:
    assert load_profile(name, Path()).shipped


def test_a_kind_that_is_not_seen_says_why_and_nothing_else(tmp_path: Path) -> None:
    profile = loaded(tmp_path, "kinds: {upnp: {unseen: its page alone shows it}}\n")
    assert profile.kinds[Kind.UPNP].unseen == "its page alone shows it"
    assert profile.resources == {}
    reads = "reads: {a: {run: cat /tmp/x, as: lines}}\n"
    code, said = refused(tmp_path, f"{reads}kinds: {{upnp: {{unseen: so, fields: {{enabled: x}}}}}}\n")
    assert (code, "`unseen` stands alone" in said) == ("PLX-D406", True)
    code, said = refused(tmp_path, f"{reads}kinds: {{upnp: {{unseen: so, rows: a}}}}\n")
    assert code.startswith("PLX-C1"), said
