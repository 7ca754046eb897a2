"""Stands before the application: counts and times requests, and answers those for labels itself.

What FastAPI does around a function that takes and gives bytes takes longer than the function.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from serving import app as web
from serving.errors import RequestError
from serving.service import Service

_log = logging.getLogger('serving.access')
_PATHS = frozenset(('/', '/v1/tag', '/v1/labels', '/v1/model', '/healthz', '/readyz', '/metrics', '/openapi.json'))


class Front:
    """An ASGI application around another."""

    def __init__(self, app: Any, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope['type'] != 'http':
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()
        status = 499

        async def send_and_see(message: Any) -> None:
            nonlocal status
            if message['type'] == 'http.response.start':
                status = message['status']
                if scope['path'].startswith('/v1/'):
                    message['headers'].append((b'cache-control', b'no-store'))
            await send(message)

        try:
            if scope['path'] == web.TAG_PATH and scope['method'] == 'POST':
                await self._tag(receive, send_and_see)
            else:
                await self._app(scope, receive, send_and_see)
        except Exception:
            status = 500
            raise
        finally:
            seconds = time.perf_counter() - begin
            self._service.metrics.request(_name(scope['path']), status, seconds)
            # As it was sent: what is behind its escapes could look like another line.
            _log.info('%s %s %d %.1f ms', scope['method'], scope['raw_path'].decode(), status, 1000 * seconds)

    async def _tag(self, receive: Any, send: Any) -> None:
        body = b''
        more = True
        while more:
            message = await receive()
            body += message.get('body', b'')
            more = message.get('more_body', False)
        try:
            content = await self._service.tag(body)
        except RequestError as error:
            await web.error_response(error)({'type': 'http'}, receive, send)
            return
        headers = [(b'content-type', b'application/json'), (b'content-length', b'%d' % len(content))]
        await send({'type': 'http.response.start', 'status': 200, 'headers': headers})
        await send({'type': 'http.response.body', 'body': content})


def _name(path: str) -> str:
    """Returns the path as metrics have it: one of few."""
    return path if path in _PATHS else '/page' if path.startswith('/page/') else 'other'
