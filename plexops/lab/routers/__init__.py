"""Simulated routers, one module per vendor's dialect."""

from __future__ import annotations

from typing import Literal, get_args

from plexops.lab.base import Router, RouterHooks, Seed

RouterName = Literal["openwrt", "linux", "routeros", "opnsense"]
ROUTERS: tuple[RouterName, ...] = get_args(RouterName)


def make_router(name: RouterName, seed: Seed, hooks: RouterHooks) -> Router:
    """Make a router that says the seed in its own vendor's configuration."""
    if name == "openwrt":
        from plexops.lab.routers.openwrt import OpenWrtRouter

        return OpenWrtRouter(seed, hooks)
    if name == "linux":
        from plexops.lab.routers.linux import LinuxRouter

        return LinuxRouter(seed, hooks)
    if name == "routeros":
        from plexops.lab.routers.routeros import RouterOsRouter

        return RouterOsRouter(seed, hooks)
    from plexops.lab.routers.opnsense import OpnSenseRouter

    return OpnSenseRouter(seed, hooks)
