"""The token that Spark Connect asks for: made on the server's first start, sent by every client of
the same home.

Spark's own client sends a token over TLS or to `localhost` only. Among the parameters of its
address it takes gRPC headers too, so that the server is asked for its token on a network without
TLS (a container's own) as well.
"""

from __future__ import annotations

from urllib.parse import quote

from pipelines.base.secrets import known_secret, secret
from pipelines.base.settings import Settings

SECRET = "spark-connect"
VARIABLE = "SPARK_CONNECT_AUTHENTICATE_TOKEN"
"""By which Spark's server takes its token; a client that finds it asks for TLS."""


def server_token(settings: Settings) -> str:
    """The token of the home's server, made where there is none."""
    return secret(settings, SECRET)


def with_token(url: str, settings: Settings) -> str:
    """The address of a Connect server with the home's token as a header; one with parameters of its
    own stays.
    """
    token = known_secret(settings, SECRET)
    if token is None or ";" in url:
        return url
    return f"{url.rstrip('/')}/;authorization={quote(f'Bearer {token}')}"
