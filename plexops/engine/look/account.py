"""plex.tv's own list of the account's servers, in a diagnosis."""

from __future__ import annotations

from msgspec import Struct

from plexops.engine.look.access import Access, Links
from plexops.engine.look.asking import Answered, ask_all
from plexops.languages.plex_tv import RESOURCES
from plexops.model.errors import PlexopsError
from plexops.model.secret import Secret
from plexops.model.snapshot import Role, Snapshot
from plexops.structs import replace

#: A recording that was made without asking plex.tv does not answer.
_NOT_RECORDED = frozenset({"PLX-D301"})


class PlexTv(Struct, frozen=True):
    """Who lists the account's servers. Like a vantage it is a witness, not a stop: silence is told, and stops nothing."""

    access: Access
    links: Links

    def ask(self, plex: Snapshot | None, token: Secret | None) -> Answered:
        """Look for the server in the list, once Plex has told who it is.

        Not asked where nothing on the internet is to be asked, where Plex belongs to no account, and without a token.
        """
        identifier = None if plex is None else plex.text("plex.identifier")
        if plex is None or not identifier or plex.flag("plex.claimed") is False:
            return Answered()
        nobody = self.access.site.echoes == ()
        if nobody or (self.links.live and not self.access.knows_token(token)):
            return Answered()
        from plexops.drivers.plex.account import AccountDriver

        driver = AccountDriver(identifier)
        link = self.links.read(self.access.device("account"), lambda: self.access.account(token))
        try:
            part = ask_all(driver.observe(), link, Role.OUTSIDE)
        except PlexopsError as error:
            if all(problem.code in _NOT_RECORDED for problem in error.problems):
                return Answered()
            return Answered(outside=driver.not_asked(error.problems[0].reason))
        source = f"GET {self.access.plex_tv_url()}{RESOURCES.path}"
        exhibits = [replace(exhibit, source=source) for exhibit in part.exhibits]
        return Answered(outside=part.snapshot, exhibits=exhibits)
