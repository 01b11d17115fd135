# The service without its own database: give it DATABASE_URL and ZEGEL_SECRET (see docs/operations.md).
# It writes nothing but its log to standard error, so it runs on a read-only file system: docker run --read-only.
FROM python:3.11-slim

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1

WORKDIR /srv/zegel
RUN python -m venv /opt/zegel
ENV PATH=/opt/zegel/bin:$PATH

# Dependencies first: they change seldom, and each is pinned with its hashes.
COPY requirements.txt ./
RUN pip install --require-hashes -r requirements.txt

# Installed in place, because migrations and the sample program lie beside the package.
COPY pyproject.toml README.md alembic.ini ./
COPY app ./app
COPY migrations ./migrations
COPY programs ./programs
RUN pip install --no-deps --no-build-isolation --editable . \
    && python -m compileall -q app migrations \
    && zegel --help > /dev/null

RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin zegel
USER 10001:10001
ENV PYTHONDONTWRITEBYTECODE=1 \
    ZEGEL_HOST=0.0.0.0

EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/health/live', timeout=2)"]

# `serve --no-worker` and `worker` in production: see compose.yaml.
ENTRYPOINT ["zegel"]
CMD ["serve"]
