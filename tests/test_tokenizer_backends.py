"""The extension keeps its promises to processes, threads, memory and careless callers."""

import concurrent.futures
import contextlib
import hashlib
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_transformer.errors import ConfigError, TokenizerError
from nano_transformer.tokenization import Tokenizer
from nano_transformer.tokenization.backend_choice import native_module
from text_strategies import broken_texts, small_tokenizer, small_vocabulary

TEXT = "the dog and the zebra don't<|endoftext|> aaaa é😀 字 " * 40


def with_unreachable(backend: str, *, ignore_merges: bool) -> Tokenizer:
    """Return a tokenizer with tokens no merge builds, one of them special."""
    vocab, merges = small_vocabulary()
    added = {len(vocab): b" Quux", len(vocab) + 1: b"wub", len(vocab) + 2: b"\xff\x80"}
    return Tokenizer(
        vocab | added,
        merges,
        ["<|endoftext|>", "wub"],
        ignore_merges=ignore_merges,
        backend=backend,
    )


@given(st.lists(broken_texts, max_size=5), st.booleans(), st.booleans(), st.integers(0, 3))
def test_native_and_python_do_the_same_with_batches(
    both_backends, batch, with_specials, ignore_merges, num_threads
):
    native, python = (
        with_unreachable(backend, ignore_merges=ignore_merges)._backend
        for backend in ("native", "python")
    )
    expected = python.encode_batch(batch, with_specials, 1)
    assert native.encode_batch(batch, with_specials, num_threads) == expected
    arrays = python.encode_to_arrays(batch, with_specials, 1)
    assert native.encode_to_arrays(batch, with_specials, num_threads) == arrays
    assert native.decode_batch(expected, num_threads) == batch == python.decode_batch(expected, 1)


@given(broken_texts)
def test_whole_pre_tokens_become_ordinary_tokens_when_merges_are_ignored(backend, text):
    plain = with_unreachable(backend, ignore_merges=False)
    ignoring = with_unreachable(backend, ignore_merges=True)
    quux = plain.token_to_id(" Quux")
    assert ignoring.decode_bytes(ignoring.encode(text)) == text
    assert quux not in plain.encode_ordinary(" Quux")
    assert ignoring.encode_ordinary(" Quux Quuxs")[0] == quux
    assert ignoring.encode_ordinary(" Quuxs") == plain.encode_ordinary(" Quuxs")
    assert ignoring.encode_ordinary("wub") == plain.encode_ordinary("wub")


def test_a_long_text_in_a_batch_is_shared_by_threads_and_keeps_its_ids(both_backends):
    tokenizer = small_tokenizer("native")
    batch = ["short", TEXT * 400, "", "x" * 400_000, TEXT]
    expected = [tokenizer.encode(text) for text in batch]
    for num_threads in (1, 2, 5, 10**9):
        assert tokenizer.encode_batch(batch, num_threads=num_threads) == expected


@pytest.mark.parametrize(
    "dtype", ["uint16", "uint32", "int32", "int64", "uint8", "int16", ">i4", "u8"]
)
def test_ids_of_any_integer_type_are_decoded(backend, dtype):
    tokenizer = small_tokenizer(backend)
    ids = np.array([104, 105, 33], dtype)
    assert tokenizer.decode(ids) == tokenizer.decode(ids[::-1][::-1]) == "hi!"
    assert tokenizer.decode(ids[::2]) == "h!"
    assert tokenizer.decode(np.array([], dtype)) == ""
    assert tokenizer.decode_batch([ids, tuple(ids.tolist())]) == ["hi!", "hi!"]


@pytest.mark.parametrize(
    "ids",
    [
        [-1],
        [2**32],
        [2**70],
        [99_999],
        np.array([-5]),
        np.array([2**40]),
        np.array([2**64 - 1], "u8"),
    ],
)
def test_an_unknown_id_is_named_alike_by_both_backends(both_backends, ids):
    messages = set()
    for backend in ("native", "python"):
        for decode in (lambda t: t.decode(ids), lambda t: t.decode_batch([[97], ids])):
            with pytest.raises(TokenizerError) as caught:
                decode(small_tokenizer(backend))
            messages.add(str(caught.value))
    largest = small_tokenizer("python").vocab_size - 1
    number = int(ids[0])
    assert messages == {
        f"token id {number} is not in the vocabulary, whose largest id is {largest}"
    }


@pytest.mark.parametrize(
    "ids", [[1.5], ["a"], "abc", [None], np.array([1.0]), np.array([[1, 2]]), 7, None]
)
def test_what_are_no_ids_is_a_type_error(backend, ids):
    with pytest.raises(TypeError):
        small_tokenizer(backend).decode(ids)


def test_a_negative_number_of_threads_is_refused(backend, tmp_path):
    tokenizer = small_tokenizer(backend)
    for call in (
        lambda: tokenizer.encode_batch(["a"], num_threads=-1),
        lambda: tokenizer.encode_to_numpy(["a"], num_threads=-2),
        lambda: tokenizer.decode_batch([[1]], num_threads=-1),
        lambda: tokenizer.write_token_arrays([], tmp_path / "a", tmp_path / "b", num_threads=-1),
    ):
        with pytest.raises(ConfigError, match="`num_threads` is -"):
            call()


wild = st.one_of(
    *(
        st.none(),
        st.integers(),
        st.floats(),
        st.text(max_size=3),
        st.binary(max_size=3),
        st.booleans(),
    ),
    st.lists(st.integers() | st.binary(max_size=2) | st.none(), max_size=3),
    st.lists(st.tuples(st.integers(), st.binary(max_size=2)), max_size=3),
    st.lists(st.tuples(st.binary(max_size=2), st.binary(max_size=2)), max_size=3),
)


