# The relay alone: its packages, and of the core the four files that know the wire. Nothing that knows a thread.
#
#   docker build -t opensesh-relay . && docker run -p 8765:8765 -v relay-data:/data opensesh-relay

ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
COPY requirements-relay.lock /
# An environment of its own is laid out alike whatever Python the base image brings.
RUN python -m venv --without-pip /opt/relay \
    && python -m pip --python /opt/relay/bin/python install --no-cache-dir --no-compile --require-hashes \
    --only-binary=:all: -r /requirements-relay.lock

FROM python:${PYTHON}-slim
COPY --from=build /opt/relay /opt/relay
COPY crdt/__init__.py crdt/errors.py crdt/ids.py crdt/keys.py crdt/wire.py /app/crdt/
COPY relay /app/relay/
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin relay \
    && install -d -m 0700 -o relay -g relay /data
WORKDIR /app
ENV PATH=/opt/relay/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001
VOLUME /data
EXPOSE 8765
# Of the port given by default; with --tls-cert or another --port, override it.
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8765/livez', timeout=4)"]
ENTRYPOINT ["python", "-m", "relay"]
CMD ["--host", "0.0.0.0", "--port", "8765", "--data", "/data"]
