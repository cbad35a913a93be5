"""Problem codes of files that a user writes, and the command line. PLX-C…

C0 files and YAML, C1 shapes and words, C2 values of the inventory, C4 variables, C5 playbooks,
C6 profiles and firewalls, C7 output. C3, secrets, stands beside this file.
"""

from __future__ import annotations

from plexops.model.status import Code, ExitStatus

#: The source line of these must not be shown: it may hold a secret, or be another file's.
HIDES_SOURCE: frozenset[str] = frozenset({"PLX-C206", "PLX-C207", "PLX-C208", "PLX-C307"})


def _usage(code: str, title: str, explanation: str) -> Code:
    return Code(code, title, ExitStatus.USAGE, explanation)


def _note(code: str, title: str, explanation: str) -> Code:
    return Code(code, title, ExitStatus.IN_ORDER, explanation)


_FILES: tuple[Code, ...] = (
    _usage("PLX-C001", "A file cannot be read", """\
The file that was named, or that plexops looks for by itself, is not there or may not be read. Without arguments plexops
reads inventory.yaml and all playbooks/*.yaml of the folder in which it is started. No device was contacted.

  plexops audit -i homes/inventory.yaml homes/playbooks/plex-remote-access.yaml"""),
    _usage("PLX-C002", "A file is too large or too deep", """\
A file may have 4 MB, 200,000 values and 40 levels. An inventory of a thousand homes stays far below that, so a file that
does not is broken, or was made to keep a reader busy. Split a large inventory by customer and run plexops once for each.

  plexops audit -i north.yaml && plexops audit -i south.yaml"""),
    _usage("PLX-C003", "A file holds characters that cannot be read or seen", """\
plexops reads UTF-8 without a byte order mark. Control characters, zero-width characters and those that turn the reading
direction are refused everywhere: they can make a setting look different from what it says. They mostly come from web
pages and word processors. Type the line anew, or save the file as “UTF-8” in your editor.

  iconv -f UTF-16 -t UTF-8 inventory.yaml > fixed.yaml"""),
    _usage("PLX-C004", "A file is not YAML", """\
The parser could not make sense of the line that is named; the cause is often on the line before it. Indent with spaces,
write a space after each colon, close each quote and bracket, and quote a text that starts with {, [, *, & or that holds
a colon followed by a space.

  external_port: "{{ external_port }}"      # quotes, because the value starts with {{"""),
    _usage("PLX-C005", "Aliases and anchors are not read", """\
YAML can name a value (&name) and repeat it (*name). A few lines of that can grow to gigabytes, and a reader of a change
does not see what a line now means. plexops refuses both. Write the value out, or give it once for many sites.

  defaults:
    router: {profile: openwrt, username: root}"""),
    _usage("PLX-C006", "Tags are not read", """\
A YAML tag (!!int, !vault, !!python/object …) tells a program to make something special of a value, in the worst case to
run code. plexops reads texts, numbers, true, false, lists and tables, and nothing else. To make a text of a number, use
quotes. For a secret, use a reference.

  password: {file: ~/.config/plexops/router}      # in place of !vault"""),
    _usage("PLX-C007", "A key is here twice", """\
One table holds the same key two times. Most programs take the last one and say nothing, so a line that someone reads
and believes has no effect. Both places are named; keep the one that you mean.

  server: {address: 192.168.1.50, address: 192.168.1.60}      # which one?"""),
    _usage("PLX-C008", "More than one document in a file", """\
A line “---” in the middle of a file starts a second document. plexops reads one document per file. A playbook may hold
many plays: they are items of one list, and need no “---” between them.

  - name: First play
    …
  - name: Second play"""),
    _usage("PLX-C009", "A file is empty", """\
The file holds nothing, or only comments. An empty playbook would assert nothing and always pass, so it is an error. A
small inventory looks like this; inventory.example.yaml shows everything.

  sites:
    home:
      router: {profile: openwrt, address: 192.168.1.1, username: root}
      server: {address: 192.168.1.50, mac: 52:54:00:12:34:56, username: media}
      plex: {url: "http://192.168.1.50:32400", token: {from: server}}"""),
    _usage("PLX-C010", "A key is not a word", """\
Keys of tables are plain words. Lists or tables as keys, empty keys, and merge keys (<<) are refused. What many sites
share goes under “defaults:” or into the variables of a group.

  defaults: {router: {profile: openwrt}}      # in place of “<<: *router”"""),
    _usage("PLX-C099", "There are more problems", """\
plexops shows the first twenty problems of a run and counts the rest. Many of them may come from one cause, such as one
wrong indentation. Mend the ones that are shown and run it again.

  plexops check"""),
)  # fmt: skip