@given(st.data())
def test_careless_arguments_never_make_the_extension_panic(both_backends, data):
    module = native_module()
    encoder = small_tokenizer("native")._backend
    counter = module.PreTokenCounter("gpt2", [])
    calls = {
        module.BpeEncoder: 5,
        module.PreTokenCounter: 2,
        module.split_into_pre_tokens: 2,
        encoder.encode: 2,
        encoder.encode_batch: 3,
        encoder.encode_to_arrays: 3,
        encoder.decode: 1,
        encoder.decode_batch: 2,
        encoder.write_token_arrays: 9,
        counter.count_files: 4,
        counter.count_texts: 5,
        counter.add: 1,
        counter.learn_merges: 4,
    }
    call, count = data.draw(st.sampled_from(list(calls.items())))
    arguments = [data.draw(wild) for _ in range(count)]
    # PyO3's PanicException is no Exception, so a panic fails this test. The system may refuse too.
    with contextlib.suppress(ValueError, TypeError, OverflowError, OSError):
        call(*arguments)


def encode_in_child(tokenizer: Tokenizer) -> tuple[list[int], list[list[int]]]:
    """Return ids made in another process; a function of the module, so that it can be pickled."""
    return tokenizer.encode(TEXT), tokenizer.encode_batch([TEXT] * 30)


def busy_threads(tokenizer: Tokenizer, stop: threading.Event) -> list[threading.Thread]:
    def work() -> None:
        while not stop.is_set():
            tokenizer.encode_batch([TEXT] * 30, num_threads=2)
            tokenizer.encode("the dog")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    return threads


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.timeout(120)
def test_children_forked_while_threads_encode_never_hang(backend):
    tokenizer = small_tokenizer(backend)
    expected = encode_in_child(tokenizer)
    stop = threading.Event()
    threads = busy_threads(tokenizer, stop)
    try:
        with warnings.catch_warnings():
            # From Python 3.12 on it warns of threads, which are the point here.
            warnings.simplefilter("ignore", DeprecationWarning)
            for _ in range(20):
                child = os.fork()
                if child == 0:
                    os._exit(0 if encode_in_child(tokenizer) == expected else 1)
                assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_pools_of_processes_encode_what_this_one_does(backend, method):
    if method not in multiprocessing.get_all_start_methods():
        method = "spawn"
    tokenizer = small_tokenizer(backend)
    expected = encode_in_child(tokenizer)
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        assert list(pool.map(encode_in_child, [tokenizer] * 2)) == [expected] * 2


def test_eight_threads_at_once_get_the_same_ids(backend):
    tokenizer = small_tokenizer(backend)
    texts = [f"{number} {TEXT}" for number in range(8)]
    expected = [tokenizer.encode(text) for text in texts]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            assert list(pool.map(tokenizer.encode, texts)) == expected


def test_pickles_hold_no_backend_and_load_with_the_one_asked_for(backend):
    tokenizer = with_unreachable(backend, ignore_merges=True)
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert (copy, copy.backend_name) == (tokenizer, backend)
    assert copy.encode(TEXT) == tokenizer.encode(TEXT)


STREAM_UNDER_A_LIMIT = """
import hashlib, resource, sys
from pathlib import Path
from nano_transformer.tokenization import Tokenizer
tokenizer = Tokenizer.load(sys.argv[1], backend=sys.argv[3])
def lines():
    with open(sys.argv[2], encoding="utf-8", newline="") as file:
        yield from file
digest = hashlib.sha256()
def run(limit):
    count = 0
    for token_id in tokenizer.encode_iterable(lines()):
        digest.update(token_id.to_bytes(4, "little"))
        count += 1
        if limit and count == limit:
            return
run(1_000)  # what is made at first use is made
digest = hashlib.sha256()
pages = int(Path("/proc/self/statm").read_text().split()[0])
allowed = pages * resource.getpagesize() + (1 << 20)
resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))
run(None)
print(digest.hexdigest())
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="/proc tells the size, on Linux")
def test_a_stream_of_5_mb_is_encoded_within_one_more_mib(backend, tmp_path):
    text = (TEXT + "\n") * 2_300
    assert len(text.encode()) > 5_000_000
    (tmp_path / "text.txt").write_text(text, encoding="utf-8", newline="")
    tokenizer = small_tokenizer(backend)
    tokenizer.save(tmp_path / "tokenizer.json")
    arguments = [tmp_path / "tokenizer.json", tmp_path / "text.txt", backend]
    done = subprocess.run(
        [sys.executable, "-c", STREAM_UNDER_A_LIMIT, *arguments], capture_output=True, text=True
    )

    ids = tokenizer.encode_to_numpy(text).token_ids
    assert done.stdout.strip() == hashlib.sha256(ids.tobytes()).hexdigest(), done.stderr


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="/proc tells the size, on Linux")
def test_caches_do_not_grow_with_the_words_seen(backend):
    tokenizer = small_tokenizer(backend)

    def encode_new_words(first: int) -> None:
        for number in range(first, first + 200_000, 20_000):
            tokenizer.encode(" ".join(f"w{n:x}" for n in range(number, number + 20_000)))

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    encode_new_words(0)
    before = resident()
    encode_new_words(200_000)
    assert resident() - before < 30_000_000  # kept whole, the words would take 40 MB and more
