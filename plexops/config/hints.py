"""Words that people bring along from other tools, and words that a file in a repository may not say."""

from __future__ import annotations

from collections.abc import Mapping

_LINE = "Take the line out."
_LOGIN_CURE = "Write it under the site's “router:” or “server:” in the inventory."

#: What plexops says instead of some words, and what to do.
_PLAYBOOK_GROUPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("plexops's word is “sites:”: a play is about homes, not about hosts", "Write “sites:” in place of “hosts:”.",
     ("hosts",)),
    ("plexops has no conditions: a task says what shall be true, and where it does not apply the report says so",
     "Take the line out; choose sites with “sites:”, tasks with “tags:”.", ("when",)),
    ("how to get more rights belongs to the server, not to a play",
     "Write “become: {method: sudo}” under the site's “server:” in the inventory.",
     ("become", "become_user", "become_method")),
    ("plexops always reads every device first", _LINE, ("gather_facts",)),
    ("plexops has no roles: tasks name resources", "Write the tasks under “tasks:”.", ("roles",)),
    ("plexops has no handlers: a resource knows what has to be reloaded", "Take them out.", ("handlers",)),
    ("plexops has no handlers: a resource knows what has to be reloaded", _LINE, ("notify",)),
    ("variables live in the inventory or in the play", "Use “vars:”, or “-e @file.yaml” on the command line.",
     ("vars_files",)),
    ("variables live in the inventory or in the play", "Use “vars:” or “-e name=value”.", ("vars_prompt",)),
    ("plexops tasks have no results to keep: they say what shall be true", _LINE, ("register",)),
    ("plexops has no loops: write one task per thing, or one play for many sites", _LINE,
     ("loop", "with_items")),
    ("waiting is plexops's business: it reads back until the device agrees", _LINE, ("until",)),
    ("waiting is plexops's business: it reads back until the device agrees", "Use --retry-for for whole runs.",
     ("retries",)),
    ("plexops never passes over an error", _LINE, ("ignore_errors",)),
    ("plexops has no conditions: a task says what shall be true, and where it does not apply the report says so", _LINE,
     ("failed_when", "changed_when")),
    ("reading never writes; “apply --dry-run” shows what would be sent", _LINE, ("check_mode",)),
    ("each kind of task knows its device", _LINE, ("delegate_to",)),
    ("each task is about one device of each site", _LINE, ("run_once",)),
    ("how to log in belongs to the device", _LOGIN_CURE, ("connection", "remote_user")),
    ("how many sites at once is said on the command line", "Use -f/--forks.", ("serial",)),
    ("the order of changes is fixed: it is part of what keeps a home safe", _LINE, ("strategy",)),
    ("a run always halts at the first site that is not in order", _LINE, ("any_errors_fatal",)),
    ("plexops has no blocks", "Write the tasks one below the other.", ("block",)),
    ("plexops undoes by itself what it cannot prove", "Take it out.", ("rescue", "always")),
    ("a playbook does not name others", "Give all playbooks as arguments, or put them into playbooks/.",
     ("import_playbook",)),
    ("a playbook does not name others", "Write the tasks out.", ("import_tasks", "include_tasks")),
    ("plexops knows the right order by itself", "Write them under “tasks:”.", ("pre_tasks", "post_tasks")),
    ("secrets never reach a log, plan or report", _LINE, ("no_log",)),
    ("plexops has its kinds built in", _LINE, ("collections",)),
    ("PATH and the like are set by plexops", _LINE, ("environment",)),
    ("defaults come from the inventory", "Use “defaults: {vars: …}” there.", ("module_defaults",)),
)  # fmt: skip

