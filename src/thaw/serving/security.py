"""Who may call: the name in Host, the pages of other servers; and what browsers may do."""

import ipaddress
from urllib.parse import urlsplit

from flask import Flask, Response, request

from thaw.serving.errors import api_error
from thaw.serving.settings import ServeSettings

PROBES = ("/health/live", "/health/ready")  # orchestrators call them by names of their own
CORS_PATHS = ("/predict", "/model", "/openapi.json")
CORS_HEADERS = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Content-Type",
    "Access-Control-Expose-Headers": "Retry-After, X-Request-ID",
    "Access-Control-Max-Age": "600",
}
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data: blob:; style-src 'self'; "
    "script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def secure(app: Flask, settings: ServeSettings) -> None:
    """Check the Host of each request, and add the headers to each response."""
    names = {"localhost", settings.host.lower(), *(name.lower() for name in settings.allowed_hosts)}

    @app.before_request
    def check_host() -> None:
        name = host_name(request.host)
        if request.path not in PROBES and name not in names and not _is_address(name):
            message = (
                "the header Host must name this server, but has another name: start it with "
                "--allow-host NAME"
            )
            raise api_error("wrong_host", message)

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.extend(SECURITY_HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
        if settings.cors_origins and request.path in CORS_PATHS:
            response.vary.add("Origin")
            if (origin := request.headers.get("Origin")) in settings.cors_origins:
                response.headers["Access-Control-Allow-Origin"] = origin
                response.headers.extend(CORS_HEADERS)
        return response


def host_name(host: str) -> str:
    """The name in a header Host, without its port; empty if it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    """Whether it is an IP address. A name could be turned to this server by whoever owns it."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
