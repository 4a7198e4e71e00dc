# Two images, of Rasa with the plugin and of its action server, which run as the user 1001:
#
#     docker build --target rasa -t emotionlayer-rasa .
#     docker build --target actions -t emotionlayer-actions .
#     docker run -v ./my-bot:/app -v emotionlayer-cache:/cache -p 5005:5005 \
#         -e EMOTIONLAYER_EARLY_SPEECH_SECRET emotionlayer-rasa
#     docker run -v ./my-bot:/app -e EMOTIONLAYER_EARLY_SPEECH_SECRET emotionlayer-actions
#
# The bot is mounted, or copied by an image of its own, to /app; user 1001 must be able to read it, and to write to
# handoff-outbox/ where callers are handed over. In endpoints.yml and credentials.yml the two name each other by their
# hosts (`own_url: http://rasa:5005`), and both have the same EMOTIONLAYER_EARLY_SPEECH_SECRET. Train with
# `docker run -v ./my-bot:/app emotionlayer-rasa train`.

FROM python:3.10-bookworm AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.10-bookworm AS rasa-packages
COPY constraints.txt /
COPY --from=wheel /wheels /wheels
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --constraint /constraints.txt "$(echo /wheels/*.whl)[rasa,whisper]"

FROM python:3.10-bookworm AS actions-packages
COPY constraints.txt /
COPY --from=wheel /wheels /wheels
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --constraint /constraints.txt "$(echo /wheels/*.whl)" rasa-sdk

FROM python:3.10-slim-bookworm AS base
RUN useradd --uid 1001 --create-home rasa && mkdir /app /cache && chown rasa /app /cache
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    RASA_TELEMETRY_ENABLED=false \
    TF_CPP_MIN_LOG_LEVEL=3 \
    EMOTIONLAYER_CACHE=/cache
WORKDIR /app

FROM base AS actions
COPY --from=actions-packages /opt/venv /opt/venv
USER 1001
EXPOSE 5055
HEALTHCHECK --start-period=60s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://localhost:5055/health', timeout=5)"]
ENTRYPOINT ["python", "-m", "rasa_sdk", "--actions", "actions"]

FROM base AS rasa
# Debian's newest: a version that is pinned today is gone with the next security update.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends espeak-ng ffmpeg \
    && rm -rf /var/lib/apt/lists/*
COPY --from=rasa-packages /opt/venv /opt/venv
USER 1001
VOLUME /cache
EXPOSE 5005
HEALTHCHECK --start-period=180s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://localhost:5005/', timeout=5)"]
ENTRYPOINT ["rasa"]
CMD ["run"]
