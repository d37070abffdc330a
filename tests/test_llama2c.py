"""A checkpoint of llama2.c gives what a loop in plain numpy over the same file gives."""

import struct

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nano_transformer import generate
from nano_transformer.errors import CheckpointError
from nano_transformer.interop.llama2c import load_llama2c
from nano_transformer.interop.llama_layout import half_split

BOS, EOS = 1, 2
ORDER = (
    "embedding",
    "norm1",
    "wq",
    "wk",
    "wv",
    "wo",
    "norm2",
    "w1",
    "w2",
    "w3",
    "norm",
    "cos",
    "sin",
)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def stories_path(shared_folder):
    return shared_folder / "models" / "stories260K" / "stories260K.bin"


@pytest.fixture(scope="module")
def stories(stories_path):
    return load_llama2c(stories_path)


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory):
    """A file of two layers with random weights, its angles as llama2.c writes them."""
    header = (24, 20, 2, 6, 3, 11, 7)
    generator = np.random.default_rng(5)
    arrays = {name: generator.normal(size=shape) for name, shape in shapes_of(header).items()}
    angles = np.outer(np.arange(7), 10000.0 ** (-np.arange(2) / 2))
    arrays |= {"cos": np.cos(angles), "sin": np.sin(angles)}
    path = tmp_path_factory.mktemp("llama2c") / "tiny.bin"
    tensors = b"".join(array.astype("<f4").tobytes() for array in arrays.values())
    path.write_bytes(struct.pack("<7i", *header) + tensors)
    return path


