FROM python:3.11-slim-bookworm AS build
WORKDIR /build
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN python -m venv /app && /app/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY countersign countersign
COPY workflows workflows
COPY activities activities
COPY api api
COPY worker.py worker.py
RUN /app/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
RUN useradd --system --no-create-home --uid 10001 countersign && install --directory --owner 10001 /checkpoints
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 COUNTERSIGN_API_HOST=0.0.0.0
USER 10001
EXPOSE 8080
ENTRYPOINT ["countersign"]
CMD ["api"]
