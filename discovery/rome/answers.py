"""What Redis' answers, and its silence, mean: ask again, give up, or perhaps it was done."""

from __future__ import annotations

import re

from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    ClusterError,
    InvalidResponse,
    MasterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
    SlotNotCoveredError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from discovery.rome.connections import WITHOUT_A_WORD, EncryptedAnswerError, PlainAnswerError

TRANSIENT = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ClusterDownError,
    ClusterError,
    MasterDownError,
    MovedError,
    RedisClusterException,
    SlotNotCoveredError,
    TryAgainError,
    OSError,
)
"""Errors that go away by themselves, but for those that `refusal` has a sentence for."""

_CLASSES: dict[str, type[ResponseError]] = {
    "ASK": AskError,
    "MOVED": MovedError,
    "TRYAGAIN": TryAgainError,
    "CLUSTERDOWN": ClusterDownError,
    "MASTERDOWN": MasterDownError,
}
_CODE = re.compile(rf"(?:\A|caused error: )({'|'.join(_CLASSES)}) (.*)", re.DOTALL)

_UNBLOCKED = re.compile(r"(?:\A|caused error: )UNBLOCKED\b")
"""The master was demoted while the client waited for replicas: the commit may be undone."""

_PASSING = re.compile(r"\A(BUSY|NOREPLICAS)\b")
"""Answers for which redis-py has no class, and which go away, too."""

_NO_REDIS = re.compile(r"Protocol Error|invalid literal for int")
"""redis-py's words for an answer that is not of Redis' protocol, also inside a cluster's error."""

_CONNECTING = re.compile(r"(Error -?\d+|Timeout) connecting to")
_ABSENT = re.compile(rf"Error -?\d+ connecting to|{WITHOUT_A_WORD}")

NO_REDIS = "is no Redis: what it answers is another protocol's; look at the port in the URL"

NO_TLS = "speaks no TLS; take tls=true off the URL"

_BY_CLASS: tuple[tuple[type[Exception], str], ...] = (
    (EncryptedAnswerError, "speaks TLS; add ?tls=true to the URL"),
    (PlainAnswerError, NO_TLS),
    (InvalidResponse, NO_REDIS),
    (AuthenticationError, "refuses this user or password"),
    (NoPermissionError, "does not let this user do that"),
    (ReadOnlyError, "is a read-only replica; name its master in the URL"),
    (OutOfMemoryError, "is out of memory (its maxmemory); nothing was written"),
)
_BY_TEXT = (
    (_NO_REDIS, NO_REDIS),
    (
        re.compile("CERTIFICATE_VERIFY_FAILED"),
        "shows a certificate that cannot be verified; look at ca and at the host in the URL",
    ),
    (
        re.compile("WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|NO_PROTOCOLS_AVAILABLE"),
        NO_TLS,
    ),
    (
        re.compile("CERTIFICATE_REQUIRED|ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE)"),
        "does not take the client's certificate; look at cert and key in the URL",
    ),
    (
        re.compile(r"Authentication required|invalid username-password|without any password"),
        "refuses this user or password",
    ),
    (
        re.compile(r"cluster support disabled|Cluster mode is not enabled"),
        "is no cluster; take ?cluster=true off the URL",
    ),
    (
        re.compile(r"unknown command .?SENTINEL", re.IGNORECASE),
        "is no Sentinel; look at the port in the URL, or take sentinel= off it",
    ),
    (re.compile(r"\bMISCONF\b"), "cannot save to its disk and takes no writes"),
    (
        re.compile(r"\bWRONGTYPE\b"),
        "holds keys named {prefix}:… that are not ROME's; choose another database name in the URL",
    ),
)
"""What it means to somebody who has a URL to write; the answer itself follows."""


def classified(error: Exception) -> Exception:
    """``error`` as redis-py 8 has it; older ones know a cluster's answers in some clients only."""
    if type(error) is ResponseError and _UNBLOCKED.search(str(error)):
        return RedisConnectionError(str(error))
    code = _CODE.search(str(error)) if type(error) is ResponseError else None
    return _CLASSES[code.group(1)](code.group(2)) if code else error


def refusal(error: Exception, *, follows: bool, prefix: str) -> str | None:
    """What to tell about an answer that asking again will not change; None if it may."""
    text = str(error)
    if follows and isinstance(error, ReadOnlyError):  # demoted just now; another one is the master
        return None
    for kind, sentence in _BY_CLASS:
        if isinstance(error, kind):
            return sentence
    for pattern, sentence in _BY_TEXT:
        if pattern.search(text):
            return sentence.format(prefix=prefix)
    if isinstance(error, MovedError) and not follows:
        return "is a member of a cluster; add ?cluster=true to the URL"
    if isinstance(error, TRANSIENT) or _PASSING.search(text):
        return None
    return "cannot do that"


def perhaps_done(error: Exception) -> bool:
    """Whether the request may have reached Redis and been executed, although it failed here."""
    if isinstance(error, ResponseError | BusyLoadingError | AuthenticationError):
        return False
    return not isinstance(error, RedisClusterException) and not _CONNECTING.search(str(error))


def absent(error: Exception) -> bool:
    """Whether nobody listens at the address, or hangs up at once, or there is no such address."""
    return _ABSENT.search(str(error)) is not None
