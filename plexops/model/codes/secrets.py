"""Problem codes of secrets: where they are taken from, and what an inventory may name. PLX-C3…"""

from __future__ import annotations

from plexops.model.status import Code, ExitStatus


def _usage(code: str, title: str, explanation: str) -> Code:
    return Code(code, title, ExitStatus.USAGE, explanation)


CODES: tuple[Code, ...] = (
    _usage("PLX-C301", "An environment variable is not set", """\
The inventory takes a secret from the environment, and the variable is not there. In CI, check that the secret is passed
on to this step; jobs for pull requests from forks get none, on purpose. “plexops check” needs no secrets.

  read -rs PLEXOPS_ROUTER_PASSWORD; export PLEXOPS_ROUTER_PASSWORD; plexops audit"""),
    _usage("PLX-C302", "A secret's file cannot be used", """\
The file is not there, is not a file, is not text, or has more than 8 KB. It holds the secret and nothing else; one line
end at its end does not count. A relative path starts at the folder of the inventory.

  password: {file: ~/.config/plexops/router}"""),
    _usage("PLX-C303", "A secret's file is open to others", """\
Other users of this machine may read or write the file, so the secret is not one. plexops does not use it until only you
may read it. If others could read it for long, change the secret.

  chmod 600 ~/.config/plexops/router"""),
    _usage("PLX-C304", "There is no terminal to ask at", """\
The inventory says {ask: true}, and plexops does not run on a terminal: in CI, in a timer, or in a pipe. Give the secret in
another way for such runs.

  password: {env: PLEXOPS_ROUTER_PASSWORD}"""),
    _usage("PLX-C305", "A secret is empty or has several lines", """\
The source of the secret was found, and what it gave cannot be one: nothing, or several lines, or control characters. Only
the text of a private key has several lines. A common cause is a file with a comment in it, or a variable set to nothing.

  printf %s 'the secret' > ~/.config/plexops/router"""),
    _usage("PLX-C306", "An environment variable that an inventory may not name", """\
Whoever may edit the inventory, as by a pull request, could otherwise have any secret of your environment sent as a password.
It may name variables that begin with PLEX_ or PLEXOPS_. Others you allow outside the repository: for one run or a CI job by
PLEXOPS_ALLOW_ENV (names or globs with a comma between them), for good in ~/.config/plexops/config.yaml. The variable was not
looked at.

  allow: {env: [OPNSENSE_*]}"""),
    _usage("PLX-C307", "A file that an inventory may not name", """\
An inventory may name files in its own folder and in ~/.config/plexops/, and for a login's private key in ~/.ssh/; links are
followed before that is judged. Others you allow outside the repository, in ~/.config/plexops/config.yaml. The file was not
opened. The same holds for a router profile's path, and for an inventory or a playbook that is a link out of its folder.

  allow: {files: ["~/secrets/*"]}"""),
    _usage("PLX-C308", "Your own configuration cannot be used", """\
~/.config/plexops/config.yaml (or that under XDG_CONFIG_HOME) says which of your secrets a repository may use. It counts only
where it belongs to you and no other user may write to it. “plexops schema config” prints what it may hold.

  allow: {env: [OPNSENSE_*], files: ["~/secrets/*"]}"""),
    _usage("PLX-C309", "The inventory names no login that the router takes", """\
The router is asked over HTTPS, and its family says which logins it has: an API key (api_key:, for some with api_secret:),
or a user of the router's own (username: and password:). The message names the keys. Nothing was contacted.

  router: {profile: unifi, address: 192.168.1.1, api_key: {env: PLEXOPS_ROUTER_KEY}}"""),
)  # fmt: skip
