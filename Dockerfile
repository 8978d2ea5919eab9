# The API. The server it talks to, the definitions and featurestore.toml come from outside: see docker-compose.yml.
FROM python:3.12-slim

WORKDIR /srv
COPY pyproject.toml LICENSE README.md /build/
COPY requirements/base.txt /build/requirements.txt
COPY featurestore /build/featurestore
# The state folder is made here so that a fresh volume mounted on it belongs to the user, not to root.
RUN pip install --no-cache-dir --require-hashes --requirement /build/requirements.txt \
    && pip install --no-cache-dir --no-deps --no-build-isolation /build \
    && rm -r /build \
    && useradd --system --no-create-home --uid 10001 featurestore \
    && install -d -o featurestore /srv/.featurestore

USER featurestore
EXPOSE 8000
ENTRYPOINT ["featurestore"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
