"""Words that people bring along from other tools, and words that a file in a repository may not say."""

from __future__ import annotations

from collections.abc import Mapping

_NO_CONDITIONS = "plexops has no conditions: a task says what shall be true, and where it does not apply the report says so"
_NO_LOOPS = "plexops has no loops: write one task per thing, or one play for many sites"
_BECOME_CURE = "Write “become: {method: sudo}” under the site's “server:” in the inventory."
_LOGIN_CURE = "Write it under the site's “router:” or “server:” in the inventory."

#: Ansible's words in a play or task: what plexops says instead, and what to do.
PLAYBOOK_WORDS: Mapping[str, tuple[str, str]] = {
    "hosts": (
        "plexops's word is “sites:”: a play is about homes, not about hosts",
        "Write “sites:” in place of “hosts:”.",
    ),
    "when": (_NO_CONDITIONS, "Take the line out; choose sites with “sites:”, tasks with “tags:”."),
    "become": ("how to get more rights belongs to the server, not to a play", _BECOME_CURE),
    "become_user": ("how to get more rights belongs to the server, not to a play", _BECOME_CURE),
    "become_method": ("how to get more rights belongs to the server, not to a play", _BECOME_CURE),
    "gather_facts": ("plexops always reads every device first", "Take the line out."),
    "roles": ("plexops has no roles: tasks name resources", "Write the tasks under “tasks:”."),
    "handlers": ("plexops has no handlers: a resource knows what has to be reloaded", "Take them out."),
    "notify": ("plexops has no handlers: a resource knows what has to be reloaded", "Take the line out."),
    "vars_files": (
        "variables live in the inventory or in the play",
        "Use “vars:”, or “-e @file.yaml” on the command line.",
    ),
    "vars_prompt": ("variables live in the inventory or in the play", "Use “vars:” or “-e name=value”."),
    "register": ("plexops tasks have no results to keep: they say what shall be true", "Take the line out."),
    "loop": (_NO_LOOPS, "Take the line out."),
    "with_items": (_NO_LOOPS, "Take the line out."),
    "until": ("waiting is plexops's business: it reads back until the device agrees", "Take the line out."),
    "retries": (
        "waiting is plexops's business: it reads back until the device agrees",
        "Use --retry-for for whole runs.",
    ),
    "ignore_errors": ("plexops never passes over an error", "Take the line out."),
    "failed_when": (_NO_CONDITIONS, "Take the line out."),
    "changed_when": (_NO_CONDITIONS, "Take the line out."),
    "check_mode": ("reading never writes; “apply --dry-run” shows what would be sent", "Take the line out."),
    "delegate_to": ("each kind of task knows its device", "Take the line out."),
    "run_once": ("each task is about one device of each site", "Take the line out."),
    "connection": ("how to log in belongs to the device", _LOGIN_CURE),
    "remote_user": ("how to log in belongs to the device", _LOGIN_CURE),
    "serial": ("how many sites at once is said on the command line", "Use -f/--forks."),
    "strategy": ("the order of changes is fixed: it is part of what keeps a home safe", "Take the line out."),
    "any_errors_fatal": ("a run always halts at the first site that is not in order", "Take the line out."),
    "block": ("plexops has no blocks", "Write the tasks one below the other."),
    "rescue": ("plexops undoes by itself what it cannot prove", "Take it out."),
    "always": ("plexops undoes by itself what it cannot prove", "Take it out."),
    "import_playbook": (
        "a playbook does not name others",
        "Give all playbooks as arguments, or put them into playbooks/.",
    ),
    "import_tasks": ("a playbook does not name others", "Write the tasks out."),
    "include_tasks": ("a playbook does not name others", "Write the tasks out."),
    "pre_tasks": ("plexops knows the right order by itself", "Write them under “tasks:”."),
    "post_tasks": ("plexops knows the right order by itself", "Write them under “tasks:”."),
    "no_log": ("secrets never reach a log, plan or report", "Take the line out."),
    "collections": ("plexops has its kinds built in", "Take the line out."),
    "environment": ("PATH and the like are set by plexops", "Take the line out."),
    "module_defaults": ("defaults come from the inventory", "Use “defaults: {vars: …}” there."),
}