def shapes_of(header):
    """Return the shapes of a tied file's tensors in their order, each for all layers."""
    D, F, L, H, G, V, S = header
    K = D // H
    shapes = [(V, D), (L, D), (L, D, D), (L, G * K, D), (L, G * K, D), (L, D, D), (L, D)]
    shapes += [(L, F, D), (L, D, F), (L, F, D), (D,), (S, K // 2), (S, K // 2)]
    return dict(zip(ORDER, shapes, strict=True))


def read_plainly(path):
    """Return the header's numbers and the file's tensors by name, one array for all layers."""
    data = path.read_bytes()
    header = struct.unpack("<7i", data[:28])
    arrays, start = {}, 28
    for name, shape in shapes_of(header).items():
        count = int(np.prod(shape))
        arrays[name] = np.frombuffer(data, "<f4", count, start).reshape(shape).astype(np.float64)
        start += 4 * count
    assert start == len(data)
    D, _, L, H, G, _, _ = header
    return (L, H, G, D // H), arrays


def rms_norm(x, gain):
    return gain * x / np.sqrt(np.mean(x * x) + 1e-5)


def turn(vector, position, width):
    """Turn channels 2 i and 2 i + 1 of every head by position * 10000 ** (-2 i / width)."""
    out = vector.copy()
    for even in range(0, len(vector), 2):
        angle = position * 10000.0 ** (-(even % width) / width)
        a, b = vector[even], vector[even + 1]
        out[even] = a * np.cos(angle) - b * np.sin(angle)
        out[even + 1] = a * np.sin(angle) + b * np.cos(angle)
    return out


class PlainLlama:
    """One token after the other, one head after the other, in float64."""

    def __init__(self, path):
        (self.L, self.H, self.G, self.K), self.w = read_plainly(path)
        self.keys = [[] for _ in range(self.L)]
        self.values = [[] for _ in range(self.L)]

    def next_logits(self, token):
        w, K, position = self.w, self.K, len(self.keys[0])
        x = w["embedding"][token]
        for layer in range(self.L):
            normed = rms_norm(x, w["norm1"][layer])
            query = turn(w["wq"][layer] @ normed, position, K)
            self.keys[layer].append(turn(w["wk"][layer] @ normed, position, K))
            self.values[layer].append(w["wv"][layer] @ normed)
            keys, values = np.array(self.keys[layer]), np.array(self.values[layer])
            mixed = np.zeros(self.H * K)
            for head in range(self.H):
                group = slice(head // (self.H // self.G) * K, (head // (self.H // self.G) + 1) * K)
                own = slice(head * K, (head + 1) * K)
                scores = keys[:, group] @ query[own] / np.sqrt(K)
                weights = np.exp(scores - scores.max())
                mixed[own] = weights / weights.sum() @ values[:, group]
            x = x + w["wo"][layer] @ mixed
            normed = rms_norm(x, w["norm2"][layer])
            gate = w["w1"][layer] @ normed
            x = x + w["w2"][layer] @ (gate / (1 + np.exp(-gate)) * (w["w3"][layer] @ normed))
        return w["embedding"] @ rms_norm(x, w["norm"])


@pytest.fixture(scope="module")
def plain_story(stories_path):
    """Greedy tokens from BOS to EOS or 256, and the logits that chose them."""
    model, tokens, logits = PlainLlama(stories_path), [BOS], []
    while len(tokens) <= 256 and (len(tokens) == 1 or tokens[-1] not in (BOS, EOS)):
        logits.append(model.next_logits(tokens[-1]))
        tokens.append(int(logits[-1].argmax()))
    return tokens, np.array(logits)


def text_of(tokens, path):
    """Decode with llama2.c's own tokenizer file."""
    data, pieces, start = path.read_bytes(), [], 4
    while start < len(data):
        length = struct.unpack_from("<i", data, start + 4)[0]
        piece = data[start + 8 : start + 8 + length]
        if piece.startswith(b"<0x"):
            piece = bytes([int(piece[3:5], 16)])
        pieces.append(piece)
        start += 8 + length
    return b"".join(pieces[token] for token in tokens if token not in (BOS, EOS)).decode()


def test_the_greedy_story_is_the_plain_loops_token_for_token(stories, plain_story, shared_folder):
    tokens, _ = plain_story
    story = generate(
        stories,
        torch.tensor([BOS]),
        max_new_tokens=len(tokens) - 1,
        strategy="greedy",
    )
    assert story.tolist() == tokens
    text = text_of(tokens, shared_folder / "models" / "stories260K" / "tok512.bin")
    assert text.startswith(" Once upon a time, there was a little girl named Lily.")
    assert len(text) > 500


def test_the_logits_are_the_plain_loops_in_float64(stories_path, plain_story):
    tokens, expected = plain_story
    model = load_llama2c(stories_path).double()
    with torch.no_grad():
        found = model(torch.tensor([tokens[:-1]]))[0]
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_low_precision_moves_the_logits_by_about_its_epsilon(stories_path, plain_story, dtype):
    tokens, expected = plain_story
    with torch.no_grad():
        found = load_llama2c(stories_path).to(dtype)(torch.tensor([tokens[:-1]]))[0]
    off = np.linalg.norm(found.double().numpy() - expected) / np.linalg.norm(expected)
    # One rounding is off by eps / (2 sqrt 3) in the mean square. The stream is rounded at each of its ten
    # additions, at the last norm and in the logits, and every term between as often: some 12 to 24
    # independent roundings, so 1.0 to 1.4 eps.
    eps = torch.finfo(dtype).eps
    assert eps / 4 < off < 2 * eps if dtype != torch.float32 else off < 4 * eps


def test_a_tiny_file_gives_the_logits_of_the_plain_loop(tiny_file):
    tokens, plain = [3, 1, 4, 1, 5, 9, 2], PlainLlama(tiny_file)
    expected = np.array([plain.next_logits(token) for token in tokens])
    with torch.no_grad():
        found = load_llama2c(tiny_file).double()(torch.tensor([tokens]))[0]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-12)


def test_half_split_pairs_give_the_scores_of_interleaved_ones():
    generator = np.random.default_rng(0)
    query, key = generator.normal(size=(2, 8, 5))  # [K,D] each
    x, y = generator.normal(size=(2, 5))

    def turned(vector, position):
        half = len(vector) // 2
        angles = position * 10000.0 ** (-np.arange(half) / half)
        a, b = vector[:half], vector[half:]
        return np.concatenate(
            (a * np.cos(angles) - b * np.sin(angles), a * np.sin(angles) + b * np.cos(angles))
        )

    ours = [half_split(torch.from_numpy(weight), 1).numpy() for weight in (query, key)]
    expected = turn(query @ x, 7, 8) @ turn(key @ y, 3, 8)
    assert np.isclose(turned(ours[0] @ x, 7) @ turned(ours[1] @ y, 3), expected, rtol=1e-12)


def test_an_untied_file_has_its_own_output_projection(tiny_file, tmp_path):
    data = changed(tiny_file.read_bytes(), 5, -11)
    head = np.random.default_rng(1).normal(size=(11, 24)).astype("<f4")
    path = tmp_path / "untied.bin"
    path.write_bytes(data + head.tobytes())
    model, tied = load_llama2c(path), load_llama2c(tiny_file)
    tokens = torch.arange(7)[None]
    with torch.no_grad():
        expected = tied.hidden(tokens) @ torch.from_numpy(head).T
        torch.testing.assert_close(model(tokens), expected)


def changed(data, index, value):
    return data[: 4 * index] + struct.pack("<i", value) + data[4 * index + 4 :]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"", "has 0 bytes, a llama2.c checkpoint begins with 28"),
        (lambda data: data[:20], "has 20 bytes"),
        (lambda data: data[:-1], "cut short"),
        (lambda data: data[:5000], "cut short"),
        (lambda data: data + b"\0", "followed by something else"),
        (lambda data: changed(data, 0, 0x616B3432), "later format"),
        (
            lambda data: changed(data, 0, -24),
            "no checkpoint of llama2.c: `d_model` must be at least",
        ),
        (lambda data: changed(data, 0, 23), "no checkpoint of llama2.c: `d_model` 23"),
        (lambda data: changed(data, 4, 4), "no checkpoint of llama2.c: `num_heads` 6"),
        (lambda data: changed(data, 5, 0), "no checkpoint of llama2.c: `vocab_size`"),
        (lambda data: changed(data, 2, 3), "cut short"),
        (lambda data: changed(data, 2, 1), "followed by something else"),
        (lambda data: changed(data, 2, 2**31 - 1), "`num_layers` 2,147,483,647, more than all"),
        (lambda data: changed(data, 100, 0x7FC00000), "not finite"),
        (lambda data: data[:-4] + struct.pack("<f", 0.5), "other angles"),
    ],
)
def test_a_malformed_file_is_refused_with_one_sentence(tiny_file, tmp_path, damage, message):
    path = tmp_path / "damaged.bin"
    path.write_bytes(damage(tiny_file.read_bytes()))
    with pytest.raises(CheckpointError, match=r"damaged\.bin") as refusal:
        load_llama2c(path)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


INT32 = st.integers(-(2**31), 2**31 - 1)


@given(
    header=st.lists(st.one_of(st.none(), st.integers(-30, 30), INT32), min_size=7, max_size=7),
    end=st.none() | st.integers(0, 2_000),
)
def test_no_header_gets_past_the_checks_or_breaks_them(tiny_file, tmp_path_factory, header, end):
    data = tiny_file.read_bytes()
    for index, value in enumerate(header):
        data = data if value is None else changed(data, index, value)
    path = tmp_path_factory.getbasetemp() / "any.bin"
    path.write_bytes(data[:end])
    try:
        model = load_llama2c(path)
    except CheckpointError:
        return
    tables = 2 * model.config.context_length * (model.config.head_width // 2)
    assert 28 + 4 * (model.num_parameters() + tables) == len(data[:end])
