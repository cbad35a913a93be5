"""Homes that several tests share. Nobody changes what they say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.process import House, house


@pytest.fixture(scope="module")
def drifted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A home that was never set up, only to be looked at."""
    with house(tmp_path_factory.mktemp("drifted")) as home:
        yield home


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A home on which `audit` and `apply --yes` were run, with their evidence."""
    with house(tmp_path_factory.mktemp("applied")) as home:
        assert home("audit").status == 1
        assert home("apply", "--yes").status == 0
        yield home


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder with an inventory and a playbook, and no home behind them."""
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "inventory.yaml").write_text(INVENTORY, encoding="utf-8")
    (tmp_path / "playbooks" / "plex.yaml").write_text(PLAYBOOK, encoding="utf-8")
    return tmp_path


INVENTORY = """\
sites:
  home:
    vars: {external_port: 32500}
    router:
      profile: openwrt
      address: 192.168.1.1
      username: root
    server:
      address: 192.168.1.50
      mac: 52:54:00:12:34:56
      username: media
    plex:
      url: http://192.168.1.50:32400
      token: {from: server}
"""
PLAYBOOK = """\
- name: Plex from outside
  sites: all
  tasks:
    - name: The host keeps its address
      dhcp_reservation: {}
    - name: The router forwards our port
      port_forward: {external_port: "{{ external_port }}"}
      tags: [router]
"""