_SHAPES: tuple[Code, ...] = (
    _usage("PLX-C101", "An unknown key", """\
The key is not one that plexops knows at this place. A misspelt key would silently have no effect, so it is an error.
Where a known key looks similar, it is named. “plexops schema inventory” and “plexops schema playbook” list all keys, and
editors that understand JSON Schema complete them.

  port_forward: {externl_port: 32500}      # external_port"""),
    _usage("PLX-C102", "A key is missing", """\
Something that plexops cannot guess is not said. The place that is named is the table in which it belongs. What the site
knows already need not be repeated in tasks: addresses, MAC addresses and Plex's port come from the inventory.

  port_forward: {external_port: 32500}      # external_port has no default: you choose it"""),
    _usage("PLX-C103", "A value has the wrong type", """\
A table, list, text, number or true/false stands where something else is wanted. Only true and false are true and false:
yes, no, on and off are words. Only plain decimal digits are a number, and quotes make a text of them.

  enabled: true             # not yes, not "true"
  external_port: 32500      # not "32500" """.rstrip()),
    _usage("PLX-C104", "A value is not possible here", """\
The value has the right type and is still none that can be meant: a port beyond 65535, or a word that is not in the list.
The message names what is possible. Ports go from 1 to 65535; external ports should be 1024 or higher, and a guard
refuses 32400 itself later, because the whole internet looks there for Plex servers.

  access: forward      # or relay, vpn, proxy"""),
    _usage("PLX-C105", "A word of another tool", """\
plexops looks like Ansible and is not Ansible. Where a familiar word means nothing here, the message names ours.
Conditions, loops, handlers and roles are missing on purpose: a task says what shall be true, and where it does not apply
the report says so.

  - name: Plex from outside
    sites: all          # not hosts:
    tasks: […]"""),
    _usage("PLX-C106", "A file in a repository may not say this", """\
Inventories and playbooks live in repositories, where a change can come from another person. So they cannot name commands
to run, web addresses that runs are reported to, folders for plexops's own state, or whom to trust: whoever could change the
file could then run programs on your machine or collect your passwords. Such things are said on the command line.

  password: {env: PLEXOPS_ROUTER_PASSWORD}      # in place of password_command: …"""),
    _usage("PLX-C107", "A template stands where none is read", """\
{{ … }} is read in the fields of tasks and in variables. Elsewhere values are written out: a reviewer shall see at a
glance which address a password goes to. What many sites share goes under “defaults:”.

  defaults:
    router: {username: root}"""),
    _usage("PLX-C108", "A name is not possible", """\
Names of sites, groups, tags and variables are short and plain, because they become names of folders, options and parts
of reports. A task's key goes into our tag on the device and may only have a small letter first, then small letters,
digits and underscores, at most 20 in all.

  port_forward: {key: plex_second, external_port: 32501}"""),
)  # fmt: skip

