"""The JSON Schema of a router profile, and the check that a profile passes before the model is made of it.

What the texts in it may say (commands, paths, templates) is judged when the profile is compiled.
"""

from __future__ import annotations

from plexops.config.nodes import Node
from plexops.config.problems import Problems
from plexops.config.schemas import DRAFT, WANTS, Schema, leaf, listing, table
from plexops.config.validate import SchemaCheck
from plexops.model.exchange import WindowKind
from plexops.model.profile import CONFIGURED_NAMES, IN_FORCE_NAMES, PLUMBING_NAMES, Speaks
from plexops.model.resources import KINDS
from plexops.model.snapshot import Kind

_CALL = r"^(?:GET|POST|PUT|PATCH|DELETE) /"
_WORD = {
    "description": "One of the device's words.",
    "examples": ["tcp"],
    "type": ["string", "integer"],
    WANTS: "text",
}


def check_profile(document: Node) -> None:
    """Raise PlexopsError with all that is wrong with a profile's shape."""
    problems = Problems()
    SchemaCheck(profile_schema(), {}).problems(document, problems)
    problems.raise_if_any()


def profile_schema() -> Schema:
    """Give the schema of a router profile."""
    kinds = {str(kind): {"$ref": "#/definitions/kind"} for kind in _mapped_kinds()}
    steps = listing(
        "What a person does by hand, line by line.",
        ["Forward TCP, external port {external_port}, to {address}."],
        leaf("One step. {fields} of the kind are filled in.", "Forward TCP, port {external_port}."),
    )
    by_hand = {str(kind): {"$ref": "#/definitions/steps"} for kind in KINDS}
    properties: Schema = {
        "profile": leaf(
            "The family's short name, the same as the file's.",
            "openwrt",
            pattern="^[a-z0-9][a-z0-9_-]{0,39}$",
        ),
        "title": leaf("Family and versions, for people.", "OpenWrt 21.02 and later"),
        "speaks": leaf(
            "The language of the device: quoting and framing.", "posix", enum=[str(s) for s in Speaks]
        ),
        "login": leaf("How HTTP logins go.", "basic"),
        "functions": leaf(
            "Functions of the shell, on one line, that stand before every write and the way back.",
            "lives() { pidof $1 >/dev/null; };",
        ),
        "params": _named(
            "What differs between two routers of the family.",
            {"wan": {"default": "wan", "means": "WAN zone"}},
            table(
                "One param.",
                {"default": "wan", "means": "WAN zone"},
                {
                    "default": leaf("What holds by default.", "wan", type=["string", "integer"]),
                    "means": leaf("What it is, for people.", "The zone of the internet side"),
                },
                "default",
                "means",
            ),
        ),
        "errors": listing(
            "Texts in an answer that mean failure.", ["syntax error"], leaf("One text.", "syntax error")
        ),
        "reads": _named(
            "The questions, by id.", {"firewall": {"run": "uci show firewall", "parse": "uci"}}, _read()
        ),
        "facts": _named(
            "Where each fact is.", {"firmware": {"from": "release", "take": "DISTRIB_DESCRIPTION"}}, _fact()
        ),
        "resources": table("How the device keeps each kind.", {}, kinds),
        "packets": _packets(),
        "window": _window(),
        "steps": table("What a person does by hand, by kind.", {"upnp": ["Switch UPnP off."]}, by_hand),
        "verified": listing(
            "On what it was seen to work.",
            [{"firmware": "23.05", "on": "a Belkin RT3200", "how": "real"}],
            table(
                "One proof.",
                {"firmware": "23.05", "on": "a Belkin RT3200", "how": "real"},
                {
                    "firmware": leaf("Which version.", "23.05"),
                    "on": leaf("On what.", "a Belkin RT3200"),
                    "how": leaf("How: lab dialect, captures, real.", "real"),
                },
                "firmware",
                "on",
                "how",
            ),
        ),
    }
    example = {"profile": "manual", "title": "Any other router", "speaks": "nothing"}
    return {
        "$schema": DRAFT,
        "title": "plexops router profile",
        **table("One router family, as data.", example, properties, "profile", "title", "speaks", "verified"),
        "definitions": {"kind": _kind(), "backend": _backend(), "request": _request(), "steps": steps},
    }


def _mapped_kinds() -> tuple[Kind, ...]:
    read_only = (Kind.LEASE, Kind.NEIGHBOUR, Kind.UPNP_MAPPING)
    return (*(kind for kind, resource in KINDS.items() if not resource.is_condition), *read_only)


def _named(description: str, example: object, item: Schema) -> Schema:
    return {
        "description": description,
        "examples": [example],
        "type": "object",
        WANTS: "table",
        "additionalProperties": item,
    }


def _anything(description: str, example: object) -> Schema:
    return {"description": description, "examples": [example], WANTS: "body"}


