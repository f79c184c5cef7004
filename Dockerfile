# The one image of API, worker and commands; docker-compose.yml tells how it is run. Nothing of this first stage but /app is kept.
FROM python:3.11.15-slim-bookworm AS build
WORKDIR /build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements-build.lock requirements-run.lock ./
RUN pip install --require-hashes -r requirements-build.lock \
    && python -m venv --without-pip /app \
    && pip --python /app/bin/python install --require-hashes -r requirements-run.lock
COPY pyproject.toml README.md LICENSE worker.py ./
COPY countersign countersign
COPY workflows workflows
COPY activities activities
COPY api api
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip --python /app/bin/python install --no-deps /wheels/*.whl

FROM python:3.11.15-slim-bookworm
RUN groupadd --system --gid 10001 countersign \
    && useradd --system --no-create-home --uid 10001 --gid 10001 countersign \
    && install --directory --owner 10001 --group 10001 /checkpoints
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    COUNTERSIGN_API_HOST=0.0.0.0 COUNTERSIGN_WORKER_HOST=0.0.0.0
# What tells this build from others: workers take over what began under their own (docs/upgrading.md).
ARG BUILD_ID
ARG REVISION
ENV COUNTERSIGN_BUILD_ID=$BUILD_ID
LABEL org.opencontainers.image.title="Countersign" \
      org.opencontainers.image.description="Issues trading credentials, each approved by the people it concerns." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version=$BUILD_ID \
      org.opencontainers.image.revision=$REVISION
USER 10001:10001
EXPOSE 8080 9090
# That of the API; a worker answers on the port that COUNTERSIGN_WORKER_PORT names.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]
ENTRYPOINT ["countersign"]
CMD ["api"]
