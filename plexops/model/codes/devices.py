"""Problem codes of transports, drivers and profiles: PLX-D1… reach, D2… trust and login, D3… recordings, D4… profiles."""

from __future__ import annotations

from plexops.model.status import Code, ExitStatus

_REACH: tuple[Code, ...] = (
    Code("PLX-D101", "the name of a device does not resolve", ExitStatus.INCOMPLETE,
        "The name in the inventory could not be turned into an address, so no device was asked. "
        "Names of home devices usually live in the router's own DNS: a computer that uses another resolver "
        "(a VPN, a hosted CI runner) does not see them. Write the address instead of the name, or run plexops "
        "from inside the home network or through a jump host (`via:`)."),
    Code("PLX-D102", "a device refused the connection", ExitStatus.INCOMPLETE,
        "The device answered at once that nothing listens on this port, so it is up and in reach. "
        "The service (SSH, web interface, Plex) is switched off there, listens on another port, or only on another "
        "interface. A firewall that rejects instead of dropping looks the same. Everything that rests on this device "
        "is unknown until it answers."),
    Code("PLX-D103", "a device did not answer in time", ExitStatus.INCOMPLETE,
        "No answer came to the attempt to connect within the time limit. The device is off, has another address now, "
        "or a firewall drops packets to this port. A host whose DHCP lease moved is the usual cause at home: compare "
        "the router's leases with the address in the inventory."),
    Code("PLX-D104", "there is no route to a device", ExitStatus.INCOMPLETE,
        "This computer's own network, or a router on the way, said that the address cannot be reached. "
        "Either this computer is in another network than the device, or no device in the local network has the address "
        "(its ARP requests stayed unanswered), or a firewall rejects with an ICMP message."),
    Code("PLX-D105", "what answered is not the expected service", ExitStatus.INCOMPLETE,
        "A connection was opened, but the other side did not speak the protocol that was expected there (SSH, TLS or "
        "HTTP), or it closed the connection before it said anything. A wrong port is the usual cause. Routers and "
        "fail2ban also close new connections at once after too many failed logins: wait some minutes then."),
    Code("PLX-D106", "the connection broke in the middle", ExitStatus.INCOMPLETE,
        "The device closed the connection while an answer was under way. Nothing that was half read is used: the "
        "facts that rest on it are unknown. A restart of the device or of its service, a change of address, or a "
        "session limit cause this. Reading again is safe."),
    Code("PLX-D107", "a request got no answer in time", ExitStatus.INCOMPLETE,
        "The device accepted the connection but did not answer the request within its time limit, so the "
        "connection was closed. An overloaded device, a command that waits for something, or a service that hangs "
        "cause this. Only reads end this way; a write without an answer has the code PLX-D109."),
    Code("PLX-D108", "the jump host does not connect on to the device", ExitStatus.INCOMPLETE,
        "The login on the jump host (`via:` or ProxyJump) worked, but it would not open a connection from there to "
        "the device. Either its SSH server forbids forwarding (AllowTcpForwarding no, or a key restricted in "
        "authorized_keys), or the device cannot be reached from the jump host at this address and port."),
    Code("PLX-D109", "it is unknown whether a write took effect", ExitStatus.INCOMPLETE,
        "The request left, and then the connection broke or no complete answer came in time. The device may or may "
        "not have carried it out. plexops never repeats a write blindly: it reads the device again over a new "
        "connection and decides by what the device says."),
    Code("PLX-D110", "the device speaks no SSH algorithm that is still considered safe", ExitStatus.INCOMPLETE,
        "SSH could not agree on a key exchange, host key, cipher or MAC: no login was tried, and no user name or "
        "password was sent. Old routers (old dropbear, EdgeOS 1, RouterOS 6) only speak key exchange, host keys or ciphers "
        "that are no longer considered safe. Update the device's firmware if there is newer one. Otherwise write "
        "`legacy_ssh: true` for this device alone: plexops then also agrees to SHA-1 key exchange, to RSA host keys that "
        "sign with SHA-1, to CBC ciphers and to HMAC-MD5, after everything better, and every report of this home says so. "
        "Its host key is judged as before. DSA host keys (ssh-dss) are not among them: make the device an RSA key."),
    Code("PLX-D111", "the device does not run commands over SSH", ExitStatus.INCOMPLETE,
        "The login worked, but the device refused to open a session or to run a command in it. Some firmware only "
        "gives an interactive menu, some accounts are restricted to file transfer or to one fixed command, and some "
        "devices limit the number of sessions."),
    Code("PLX-D112", "~/.ssh/config could not be used", ExitStatus.USAGE,
        "plexops takes HostName, User, Port, IdentityFile, IdentitiesOnly, HostKeyAlias and ProxyJump from "
        "~/.ssh/config where the inventory leaves them out, as ssh does, and follows Include, Host and Match. The "
        "file, or what it says for this host, could not be used. plexops never runs a command out of it: neither a "
        "ProxyCommand nor a Match exec, and where one of them has a say, it stops here before any device is "
        "contacted. Correct the file, say the same in a plain Host that stands before that line (ProxyCommand none, "
        "or ProxyJump), or write the values into the inventory: what stands there wins. "
        "PLEXOPS_SSH_CONFIG names another file, or `none`, as `ssh -F` does."),
    Code("PLX-D113", "no command could be started on this computer", ExitStatus.INCOMPLETE,
        "The device is this computer itself (`connection: local`), whose shell /bin/sh is asked as it would be over SSH. "
        "It could not be started: it is missing, as in a container that holds one program alone, or this computer "
        "is out of memory or processes, or a sandbox forbids to start any. Run plexops on the host itself, or let it "
        "log in over SSH."),
    Code("PLX-D114", "a device speaks https only", ExitStatus.INCOMPLETE,
        "The URL begins with http://, and what listens at its port hangs up on plain requests and takes a TLS handshake, or "
        "says so. Plex does that where secure connections are required, and so does a reverse proxy. Write https:// in "
        "the URL. Plex's own certificate is for a name of plex.direct and not for an address: compare its fingerprint "
        "once and pin it with `plexops trust`."),
    Code("PLX-D115", "a device gave no prompt", ExitStatus.INCOMPLETE,
        "Routers with a configuration tree (VyOS, EdgeOS) are spoken to on a terminal. The login worked, and then no prompt "
        "came that repeats on an empty line: a menu, a question such as for a new password, or a shell that ends at once. "
        "Log in by hand with the same account; it must come to the router's command line without being asked anything."),
    Code("PLX-D116", "a router holds a change that is staged, unconfirmed or not saved", ExitStatus.SAFE_STOP,
        "In configuration mode `compare` or `compare saved` showed a difference before plexops had set anything: an edit "
        "that is staged, a commit-confirm that still waits, or a commit that was not saved. A commit of plexops would "
        "carry it along, and saving would make it last. Commit, confirm and save it, or discard it, and run plexops again."),
)  # fmt: skip