def _words_by_word(description: str, example: object) -> Schema:
    words = listing("The device's words.", ["tcp"], _WORD)
    return _named(description, example, words)


def _read() -> Schema:
    return table(
        "One question that cannot change anything: `run` a command, or `call` a method and path.",
        {"run": "uci show firewall", "parse": "uci"},
        {
            "run": leaf("A command line.", "uci show firewall"),
            "call": leaf("An HTTP method and path.", "GET /api/core/firmware/info", pattern=_CALL),
            "body": _anything("What the request sends, as JSON.", {"current": 1}),
            "parse": leaf("The parser of the answer.", "uci"),
            "absent": listing(
                "Statuses that mean: the device has no such thing.", [1], leaf("One.", 1, wants="number")
            ),
            "whole": leaf(
                "A JMESPath expression that is true of a whole answer alone.", "length(rows) >= total"
            ),
        },
        "parse",
        oneOf=[{"required": ["run"]}, {"required": ["call"]}],
    )


def _fact() -> Schema:
    return table(
        "One fact: a JMESPath expression over a read, or over several, each under its own name.",
        {"from": "release", "take": "DISTRIB_DESCRIPTION"},
        {
            "from": leaf("The read's id.", "release"),
            "with": listing("Further reads that it takes.", ["processes"], leaf("One.", "processes")),
            "take": leaf("A JMESPath expression.", "DISTRIB_DESCRIPTION"),
            "values": _words_by_word("Our words by the device's.", {"true": ["yes"]}),
            "default": leaf("What an answer without the value means.", "absent"),
            "part": leaf("Which end of a range is meant.", "first", enum=["first", "last"]),
        },
        "from",
        "take",
    )


def _field() -> Schema:
    return table(
        "How one field stands in the device's own words.",
        {"is": "src_dport"},
        {
            "is": leaf("The device's field.", "src_dport"),
            "else": leaf("The field that holds where that one is missing.", "src_dport"),
            "default": leaf("The word that counts where both are missing.", "tcp udp"),
            "values": _words_by_word(
                "Our words by the device's; the first is written.", {"tcp": ["tcp", "6"]}
            ),
            "contains": leaf("A flag: whether a list of words holds this one.", "dnat"),
            "otherwise": leaf("Our word for all that `values` leaves out.", "other"),
            "room": table(
                "How much text fits, where the device takes less than a task may say.",
                {"bytes": 128, "because": "nft refuses longer comments"},
                {
                    "bytes": leaf("Bytes of UTF-8.", 128, wants="number", minimum=1),
                    "because": leaf("What a longer one would do there.", "nft refuses longer comments"),
                },
                "bytes",
                "because",
            ),
        },
        "is",
    )


def _backend() -> Schema:
    properties = _mapping()
    properties["active"] = _named(
        "The facts by which this one is the active one.", {"x.kea": "running"}, _WORD
    )
    return table("One of several ways to keep a kind.", {"from": "kea"}, properties, "from", "active")


def _kind() -> Schema:
    backends = _named(
        "Several ways to keep it, of which exactly one is active.", {}, {"$ref": "#/definitions/backend"}
    )
    properties = {**_mapping(), "backends": backends}
    choice = [{"required": ["from"]}, {"required": ["backends"]}]
    return table("How the device keeps one kind.", {"from": "firewall"}, properties, oneOf=choice)


def _mapping() -> Schema:
    requests = {"$ref": "#/definitions/request"}
    field = leaf("One field of the device.", "src_mac")
    owner = {
        "field": leaf("The device's field that bears our tag.", "comment"),
        "like": leaf("What our tag looks like.", "plexops:{key}", pattern=r"\{key\}"),
    }
    writes = {
        name: listing(description, [{"run": "uci commit firewall"}], requests)
        for name, description in (
            ("put", "Makes it or changes it, the same way."),
            ("create", "Makes it."),
            ("update", "Changes ours."),
            ("delete", "Removes ours."),
            ("adopt", "Changes one field of an entry that another made."),
            ("adopt_unset", "Takes one field out of an entry that another made."),
            ("apply", "Makes what is saved take effect, after each of these."),
            ("again", "Makes a deleted one again, where it stood: {{ place }}, or before {{ next }}."),
        )
    }
    return {
        "from": leaf("The read that holds the rows.", "firewall"),
        "rows": leaf("A JMESPath expression that picks them.", "rules[?verdict=='dnat']"),
        "where": _words_by_word("Rows count only with these words.", {"target": ["DNAT", ""]}),
        "unless": _words_by_word("Rows with these words do not count.", {"family": ["ipv6"]}),
        "ids": leaf("A read that lists the handles in the same order.", "nat_ids"),
        "handle": leaf("The field by which the device names an entry now.", ".name"),
        "label": leaf("The field that people know an entry by.", "name"),
        "owner": table(
            "How ours are recognized.", {"field": "comment", "like": "plexops:{key}"}, owner, "field", "like"
        ),
        "fields": _named("Our fields in the device's words.", {"port": {"is": "dest_port"}}, _field()),
        "limits": listing("Fields that narrow an entry down.", ["src_mac"], field),
        "ignores": listing(
            "Fields without meaning for us; any other makes a row not understood.", ["log"], field
        ),
        "serves": _serves(),
        "in_force": _in_force(),
        "order": leaf("The field whose word is an entry's place among the others.", "sequence"),
        **writes,
    }


