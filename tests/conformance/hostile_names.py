"""Texts that would do harm wherever somebody forgot to quote: for shells, RouterOS, JSON, nft, uci, dnsmasq, paths."""

from __future__ import annotations

from collections.abc import Mapping

SHELL = (
    "$(reboot)", "`reboot`", "; reboot", "| reboot", "|| reboot", "&& reboot", "& reboot", "> /etc/passwd",
    "< /dev/zero", ">> /etc/config/firewall", "'; uci delete firewall; '", "' ; reboot ; '", "'", "''", "'''", '"',
    '""', "\"'\"", "'\"'\"'", "'\\''", "\\", "\\\\", "\\'", '\\"', "a\\", "$HOME", "${PATH}", "$((1+1))", "${IFS}",
    "$IFS$9reboot", "!!", "!reboot", "~", "~root", "*", "?", "[a-z]", "{a,b}", "{1..9}", "#", "# reboot", "a # b",
    "%s", "%n%n%n", "%d", "%%", "%s%s%s%s", "\\n", "\\x00", "\\047", "=", "a=b", "-", "--", "-n", "-e", "-rf /",
    "--help", "--force", "-q delete firewall", "'$(reboot)'", '"$(reboot)"', "a'b\"c`d$e\\f", "x' 'y", 'x" "y',
    "EOF", "; exit 0 #", "true; false", "() { :;}; reboot", "<(reboot)", "a;b&c|d", "&", "|", ";", "<", ">", "()",
)  # fmt: skip
ROUTEROS = (
    '" ]; /system reset', '"; /system reboot; "', "[find]", "[/system reboot]", "]", "[", "{", "}", "{}", "$x",
    '\\"; /system reboot', ":put 1", "/system reboot", "*1", "*0", "(1+1)", "$[/system reboot]", "$(1)", "\\24\\5B",
    "plexops:plex", "plexops:other", "comment=x disabled=yes", "\\_", "\\?", "a\\_b",
)  # fmt: skip
STRUCTURES = (
    '{"a": 1}', '"}}', '"},"disabled":"1","x":{"y":"', "\\u0022", "null", "true", "[]", "{{ key }}", "{% raw %}",
    "{{ 7 * 7 }}", "</script>", "<b>", "&amp;", "../", "..", ".", "../../etc/passwd", "/", "//", "?x=1", "a?b#c",
    "%2e%2e%2f", "%00", "a/b", "\\..\\", "' OR 1=1 --", "}; table inet x {", '" accept; drop; #"', "accept", "drop",
    "# handle 7", '" # handle 1', "include \"/etc/passwd\"", "@set", "config redirect", "option enabled '0'",
    "uci.firewall", "firewall.@redirect[0]", "@redirect[0]", "@redirect[-1]", "cfg073837", "dhcp-script=/bin/sh",
    "set:x,ignore", ",ignore", ",", "a,b", ":", "::", "a:b",
)  # fmt: skip
UNICODE = (
    "Küche", "日本語の名前", "\u202egnp.exe", "\u2066abc\u2069", "שלום", "مرحبا", "\u200b", "a\u200bb", "\ufeffbom",
    "é", "e\u0301", "🏠 home", "\u2028", "\u2029", "\u00a0", "＂", "＇", "；reboot", "\u2018x\u2019",
    "\u201cx\u201d", "\u0130", "ß", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "Ａ", "\u3000",
)  # fmt: skip
CONTROL = (
    "\n", "a\nb", "a\n/system reboot", "a\nuci delete firewall", "a\r", "a\r\nb", "\r", "\t", "a\tb", "\x00",
    "a\x00b", "\x1b[2J", "\x1b]0;x\x07", "\x07", "\x08\x08\x08", "\x7f", "\x80", "\x85", "\x9b2J", "\x0b", "\x0c",
    "\x1a", "\x04", "\ud800", "a\udcffb",
)  # fmt: skip
LONG = (
    "x" * 64,
    "x" * 128,
    "x" * 129,
    "x" * 255,
    "ü" * 64,
    "ü" * 65,
    "'" * 255,
    '"' * 255,
    "\\" * 255,
    "$(a)" * 60,
)
SPACES = (" ", "  ", " a", "a ", "a  b", " -n", "")

GROUPS: Mapping[str, tuple[str, ...]] = {
    "shell": SHELL,
    "routeros": ROUTEROS,
    "structures": STRUCTURES,
    "unicode": UNICODE,
    "control": CONTROL,
    "long": LONG,
    "spaces": SPACES,
}
HOSTILE: tuple[str, ...] = tuple(name for group in GROUPS.values() for name in group)