#: Said where it happened, beside what was asked; no run ends by it.
_OUTSIDE: tuple[Code, ...] = (
    Code("PLX-D409", "a service that tries ports gave no answer of use", ExitStatus.INCOMPLETE,
        "A service that the inventory or --check-port names was asked to try the port, and what came back says nothing of "
        "this port: no answer in time, a page where JSON is documented, a refusal because it was asked too often, or a "
        "result for another address or port. echoip tries the address of who asks: where the server leaves the home by a "
        "VPN, that is the VPN's. A service is a witness like a vantage, so its failure stops nothing; what it could have "
        "shown counts as not seen. Ask another one, or take a laptop to a phone's hotspot: plexops probe."),
)  # fmt: skip

_TRUST: tuple[Code, ...] = (
    Code("PLX-D201", "a device presented another key than the pinned one", ExitStatus.INCOMPLETE,
        "The SSH host key or the TLS certificate's key is not the one that was pinned. Nothing was sent: no user "
        "name, no password, no token, no command. This happens after a factory reset, a firmware reinstall or a "
        "renewed certificate, when another device took over the address, and also when someone sits in between. "
        "Compare the offered fingerprint on the device itself, over a cable or its console; if it is the same, pin "
        "it with `plexops trust`. This check cannot be switched off."),
    Code("PLX-D202", "the key of a device is not known yet", ExitStatus.INCOMPLETE,
        "plexops only talks to devices whose key it knows: from its own store (`plexops trust`), from "
        "~/.ssh/known_hosts, or from `host_key:` in the inventory. This device's key is in none of them, so nothing "
        "was sent. Compare the fingerprint on the device itself, then pin it with `plexops trust`."),
    Code("PLX-D203", "a secret is not sent to a key that only the repository vouches for", ExitStatus.INCOMPLETE,
        "The device's key stands in the inventory only. Whoever can change the repository could change address and "
        "key together and so collect the password, the sudo password or the token. So a secret is only sent when "
        "the key is also pinned outside the repository, by `plexops trust` or in ~/.ssh/known_hosts; that of every jump "
        "host on the way too. Login by SSH key needs none of this."),
    Code("PLX-D204", "the login was refused", ExitStatus.INCOMPLETE,
        "The device is the right one, but it accepted none of the logins that were tried. plexops tries at most five "
        "keys and sends a password once, and does not try again in the same run: many routers lock out an address "
        "that fails repeatedly. Check the user name, which keys the device has, and whether it allows passwords. Over HTTP "
        "it logs in twice at most: once more where a login that worked is no longer known."),
    Code("PLX-D205", "a private key is protected by a passphrase", ExitStatus.INCOMPLETE,
        "plexops does not ask for passphrases of key files. Load the key into an agent (`ssh-add FILE`), from where "
        "plexops uses it without ever seeing it. For timers and CI use a key of its own, kept as a secret."),
    Code("PLX-D206", "a private key cannot be read", ExitStatus.USAGE,
        "The file is missing, is not readable, or holds no private key in a format that is understood (OpenSSH or "
        "PEM, of the types Ed25519, ECDSA or RSA). A public key (`.pub`) given by mistake is the usual cause; for "
        "key text in an environment variable it is lost line breaks."),
    Code("PLX-D207", "sudo asks for a password", ExitStatus.INCOMPLETE,
        "The commands need root, and sudo on the device wants a password for this user. Give it with "
        "`-K` (asked once per run), or name it in the inventory as `become: {method: sudo, password: …}`. "
        "Nothing was run as root."),
    Code("PLX-D208", "sudo refused", ExitStatus.INCOMPLETE,
        "sudo on the device did not run the commands: the password is wrong, the user is not in sudoers, a terminal "
        "is demanded (requiretty), or there is no sudo. Its own words are in the message. Log in as root instead, "
        "or let the user use sudo."),
    Code("PLX-D210", "a certificate is not trusted", ExitStatus.INCOMPLETE,
        "The device's TLS certificate could not be verified: it is self-signed, expired, made for another name, or "
        "its authority is unknown here. Nothing was sent. Home devices mostly sign their own: compare the "
        "fingerprint once and pin the key with `plexops trust`; name and date of a pinned certificate do not matter."),
    Code("PLX-D211", "a device presented a revoked key", ExitStatus.INCOMPLETE,
        "~/.ssh/known_hosts marks this host key as @revoked: it must never be trusted again. "
        "Nothing was sent. Make a new host key on the device, pin that one, and leave the mark in place."),
    Code("PLX-D212", "a login would travel unencrypted", ExitStatus.INCOMPLETE,
        "The address begins with http:// and is not in a private network, so the token or password could be read on "
        "the way. Plain HTTP is only used inside the home (10/8, 172.16/12, 192.168/16, loopback, IPv6 unique local) "
        "because Plex's own clients do so there. Use https://, or reach the device through a jump host (`via:`)."),
    Code("PLX-D213", "the store of pinned keys cannot be used", ExitStatus.USAGE,
        "The file in which `plexops trust` keeps pinned keys is damaged, belongs to another user, or may be changed "
        "by others. No device was contacted. Restore it, correct its owner and mode (0600), or remove it and pin the "
        "devices again."),
    Code("PLX-D214", "the device shows another key than the one to be pinned", ExitStatus.INCOMPLETE,
        "`plexops trust DEVICE --fingerprint FP` pins exactly the key that you compared. The device shows a different "
        "one, so nothing was pinned. Compare once more on the device itself: it may have several host keys, or "
        "another device sits between. With `--origin URL`, the inventory says another address than the one to be approved."),
    Code("PLX-D215", "a login is not sent where only the repository says it goes", ExitStatus.INCOMPLETE,
        "Plain http and a public certificate say nothing of whose device answers, and the address stands in the "
        "inventory: whoever can change the repository could have Plex's token or the router's API key sent elsewhere. "
        "Nothing was sent. It needs no step where the server itself answered at this address, by the same jump hosts, "
        "with a key pinned outside the repository. Elsewhere `plexops trust home/plex` shows scheme, host and port and "
        "asks; the answer is kept outside the repository. If you did not change the address, look who did."),
    Code("PLX-D216", "a login did not come about", ExitStatus.INCOMPLETE,
        "Nothing says that user name or password are wrong: it did not come so far, or the device wants what plexops does "
        "not do. It wants a second factor; it offers another login than the expected one; a page, a redirect or an answer "
        "that is far too long came where the interface would answer. Nothing is sent on to where a redirect leads, and no "
        "weaker login is taken because a device offers it. Use an account of the device itself without a second factor, or "
        "a key of its interface, and look whether address and port are those of the interface."),
)  # fmt: skip