_VALUES: tuple[Code, ...] = (
    _usage("PLX-C201", "There is no site, or a site without devices", """\
An inventory describes at least one home, and a home at least one device: its router, the server that Plex runs on, or
Plex itself. Otherwise there is nothing to ask, and a report would be green without having looked.

  sites:
    home:
      router: {profile: openwrt, address: 192.168.1.1, username: root}"""),
    _usage("PLX-C202", "Not a MAC address of one host", """\
A MAC address is six pairs of hexadecimal digits. The second digit of a single host's address is even: odd ones belong to
groups. All zeros and all Fs belong to no device. plexops never reads a MAC address as a number, so it needs no quotes.

  server: {mac: 52:54:00:12:34:56}"""),
    _usage("PLX-C203", "Not an address that a host can have", """\
The server's address is one IPv4 address without a mask or port. Addresses that start with 0, 169.254 or 224 and above
cannot belong to a host that a router forwards to; 169.254 means that DHCP has failed on that host. Routers and jump
hosts may also have names or IPv6 addresses.

  server: {address: 192.168.1.50}      # not 192.168.1.50/24"""),
    _usage("PLX-C204", "Not a usable web address", """\
Web addresses start with http:// or https://. Plex's has its port written out and nothing after it: without one a browser
would take port 80, and Plex mostly listens on 32400. Logins and tokens never stand in a web address.

  plex: {url: "http://192.168.1.50:32400"}"""),
    _usage("PLX-C205", "A number in another spelling", """\
Programs disagree on what 0x7e90, 077220, 32_400, +32400, 9:00:00 or 3.24e+4 mean; three of these are 32400 in some YAML
readers. A spelling that only some understand could carry a port past a reviewer, so plexops reads plain decimal digits and
nothing else. A range or a list is refused as well: plexops forwards one port.

  external_port: 32500"""),
    _usage("PLX-C206", "A secret stands in a file in clear", """\
Inventories are shared, copied and kept in git for ever. So a password, key or token is never written there; a reference
says where it is. plexops does not repeat the text in its message, and you should treat the secret as known: change it.

  password: {ask: true}                       # asked for once per run
  password: {env: PLEXOPS_ROUTER_PASSWORD}            # from the environment, for CI
  password: {file: ~/.config/plexops/router}  # a file that only you may read"""),
    _usage("PLX-C207", "A claim token in place of an access token", """\
Plex knows two things called token. A claim token starts with “claim-”, comes from plex.tv/claim, lives about four minutes
and only joins a new server to an account. What plexops needs is the server's access token (X-Plex-Token), which the server
keeps in its Preferences. plexops can read it there itself when it can log in on the server.

  plex: {url: "http://192.168.1.50:32400", token: {from: server}}"""),
    _usage("PLX-C208", "Not a reference to a secret", """\
A reference names exactly one source: {env: NAME}, {file: PATH} or {ask: true}; for Plex's token also {from: server}. The
name of an environment variable has letters, digits and underscores: it is the name that is wanted, not the secret itself.

  password: {env: PLEXOPS_ROUTER_PASSWORD}"""),
    _usage("PLX-C209", "A group that no site is in", """\
Variables were given to a group, and no site names that group. Mostly one of the two is misspelt, and the variables would
silently reach no site. Groups are named by the sites that are in them.

  sites:
    home: {groups: [family]}
  groups:
    family: {vars: {external_port: 32500}}"""),
    _usage("PLX-C210", "Not a host key or pin", """\
A host key is the kind and the base64 text of the public key, as in known_hosts; a fingerprint (SHA256:…) is too little
here. A pin is sha256// and the base64 of the SHA-256 of the certificate's public key, as curl --pinnedpubkey takes it.
“plexops trust DEVICE” shows both.

  host_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI…"""),
    _usage("PLX-C211", "Two values do not fit together", """\
Each value alone is fine, and together they cannot be meant: two private keys for one login, a site that bears a group's
name, or a login for a router that a person looks after by hand (profile: manual). Keep the one that you mean.

  router: {profile: manual}      # no login: plexops prints the steps and checks their effect"""),
    _note("PLX-C290", "The server's address is not private", """\
A note, not an error. Behind a home router hosts have addresses in 192.168.0.0/16, 10.0.0.0/8 or 172.16.0.0/12. Another
one means that the host is not behind NAT, that a provider's range is used inside, or that the public address was written
by mistake: a forward points to the address inside.

  server: {address: 192.168.1.50}"""),
    _note("PLX-C291", "The server's MAC address is a made-up one", """\
A note, not an error. The second digit of this address (2, 6, A or E) says that software made it up. Phones and laptops do
that per Wi-Fi network (“private Wi-Fi address”, “random hardware addresses”) and may change it, and so may containers:
the reservation would then no longer fit. Addresses of virtual machines that start with 52:54:00 are not noted.

  ip link      # shows the address of the network card"""),
)  # fmt: skip

