"""A header firewall: remove an organization's own header fields from mail that crosses its border.

Two doors: `Border(next_hop, ORGANIZATION_HEADERS)` for mail from outside, `Border(next_hop, LEAVING_HEADERS)` for mail to
outside. Needs aiosmtpd 1.4.5 or newer, which takes no other line end than CRLF.
"""

import asyncio
import re
import smtplib
from collections.abc import Sequence

from aiosmtpd.smtp import SMTP, Envelope, Session

from exjournal import ParseError, strip_headers

# SMTP has no line end but CRLF (RFC 5321, 2.3.8). smtplib adds a dot to one that follows a bare LF, which breaks a seal, and
# servers differ in what they take for a line end (SMTP smuggling).
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class Border:
    """Passes mail on without the fields with these names."""

    def __init__(self, next_hop: tuple[str, int], names: Sequence[str]) -> None:
        self.next_hop = next_hop
        self.names = names

    async def handle_DATA(self, _server: SMTP, _session: Session, received: Envelope) -> str:  # noqa: N802
        """Remove the fields and pass the message on."""
        return await asyncio.to_thread(self.take, received)

    def take(self, received: Envelope) -> str:
        """Return the answer to a message."""
        content = received.original_content or b""
        if BARE.search(content):
            return "554 5.6.0 a bare CR or LF in the message (RFC 5321, 2.3.8)"
        try:
            message = strip_headers(content, self.names)
        except ParseError as error:
            return f"554 5.6.0 {error.code}"
        options = [one for one in received.mail_options if not one.upper().startswith("SIZE=")]
        try:
            with smtplib.SMTP(*self.next_hop) as server:
                refused = server.sendmail(received.mail_from or "", received.rcpt_tos, message, options)
        except OSError:  # smtplib's own errors are OSErrors
            return "451 4.4.0 not passed on, try again"
        return f"451 4.4.0 refused for {len(refused)} recipients, try again" if refused else "250 2.0.0 passed on"
