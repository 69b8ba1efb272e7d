"""compare_gguf_file.py FILE.gguf...: every tensor of real files, decoded by include/hydralora/quant/ and by the package gguf
(0.19.0): the same bits, or exit status 1. Run by hand, from the root of the repository; needs g++."""
import pathlib
import subprocess
import sys
import tempfile

import gguf
import numpy as np

PROGRAM = r"""
#include <cstdio>
#include <vector>
#include <hydralora/io/gguf_llama.hpp>
using namespace hydralora;
int main(int, char** arguments) {
    const auto file = io::GgufFile::open(arguments[1]);
    for (const auto& entry : file.entries()) {
        const Shape shape = entry.shape.matrix();
        const QuantView<host> view(reinterpret_cast<const std::uint8_t*>(file.bytes(entry).data()),
                                   *io::gguf_detail::quant_format(entry.type), shape.rows, shape.cols);
        std::vector<float> row(static_cast<std::size_t>(shape.cols));
        for (Index i = 0; i < shape.rows; ++i) {
            quant::decode(view, i, 1, 0, shape.cols, row.data(), shape.cols);
            std::fwrite(row.data(), sizeof(float), row.size(), stdout);
        }
    }
}
"""


def main():
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        source, program = pathlib.Path(folder) / "decode.cpp", pathlib.Path(folder) / "decode"
        source.write_text(PROGRAM)
        subprocess.run(["g++", "-std=c++20", "-O2", "-Iinclude", str(source), "-o", str(program), "-lpthread"], check=True)
        for path in sys.argv[1:]:
            types = {}
            with subprocess.Popen([program, path], stdout=subprocess.PIPE) as child:
                for tensor in gguf.GGUFReader(path).tensors:
                    expected = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32).ravel()
                    found = np.frombuffer(child.stdout.read(expected.nbytes), np.float32)
                    same = found.shape == expected.shape and np.array_equal(found.view(np.uint32), expected.view(np.uint32))
                    name = tensor.tensor_type.name
                    types[name] = types.get(name, 0) + 1
                    if not same:
                        wrong += 1
                        print(f"{path}: {tensor.name} ({name}) differs")
            print(f"{path}: " + ", ".join(f"{count} {name}" for name, count in types.items()))
    sys.exit(1 if wrong else 0)


main()