_VARIABLES: tuple[Code, ...] = (
    _usage("PLX-C401", "A template that is not read", """\
Inside {{ }} stand names, attributes, texts, whole numbers and the filters int, string, lower, upper, default and replace.
There is no arithmetic, no call, no comparison, no {% %} and no {# #}: a template can neither cost time nor reach anything
but variables, whoever wrote it.

  external_port: "{{ external_port | default(32500) }}" """.rstrip()),
    _usage("PLX-C402", "A variable is not defined", """\
No variable has this name for this site. Variables come, each stronger than the one before, from “defaults: vars:”, from
the “vars:” of the site's groups, of the site, of the play, and from -e. The site itself answers site, plex.address,
plex.port, server.address, server.mac and router.address.

  sites:
    home:
      vars: {external_port: 32500}"""),
    _usage("PLX-C403", "Variables name each other in a circle", """\
The value of a variable leads back to itself, so it has none. The message shows the circle. A variable of a site that bears
the name of one in “defaults:” replaces it and cannot build on it: call it otherwise.

  vars: {outer: "{{ inner }}", inner: "{{ outer }}"}      # neither has a value"""),
    _usage("PLX-C404", "A template's result is not usable", """\
The template was read, and its result cannot stand here: a table inside a text, a filter int on something that is no
number, or more than 4,096 characters. A value that consists of one {{ name }} keeps the variable's type; with anything
beside it, it becomes a text.

  external_port: "{{ external_port }}"      # a number stays a number"""),
    _usage("PLX-C405", "An -e that sets no variable", """\
-e takes name=value, @file.yaml, or a table in JSON or YAML, and may be given many times; later ones win. Values are read
as in YAML: digits are a number, true and false are themselves, all else is text.

  plexops audit -e external_port=32500 -e @vars.yaml -e '{"external_port": 32500}'"""),
    _usage("PLX-C406", "A variable cannot have this name", """\
Names that the site itself answers (site, plex, server, router) and words that mean something inside {{ }} cannot be given
to variables. Names that look like secrets are refused because variables appear in plans, reports and evidence: a secret
is given at the device that needs it, as a reference.

  router: {password: {env: PLEXOPS_ROUTER_PASSWORD}}"""),
)  # fmt: skip

_PLAYBOOKS: tuple[Code, ...] = (
    _usage("PLX-C501", "Nothing is asserted", """\
A playbook without plays, a play without tasks, or an empty list of sites would always pass. A check that cannot fail is
worse than none, so it is an error.

  tasks:
    - port_forward: {external_port: 32500}"""),
    _usage("PLX-C502", "A task does not name one kind", """\
A task names exactly one thing that shall be true. Resources, which plexops can make so: dhcp_reservation, firewall_rule,
port_forward, plex_remote_access, upnp. Conditions, which must hold and which plexops cannot make so: wan, dmz,
host_firewall, reachability.

  - name: The router forwards our port
    port_forward: {external_port: 32500}"""),
    _usage("PLX-C503", "A name matches no site", """\
“sites:” and --limit take names of sites and groups, globs (* and ?), all, and each of these after ! to take sites out. A
name that matches nothing is mostly misspelt, and the play would silently be about no site.

  sites: [family, "!cabin"]"""),
    _usage("PLX-C504", "Two tasks want one resource differently", """\
Two tasks of a site have the same kind and the same key, so they are about one entry on the device, and they disagree. The
second would undo the first in every run. Both places are named. For two entries of one kind give each a key.

  - port_forward: {external_port: 32500}
  - port_forward: {key: second, external_port: 32501, port: 32401}"""),
    _usage("PLX-C505", "Two tasks want the same port or address", """\
Two tasks with different keys want the same external port, MAC address or host port. A device can hold it only once: the
one that comes later would fail, or take it from the other.

  - port_forward: {key: first, external_port: 32500}
  - port_forward: {key: second, external_port: 32500}      # taken"""),
    _usage("PLX-C506", "A task cannot be adopted", """\
“adopt: true” lets plexops change another's entry that is the same thing with other values, such as a forward of our port
to an old address. Conditions and switches (wan, dmz, upnp, plex_remote_access …) are no entries: there is nothing
to adopt.

  - port_forward: {external_port: 32500}
    adopt: true"""),
    _usage("PLX-C507", "The inventory does not say what a task needs", """\
Fields that a site knows need not stand in tasks: they come from the inventory. Here a task relies on one that the inventory
does not have for this site. A dhcp_reservation needs the server's MAC address, a port_forward needs to know where Plex is.

  server: {address: 192.168.1.50, mac: 52:54:00:12:34:56}"""),
    _usage("PLX-C509", "Tags choose nothing", """\
-t and --skip-tags choose tasks by the words under “tags:” of tasks and plays. A tag that no task has is mostly misspelt; and
if no task is left, the run would assert nothing.

  plexops apply --dry-run -t router"""),
    _usage("PLX-C510", "There is no playbook", """\
Without arguments plexops reads all playbooks/*.yaml of the folder in which it is started, not those in folders below. Go to
the folder of your inventory, or name the playbook. “plexops demo” shows a run without any files of your own.

  plexops audit playbooks/plex-remote-access.yaml"""),
    _usage("PLX-C511", "A guard would refuse this", """\
Some safety rules can be judged without any device: 32400 is never opened to the internet, the external port is one from
1024 to 65535 that no well-known service uses, a forward goes to Plex and takes TCP alone, and the host's firewall admits
nothing but Plex. Where the inventory has “port_share:”, the external port is one of these. “plexops apply” would refuse
this with exit status 3, with any flag; “plexops check” says so before.

  port_forward: {external_port: 32500}"""),
    _usage("PLX-C512", "A text is too long for this router", """\
Routers keep names in places of a fixed size, and some of them load none of their rules where one does not fit: the firewall
would be down. The router's profile says how many bytes of UTF-8 there are. ASCII takes one for a letter, é two, 家 three.

  port_forward: {external_port: 32500, name: "plexops: Plex"}"""),
)  # fmt: skip

