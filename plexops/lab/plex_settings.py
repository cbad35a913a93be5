"""The settings of a Plex Media Server that matter for its network side, with their real ids and types."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

SettingType = Literal["bool", "int", "text", "double"]
Value = bool | int | float | str


class Setting(Struct, frozen=True):
    """One row of `/:/prefs`. The port trio has `hidden` and no group, as on real servers."""

    id: str
    type: SettingType
    default: Value
    group: str = ""
    hidden: bool = False
    advanced: bool = False
    label: str = ""
    enum_values: str = ""

    def read(self, text: str) -> Value:
        """Read a value as it comes in a request; raises ValueError where the type does not fit."""
        if self.type == "bool":
            if text not in {"0", "1", "true", "false"}:
                raise ValueError(text)
            return text in {"1", "true"}
        if self.type == "int":
            if re.fullmatch(r"-?[0-9]{1,10}", text) is None:
                raise ValueError(text)
            return int(text)
        return float(text) if self.type == "double" else text


def show(value: Value) -> str:
    """Write a value as the XML answers do."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


SETTINGS: tuple[Setting, ...] = (
    Setting("FriendlyName", "text", "", "general", label="Friendly name"),
    Setting("sendCrashReports", "bool", True, "general", label="Crash reports"),
    Setting("ScheduledLibraryUpdateInterval", "int", 3600, "library", label="Scan interval"),
    Setting("MachineIdentifier", "text", "", hidden=True),
    Setting("ConfigurationUrl", "text", "http://127.0.0.1:32400/web", "network", hidden=True),
    Setting("AcceptedEULA", "bool", False, hidden=True),
    Setting("EnableIPv6", "bool", True, "network", advanced=True, label="IPv6"),
    Setting("secureConnections", "int", 1, "network", advanced=True, label="Secure connections",
            enum_values="1:Preferred|0:Required"),
    Setting("customCertificatePath", "text", "", "network", advanced=True, label="Certificate path"),
    Setting("customCertificateKey", "text", "", "network", advanced=True, label="Certificate key"),
    Setting("customCertificateDomain", "text", "", "network", advanced=True, label="Certificate domain"),
    Setting("PreferredNetworkInterface", "text", "", "network", advanced=True, label="Network interface",
            enum_values=":Any|eth0:eth0 (ADDRESS)"),
    Setting("DisableTLSv1_0", "bool", False, "network", advanced=True, label="Strict TLS"),
    Setting("allowedHttpOrigins", "text", "", "network", hidden=True),
    Setting("GdmEnabled", "bool", True, "network", label="Local discovery (GDM)"),
    Setting("PublishServerOnPlexOnlineKey", "bool", False, hidden=True),
    Setting("PlexOnlineMail", "text", "", hidden=True),
    Setting("PlexOnlineUrl", "text", "https://plex.tv", hidden=True),
    Setting("EnablePinAuth", "bool", False, hidden=True),
    Setting("ManualPortMappingMode", "bool", False, hidden=True),
    Setting("ManualPortMappingPort", "int", 32400, hidden=True),
    Setting("LastAutomaticMappedPort", "int", 0, hidden=True),
    Setting("PushNotificationsEnabled", "bool", False, "general", label="Push notifications"),
    Setting("TranscoderQuality", "int", 0, "transcoder", label="Quality"),
    Setting("TranscoderH264MinimumCRF", "double", 16.0, "transcoder", hidden=True),
    Setting("DlnaEnabled", "bool", False, "dlna", label="DLNA"),
    Setting("WanPerStreamMaxUploadRate", "int", 0, hidden=True),
    Setting("WanTotalMaxUploadRate", "int", 0, hidden=True),
    Setting("WanPerUserStreamCount", "int", 0, "network", advanced=True, label="Remote streams per user"),
    Setting("LanNetworksBandwidth", "text", "", "network", advanced=True, label="LAN networks"),
    Setting("MinutesAllowedPaused", "int", 0, "network", advanced=True, label="Minutes paused"),
    Setting("TreatWanIpAsLocal", "bool", True, "network", advanced=True, label="WAN address counts as LAN"),
    Setting("RelayEnabled", "bool", True, "network", advanced=True, label="Relay"),
    Setting("logDebug", "bool", True, "general", advanced=True, label="Debug logging"),
    Setting("LogVerbose", "bool", False, "general", advanced=True, label="Verbose logging"),
    Setting("LogTokensForDebug", "bool", False, hidden=True),
    Setting("customConnections", "text", "", "network", advanced=True, label="Custom access URLs"),
    Setting("allowedNetworks", "text", "", "network", advanced=True, label="Networks without login"),
    Setting("WebHooksEnabled", "bool", True, "network", advanced=True, label="Webhooks"),
    Setting("ButlerStartHour", "int", 2, "butler", label="Maintenance starts"),
    Setting("ButlerUpdateChannel", "text", "16", "general", label="Update channel"),
    Setting("CertificateVersion", "int", 2, hidden=True),
    Setting("CertificateUUID", "text", "", hidden=True),
    Setting("enableLocalSecurity", "bool", False, hidden=True),
)  # fmt: skip
