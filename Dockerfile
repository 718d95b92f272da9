# syntax=docker/dockerfile:1
# The server in a container: docker build -t nonlocal-viz . ; docker run --rm -p 7860:7860 nonlocal-viz
#
# PyPI's torch for Linux brings CUDA along and runs with and without a GPU (docker run --gpus all). For a server
# without one, name PyTorch's index of wheels for the processor, whose address its installation page has; the
# image becomes several gigabytes smaller:
#     docker build --build-arg TORCH_INDEX=ADDRESS -t nonlocal-viz .
ARG PYTHON=3.12

FROM python:${PYTHON}-slim-bookworm AS built
ARG TORCH_INDEX=""
WORKDIR /src
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# What changes seldom comes first: these layers are kept from build to build.
COPY requirements.txt ./
RUN if [ -n "$TORCH_INDEX" ]; then pip install --index-url "$TORCH_INDEX" torch torchvision; fi \
    && pip install -r requirements.txt
COPY pyproject.toml setup.py README.md LICENSE MANIFEST.in ./
COPY nonlocal_viz nonlocal_viz
COPY models models
COPY assets assets
RUN pip install --no-deps .

FROM python:${PYTHON}-slim-bookworm
# OpenCV's wheels draw windows, which takes these two.
RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin viewer \
    && install -d -o viewer -g viewer /data
COPY --from=built /opt/venv /opt/venv
# Everything that is written lies in /data: what people send, and caches. The rest may be read-only.
ENV PATH=/opt/venv/bin:$PATH TMPDIR=/data HOME=/data MPLCONFIGDIR=/data/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 7860
# The first start encodes a picture; a slow machine gets its time.
HEALTHCHECK --interval=15s --timeout=5s --start-period=90s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen as u; u('http://127.0.0.1:7860/health', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["nonlocal-viz"]
CMD ["serve", "--host", "0.0.0.0", "--port", "7860"]
