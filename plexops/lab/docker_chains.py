"""The chains that Docker 28 keeps in iptables for a host with its one default bridge."""

from __future__ import annotations

from plexops.lab.iptables import Family
from plexops.lab.server_condition import CONTAINER_ADDRESS, EVERYWHERE, LOOPBACK, Container

BRIDGE = "docker0"
_NETWORK = "172.17.0.0/16"
_CHAINS = (
    "DOCKER", "DOCKER-FORWARD", "DOCKER-BRIDGE", "DOCKER-CT", "DOCKER-ISOLATION-STAGE-1",
    "DOCKER-ISOLATION-STAGE-2", "DOCKER-USER",
)  # fmt: skip
_FORWARDED = (
    "-A DOCKER-FORWARD -j DOCKER-CT",
    "-A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1",
    "-A DOCKER-FORWARD -j DOCKER-BRIDGE",
    "-I FORWARD -j DOCKER-FORWARD",
    "-I FORWARD -j DOCKER-USER",
)


def chains(family: Family, container: Container, *, beside: bool) -> str:
    """Give the tables as iptables-restore takes them. `beside`: another has the built-in chains of `filter`.

    The bridge has no IPv6: there Docker has its chains, and nothing in them.
    """
    own = container if family == 4 and container.network != "host" else None
    published = () if own is None else own.published
    builtin = [":FORWARD DROP [0:0]" if family == 4 else ":FORWARD ACCEPT [0:0]"]
    builtin = [] if beside else [":INPUT ACCEPT [0:0]", *builtin, ":OUTPUT ACCEPT [0:0]"]
    local = "127.0.0.0/8" if family == 4 else "::1/128"
    nat = [
        *(f":{name} ACCEPT [0:0]" for name in ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")),
        ":DOCKER - [0:0]",
        "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
        f"-A OUTPUT ! -d {local} -m addrtype --dst-type LOCAL -j DOCKER",
        *([f"-A POSTROUTING -s {_NETWORK} ! -o {BRIDGE} -j MASQUERADE"] if family == 4 else []),
        *(
            f"-A DOCKER {_to(address)}! -i {BRIDGE} -p tcp -m tcp --dport {outer} "
            f"-j DNAT --to-destination {CONTAINER_ADDRESS}:{inner}"
            for address, outer, inner in published
        ),
    ]
    accepts = [
        f"-A DOCKER -d {CONTAINER_ADDRESS}/32 ! -i {BRIDGE} -o {BRIDGE} -p tcp -m tcp --dport {inner} -j ACCEPT"
        for _, _, inner in published
    ]
    filtered = [*builtin, *(f":{name} - [0:0]" for name in _CHAINS), *accepts, *_FORWARDED]
    if family == 4:
        filtered += [
            f"-A DOCKER ! -i {BRIDGE} -o {BRIDGE} -j DROP",
            f"-A DOCKER-BRIDGE -o {BRIDGE} -j DOCKER",
            f"-A DOCKER-CT -o {BRIDGE} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            f"-A DOCKER-FORWARD -i {BRIDGE} -j ACCEPT",
            f"-A DOCKER-ISOLATION-STAGE-1 -i {BRIDGE} ! -o {BRIDGE} -j DOCKER-ISOLATION-STAGE-2",
            f"-A DOCKER-ISOLATION-STAGE-2 -o {BRIDGE} -j DROP",
        ]
    tables = {"nat": nat, "filter": filtered}
    if own is not None:
        # Nobody reaches a container past its published ports, or what is published for the host alone.
        tables["raw"] = [
            ":PREROUTING ACCEPT [0:0]",
            ":OUTPUT ACCEPT [0:0]",
            f"-A PREROUTING -d {CONTAINER_ADDRESS}/32 ! -i {BRIDGE} -j DROP",
            *(
                f"-A PREROUTING -d {LOOPBACK}/32 ! -i lo -p tcp -m tcp --dport {outer} -j DROP"
                for address, outer, _ in published
                if address == LOOPBACK
            ),
        ]
    return "".join(f"*{name}\n" + "".join(f"{line}\n" for line in lines) for name, lines in tables.items())


def _to(address: str) -> str:
    return "" if address == EVERYWHERE else f"-d {address}/32 "
