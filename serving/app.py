"""The web application: its addresses, and what each answers."""

from __future__ import annotations

import mimetypes
import pathlib
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from schemas import features, outputs
from serving import api, tagging
from serving.batching import Batcher
from serving.errors import RequestError

_PAGE = pathlib.Path(__file__).with_name('page')
_JSON = 'application/json'
_HEADERS = {
    'Content-Security-Policy': "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
}


def make_app(models: Any, model_dir: str) -> FastAPI:
    app = FastAPI(title='arxiv-tagger', version='1', docs_url=None, redoc_url=None)
    cache: dict[str, tagging.Labels] = {}

    def labels_of(model: Any) -> tagging.Labels:
        if model.version not in cache:
            cache[model.version] = tagging.Labels(model)
        return cache[model.version]

    batcher: Batcher[Any, tagging.Text] = Batcher(
        models.current,
        lambda model, papers, k, n: tagging.predictions(model, labels_of(model), papers, k, n),
        batch_items=64,
        queue_items=2048,
    )

    @app.exception_handler(RequestError)
    async def request_error(request: Request, error: RequestError) -> Response:
        return Response(api.to_json(error.body), error.status, error.headers, _JSON)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        codes = {404: 'not_found', 405: 'method_not_allowed'}
        body = {
            'error': {
                'code': codes.get(error.status_code, 'error'),
                'message': f'{request.method} {request.url.path}: {error.detail}.',
            }
        }
        return Response(api.to_json(body), error.status_code, error.headers, _JSON)

    @app.middleware('http')
    async def headers(request: Request, call_next: Any) -> Response:
        response = await call_next(request)
        response.headers.update(_HEADERS)
        if request.url.path.startswith('/v1'):
            response.headers['Cache-Control'] = 'no-store'
        return response

    @app.post('/v1/tag')
    async def tag(request: Request) -> Response:
        asked = api.read_request(await request.body())
        papers = asked.papers if isinstance(asked, api.SomePapers) else [asked]
        model, answers = await batcher.submit(
            [(paper.title.encode(), paper.abstract.encode()) for paper in papers], asked.top_k, asked.explain
        )
        return Response(
            api.to_json(
                {
                    'model_version': model.version,
                    'papers': [
                        {**({} if paper.id is None else {'id': paper.id}), 'predictions': answer}
                        for paper, answer in zip(papers, answers, strict=True)
                    ],
                }
            ),
            media_type=_JSON,
        )

    @app.get('/v1/labels')
    def labels() -> Response:
        table = labels_of(models.current())
        return Response(api.to_json({'model_version': table.version, 'labels': table.labels}), media_type=_JSON)

    @app.get('/v1/model')
    def model() -> Response:
        status = models.status()

        def read(name: str) -> bytes | None:
            path = outputs.join(model_dir, name)
            return outputs.read_bytes(path) if outputs.exists(path) else None

        metrics, card = read(features.METRICS_FILE), read(features.MODEL_CARD_FILE)
        return Response(
            api.to_json(
                {
                    'model_version': status['serving']['version'],
                    'serving_since': status['serving']['since'],
                    'refused': status['refused'],
                    'metrics': None if metrics is None else api.orjson.loads(metrics),
                    'model_card': None if card is None else card.decode(),
                }
            ),
            media_type=_JSON,
        )

    @app.get('/healthz')
    async def healthz() -> Response:
        return Response(api.to_json({'status': 'ok'}), media_type=_JSON)

    @app.get('/readyz')
    async def readyz() -> Response:
        return Response(api.to_json({'status': 'ready'}), media_type=_JSON)

    @app.get('/')
    def index() -> Response:
        return page('index.html')

    @app.get('/page/{name}')
    def page(name: str) -> Response:
        # Read anew: the page can be worked on while it is served.
        if name not in {file.name for file in _PAGE.iterdir() if file.is_file()}:
            raise HTTPException(404)
        media_type = mimetypes.guess_type(name)[0] or 'application/octet-stream'
        return Response((_PAGE / name).read_bytes(), media_type=media_type)

    return app
