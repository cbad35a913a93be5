"""What Plex's log tells, in words for a person: the last of each kind, oldest first."""

from __future__ import annotations

from plexops.runbook.log.story import LogStatement, LogStory

#: What plex.tv's answers to an announcement mean (genuine logs).
_PUBLISHED = {
    201: "plex.tv took it",
    401: "plex.tv does not accept the login",
    422: "plex.tv could do nothing with it",
    429: "plex.tv was asked too often",
}


def told_by_log(story: LogStory) -> tuple[str, ...]:
    """Give a line for each statement, with its time; what no longer holds is said to be old."""
    found = [
        (story.started, "Plex {text} started"),
        (story.bind_failed, "it could not open its port: {text}"),
        (story.public_address, "plex.tv sees it at {address}"),
        (story.router_address, "the router says that its own address is {address}"),
        (story.router_address_private, "that address is a private one"),
        (story.mapped, "the router mapped port {port}"),
        (story.mapping_failed, "no router mapped a port for it"),
        (story.conflict, "the router refused the port: another host holds it"),
        (story.no_igd, "no router that speaks UPnP was found"),
        (story.announced, _announced(story)),
        (story.published, _published(story)),
        (story.verdict, _verdict(story)),
        (story.no_verdict, "plex.tv has not tried: {text}"),
        (story.offline, "Plex has no internet since then"),
        (story.sign_in_lost, "plex.tv does not accept its login"),
        (story.unclaimed, "it belongs to no account"),
        (story.wan_request, "a viewer at {address} was served"),
        *((changed, f"a setting was changed: {changed.event.word}") for changed in story.settings_changed),
    ]
    lines = [
        (statement.event.time, _line(statement, words)) for statement, words in found if statement is not None
    ]
    return tuple(line for _, line in sorted(lines))


def _line(statement: LogStatement, words: str) -> str:
    event = statement.event
    text = words.format(address=event.address, port=event.port, text=event.text or "without a reason")
    return f"{event.time[:16].replace('T', ' ')} {text}{'' if statement.fresh else ' (old)'}"


def _announced(story: LogStory) -> str:
    event = None if story.announced is None else story.announced.event
    nothing = event is None or not event.port
    return "it had no address to announce" if nothing else "it announced {address}:{port}"


def _published(story: LogStory) -> str:
    number = None if story.published is None else story.published.event.number
    return _PUBLISHED.get(number or 0, f"plex.tv answered {number}")


def _verdict(story: LogStory) -> str:
    event = None if story.verdict is None else story.verdict.event
    if event is None or not event.port:
        return "plex.tv had nothing to try"
    through = "got in" if event.number == 1 else "did not get in"
    waited = "" if story.waited is None else f" after {story.waited} ms"
    return f"plex.tv {through} at {{address}}:{{port}}{waited}"
