"""A second, independent implementation of the safetensors format for the tests.

  safetensors_reference.py read FILE   prints metadata and entries, one line each, values as hex
  safetensors_reference.py write FILE  writes a small file in another order than ours, unpadded
"""
import json
import struct
import sys

SIZES = {"BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4, "U32": 4,
         "F32": 4, "I64": 8, "U64": 8, "F64": 8}


def read(path):
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack("<Q", content[:8])
    assert content[8:9] == b"{"
    header = json.loads(content[8:8 + length])
    data = content[8 + length:]
    for key, value in sorted(header.pop("__metadata__", {}).items()):
        print(f"{key}={value}")
    covered = 0
    for name, entry in sorted(header.items()):
        begin, end = entry["data_offsets"]
        count = 1
        for dimension in entry["shape"]:
            count *= dimension
        assert end - begin == count * SIZES[entry["dtype"]]
        covered += end - begin
        print(name, entry["dtype"], entry["shape"], data[begin:end].hex())
    assert covered == len(data)


def write(path):
    floats = struct.pack("<3f", 1.5, -2.25, 1e-45)
    integers = struct.pack("<2q", -1, 1 << 40)
    header = {"z": {"dtype": "F32", "shape": [3, 1], "data_offsets": [16, 28]},
              "__metadata__": {"made": "elsewhere"},
              "a": {"dtype": "I64", "shape": [2], "data_offsets": [0, 16]},
              "none": {"dtype": "U8", "shape": [0, 4], "data_offsets": [28, 28]},
              "one": {"dtype": "U8", "shape": [], "data_offsets": [28, 29]}}
    text = json.dumps(header, indent=1).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + integers + floats + b"\x07")


{"read": read, "write": write}[sys.argv[1]](sys.argv[2])