def _serves() -> Schema:
    facts = {
        "fact": leaf("The fact that is `yes`, or says why it does not.", "x.serves"),
        "ranges": leaf("The fact in which the addresses stand that it is for.", "x.ranges"),
    }
    return table("What must serve the home network for entries to act.", {"fact": "x.serves"}, facts, "fact")


def _in_force() -> Schema:
    told = {
        "read": leaf("The read's id.", "pf"),
        "as": leaf("Whose list it is.", "pf", enum=list(IN_FORCE_NAMES)),
    }
    example = {"read": "pf", "as": "pf"}
    return table("What tells what the device acts by, beside what it has saved.", example, told, "read", "as")


def _request() -> Schema:
    file = {
        "path": leaf("The file's path.", "/etc/nftables.d/plexops_{{ key }}.nft"),
        "speaks": leaf("The language of its content.", "nft"),
        "content": leaf("Its content.", "table inet plexops_{{ key }}", wants="lines"),
    }
    example = {"path": "/etc/dnsmasq.d/x.conf", "speaks": "dnsmasq", "content": "dhcp-host={{ mac }}"}
    expect = {
        "status": listing("Statuses that mean success.", [200], leaf("One.", 200, wants="number")),
        "silent": leaf("Nothing may be printed.", True, wants="flag"),
        "take": leaf("A JMESPath expression over the answer.", "result"),
        "equals": leaf("The text that it must give.", "saved"),
    }
    return table(
        "One write: `run` a command, `send` a request, or put a `file` in place.",
        {"run": "uci commit firewall"},
        {
            "run": leaf("A command line.", "uci commit firewall"),
            "send": leaf("An HTTP method and path.", "POST /api/firewall/d_nat/apply", pattern=_CALL),
            "body": _anything("What the request sends, as JSON; texts may hold {{ fields }}.", {"rule": {}}),
            "file": table("A file with all of its content.", example, file, "path", "speaks", "content"),
            "expect": table("What success looks like.", {"status": [200]}, expect),
        },
        oneOf=[{"required": [name]} for name in ("run", "send", "file")],
    )


def _packets() -> Schema:
    chains = listing(
        "Chains, of which the first that is there counts.", ["inet fw4 dstnat_wan"], leaf("One.", "forward")
    )
    return table(
        "What decides about packets: the reads that bear the names of the plumbing's parts tell it.",
        {"plumbing": "netfilter", "internet_side": "wan.interface"},
        {
            "plumbing": leaf("In which order a packet meets what.", "netfilter", enum=list(PLUMBING_NAMES)),
            "internet_side": leaf("Its interface, or the fact that names it.", "wan.interface"),
            "inserts": _named(
                "Where rules of plexops stand.", {"port_forward": ["inet fw4 dstnat_wan"]}, chains
            ),
            "configured": table(
                "What the device's configuration asks for, where not all of that need be in force.",
                {"read": "firewall", "as": "uci"},
                {
                    "read": leaf("The read's id.", "firewall"),
                    "as": leaf("Whose configuration it is.", "uci", enum=list(CONFIGURED_NAMES)),
                },
                "read",
                "as",
            ),
        },
        "plumbing",
        "internet_side",
    )


def _window() -> Schema:
    requests = listing("Writes, in order.", [{"run": "…"}], {"$ref": "#/definitions/request"}, minItems=1)
    kinds = [str(kind) for kind in WindowKind if kind is not WindowKind.NONE]
    return table(
        "The device's own undo.",
        {"kind": "timer", "directory": "/run"},
        {
            "kind": leaf("Who fires it.", "timer", enum=kinds),
            "directory": leaf(
                "Where a shell's timer keeps its state: a directory that a restart empties.",
                "/run",
                pattern="^(?:/[A-Za-z0-9_-]+)+$",
            ),
            "open": {**requests, "description": "Arms it."},
            "confirm": {**requests, "description": "Takes it away."},
            "armed": leaf(
                "A read that tells whether it still stands, and is ours.",
                ":put [/system scheduler find where name=plexops_{{ name }} interval={{ seconds }}s]",
            ),
            "last": leaf(
                "What the undo does last.", "/system scheduler remove [find where name=plexops_{{ name }}]"
            ),
        },
        "kind",
        oneOf=[{"required": ["directory"]}, {"required": ["open", "confirm", "armed"]}],
    )
