"""The web application: its addresses, what each answers, and how they are described."""

from __future__ import annotations

import mimetypes
import pathlib
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from serving import api
from serving.errors import INTERNAL, RequestError
from serving.service import Service

_PAGE = pathlib.Path(__file__).with_name('page')
_JSON = 'application/json'
_CODES = {404: 'not_found', 405: 'method_not_allowed'}
TAG_PATH = '/v1/tag'


def make_app(service: Service) -> FastAPI:
    """Makes the application."""
    # The interactive pages of FastAPI load scripts from other hosts.
    app = FastAPI(
        title='arxiv-tagger',
        version='1',
        description='Which subjects of arXiv a paper has, by its title and abstract.',
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        swagger_ui_oauth2_redirect_url=None,
    )
    _add_errors(app)
    _add_api(app, service)
    _add_watching(app, service)
    _add_page(app)
    return app


def error_response(error: RequestError) -> Response:
    """Returns the answer for an error."""
    return Response(api.to_json(error.body), error.status, error.headers, _JSON)


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(RequestError)
    async def request_error(request: Request, error: RequestError) -> Response:
        del request
        return error_response(error)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        what = {404: 'there is nothing', 405: f'{request.method} is not answered'}.get(error.status_code, error.detail)
        message = f'{request.scope["path"]}: {what}. GET /openapi.json lists what there is.'
        code = _CODES.get(error.status_code, 'error')
        return error_response(RequestError(error.status_code, code, message, headers=dict(error.headers or {})))

    @app.exception_handler(Exception)
    async def failure(request: Request, error: Exception) -> Response:
        # It is raised again behind this, and the server logs it.
        del request, error
        return error_response(RequestError(500, 'internal', INTERNAL))


def _add_api(app: FastAPI, service: Service) -> None:
    @app.post(
        TAG_PATH,
        summary='Subjects of papers',
        response_model=api.TagAnswer,
        responses=_errors(400, 408, 413, 422, 431, 500, 503),
        openapi_extra={'requestBody': api.REQUEST_BODY},
    )
    async def tag(request: Request) -> Response:
        return Response(await service.tag(await request.body()), media_type=_JSON)

    @app.get('/v1/labels', summary='The subjects that the model knows', response_model=api.LabelsAnswer)
    def labels() -> Response:
        return Response(service.labels(), media_type=_JSON)

    @app.get('/v1/model', summary='The model, and how good it is', response_model=api.ModelAnswer)
    def model() -> Response:
        return Response(service.model(), media_type=_JSON)


def _add_watching(app: FastAPI, service: Service) -> None:
    @app.get('/healthz', summary='Whether the process lives', response_model=api.StatusAnswer, responses=_errors(503))
    async def healthz() -> Response:
        if not service.alive:
            raise RequestError(503, 'dead', 'The thread that calls the model has ended. Start the server again.')
        return Response(api.to_json({'status': 'ok'}), media_type=_JSON)

    @app.get('/readyz', summary='Whether requests are taken', response_model=api.StatusAnswer, responses=_errors(503))
    async def readyz() -> Response:
        if not service.ready:
            raise RequestError(503, 'shutting_down', 'The server ends.')
        return Response(api.to_json({'status': 'ready'}), media_type=_JSON)

    @app.get('/metrics', summary='Figures for Prometheus', response_class=_PrometheusText)
    def metrics() -> Response:
        return _PrometheusText(service.metrics.text())


def _add_page(app: FastAPI) -> None:
    def file(name: str) -> Response:
        # Read anew each time: so the page can be worked on while it is served.
        if name not in {file.name for file in _PAGE.iterdir() if file.is_file()}:
            raise HTTPException(404)
        media_type = mimetypes.guess_type(name)[0] or 'application/octet-stream'
        return Response((_PAGE / name).read_bytes(), media_type=media_type, headers={'Cache-Control': 'no-cache'})

    @app.get('/', include_in_schema=False)
    def index() -> Response:
        return file('index.html')

    @app.get('/page/{name}', include_in_schema=False)
    def page(name: str) -> Response:
        return file(name)


class _PrometheusText(Response):
    media_type = 'text/plain; version=0.0.4; charset=utf-8'


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {'model': api.ErrorAnswer} for status in statuses}