_PROFILES: tuple[Code, ...] = (
    _usage("PLX-C601", "There is no such profile", """\
A profile teaches plexops one router family. “plexops profiles list” shows those that come with it. A profile of your own
is a file that ends in .yaml, named by its path from the inventory's folder. For every other box there is “manual”: a
person takes the steps that plexops prints, and plexops verifies their effect.

  router: {profile: manual}"""),
    _usage("PLX-C602", "A profile does not know this param", """\
Params tell a profile what differs between two routers of one family, such as the name of the WAN interface. Each profile
declares its own; a misspelt one would leave the default in force, and a fact about the wrong interface is worse than none.
One without a default has to be said: without it the router cannot be asked at all.

  router: {profile: openwrt, address: 192.168.1.1, params: {wan: wan6}}"""),
    _usage("PLX-C603", "Not a firewall that plexops looks after", """\
The server's “firewall:” names one that plexops does not know. On Linux it reads what nftables and iptables hold, whichever
program put it there (Docker, yourself), and changes one rule of ufw or firewalld; for rules of your own it says the steps.
Of Windows, macOS or a NAS it says the steps (docs/hosts.md). Without a login it still checks the router and Plex.

  server: {address: 192.168.1.50, username: media, firewall: auto}
  server: {address: 192.168.1.50, mac: 52:54:00:12:34:56}      # no login: the firewall is not asked"""),
    _usage("PLX-C604", "A profile uses what there is not", """\
“uses:” names pieces that families share, and “words:” vocabularies: our word for each of the device's. Those that come with
plexops are in router_profiles/pieces; a piece of your own is a file beside your profile, in its folder “pieces”.

  uses: [netfilter, {dnsmasq-leases: {file: /tmp/dhcp.leases}}]
  facts: {wan.up: {take: network.up, words: up_down}}"""),
    _usage("PLX-C605", "Samples of a profile are not understood", """\
Samples are states of a device, each with what it answers and what plexops shall understand of it: “plexops profiles prove”
holds a profile against them. Those of your own profile are beside it, in NAME.samples.yaml.

  profile: mine
  states:
    household:
      source: my router, firmware 3.2, read on a Sunday
      answers: {release: "NAME='Mine'", nvram.lan_ipaddr: 192.168.1.1}
      facts: {lan.address: 192.168.1.1}
      kinds: {port_forward: [{external_port: "32500", address: 192.168.1.50, port: "32400"}], upnp: unknown}"""),
    _usage("PLX-C606", "A state was not recorded", """\
“plexops profiles record” asks a router what its profile reads, masks it, and adds it to the samples as a state. It replaces
none that is there unless --replace is given, and writes nothing where the masked answers mean other things, or hold a name.

  plexops profiles record ./mine.yaml home/router --state household"""),
    _usage("PLX-C607", "No new profile was written", """\
“plexops profiles new” writes NAME.yaml and NAME.samples.yaml, and “migrate” what --output names. Neither writes over a file.

  plexops profiles new mine --speaks shell"""),
)  # fmt: skip

_OUTPUT: tuple[Code, ...] = (
    _usage("PLX-C701", "There is no such report format", """\
--format takes NAME or NAME:FILE and may be given many times. The message names the formats that there are. A format never
changes what is checked, nor the exit status.

  plexops audit --format text --format html:report.html"""),
    _usage("PLX-C702", "Two formats want to be printed", """\
Only one format can go to standard output, else neither could be read by a program. Give the others a file each, after a
colon. Progress and errors go to standard error and stay out of the way.

  plexops audit --format json --format junit:results.xml"""),
    _usage("PLX-C703", "An output file cannot be written", """\
The folder of the file is not there, or you may not write in it. What the run found is not lost: its evidence is kept, and a
report of any format can be made of it later, without asking a device again.

  plexops report RUN --format html:$HOME/report.html"""),
)  # fmt: skip

CODES: tuple[Code, ...] = (
    *_FILES, *_SHAPES, *_VALUES, *_VARIABLES, *_PLAYBOOKS, *_PROFILES, *_OUTPUT,
)  # fmt: skip
