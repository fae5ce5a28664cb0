"""GPT-2's tokens of ours against those of Hugging Face's `tokenizers`, with GPT-2's real vocabulary.

oracle_tokenizers.py TOKENIZE_FILE [ROUNDS]

Prints how fast each is, too: the best of so many rounds (1).
The texts: the King James Bible (4.4 MB), 1 MB of mixed scripts, emoji and source code made from a seed, and
every code point between letters. The peer and the vocabulary are fetched once by pip, see
tests/oracle_tools/peers.py.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "oracle_tools"))
from peers import cache_folder, fail, from_pip, gpt2_vocabulary, ready_once, run  # noqa: E402

PEER = "tokenizers==0.23.3"


def bible():
    if not shutil.which("bible"):
        fail("bible is not there (Debian: bible-kjv); it has the text of 4.4 MB")
    text = run("the text of 4.4 MB", ["bible", "-f", "Gen1:1-Rev22:21"])
    if len(text) < 4_000_000:
        fail(f"bible gave {len(text)} bytes, not 4.4 MB")
    return text


def compare(name, text, tokenize_file, vocabulary, peer, folder, rounds):
    """What both say of a text; True where it is the same."""
    source, ours, theirs = (folder / f"{name}.{end}" for end in ("text", "ours", "theirs"))
    source.write_bytes(text)
    our_speed = run(f"our tokens of {name}", [tokenize_file, vocabulary, source, ours, rounds])
    their_speed = run(
        f"the peer's tokens of {name}",
        [sys.executable, HERE / "encode_with_peer.py", vocabulary, source, theirs, rounds],
        env={**os.environ, "PYTHONPATH": str(peer), "TOKENIZERS_PARALLELISM": "false"},
    )
    tokens = ours.stat().st_size // 4
    print(
        f"{name}: {len(text)} bytes, {tokens} tokens; one thread: ours {float(our_speed):.2f} MB/s, "
        f"tokenizers {float(their_speed):.2f} MB/s"
    )
    if tokens == 0:
        print(f"{name}: no tokens at all")
        return False
    if ours.read_bytes() == theirs.read_bytes():
        return True
    show_difference(name, ours.read_bytes(), theirs.read_bytes(), vocabulary)
    return False


def show_difference(name, ours, theirs, vocabulary):
    names = {token: name for name, token in json.loads((vocabulary / "encoder.json").read_text("utf-8")).items()}
    ours, theirs = memoryview(ours).cast("I"), memoryview(theirs).cast("I")
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
    begin = max(0, at - 5)
    print(f"{name}: the tokens differ from number {at} on:")
    for who, tokens in (("ours", ours), ("tokenizers", theirs)):
        print(f"  {who:10} {[names[token] for token in tokens[begin:at + 5]]}")


def main(arguments):
    if len(arguments) not in (1, 2):
        fail("usage: oracle_tokenizers.py TOKENIZE_FILE [ROUNDS]")
    rounds = arguments[1] if len(arguments) == 2 else "1"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    peer = ready_once(cache_folder("oracle_tokenizers") / f"{PEER}-python{version}", from_pip(PEER))
    vocabulary = gpt2_vocabulary()
    mixed = run("the mixed text", [sys.executable, HERE / "mixed_text.py", "mixed"])
    code_points = run("every code point", [sys.executable, HERE / "mixed_text.py", "code-points"])
    same = True
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("bible", bible()), ("mixed", mixed), ("code-points", code_points)):
            same &= compare(name, text, arguments[0], vocabulary, peer, Path(folder), rounds)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
