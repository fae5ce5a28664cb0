"""encode_with_peer.py FOLDER TEXT TOKENS ROUNDS: as tokenize_file, with Hugging Face's `tokenizers`."""

import array
import sys
import time
from pathlib import Path

from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import BPE


def main(folder, source, destination, rounds):
    text = Path(source).read_bytes()
    best_seconds = float("inf")
    for _ in range(int(rounds)):
        tokenizer = Tokenizer(BPE.from_file(f"{folder}/encoder.json", f"{folder}/vocab.bpe"))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        start = time.perf_counter()
        tokens = tokenizer.encode(text.decode("utf-8")).ids
        best_seconds = min(best_seconds, time.perf_counter() - start)
    Path(destination).write_bytes(array.array("I", tokens).tobytes())
    print(f"{len(text) / best_seconds / 1e6:.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