_RECORDINGS: tuple[Code, ...] = (
    Code("PLX-D301", "a recording does not hold this request", ExitStatus.INCOMPLETE,
        "With --replay nothing is asked over the network: every answer comes from the recording. This request is not "
        "in it, because it was made with another inventory, playbook, profile or version of plexops. Record anew, or "
        "replay with the files that belong to the recording."),
    Code("PLX-D302", "a folder is not a recording that can be replayed", ExitStatus.USAGE,
        "The folder has no manifest, or one of a version that this plexops does not know, or one of its files is "
        "damaged. No device was contacted. Give the folder that --record wrote."),
    Code("PLX-D303", "a recording cannot be written here", ExitStatus.USAGE,
        "--record needs a new or empty folder, so that the answers of two runs never mix. No device was contacted."),
)  # fmt: skip

_PROFILES: tuple[Code, ...] = (
    Code("PLX-D401", "a profile's read could write", ExitStatus.USAGE,
        "What a profile asks of a device must be on the list of requests that are known to only read: an audit must "
        "not be able to change anything, whoever wrote the profile. Use another command, or cut it into plain reads "
        "without redirections, substitutions and chains."),
    Code("PLX-D402", "a profile reads a text in a way that there is not", ExitStatus.USAGE,
        "`as:` says how an answer is taken apart, `detect:` by what a box is recognised. The message says more."),
    Code("PLX-D403", "a profile names no fact that there is", ExitStatus.USAGE,
        "Conditions and guards know facts by fixed names, such as `wan.address`; a misspelt one would be unknown for "
        "ever. A fact that only the profile itself uses starts with `x.`."),
    Code("PLX-D404", "a profile names no read that there is", ExitStatus.USAGE,
        "`from:` and `ids:` name one of the profile's own `reads:`. The message says which name was not found there."),
    Code("PLX-D405", "a profile holds no valid JMESPath expression", ExitStatus.USAGE,
        "`take:` and `rows:` are JMESPath expressions over the parsed answer. Names with signs in them stand in double "
        "quotes, words in single ones, as in `interface[?interface=='wan'] | [0].\"ipv4-address\"[0].address`."),
    Code("PLX-D406", "a profile maps a field that the kind does not have", ExitStatus.USAGE,
        "The fields of a kind are the same for every router; the message lists them. What only this device has is "
        "named under `limits:` (it narrows an entry down) or `ignores:` (it has no meaning for plexops)."),
    Code("PLX-D407", "a profile's template cannot be quoted safely", ExitStatus.USAGE,
        "The language of the device quotes every value by its type, so a text never stands inside quotes or inside a "
        "word of the profile: a hostile name could break out there. Let the value stand alone, as in "
        "`uci set x.y={{ name }}`, and use only variables that the message names."),
    Code("PLX-D408", "a device cannot be asked on this computer", ExitStatus.USAGE,
        "“connection: local” says that plexops runs on the device itself and asks its shell, without SSH. That takes a "
        "POSIX shell here, so not Windows, and for a router a family that is read by one: RouterOS and OPNsense are not. "
        "No device was contacted. Otherwise plexops reaches the device as from anywhere: take `connection: local` out and "
        "name a login, or run plexops on the device."),
    Code("PLX-D410", "a profile that does not come with plexops is not allowed to send", ExitStatus.SAFE_STOP,
        "A profile says which commands a router gets, those of its own undo included, and one in the repository can be "
        "changed by whoever changes the repository. With one that is not word for word one of those that come with plexops, "
        "audit, diagnose and apply --dry-run work, and say so with its SHA-256. Nothing is sent before you allowed exactly "
        "this text: `--allow-profile DIGEST`. A router that is this computer (`connection: local`) is not even asked, as a "
        "read names files of it. No device was contacted."),
    Code("PLX-D411", "a profile says a login that there is not", ExitStatus.USAGE,
        "`login:` is `basic`, `digest`, `{header: NAME}`, `{session: …}` or a list of these. A session sends nothing but "
        "what is known to begin a login and to end it, and its body holds no placeholder but {{ username }}, "
        "{{ password }}, {{ challenge }} and {{ proof }}."),
)  # fmt: skip

CODES: tuple[Code, ...] = (*_REACH, *_OUTSIDE, *_TRUST, *_RECORDINGS, *_PROFILES)
