"""mixed_text.py mixed|code-points: text on which tokenizers disagree first, as UTF-8 on stdout.

mixed        1 MB of many scripts, emoji, white space of all kinds, numbers and source code, from a seed
code-points  every code point that Python's Unicode version has assigned, between letters, spaces and numbers
"""

import random
import sys
import unicodedata

SEED = 20240229
MIXED_BYTES = 1_000_000
SCRIPTS = [
    (0x0041, 0x005A), (0x0061, 0x007A), (0x00C0, 0x024F), (0x0300, 0x036F), (0x0370, 0x03FF), (0x0400, 0x04FF),
    (0x0530, 0x058F), (0x0590, 0x05FF), (0x0600, 0x06FF), (0x0900, 0x097F), (0x0980, 0x09FF), (0x0B80, 0x0BFF),
    (0x0E00, 0x0E7F), (0x0F00, 0x0FFF), (0x10A0, 0x10FF), (0x1200, 0x137F), (0x13A0, 0x13FF), (0x1E00, 0x1EFF),
    (0x3040, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFB00, 0xFDFF), (0xFF00, 0xFFEF), (0x10330, 0x1034F),
    (0x1D400, 0x1D7FF), (0x20000, 0x203FF),
]  # fmt: skip
MARKS = [(0x0021, 0x002F), (0x003A, 0x0040), (0x2010, 0x205E), (0x20A0, 0x20BF), (0x2100, 0x2BFF), (0x3000, 0x303F)]
NUMBERS = [(0x30, 0x39), (0xB2, 0xB3), (0xBC, 0xBE), (0x0660, 0x0669), (0x0966, 0x096F), (0x2150, 0x2189),
           (0x2460, 0x249B), (0x3021, 0x3029), (0x1D7CE, 0x1D7FF)]  # fmt: skip
EMOJI = [(0x1F300, 0x1F5FF), (0x1F600, 0x1F64F), (0x1F680, 0x1F6C5), (0x1F900, 0x1F9FF), (0x2600, 0x27BF)]
BLANKS = [" ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", " \n", "\n ", "\t\t ", "\u00a0", " \u00a0", "\u2003", "\u3000",
          "\u2028", "\u0085", "\u200b", "\u200d", "\v", "\f", "\x1c", "        ", "\n    ", "\ufeff"]  # fmt: skip
CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "’s", "'", "''", "'x", " 's", "'l", "'r"]
CODE = [
    'int main(int argc, char** argv) {\n\treturn printf("%d\\n", argc) < 0;\n}\n',
    "def f(x_1: int = 0) -> list[str]:\n    return [f'{i:>08.3f}' for i in range(x_1)]  # don't\n",
    "SELECT a.id, COUNT(*) FROM t AS a WHERE a.n >= 1e-9 GROUP BY 1;\n",
    "<div class=\"a-b\">&nbsp;&#x1F600;</div>\n", "x = y<<3 ^ ~z && !(w|0x7fff_ffff);\n", "\\frac{\\alpha_{i}}{2^{n}}",
    "===============================\n", "#include <vector>\n", "https://example.org/a?b=c&d=%20#e\n", "{{{[[(())]]}}}",
    "/* ---- */", "$HOME/.cache/*.txt", "1,234,567.89", "2024-02-29T12:34:56Z", "0000000000000000", "aAbBcC_dD-eE",
]  # fmt: skip


def draw(generator, ranges):
    """An assigned character of one of the ranges: of others, peers of another Unicode version think otherwise."""
    while True:
        character = chr(generator.randint(*generator.choice(ranges)))
        if unicodedata.category(character) not in ("Cn", "Cs", "Co"):
            return character


def draw_word(generator):
    script = [generator.choice(SCRIPTS)]
    return "".join(draw(generator, script) for _ in range(generator.randint(1, 9)))


def draw_emoji(generator):
    sequence = draw(generator, EMOJI)
    if generator.random() < 0.3:
        sequence += chr(generator.randint(0x1F3FB, 0x1F3FF))
    if generator.random() < 0.3:
        sequence += "\ufe0f"
    if generator.random() < 0.3:
        sequence += "\u200d" + draw(generator, EMOJI)
    return sequence


def mixed():
    generator = random.Random(SEED)
    pieces = [
        lambda: draw_word(generator),
        lambda: " " + draw_word(generator),
        lambda: generator.choice(BLANKS),
        lambda: "".join(generator.choice(BLANKS) for _ in range(generator.randint(1, 4))),
        lambda: generator.choice(CONTRACTIONS),
        lambda: "".join(draw(generator, NUMBERS) for _ in range(generator.randint(1, 6))),
        lambda: "".join(draw(generator, MARKS) for _ in range(generator.randint(1, 4))),
        lambda: draw_emoji(generator),
        lambda: generator.choice(CODE),
        lambda: generator.choice("aé中=- 1") * generator.randint(1, 100),
        lambda: chr(generator.randint(0, 0x1F)),
    ]
    text, size = [], 0
    while size < MIXED_BYTES:
        text.append(generator.choice(pieces)())
        size += len(text[-1].encode())
    return "".join(text)


def code_points():
    text = []
    for value in range(0x110000):
        character = chr(value)
        if unicodedata.category(character) in ("Cn", "Cs", "Co"):
            continue
        text.append(f"a{character}b {character}1{character} {character}{character}\n")
    return "".join(text)


if __name__ == "__main__":
    sys.stdout.buffer.write({"mixed": mixed, "code-points": code_points}[sys.argv[1]]().encode())
