"""What a client is told when its request cannot be answered."""

from __future__ import annotations

from typing import Any

INTERNAL = 'The server failed on this request. Its log says why.'


class RequestError(Exception):
    """A request cannot be answered.

    Attributes:
        status: of the HTTP answer.
        body: the answer: {"error": {"code", "message", "at"?}}.
        headers: further headers of the answer.
    """

    def __init__(
        self, status: int, code: str, message: str, *, at: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        """Describes what is wrong.

        Args:
            status: of the HTTP answer.
            code: what is wrong, in a word for programs.
            message: what is wrong, where, and what to do, for people.
            at: the part of the body that is wrong, such as papers[3].title.
            headers: further headers of the answer.
        """
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {'error': {'code': code, 'message': message, **({'at': at} if at else {})}}
        self.headers = headers or {}


def place(location: tuple[int | str, ...]) -> str:
    """Writes a place in a body as people write it.

    >>> place(('papers', 3, 'title'))
    'papers[3].title'
    """
    return ''.join(f'[{part}]' if isinstance(part, int) else f'.{part}' for part in location).lstrip('.')
