"""How many inputs the fuzz tests draw, and what must hold for all of them.

`make fuzz` draws FUZZ_EXAMPLES inputs. `make test` runs the explicit examples alone: inputs that
once found a fault.
"""

import os
import signal
import traceback
import warnings
from contextlib import contextmanager

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

N_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", 0))

#: Seconds after which an input hangs. A usual one takes less than a second.
TIME_LIMIT = 120

#: What `attempt` returns if the input is rejected.
REJECTED = object()


def temporary_folder(tmp_path_factory):
    """Work in a temporary folder, because some parameters are paths."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("fuzz"))
    yield
    os.chdir(before)


def fuzz(share):
    """Settings of a test that draws this share of the inputs."""
    checks = {"suppress_health_check": [*HealthCheck]}
    if not N_EXAMPLES:
        return settings(phases=[Phase.explicit], **checks)
    n_inputs = max(1, round(share * N_EXAMPLES))
    return settings(max_examples=n_inputs, derandomize=False, print_blob=True, **checks)


def attempt(function, *args, **kwargs):
    """Result of a call, or REJECTED if it raises an error that says what is wrong.

    Any other error fails, and so does a warning that does not come from the package, such as those
    of numpy.
    """
    with time_limit(), warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", UserWarning)
        # scikit-learn adds inf and -inf before it rejects them.
        warnings.filterwarnings("ignore", "invalid value encountered in reduce", RuntimeWarning)
        try:
            return function(*args, **kwargs)
        except (ValueError, TypeError, OSError, MemoryError, NotImplementedError) as error:
            if not (is_deliberate(error) and is_sentence(str(error))):
                raise
            return REJECTED


def is_deliberate(error):
    """Whether the package or scikit-learn raises an error itself, rather than what it calls."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return frame.line.startswith("raise ") or "/sklearn/" in frame.filename


def is_sentence(message):
    """Whether a message has a few words at least."""
    return len(message.split()) >= 3


class Hang(BaseException):
    """Raised in the code that hangs. It is not an Exception, which the code may catch."""


@contextmanager
def time_limit():
    """Fail if the block takes too long."""

    def interrupt(*_):
        raise Hang

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(TIME_LIMIT)
    try:
        yield
    except Hang:
        raise AssertionError(f"This input takes more than {TIME_LIMIT} s.") from None
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# --------------------------------------------------------------------------- damaged files

#: Changes of bytes, at positions in millionths of the length, and a position where the file ends.
damages = st.tuples(
    st.lists(st.tuples(st.integers(0, 999_999), st.integers(1, 255)), max_size=4),
    st.just(1_000_000) | st.just(1_000_000) | st.integers(0, 1_000_000),
)
UNDAMAGED = ([], 1_000_000)


def damaged(content, damage):
    """Copy of a file with some bytes changed and its end cut off."""
    flips, end = damage
    content = bytearray(content)
    for position, change in flips if content else ():
        content[position * len(content) // 1_000_000] ^= change
    return bytes(content[: end * len(content) // 1_000_000])