#: Words of an inventory elsewhere, by plexops's own.
_OTHER_WORDS: Mapping[str, tuple[str, ...]] = {
    "address": ("ansible_host", "host", "ip"),
    "username": ("ansible_user", "user", "login"),
    "port": ("ansible_port",),
    "key_file": ("ansible_ssh_private_key_file", "identity_file"),
    "mac": ("mac_address",),
}
_HOMES = "plexops's inventory lists homes under “sites:”"
_PROFILE = ("plexops's word is “profile:”", "Write “profile:”; “plexops profiles list” shows them.")
_VIA = ("plexops's word for a jump host is “via:”", "Write “via:”.")
_PASSWORD = ("plexops's word is “password:”", "Write “password: {ask: true}” or “password: {env: NAME}”.")

#: Ansible's words in an inventory.
INVENTORY_WORDS: Mapping[str, tuple[str, str]] = {
    word: (f"plexops's word is “{ours}:”", f"Write “{ours}:”.")
    for ours, words in _OTHER_WORDS.items()
    for word in words
} | {
    "all": (_HOMES, "Write “sites:”."),
    "hosts": (_HOMES, "Write “sites:”; a home's devices stand under its name."),
    "children": ("plexops's groups have no children", "Write “groups: [name]” in each site."),
    "ansible_password": _PASSWORD,
    "ssh_key": ("plexops's word is “key_file:”", "Write “key_file:” with the path of the private key."),
    "jump": _VIA,
    "proxy_jump": _VIA,
    "sudo": ("plexops's word is “become:”", "Write “become: {method: sudo}”."),
    "type": _PROFILE,
    "vendor": _PROFILE,
    "vantage": ("the list is called “vantages:”", "Write “vantages: [{ssh: me@vps.example.net}]”."),
}

_NOT_READ = (
    "Take “firewall:” and the server's login out: plexops logs in to Linux. Let Plex's port in there by hand."
)
#: Firewalls that “firewall:” cannot name: what to do.
FIREWALL_WORDS: Mapping[str, str] = {"pf": _NOT_READ}

_REFUSED_GROUPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("a file in a repository cannot name a command to run: whoever may change the file could then run anything",
     "Take it out. A secret comes from {env: NAME}, {file: PATH} or {ask: true}.", (
        "command", "commands", "run", "exec", "shell", "script", "scripts", "pre_command", "post_command", "hook",
        "hooks", "password_command", "token_command", "secret_command", "proxy_command", "local_command", "plugin",
        "plugins", "driver", "drivers", "python", "ssh_binary", "ssh_args", "lookup",
    )),
    ("a file in a repository cannot name addresses that runs are reported to",
     "Take it out; let whatever starts plexops send the message.",
     ("webhook", "webhooks", "notifications", "notify_url", "callback", "callbacks")),
    ("where runs and evidence are kept is decided on your machine, not in a repository",
     "Use --state-dir or XDG_STATE_HOME.", ("state_dir", "log_dir", "run_dir", "evidence_dir", "cache_dir", "log_file")),
    ("whom plexops trusts is decided on your machine, not in a repository",
     "Pin the device with “plexops trust”, or name its key with “host_key:” or “tls_pin:”.", (
        "trust", "trust_store", "known_hosts", "known_hosts_file", "host_key_checking", "strict_host_key_checking",
        "insecure", "verify", "verify_tls", "tls_verify", "skip_tls_verify", "ca_file",
    )),
    ("what is hidden and written is decided on your machine, not in a repository",
     "Use the option of the command line.", ("mask", "mask_level", "log_level", "debug", "force", "approve", "yes")),
)  # fmt: skip


def _by_word(groups: tuple[tuple[str, str, tuple[str, ...]], ...]) -> Mapping[str, tuple[str, str]]:
    return {word: (reason, cure) for reason, cure, words in groups for word in words}


#: Ansible's words in a play or task: what plexops says instead, and what to do.
PLAYBOOK_WORDS = _by_word(_PLAYBOOK_GROUPS)
#: Keys that no file of a repository may hold, with the reason and the cure.
REFUSED_WORDS = _by_word(_REFUSED_GROUPS)
