# syntax=docker/dockerfile:1
# serve (the API), page (the page in the browser) and train (the whole pipeline), for instance
#   docker build --target serve --tag thaw-serve .
# Installing compiles nothing, so no image has a compiler.
ARG BASE=python:3.11.14-slim-bookworm

FROM ${BASE} AS source
WORKDIR /source
COPY pyproject.toml README.md LICENSE requirements.txt ./
COPY src ./src

FROM source AS build-serve
ARG EXTRAS=serve
RUN python3 -m venv /opt/thaw \
    && /opt/thaw/bin/pip install --no-cache-dir -c requirements.txt ".[${EXTRAS}]" \
    && /opt/thaw/bin/pip uninstall --yes pip setuptools

FROM source AS build-page
RUN python3 -m venv /opt/thaw \
    && /opt/thaw/bin/pip install --no-cache-dir -c requirements.txt '.[page]' \
    && /opt/thaw/bin/pip uninstall --yes pip setuptools

FROM source AS build-train
RUN python3 -m venv /opt/thaw \
    && /opt/thaw/bin/pip install --no-cache-dir -r requirements.txt \
    && /opt/thaw/bin/pip install --no-cache-dir --no-deps .

FROM ${BASE} AS runtime
RUN useradd --system --uid 10001 --home-dir /tmp thaw
ENV PATH=/opt/thaw/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001
WORKDIR /bundles

FROM runtime AS serve
COPY --from=build-serve /opt/thaw /opt/thaw
EXPOSE 5001
HEALTHCHECK --start-period=10s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:5001/health/ready', timeout=3)"]
ENTRYPOINT ["thaw", "serve", "--host", "0.0.0.0", "--bundle", "/bundles/bundle", "--published", "/bundles/published"]

FROM runtime AS page
COPY --from=build-page /opt/thaw /opt/thaw
EXPOSE 8501
HEALTHCHECK --start-period=20s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=3)"]
ENTRYPOINT ["thaw", "page", "--host", "0.0.0.0", "--bundle", "/bundles/bundle", "--published", "/bundles/published"]

# The repository is mounted at /work, with its .git and .dvc; what the stages write stays there.
FROM ${BASE} AS train
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home thaw
COPY --from=build-train /opt/thaw /opt/thaw
ENV PATH=/opt/thaw/bin:$PATH
USER 10001
WORKDIR /work
ENTRYPOINT ["dvc"]
CMD ["repro"]
