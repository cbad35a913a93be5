"""How a profile says that entries are written: the store that keeps them, or requests written out."""

from __future__ import annotations

from typing import Annotated, Any, cast

from msgspec import Struct

from plexops.model.exchange import Expect, Method
from plexops.structs import says

#: A field of an entry's raw words that holds all of its row as JSON, where a change sends back what was read.
WHOLE_ROW = ".whole"
_CALL = r"^(?:GET|POST|PUT|PATCH|DELETE) /"


# fmt: off
class Success(Struct, frozen=True, forbid_unknown_fields=True):
    """What success looks like: all that is given must hold."""

    status: Annotated[frozenset[int], says("Statuses that mean success.", [200])] = frozenset()
    silent: Annotated[bool, says("Nothing may be printed.", True)] = False
    take: Annotated[str, says("A JMESPath expression over the answer.", "result")] = ""
    equals: Annotated[str, says("The text that it must give.", "saved")] = ""

    @property
    def expect(self) -> Expect:
        """What a write is held against."""
        return Expect(self.status, self.silent, self.take, self.equals)


class Request(Struct, frozen=True, forbid_unknown_fields=True):
    """One write: `run` a command, or `send` a request."""

    run: Annotated[str, says("A command line.", "uci commit firewall")] = ""
    send: Annotated[str, says("An HTTP method and path.", "POST /api/firewall/d_nat/apply", pattern=_CALL)] = ""
    body: Annotated[Any, says("What the request sends, as JSON; texts may hold {{ fields }}.", {"rule": {}})] = None
    expect: Annotated[Success | None, says("", {"status": [200]})] = None

    @property
    def request(self) -> tuple[Method, str]:
        """The method and the path."""
        method, _, path = self.send.partition(" ")
        return cast("Method", method), path


Requests = tuple[Request, ...]
_EXAMPLE = [{"run": "uci commit firewall"}]


class RequestLists(Struct, frozen=True, forbid_unknown_fields=True):
    """Writes written out, for what fits no store."""

    put: Annotated[Requests, says("Makes it or changes it, the same way.", _EXAMPLE)] = ()
    create: Annotated[Requests, says("Makes it.", _EXAMPLE)] = ()
    update: Annotated[Requests, says("Changes ours.", _EXAMPLE)] = ()
    delete: Annotated[Requests, says("Removes ours.", _EXAMPLE)] = ()


class WriteSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The store that keeps the entries of a kind: one of its names, and what that store wants to know."""

    uci: Annotated[str, says("One of OpenWrt's configurations.", "firewall", wants="like",
        pattern="^[a-z0-9_-]+$")] = ""
    type: Annotated[str, says("The type of a section of ours.", "redirect", wants="like",
        pattern="^[a-z0-9_-]+$")] = ""
    nvram: Annotated[str, says("A value of an nvram, or a list of items in one.", "vts_rulelist", wants="like",
        pattern="^[A-Za-z0-9_]+$")] = ""
    switch: Annotated[str, says("The value that makes the list act: 1 or 0.", "vts_enable_x", wants="like",
        pattern="^[A-Za-z0-9_]+$")] = ""
    count: Annotated[str, says("The value that says how many items there are.", "forwardspec_entries", wants="like",
        pattern="^[A-Za-z0-9_]+$")] = ""
    menu: Annotated[str, says("A menu of RouterOS.", "/ip firewall nat", wants="like",
        pattern=r"^(?:/ip(?:v6)?|/interface|/system)(?: [a-z-]+)+$")] = ""
    rest: Annotated[str, says("The path of a collection.", "/api/v8/fw/redir", wants="like", pattern="^/")] = ""
    noun: Annotated[str, says("What the contract's paths call an entry.", "rule")] = ""
    wrap: Annotated[str, says("The member in which a body stands.", "rule")] = ""
    whole: Annotated[bool, says("Whether a change sends back all that was read.", True)] = False
    file: Annotated[str, says("A file of its own for each entry.", "/etc/nftables.d/plexops_{{ key }}.nft")] = ""
    speaks: Annotated[str, says("The language of its content.", "nft")] = ""
    content: Annotated[str, says("Its content.", "table inet plexops_{{ key }}", wants="lines")] = ""
    prove: Annotated[str, says("Tries the new file, `$n`, before anything else.", "nft -c -f $n")] = ""
    load: Annotated[str, says("Makes the new file, `$n`, act before it is kept.", "nft -f $n")] = ""
    gone: Annotated[str, says("Ends what the file does, before it goes.", "nft delete table inet plexops_{{ key }}")] = ""
    anew: Annotated[bool, says("Whether a change ends what the old file does first.", True)] = False
    tree: Annotated[str, says("The place of entries in a configuration tree; its last word is free, and names one.",
        "nat destination rule *number")] = ""
    new: Annotated[str, says("The numbers of ours, of which the first that is free is taken.", "3250-3299", wants="like",
        pattern="^[0-9]{1,6}-[0-9]{1,6}$")] = ""
    taken: Annotated[str, says("The fact that holds all numbers that are in use there.", "x.numbers")] = ""
    needs: Annotated[str, says("The fact that is `yes`, or says why nothing is written.", "x.open")] = ""
    requests: Annotated[RequestLists | None, says("", {"put": _EXAMPLE})] = None
    soap: Annotated[str, says("The service that keeps a table of mappings, by its name in `services`.", "ppp",
        wants="like", pattern="^[a-z][a-z0-9_]*$")] = ""
    add: Annotated[str, says("The action that makes one, and writes over one of the same key.", "AddPortMapping",
        wants="like", pattern="^Add[A-Za-z]+$")] = ""
    delete: Annotated[str, says("The action that takes one away.", "DeletePortMapping",
        wants="like", pattern="^Delete[A-Za-z]+$")] = ""
    by: Annotated[tuple[str, ...], says("The arguments that are its key.", ["NewExternalPort", "NewProtocol"])] = ()
    off_first: Annotated[bool, says("Whether one is switched off before it is taken away: where a device says that it "
        "did, and it stands on.", True)] = False
    ordered: Annotated[bool, says("Whether entries act in their order.", True)] = False
    before: Annotated[str, says("Our field that holds the entry before which ours is made.", "before")] = ""
    apply: Annotated[str, says("Makes what is kept take effect: a command, or the path of a POST.",
        "/etc/init.d/firewall reload")] = ""
    good: Annotated[str, says("A JMESPath expression over what `apply` answers, true where it went well.",
        "status=='ok'")] = ""
    holds: Annotated[str, says("A command that tells whether it was taken over.", "held {{ mac }} {{ address }}")] = ""

    @property
    def collection(self) -> str:
        """The path over HTTP at which entries are kept."""
        return "/rest" + self.menu.replace(" ", "/") if self.menu else self.rest

    @property
    def adopts(self) -> bool:
        """Whether this store can change one field of another's entry: a file of ours holds only ours."""
        return bool(self.uci or self.nvram or self.menu or self.rest or self.tree)