#: Ansible's words in an inventory.
INVENTORY_WORDS: Mapping[str, tuple[str, str]] = {
    "all": ("plexops's inventory lists homes under “sites:”", "Write “sites:”."),
    "hosts": (
        "plexops's inventory lists homes under “sites:”",
        "Write “sites:”; a home's devices stand under its name.",
    ),
    "children": ("plexops's groups have no children", "Write “groups: [name]” in each site."),
    "ansible_host": ("plexops's word is “address:”", "Write “address:”."),
    "ansible_user": ("plexops's word is “username:”", "Write “username:”."),
    "ansible_port": ("plexops's word is “port:”", "Write “port:”."),
    "ansible_password": (
        "plexops's word is “password:”",
        "Write “password: {ask: true}” or “password: {env: NAME}”.",
    ),
    "ansible_ssh_private_key_file": ("plexops's word is “key_file:”", "Write “key_file:”."),
    "host": ("plexops's word is “address:”", "Write “address:”."),
    "ip": ("plexops's word is “address:”", "Write “address:”."),
    "user": ("plexops's word is “username:”", "Write “username:”."),
    "login": ("plexops's word is “username:”", "Write “username:”."),
    "ssh_key": ("plexops's word is “key_file:”", "Write “key_file:” with the path of the private key."),
    "identity_file": ("plexops's word is “key_file:”", "Write “key_file:”."),
    "jump": ("plexops's word for a jump host is “via:”", "Write “via:”."),
    "proxy_jump": ("plexops's word for a jump host is “via:”", "Write “via:”."),
    "sudo": ("plexops's word is “become:”", "Write “become: {method: sudo}”."),
    "mac_address": ("plexops's word is “mac:”", "Write “mac:”."),
    "type": ("plexops's word is “profile:”", "Write “profile:”; “plexops profiles list” shows them."),
    "vendor": ("plexops's word is “profile:”", "Write “profile:”; “plexops profiles list” shows them."),
    "vantage": ("the list is called “vantages:”", "Write “vantages: [{ssh: me@vps.example.net}]”."),
}

_READ_ANYWAY = (
    "Write “auto”: what nftables and iptables hold is read, whichever program put it there. Only ufw's rules are "
    "changed; let Plex's port in there by hand."
)
_NOT_READ = (
    "Take “firewall:” and the server's login out: plexops logs in to Linux. Let Plex's port in there by hand."
)
#: Firewalls that “firewall:” cannot name: what to do.
FIREWALL_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("firewalld", "nftables", "nft", "iptables"), _READ_ANYWAY),
    **dict.fromkeys(("windows", "macos", "pf"), _NOT_READ),
}

_COMMANDS = (
    "a file in a repository cannot name a command to run: whoever may change the file could then run anything"
)
_HOOKS = "a file in a repository cannot name addresses that runs are reported to"
_STATE = "where runs and evidence are kept is decided on your machine, not in a repository"
_TRUST = "whom plexops trusts is decided on your machine, not in a repository"
_TELLING = "what is hidden and written is decided on your machine, not in a repository"

_COMMANDS_CURE = "Take it out. A secret comes from {env: NAME}, {file: PATH} or {ask: true}."
_HOOKS_CURE = "Take it out; let whatever starts plexops send the message."
_STATE_CURE = "Use --state-dir or XDG_STATE_HOME."
_TRUST_CURE = "Pin the device with “plexops trust”, or name its key with “host_key:” or “tls_pin:”."
_TELLING_CURE = "Use the option of the command line."

_REFUSED_GROUPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (_COMMANDS, _COMMANDS_CURE, (
        "command", "commands", "run", "exec", "shell", "script", "scripts", "pre_command", "post_command", "hook",
        "hooks", "password_command", "token_command", "secret_command", "proxy_command", "local_command", "plugin",
        "plugins", "driver", "drivers", "python", "ssh_binary", "ssh_args", "lookup",
    )),
    (_HOOKS, _HOOKS_CURE, ("webhook", "webhooks", "notifications", "notify_url", "callback", "callbacks")),
    (_STATE, _STATE_CURE, ("state_dir", "log_dir", "run_dir", "evidence_dir", "cache_dir", "log_file")),
    (_TRUST, _TRUST_CURE, (
        "trust", "trust_store", "known_hosts", "known_hosts_file", "host_key_checking", "strict_host_key_checking",
        "insecure", "verify", "verify_tls", "tls_verify", "skip_tls_verify", "ca_file",
    )),
    (_TELLING, _TELLING_CURE, ("mask", "mask_level", "log_level", "debug", "force", "approve", "yes")),
)  # fmt: skip

#: Keys that no file of a repository may hold, with the reason and the cure.
REFUSED_WORDS: Mapping[str, tuple[str, str]] = {
    word: (reason, cure) for reason, cure, words in _REFUSED_GROUPS for word in words
}
